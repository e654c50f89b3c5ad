// Registers as a tracer sees and sets them: arch/arm64/kernel/ptrace.c.
#pragma once

#include <span>

#include "runtime/user/guest_thread.h"
#include "runtime/user/ptrace_session.h"

namespace ulna::user {

void save_registers(const GuestThread& thread, TraceRegisters& to);
// What a tracer may have changed.
void load_registers(GuestThread& thread, const TraceRegisters& from);

// Register sets (NT_*) of PTRACE_GETREGSET and PTRACE_SETREGSET. The bytes that were copied, or
// -errno. A set that is given only in part keeps the rest.
[[nodiscard]] i64 read_register_set(const TraceRegisters& registers, u64 set, std::span<u8> to);
[[nodiscard]] i64 write_register_set(TraceRegisters& registers, u64 set, std::span<const u8> from);

} // namespace ulna::user
