// Self-hosted debug while a guest runs: software step and breakpoints take it one instruction at a
// time; watchpoints keep their pages out of the TLB, so that every access of those comes by here.
#include <cstring>

#include "runtime/system/fields.h"
#include "runtime/system/machine.h"
#include "runtime/system/vcpu.h"

namespace ulna::system {

using ir::ExitReason;

bool Vcpu::is_stepping() const {
    constexpr u64 kAny = mdscr::SS | mdscr::MDE;
    return (cpu_.reg(SysReg::MDSCR_EL1) & kAny) != 0 &&
           (step_state(cpu_) != StepState::Inactive || breakpoints_active(cpu_));
}

// The exception that comes before the instruction at PC.
std::optional<Exception> Vcpu::debug_exception() const {
    const GuestAddr pc = cpu_.state->pc;
    if (step_state(cpu_) == StepState::ActivePending) {
        return software_step(stepped_ != Stepped::Nothing, stepped_ == Stepped::LoadExclusive, pc);
    }
    return breakpoint_matches(cpu_, pc) ? std::optional{breakpoint(pc)} : std::nullopt;
}

namespace {
bool is_load_exclusive(u32 word) { return (word & 0x3fc0'0000) == 0x0840'0000; }
} // namespace

// Executes the instruction at PC, in the interpreter.
ExitReason Vcpu::execute_one() {
    ir::CpuState& state = *cpu_.state;
    const CodePages::Page* const page = state.pc % 4 == 0 ? find_code(state.pc) : nullptr;
    if (page == nullptr) {
        return ExitReason::FetchFault;
    }
    u32 word;
    std::memcpy(&word, page->bytes + state.pc % (u64{1} << ir::kTlbPageLog2), sizeof word);
    stepped_ = is_load_exclusive(word) ? Stepped::LoadExclusive : Stepped::Other;
    translate_one(state.pc, page->number);
    return ir::interpret(slow_block_, state);
}

void Vcpu::after_step(ExitReason reason, bool steps) {
    if (reason != ExitReason::Lookup && reason != ExitReason::ContextSync) {
        on_exit(reason);
    }
    if (steps && reason != ExitReason::FetchFault) {
        step_done(cpu_); // what raised an exception has left the state before
    }
}

// --- Watchpoints

void Vcpu::debug_changed(Cpu&) {
    const bool any = watchpoints_possible(cpu_);
    if (any || watches_) {
        forget_everything();
    }
    watches_ = any;
}

bool Vcpu::is_watched_page(GuestAddr address) const {
    constexpr u64 kPageBytes = u64{1} << ir::kTlbPageLog2;
    return watches_ && is_watched(cpu_, align_down(address, kPageBytes), kPageBytes);
}

// Notes in no_place_ what an access meets.
bool Vcpu::meets_watchpoint(GuestAddr address, u64 bytes, ir::Access access, bool unprivileged) {
    if (!watches_) {
        return false;
    }
    std::optional<GuestAddr> at;
    if (access != ir::Access::Writes) {
        at = watchpoint_matches(cpu_, address, bytes, false, unprivileged);
    }
    const bool by_read = at.has_value();
    if (!at && access != ir::Access::Reads) {
        at = watchpoint_matches(cpu_, address, bytes, true, unprivileged);
    }
    if (!at) {
        return false;
    }
    no_place_ = {.fault = {}, .address = *at, .write = !by_read, .watched = true};
    return true;
}

} // namespace ulna::system
