// The arm64 signal frame: what a handler finds on its stack, and what rt_sigreturn takes back.
//
// Layout and rules are those of the kernel's arch/arm64/kernel/signal.c. From low to high
// addresses: siginfo, ucontext with sigcontext, whose reserved area is a list of tagged records
// (fpsimd_context, esr_context, terminator); then a frame record {x29, x30}, so that unwinders step
// over the frame.
#pragma once

#include <csignal>

#include "ir/guest_state.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

struct SigContext {
    u64 fault_address;
    u64 regs[31];
    u64 sp;
    u64 pc;
    u64 pstate;
    alignas(16) u8 reserved[4096];
};
static_assert(sizeof(SigContext) == 4384);

struct GuestUcontext {
    u64 flags;
    u64 link;
    AltStack stack;
    SignalSet sigmask;
    u8 unused[128 - sizeof(SignalSet)]; // room for 1024 signals
    alignas(16) SigContext mcontext;
};
static_assert(offsetof(GuestUcontext, mcontext) == 176 && sizeof(GuestUcontext) == 4560);

struct RtSigframe {
    siginfo_t info;
    GuestUcontext uc;
};
static_assert(offsetof(RtSigframe, uc) == 128 && sizeof(RtSigframe) == 4688);

struct FrameRecord {
    u64 fp;
    u64 lr;
};

struct FrameRequest {
    siginfo_t info;
    SignalAction action;
    SignalSet old_mask = 0;
    u64 fault_address = 0;
    u64 esr = 0;
};

// True when `sp` lies on the alternate stack.
[[nodiscard]] bool on_alt_stack(const AltStack& stack, u64 sp);
// What sigaltstack tells: where `sp` is, and SS_AUTODISARM; no other flag that was set.
[[nodiscard]] i32 alt_stack_state(const AltStack& stack, u64 sp);
// Sets the alternate stack as sigaltstack does, with `sp` the current stack pointer; 0 or -errno.
[[nodiscard]] i64 set_alt_stack(ThreadSignals& signals, const AltStack& stack, u64 sp);

// Builds the frame and makes the CPU enter the handler. False: the stack is not writable.
[[nodiscard]] bool push_signal_frame(GuestThread& thread, const FrameRequest& request);

// PSTATE as SPSR_EL1 holds it, and what EL0 may set of it.
[[nodiscard]] u64 pstate_of(const ir::CpuState& cpu);
void set_pstate(ir::CpuState& cpu, u64 value);

// For rt_sigreturn: the frame at SP, false when it is misaligned or unreadable.
[[nodiscard]] bool read_signal_frame(u64 sp, RtSigframe& frame);
[[nodiscard]] bool is_valid_context(const SigContext& context);
// Takes CPU state from a valid context.
void restore_cpu(ir::CpuState& cpu, const SigContext& context);

} // namespace ulna::user
