// The QEMU Machine Protocol (QEMU, docs/interop/qmp-spec) without a machine: one message of a
// client in, one answer out, each a line of JSON. What there is to ask is a table of commands.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/support/types.h"
#include "runtime/system/qmp/message_splitter.h"

namespace ulna::system::qmp {

using Json = nlohmann::json;

struct Failure {
    std::string description; // for people
    const char* error_class = "GenericError";
};
using Result = std::variant<Json, Failure>;

struct Argument {
    enum class Type : u8 { Text, Integer, Unsigned, Boolean, List, Object };
    std::string name;
    Type type = Type::Text;
    bool required = true;
};

struct Command {
    std::string name;
    std::vector<Argument> arguments; // all that there are
    // They have been checked.
    std::function<Result(const Json& arguments)> run;
    bool takes_more = false; // arguments of other names, which it checks itself
};

// What a server says first. `version`: what query-version answers.
[[nodiscard]] std::string greeting(const Json& version);

// One client's.
class Session {
  public:
    // They outlive this.
    explicit Session(std::span<const Command> commands) : commands_{commands} {}

    // A command waits for what it waits for. Whatever the client sent, there is an answer.
    [[nodiscard]] std::string answer(const Message& message);
    // The client wants events now.
    [[nodiscard]] bool negotiated() const { return negotiated_; }

  private:
    [[nodiscard]] Result execute(const Json& message);
    [[nodiscard]] Result run(const std::string& name, const Json& arguments);
    [[nodiscard]] Result negotiate(const Json& arguments);
    [[nodiscard]] Json names() const;
    [[nodiscard]] Json schema() const;
    [[nodiscard]] std::vector<Command> all_commands() const;

    std::span<const Command> commands_;
    bool negotiated_ = false;
};

} // namespace ulna::system::qmp
