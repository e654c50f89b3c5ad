// ptrace(2), as a tracer calls it. After the kernel's kernel/ptrace.c.
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/user/guest_memory.h"
#include "runtime/user/ptrace_calls.h"
#include "runtime/user/ptrace_proc.h"
#include "runtime/user/ptrace_queries.h"
#include "runtime/user/ptrace_registers.h"
#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/ptrace_tracer.h"
#include "runtime/user/seccomp.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

// check_ptrace_options. To suspend filters takes rights, and a tracer without filters.
i64 check_options(const GuestThread& thread, u64 options) {
    if ((options & ~u64{PTRACE_O_MASK}) != 0) {
        return -EINVAL;
    }
    const bool suspends = (options & PTRACE_O_SUSPEND_SECCOMP) != 0;
    return suspends && (!is_machine_administrator() || has_seccomp(thread)) ? -EPERM : 0;
}

// --- becoming a tracer

i64 trace_me(GuestThread& thread) {
    if (is_traced(thread) || is_called(thread) || process().debugger != nullptr) {
        return -EPERM;
    }
    TraceSession* const session = session_of_parent(thread);
    TraceSlot* const slot = session == nullptr ? nullptr : session->claim_slot();
    if (slot == nullptr) {
        return -EPERM;
    }
    begin_traced(thread, *session, *slot);
    return 0;
}

bool is_traced_here(TraceSession& session, pid_t tid) {
    return find_slot(session, [tid](const TraceSlot& slot) {
               return slot.tid == tid && slot.tracer != kNoTracer;
           }) != nullptr;
}

// A child that borrows its parent's memory, as LeakSanitizer's, traces in the one session that both
// know of.
bool may_have_session(const GuestThread& thread) {
    const TraceSession* const known = known_session();
    return !thread.signals->group->borrows_memory || known == nullptr || known->closed ||
           known->tracer == getpid();
}

i64 attach(GuestThread& thread, pid_t tid, bool seizes, u64 options) {
    const auto tgid = tid <= 0 ? std::nullopt : process_of(tid);
    if (!tgid) {
        return -ESRCH;
    }
    if (*tgid == getpid() || is_zombie(tid) || process().debugger != nullptr ||
        !may_have_session(thread)) {
        return -EPERM;
    }
    TraceSession* const session = need_own_session();
    if (session == nullptr) {
        return -ENOMEM;
    }
    note_child_action(action_of(*thread.signals, SIGCHLD).flags);
    if (is_traced_here(*session, tid)) {
        return -EPERM;
    }
    TraceSlot* const slot = session->claim_slot();
    if (slot == nullptr) {
        return -ENOMEM;
    }
    slot->tid = tid;
    slot->tgid = *tgid;
    slot->tracer = thread.tid;
    slot->seized = seizes;
    slot->options = static_cast<u32>(options);
    slot->sigstop_code = SI_KERNEL;
    slot->asked = seizes ? 0 : asks::kSigstop;
    const i64 error = attach_thread(*session, *slot);
    if (error != 0) {
        slot->state = SlotState::Free;
    }
    return error;
}

i64 seize(GuestThread& thread, pid_t tid, u64 address, u64 options) {
    if (address != 0 || (options & ~u64{PTRACE_O_MASK}) != 0) {
        return -EIO;
    }
    const i64 error = check_options(thread, options);
    return error != 0 ? error : attach(thread, tid, true, options);
}

// --- resuming

i64 resume(TraceSlot& slot, TraceCommand command, u64 request, u64 signal) {
    if (signal > kSignalCount) {
        return -EIO;
    }
    slot.request = static_cast<u32>(request);
    slot.signal = static_cast<u32>(signal);
    slot.unreported = 0;
    slot.listening = command == TraceCommand::Listen;
    if (command == TraceCommand::Detach) {
        slot.tracer = kNoTracer; // it is nobody's until it has taken note
    }
    slot.state = SlotState::Running;
    slot.command = command;
    wake_futex(slot.command);
    return 0;
}

// Comes back when it is traced no more: others may attach now.
i64 detach(TraceSlot& slot, u64 signal) {
    const i64 error = resume(slot, TraceCommand::Detach, PTRACE_DETACH, signal);
    if (error == 0) {
        await_detached(slot);
    }
    return error;
}

i64 listen(TraceSlot& slot) {
    const bool is_event_stop = slot.has_info && slot.info.si_code >> 8 == PTRACE_EVENT_STOP;
    return slot.seized && is_event_stop ? resume(slot, TraceCommand::Listen, PTRACE_LISTEN, 0)
                                        : -EIO;
}

i64 interrupt(const TraceSession& session, TraceSlot& slot) {
    if (!slot.seized) {
        return -EIO;
    }
    if (slot.state != SlotState::Stopped) {
        slot.asked |= asks::kInterrupt;
        call_tracee(session, slot);
    }
    return 0;
}

// --- memory, one word at a time

i64 peek(TraceSlot& slot, u64 address, GuestAddr to) {
    u64 word;
    return access_tracee(slot, TraceCommand::Read, address, &word, sizeof word) == sizeof word
               ? (put_guest(to, word) ? 0 : -EFAULT)
               : -EIO;
}

i64 poke(TraceSlot& slot, u64 address, u64 word) {
    return access_tracee(slot, TraceCommand::Write, address, &word, sizeof word) == sizeof word
               ? 0
               : -EIO;
}

// --- registers and signals

i64 exchange_registers(TraceSlot& slot, u64 request, u64 set, GuestAddr at) {
    iovec place;
    u8 bytes[TraceSlot::kMostBytes];
    if (!get_guest(at, place)) {
        return -EFAULT;
    }
    const auto base = reinterpret_cast<GuestAddr>(place.iov_base);
    const std::size_t unit_rest = place.iov_len % sizeof(u64); // keeps sizes that are no multiple
    const std::size_t length = std::min(place.iov_len, sizeof bytes - sizeof(u64) + unit_rest);
    i64 done;
    if (request == PTRACE_GETREGSET) {
        done = read_register_set(slot.registers, set, {bytes, length});
        if (done >= 0 && !copy_to_guest(base, bytes, static_cast<u64>(done))) {
            return -EFAULT;
        }
    } else {
        if (!copy_from_guest(bytes, base, length)) {
            return -EFAULT;
        }
        done = write_register_set(slot.registers, set, {bytes, length});
        slot.registers_changed |= done >= 0;
    }
    if (done < 0) {
        return done;
    }
    place.iov_len = static_cast<std::size_t>(done);
    return put_guest(at, place) ? 0 : -EFAULT;
}

i64 set_info(TraceSlot& slot, GuestAddr from) {
    siginfo_t info;
    if (!get_guest(from, info)) {
        return -EFAULT;
    }
    if (!slot.has_info) {
        return -EINVAL;
    }
    slot.info = info;
    return 0;
}

i64 get_info(const TraceSlot& slot, GuestAddr to) {
    if (!slot.has_info) {
        return -EINVAL;
    }
    return put_guest(to, slot.info) ? 0 : -EFAULT;
}

i64 set_mask(TraceSlot& slot, u64 bytes, GuestAddr from) {
    SignalSet mask;
    if (bytes != sizeof mask) {
        return -EINVAL;
    }
    if (!get_guest(from, mask)) {
        return -EFAULT;
    }
    slot.mask = mask & ~kUnblockable;
    slot.mask_changed = true;
    return 0;
}

i64 get_mask(const TraceSlot& slot, u64 bytes, GuestAddr to) {
    if (bytes != sizeof slot.mask) {
        return -EINVAL;
    }
    return put_guest(to, slot.mask) ? 0 : -EFAULT;
}

i64 set_options(const GuestThread& thread, TraceSlot& slot, u64 options) {
    if (const i64 error = check_options(thread, options); error != 0) {
        return error;
    }
    slot.options = static_cast<u32>(options);
    return 0;
}

// --- system calls

void describe_call(const TraceSlot& slot, ptrace_syscall_info& to) {
    const TraceRegisters& registers = slot.registers;
    const auto number = static_cast<u64>(slot.registers.syscall);
    const auto copy_arguments = [&](auto& arguments) {
        std::copy_n(registers.x, std::size(arguments), arguments);
    };
    const int code = slot.has_info ? slot.info.si_code : 0;
    if (code == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
        to.op = PTRACE_SYSCALL_INFO_SECCOMP;
        to.seccomp.nr = number;
        copy_arguments(to.seccomp.args);
        to.seccomp.ret_data = static_cast<u32>(slot.message);
    } else if (code == (SIGTRAP | 0x80) && slot.message == PTRACE_EVENTMSG_SYSCALL_ENTRY) {
        to.op = PTRACE_SYSCALL_INFO_ENTRY;
        to.entry.nr = number;
        copy_arguments(to.entry.args);
    } else if (code == (SIGTRAP | 0x80) && slot.message == PTRACE_EVENTMSG_SYSCALL_EXIT) {
        constexpr i64 kMaxErrno = 4095;
        to.op = PTRACE_SYSCALL_INFO_EXIT;
        to.exit.rval = static_cast<i64>(registers.x[0]);
        to.exit.is_error = to.exit.rval < 0 && to.exit.rval >= -kMaxErrno;
    }
}

u64 described_bytes(const ptrace_syscall_info& info) {
    switch (info.op) {
    case PTRACE_SYSCALL_INFO_ENTRY:
        return offsetof(ptrace_syscall_info, entry.args) + sizeof info.entry.args;
    case PTRACE_SYSCALL_INFO_EXIT:
        return offsetof(ptrace_syscall_info, exit.is_error) + sizeof info.exit.is_error;
    case PTRACE_SYSCALL_INFO_SECCOMP:
        return offsetof(ptrace_syscall_info, seccomp.ret_data) + sizeof info.seccomp.ret_data;
    default:
        return offsetof(ptrace_syscall_info, entry);
    }
}

i64 get_call(const TraceSlot& slot, u64 bytes, GuestAddr to) {
    ptrace_syscall_info info = {};
    info.arch = AUDIT_ARCH_AARCH64;
    info.instruction_pointer = slot.registers.pc;
    info.stack_pointer = slot.registers.sp;
    describe_call(slot, info);
    const u64 all = described_bytes(info);
    return copy_to_guest(to, &info, std::min(bytes, all)) ? static_cast<i64>(all) : -EFAULT;
}

// --- of a tracee that has stopped

// PTRACE_PEEKMTETAGS and PTRACE_POKEMTETAGS, which are Arm's.
constexpr u64 kPeekTags = 33, kPokeTags = 34;

i64 request_of_stopped(
    const GuestThread& thread, TraceSlot& slot, u64 request, u64 address, u64 data) {
    switch (request) {
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
        return peek(slot, address, data);
    case PTRACE_POKETEXT:
    case PTRACE_POKEDATA:
        return poke(slot, address, data);
    case PTRACE_CONT:
    case PTRACE_SYSCALL:
    case PTRACE_SINGLESTEP:
    case PTRACE_SYSEMU:
    case PTRACE_SYSEMU_SINGLESTEP:
        return resume(slot, TraceCommand::Resume, request, data);
    case PTRACE_DETACH:
        return detach(slot, data);
    case PTRACE_LISTEN:
        return listen(slot);
    case PTRACE_SETOPTIONS:
        return set_options(thread, slot, data);
    case PTRACE_GETEVENTMSG:
        return put_guest(data, slot.message) ? 0 : -EFAULT;
    case PTRACE_GETSIGINFO:
        return get_info(slot, data);
    case PTRACE_SETSIGINFO:
        return set_info(slot, data);
    case PTRACE_PEEKSIGINFO:
        return peek_signals(slot, address, data);
    case kPeekTags:
        return peek_tags(slot, address, data);
    case kPokeTags:
        return poke_tags(slot, address, data);
    case PTRACE_SECCOMP_GET_FILTER:
        return get_seccomp_filter(thread, slot, address, data);
    case PTRACE_SECCOMP_GET_METADATA:
        return get_seccomp_metadata(thread, slot, address, data);
    case PTRACE_GETSIGMASK:
        return get_mask(slot, address, data);
    case PTRACE_SETSIGMASK:
        return set_mask(slot, address, data);
    case PTRACE_GETREGSET:
    case PTRACE_SETREGSET:
        return exchange_registers(slot, request, address, data);
    case PTRACE_GET_SYSCALL_INFO:
        return get_call(slot, address, data);
    default:
        return -EIO;
    }
}

} // namespace

i64 sys_ptrace(GuestThread& thread, const SyscallArgs& args_) {
    const auto [request, id, address, data, unused4, unused5] = args_;
    const auto tid = static_cast<pid_t>(id);
    switch (request) {
    case PTRACE_TRACEME:
        return trace_me(thread);
    case PTRACE_ATTACH:
        return attach(thread, tid, false, 0);
    case PTRACE_SEIZE:
        return seize(thread, tid, address, data);
    default:
        break;
    }
    TraceSession* const session = own_session();
    TraceSlot* const slot = session == nullptr ? nullptr : find_tracee(*session, thread, tid);
    if (slot == nullptr) {
        return -ESRCH;
    }
    if (request == PTRACE_KILL) {
        host_syscall(SYS_kill, static_cast<u64>(slot->tgid), SIGKILL);
        return 0;
    }
    if (request == PTRACE_INTERRUPT) {
        return interrupt(*session, *slot);
    }
    return slot->state == SlotState::Stopped
               ? request_of_stopped(thread, *slot, request, address, data)
               : -ESRCH;
}

} // namespace ulna::user
