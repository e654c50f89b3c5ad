// Debug while a guest runs, its own and a debugger's. Software step takes it one instruction at a
// time; translated code does not run through breakpoints (stop_points.h); watchpoints keep their
// pages out of the TLB, so that every access of those comes by here.
#include <algorithm>
#include <cstring>

#include "ir/support/bits.h"
#include "runtime/system/debug_exceptions.h"
#include "runtime/system/fields.h"
#include "runtime/system/machine.h"
#include "runtime/system/vcpu.h"

namespace ulna::system {

using ir::ExitReason;

bool Vcpu::is_stepping() const {
    constexpr u64 kAny = mdscr::SS | mdscr::MDE;
    return (cpu_.reg(SysReg::MDSCR_EL1) & kAny) != 0 &&
           (step_state(cpu_) != StepState::Inactive || step_waits_for_unmasking(cpu_) ||
            (breaks_anywhere(cpu_) && breakpoints_active(cpu_)));
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
    state.btype = 0;
    no_place_ = {};
    return ir::interpret(one_instruction(state.pc, page->number), state);
}

void Vcpu::after_step(ExitReason reason, bool steps) {
    no_place_.two_pages = false; // an instruction by itself goes the long way
    if (reason != ExitReason::Lookup && reason != ExitReason::ContextSync) {
        on_exit(reason);
    }
    const bool withheld = no_place_.watcher == Watcher::Debugger; // it is still to be executed
    if (steps && reason != ExitReason::FetchFault && !withheld) {
        step_done(cpu_); // what raised an exception has left the state before
    } else if (!steps || withheld) {
        stepped_ = Stepped::Nothing;
    }
}

// --- Breakpoints

// Translated code shows nothing here: is there a breakpoint that stops this CPU?
void Vcpu::on_stop_point() {
    const GuestAddr pc = cpu_.state->pc;
    if (!machine_.stop_points().has(pc)) {
        return;
    }
    if (std::ranges::count(machine_.debugger_points().breakpoints, pc) != 0) {
        machine_.run_control().report(
            {.cpu = index(), .reason = RunControl::Stop::Reason::Breakpoint, .address = pc});
    } else if (breakpoint_matches(cpu_, pc)) {
        raise(breakpoint(pc));
    } else {
        machine_.stop_points().met_in_vain(pc);
        after_step(execute_one(), false);
    }
}

// --- Watchpoints

void Vcpu::debug_changed(Cpu&) {
    const bool any = watchpoints_possible(cpu_);
    if (any || watches_) {
        forget_everything();
    }
    watches_ = any;
    machine_.want_stops(index(), breakpoint_addresses(cpu_));
}

namespace {
u64 without_tag(GuestAddr address) { return static_cast<u64>(sign_extend(address, 56)); }
} // namespace

bool Vcpu::is_watched_page(GuestAddr address) const {
    constexpr u64 kPageBytes = u64{1} << ir::kTlbPageLog2;
    const GuestAddr page = align_down(address, kPageBytes);
    return (watches_ && is_watched(cpu_, page, kPageBytes)) ||
           std::ranges::any_of(machine_.debugger_points().watched, [&](const WatchedRange& range) {
               return range.overlaps(without_tag(page), kPageBytes);
           });
}

bool Vcpu::meets_debugger(GuestAddr address, u64 bytes, ir::Access access) {
    const GuestAddr start = without_tag(address);
    for (const WatchedRange& range : machine_.debugger_points().watched) {
        if (const auto met = range.first_met(start, bytes, access)) {
            no_place_ = {.address = *met, .watcher = Watcher::Debugger};
            return true;
        }
    }
    return false;
}

// Notes in no_place_ what an access meets.
bool Vcpu::meets_watchpoint(GuestAddr address, u64 bytes, ir::Access access, bool unprivileged) {
    if (meets_debugger(address, bytes, access)) {
        return true;
    }
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
    no_place_ = {.fault = {}, .address = *at, .write = !by_read, .watcher = Watcher::Guest};
    return true;
}

// --- For debuggers

TranslationResult Vcpu::look_up(GuestAddr address) {
    RegimeRegisters registers = regime();
    registers.pan = false;
    TranslationResult result;
    for (const AccessKind kind : {AccessKind::Read, AccessKind::Fetch}) {
        for (const bool unprivileged : {false, true}) {
            result =
                walk(registers, machine_.memory(), address,
                     {.kind = kind, .unprivileged = unprivileged, .updates = TableUpdates::None});
            if (std::holds_alternative<Translation>(result)) {
                return result;
            }
        }
    }
    return result;
}

} // namespace ulna::system
