// Makes lines for tests/insn.
#pragma once

#include <string>

#include "tests/fuzz/generator.h"
#include "tests/fuzz/judge.h"

namespace ulna::fuzz {

struct EmitOptions {
    unsigned lines = 4;     // a row
    std::string filter;     // rows whose name contains this
    std::string folder;     // append to its files, only for rows with fewer lines; empty: print
    bool alternate = false; // for all rows that FPCR.FIZ, AH or NEP matter to, cases where they do
    u64 seed = 1;
    std::vector<std::string> excluded;
};

// The number of rows without enough lines.
unsigned emit_lines(Judge& judge, const frontend::CpuModel& cpu, const EmitOptions& options);

// The text part of a line: disassembly.
[[nodiscard]] std::string disassembly(const MachineProgram& program);

} // namespace ulna::fuzz
