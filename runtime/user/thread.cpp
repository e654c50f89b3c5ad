// The run loop of a guest thread: engine, system calls, faults, signals.
#include "runtime/user/signals_state.h"
#include "runtime/user/thread_group.h"

#include "ir/support/bits.h"
#include "ir/support/check.h"
#include "runtime/user/address_space.h"
#include "runtime/user/debugged_code.h"
#include "runtime/user/debugger.h"
#include "runtime/user/guest_cpu.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/memory_copy.h"
#include "runtime/user/ptrace_hardware.h"
#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/restart.h"
#include "runtime/user/signals.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

using runtime::debug::GdbStop;

thread_local GuestThread* t_current = nullptr;

// ESR_EL1 as the kernel shows it in esr_context (DDI 0487 D24.2.40).
constexpr u64 kInstructionLengthIs32 = u64{1} << 25;
enum class ExceptionClass : u64 {
    BranchTarget = 0x0d,
    PacFail = 0x1c,
    InstructionAbort = 0x20,
    PcAlignment = 0x22,
    DataAbort = 0x24,
    SpAlignment = 0x26,
};
constexpr u64 kTranslationFaultLevel3 = 0x07, kPermissionFaultLevel3 = 0x0f;
constexpr u64 kAlignmentFault = 0x21, kTagCheckFault = 0x11, kExternalAbort = 0x10;
constexpr u64 kWriteNotRead = 1 << 6;

constexpr u64 make_esr(ExceptionClass exception, u64 syndrome) {
    return static_cast<u64>(exception) << 26 | kInstructionLengthIs32 | syndrome;
}

u64 fault_status(int signal, int code) {
    if (signal == SIGBUS) {
        return code == BUS_ADRALN ? kAlignmentFault : kExternalAbort;
    }
    return code == SEGV_ACCERR ? kPermissionFaultLevel3 : kTranslationFaultLevel3;
}

// A tag in the address is for those with SA_EXPOSE_TAGBITS.
SyncSignal sync_signal(int signal, int code, GuestAddr address, u64 esr) {
    SyncSignal sync;
    sync.info.si_signo = signal;
    sync.info.si_code = code;
    sync.info.si_addr = reinterpret_cast<void*>(address);
    sync.fault_address = untag(address);
    sync.esr = esr;
    return sync;
}

void raise(GuestThread& thread, int signal, int code, GuestAddr address, u64 esr) {
    raise_sync(thread, sync_signal(signal, code, address, esr));
}

// do_sp_pc_abort: a misaligned PC or SP is in siginfo only (arm64_notify_die).
void raise_misaligned_register(GuestThread& thread, u64 value, ExceptionClass exception) {
    SyncSignal sync = sync_signal(SIGBUS, BUS_ADRALN, value, make_esr(exception, 0));
    sync.fault_address = 0;
    raise_sync(thread, sync);
}

void on_data_fault(GuestThread& thread) {
    const ThreadSignals& signals = *thread.signals;
    const siginfo_t& host = signals.fault;
    // x86-64 reports a non-canonical address as a general protection fault, or as a stack fault
    // (SIGBUS) when the base is RBP or RSP, without an address; to the guest it is an address that
    // nothing maps.
    const bool non_canonical = host.si_code == SI_KERNEL;
    const int signal = non_canonical ? SIGSEGV : host.si_signo;
    const int code = non_canonical ? int{SEGV_MAPERR} : host.si_code;
    const u64 status = fault_status(signal, code);
    raise(
        thread, signal, code, reinterpret_cast<u64>(host.si_addr),
        make_esr(ExceptionClass::DataAbort, status | (signals.fault_is_write ? kWriteNotRead : 0)));
}

// Who sees each system call: nobody, a debugger (-g) perhaps, a tracer (ptrace).
enum class Watched : u8 { No, Debugged, Traced };
template <Watched watched> void on_exit(GuestThread& thread, ir::ExitReason reason);

template <Watched watched> void step(GuestThread& thread) {
    const auto reason = process().engine->step(*thread.cpu, *process().space);
    if (reason != ir::ExitReason::Lookup) {
        on_exit<watched>(thread, reason);
    }
}

// ptrace_hbptriggered
void raise_hardware_stop(GuestThread& thread, GuestAddr address) {
    raise(thread, SIGTRAP, TRAP_HWBKPT, address, 0);
}

// The code ends here for whoever stops here, which may be nobody any more, or another thread.
template <Watched watched> void on_stop_point(GuestThread& thread, GuestAddr pc) {
    if (breaks_at(thread, pc)) {
        raise_hardware_stop(thread, pc);
    } else if (process().debugger == nullptr || !process().debugger->stops_at(thread, pc)) {
        stop_points().met_in_vain(pc);
        step<watched>(thread);
    }
}

template <Watched watched> void on_fetch_fault(GuestThread& thread) {
    const GuestAddr pc = thread.cpu->pc;
    if (process().space != nullptr && !process().space->words(pc).empty()) {
        on_stop_point<watched>(thread, pc);
        return;
    }
    const bool mapped = process().space != nullptr && process().space->protection(pc).has_value();
    const int code = mapped ? SEGV_ACCERR : SEGV_MAPERR;
    raise(thread, SIGSEGV, code, pc,
          make_esr(ExceptionClass::InstructionAbort, fault_status(SIGSEGV, code)));
}

// A debugger's or a tracer's. A thread that has none any more watches nothing.
void on_watchpoint(GuestThread& thread) {
    const GuestAddr address = thread.cpu->exit_arg;
    if (Debugger* const debugger = debugger_of(thread)) {
        debugger->met_watchpoint(thread, address);
    } else if (is_traced(thread)) {
        raise_hardware_stop(thread, address);
    } else {
        watch(*thread.cpu, {});
    }
}

// FAR_EL1 has the logical tag, and nothing of the four bits above.
void on_tag_check_fault(GuestThread& thread, u64 syndrome) {
    constexpr GuestAddr kIgnoredBits = u64{0xf} << 60;
    raise(thread, SIGSEGV, SEGV_MTESERR, thread.cpu->exit_arg & ~kIgnoredBits,
          make_esr(ExceptionClass::DataAbort, kTagCheckFault | syndrome));
}

// TFSRE0_EL1, which the kernel looks at when it is entered: a signal that can be blocked.
void report_asynchronous_tag_fault(GuestThread& thread) {
    thread.cpu->tfsre0_el1 = 0;
    ThreadSignals& signals = *thread.signals;
    if (action_of(signals, SIGSEGV).handler != kHandlerIgnore) {
        siginfo_t info = {};
        info.si_signo = SIGSEGV;
        info.si_code = SEGV_MTEAERR;
        hold_signal(signals, info);
    }
}

// The debugger sees the result where the guest will, and may change it.
i64 shown_result(Debugger& debugger, GuestThread& thread, u32 number, i64 result) {
    if (thread.exiting || is_restart(result)) {
        return result;
    }
    if (result != kSigreturnDone) {
        thread.cpu->x[0] = static_cast<u64>(result);
    }
    debugger.threads().stop_at_call(thread, GdbStop::Kind::CallReturn, number);
    return result == kSigreturnDone ? result : static_cast<i64>(thread.cpu->x[0]);
}

// A debugger may stop the program meanwhile.
i64 call_debugged(GuestThread& thread) {
    Debugger* const debugger = debugger_of(thread);
    const u32 number = static_cast<u32>(thread.cpu->x[8]);
    if (debugger != nullptr) {
        debugger->threads().stop_at_call(thread, GdbStop::Kind::CallEntry, number);
        debugger->threads().enter_call(thread);
    }
    i64 result = dispatch_syscall(thread);
    if (debugger_of(thread) != nullptr) { // not in a forked child
        debugger->threads().leave_call(thread);
        result = shown_result(*debugger, thread, number, result);
    }
    return result;
}

template <Watched watched> void on_svc(GuestThread& thread, bool repeat) {
    const auto call = watched == Watched::Debugged ? call_debugged
                      : watched == Watched::Traced ? traced_syscall
                                                   : dispatch_syscall;
    const i64 result = repeat ? kRestartNoIntr : call(thread);
    if (thread.exiting) {
        return;
    }
    if (is_restart(result) || has_signal_work(thread)) [[unlikely]] {
        deliver_pending(thread, &result);
    } else if (result != kSigreturnDone) {
        thread.cpu->x[0] = static_cast<u64>(result);
    }
}

template <Watched watched> void on_exit(GuestThread& thread, ir::ExitReason reason) {
    const GuestAddr pc = thread.cpu->pc;
    const bool tag_fault = thread.cpu->tfsre0_el1 != 0;
    if (tag_fault) [[unlikely]] {
        report_asynchronous_tag_fault(thread);
    }
    switch (reason) {
    case ir::ExitReason::Svc:
        on_svc<watched>(thread, tag_fault); // the signal comes before the call
        break;
    case ir::ExitReason::Undefined:
        raise(thread, SIGILL, ILL_ILLOPC, pc, 0);
        break;
    case ir::ExitReason::Mops:
        restart_memory_copy(*thread.cpu, thread.cpu->exit_arg);
        break;
    case ir::ExitReason::PacFail:
        raise(thread, SIGILL, ILL_ILLOPN, pc, make_esr(ExceptionClass::PacFail, 0));
        break;
    case ir::ExitReason::BranchTarget:
        raise(thread, SIGILL, ILL_ILLOPC, pc,
              make_esr(ExceptionClass::BranchTarget, thread.cpu->btype));
        break;
    case ir::ExitReason::Breakpoint:
        raise(thread, SIGTRAP, TRAP_BRKPT, pc, 0);
        break;
    case ir::ExitReason::Fault:
        on_data_fault(thread);
        break;
    case ir::ExitReason::FetchFault:
        on_fetch_fault<watched>(thread);
        break;
    case ir::ExitReason::MisalignedPc:
        raise_misaligned_register(thread, pc, ExceptionClass::PcAlignment);
        break;
    case ir::ExitReason::SpAlignment:
        raise_misaligned_register(thread, thread.cpu->sp, ExceptionClass::SpAlignment);
        break;
    case ir::ExitReason::Alignment:
        raise(thread, SIGBUS, BUS_ADRALN, thread.cpu->exit_arg,
              make_esr(ExceptionClass::DataAbort, kAlignmentFault));
        break;
    case ir::ExitReason::TagCheckLoad:
        on_tag_check_fault(thread, 0);
        break;
    case ir::ExitReason::TagCheckStore:
        on_tag_check_fault(thread, kWriteNotRead);
        break;
    case ir::ExitReason::Watchpoint:
        on_watchpoint(thread);
        break;
    case ir::ExitReason::Halt:
        thread.exiting = true;
        break;
    case ir::ExitReason::Safepoint:
        break; // what is pending is delivered by the run loop
    case ir::ExitReason::None:
    case ir::ExitReason::Lookup:
    case ir::ExitReason::InvalidateCache:
    case ir::ExitReason::ContextSync:
    case ir::ExitReason::PacTrap:
    case ir::ExitReason::System:
    case ir::ExitReason::FpDisabled:
    case ir::ExitReason::MemoryAccess:
    case ir::ExitReason::InstructionLimit:
    case ir::ExitReason::RangeMiss:
        UNREACHABLE("the engine handles this exit itself, or it is a machine's");
    }
}

// Until it ends, or is a forked child's, which has no debugger.
void run_debugged(GuestThread& thread, ThreadControl& control) {
    control.add(thread);
    while (!thread.exiting && debugger_of(thread) != nullptr) {
        if (has_signal_work(thread)) {
            deliver_pending(thread, nullptr);
        }
        const ThreadControl::Turn turn = control.wait(thread);
        if (turn.order != ThreadControl::Order::Step) {
            on_exit<Watched::Debugged>(thread, process().engine->run(*thread.cpu));
            continue;
        }
        step<Watched::Debugged>(thread);
        if (!has_signal_work(thread)) { // else the step is not done yet
            control.report_step(thread, turn);
        }
    }
    if (thread.exiting) {
        control.remove(thread);
    }
}

// One instruction, or into a signal's handler (the kernel's user_fastforward_single_step and
// signal_setup_done).
void step_traced(GuestThread& thread) {
    if (thread.trace.entered_handler) {
        report_step_into_handler(thread);
        return;
    }
    const GuestAddr before = thread.cpu->pc;
    if (breaks_at(thread, before)) {
        raise_hardware_stop(thread, before);
        return;
    }
    step<Watched::Traced>(thread);
    const bool is_done = !thread.exiting && is_traced(thread) && is_stepping(thread);
    if (is_done && !thread.trace.entered_handler && !thread.signals->sync_pending) {
        raise(thread, SIGTRAP, TRAP_TRACE, before, 0);
    }
}

// Until it ends, or is traced no more.
void run_traced(GuestThread& thread) {
    if (thread.trace.tid_before_exec != 0) {
        report_exec(thread);
    }
    while (!thread.exiting && is_traced(thread)) {
        if (has_signal_work(thread)) {
            deliver_pending(thread, nullptr);
        }
        if (!is_traced(thread)) {
            break;
        }
        thread.trace.call = -1;
        if (is_stepping(thread)) {
            step_traced(thread);
        } else {
            on_exit<Watched::Traced>(thread, process().engine->run(*thread.cpu));
        }
    }
}

} // namespace

GuestThread* current_thread() { return t_current; }
void set_current_thread(GuestThread* thread) { t_current = thread; }

void run_thread(GuestThread& thread) {
    if (t_current != &thread) { // the main thread; clones have done this already
        enter_host_thread(thread);
        t_current = &thread;
        unblock_signals(thread); // what has been called meanwhile is heard now
    }
    if (Debugger* const debugger = debugger_of(thread)) {
        run_debugged(thread, debugger->threads());
    }
    runtime::Engine& engine = *process().engine;
    while (!thread.exiting) {
        if (has_signal_work(thread)) [[unlikely]] {
            deliver_pending(thread, nullptr);
        }
        if (is_traced(thread)) [[unlikely]] {
            run_traced(thread);
            continue;
        }
        on_exit<Watched::No>(thread, engine.run(*thread.cpu));
    }
}

} // namespace ulna::user
