// A CPU's registers as debuggers number and name them (gdb's features for AArch64, and the system
// registers of sysregs.def). While the CPU is parked.
#pragma once

#include <span>
#include <string>

#include "runtime/debug/gdb_target.h"
#include "runtime/system/cpu.h"

namespace ulna::system {

[[nodiscard]] const std::vector<runtime::debug::GdbFeature>& cpu_features();
// By number through all features. False: there is none, or not with so many bytes.
[[nodiscard]] bool read_numbered(Cpu& cpu, unsigned n, std::span<u8> to);
[[nodiscard]] bool write_numbered(Cpu& cpu, unsigned n, std::span<const u8> from);

// For people: X, SP, PC, PSTATE; with `all`, the vector and system registers too.
[[nodiscard]] std::string print_registers(Cpu& cpu, bool all);

} // namespace ulna::system
