// Signals as gdb's protocol numbers them, on every system alike (gdb's include/gdb/signals.def).
#pragma once

namespace ulna::runtime::debug {

// Of Linux's numbers and to them; what the other side has no number for is kUnknownGdbSignal, and
// 0.
inline constexpr int kUnknownGdbSignal = 143;
[[nodiscard]] int gdb_signal(int linux_signal);
[[nodiscard]] int linux_signal(int gdb_signal);

} // namespace ulna::runtime::debug
