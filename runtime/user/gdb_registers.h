// A thread's registers as gdb numbers and names them: its own two features, the thread pointer, and
// which bits of pointers are authentication codes.
#pragma once

#include "runtime/debug/gdb_target.h"
#include "runtime/user/guest_thread.h"

namespace ulna::user {

[[nodiscard]] const std::vector<runtime::debug::GdbFeature>& thread_features();
// By number through all features. False: there is none, or not with so many bytes, or it is not to
// be written.
[[nodiscard]] bool read_numbered(ir::CpuState& cpu, unsigned n, std::span<u8> to);
[[nodiscard]] bool write_numbered(ir::CpuState& cpu, unsigned n, std::span<const u8> from);

} // namespace ulna::user
