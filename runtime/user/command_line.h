// The command line and environment of `ulna`, compatible with qemu-aarch64's. An own table instead
// of a library: parsing must cost nothing at start-up, and qemu's single-dash long options are
// unusual.
#pragma once

#include <optional>
#include <string>

#include "runtime/user/guest_thread.h"

namespace ulna::user {

struct CommandLine {
    Options options;
    // Set: print this and exit with the status (-help, -version, -cpu help, errors).
    std::optional<int> exit_status;
    std::string message; // help to standard output, errors to standard error
};

// Do QEMU_* and ULNA_* variables set options? Not when Ulna executes itself: they did so already.
enum class Variables : u8 { Apply, Ignore };

// `environment` is main's envp and becomes the guest's. Options win over variables.
[[nodiscard]] CommandLine parse_command_line(int argc,
                                             char** argv,
                                             char** environment,
                                             Variables variables = Variables::Apply);

} // namespace ulna::user
