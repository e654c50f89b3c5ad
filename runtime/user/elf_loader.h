// Loads an AArch64 program as the kernel's binfmt_elf and binfmt_script do.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "ir/support/types.h"

namespace ulna::user {

// Exit statuses of a shell for programs that cannot be started.
inline constexpr int kExitCannotRun = 126;
inline constexpr int kExitNotFound = 127;

struct LoadError {
    int exit_status;
    std::string message; // one line, without "ulna: "
};

struct LoadedProgram {
    std::string path;              // of the ELF file: absolute
    std::string name;              // as it was asked for, a script's own: AT_EXECFN
    std::vector<std::string> args; // changed by "#!" lines
    GuestAddr entry = 0;           // of the program
    GuestAddr start = 0;           // where execution begins: the interpreter's entry or `entry`
    GuestAddr headers = 0;         // program headers in memory; 0: not mapped
    u64 header_count = 0;
    GuestAddr interpreter_base = 0;
    GuestAddr heap = 0; // where brk starts
    bool executable_stack = false;
};

// Maps the program, and its ELF interpreter if it names one, into process().space. `descriptor` is
// the file when it is open already (-1: not): what the path leads to may not be readable for us.
[[nodiscard]] std::variant<LoadedProgram, LoadError>
load_program(const std::string& path, const std::vector<std::string>& args, int descriptor = -1);

// The first bytes of an AArch64 ELF executable or a script: something this program can run?
[[nodiscard]] bool is_runnable(const std::string& path);

} // namespace ulna::user
