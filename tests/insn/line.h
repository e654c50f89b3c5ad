// One case of tests/insn as a line of text (README.md has the format), both ways.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/insn/test_machine.h"

namespace ulna::insn {

// A program with the state it starts from: runs in slot 0 and window 0.
struct Case {
    MachineProgram program{};
    MachineState state{};
    std::vector<u8> memory; // kWindowBytes
};

// What a line leaves open: registers and memory are filled with 0xa5 bytes, flags and system
// registers are zero, X30 is the leave address, SP is aligned.
[[nodiscard]] const Case& default_case();
inline constexpr u64 kFill = 0xa5a5'a5a5'a5a5'a5a5;

struct Line {
    std::string text; // for people
    Case test;
    Outcome expected;
};

// False, and a reason, when it is not a line of the format.
[[nodiscard]] bool parse_line(std::string_view text, Line& line, std::string& why_not);
[[nodiscard]] std::string format_line(const Line& line);

// Lines of a file without comments and blank ones, with their numbers.
struct NumberedLine {
    unsigned number;
    std::string text;
};
[[nodiscard]] std::vector<NumberedLine> read_lines(const std::string& path);
// The .txt files with lines of a folder, sorted.
[[nodiscard]] std::vector<std::string> line_files(const std::string& folder);

// The file of a row: the group of the manual's section C4.1 that a word belongs to.
[[nodiscard]] const char* group_of(u32 word);

} // namespace ulna::insn
