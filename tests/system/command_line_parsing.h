// What the tests of the command line share.
#pragma once

#include "runtime/system/command_line.h"

#include "tests/support/catch.h"

namespace ulna::system {

inline SystemCommandLine parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "ulna-system");
    return parse_system_command_line(static_cast<int>(arguments.size()), arguments.data());
}
// Without anything to run, but stopped.
inline SystemOptions accepted(std::vector<const char*> arguments) {
    arguments.push_back("-S");
    SystemCommandLine line = parse(std::move(arguments));
    CHECK(line.message == "");
    return std::move(line.options);
}
inline std::string refused(const std::vector<const char*>& arguments) {
    const SystemCommandLine line = parse(arguments);
    CHECK(line.exit_status == 1);
    CHECK(line.message.starts_with("ulna-system: "));
    CHECK(std::count(line.message.begin(), line.message.end(), '\n') == 1);
    return line.message.substr(std::min<std::size_t>(13, line.message.size()));
}

} // namespace ulna::system
