#include "runtime/user/syscall.h"

#include <cerrno>

#include "runtime/debug/log.h"
#include "runtime/user/host_numbers.h"
#include "runtime/user/seccomp.h"
#include "runtime/user/strace.h"
#include "runtime/user/syscall_table.h"
#include "runtime/user/tagged_arguments.h"

namespace ulna::user {

namespace {

constexpr std::array<SyscallRow, kSyscallLimit> make_table() {
    std::array<SyscallRow, kSyscallLimit> table{};
    const auto add = [&](unsigned number, const SyscallRow& row) {
        if (table[number].kind != SyscallKind::Absent) {
            throw "two rows of syscalls.def have the same number";
        }
        table[number] = row;
    };
#define SYSCALL(number, name_, handler_, args_)                                                    \
    add(number,                                                                                    \
        {.kind = SyscallKind::Own, .name = #name_, .args = args_, .handler = sys_##handler_});
#define SYSCALL_PASS(number, name_, args_)                                                         \
    add(number,                                                                                    \
        {.kind = SyscallKind::Pass, .host_number = __NR_##name_, .name = #name_, .args = args_});
#define SYSCALL_PASS_BLOCKING(number, name_, args_)                                                \
    add(number, {.kind = SyscallKind::PassBlocking,                                                \
                 .host_number = __NR_##name_,                                                      \
                 .name = #name_,                                                                   \
                 .args = args_});
#define SYSCALL_NONE(number, name_, reason_)                                                       \
    add(number, {.kind = SyscallKind::None, .name = #name_, .args = "xxxx", .reason = reason_});
#include "runtime/user/syscalls.def"
#undef SYSCALL
#undef SYSCALL_PASS
#undef SYSCALL_PASS_BLOCKING
#undef SYSCALL_NONE
    return table;
}

i64 refuse(u64 number, const SyscallRow* row) {
    namespace debug = runtime::debug;
    if (debug::log_enabled(debug::Item::Unimp)) {
        debug::log_printf("system call %llu %s: ENOSYS\n", static_cast<unsigned long long>(number),
                          row != nullptr ? row->name : "(no such number)");
    }
    return -ENOSYS;
}

i64 perform(GuestThread& thread, const SyscallRow* row, u64 number, const SyscallArgs& args) {
    switch (row != nullptr ? row->kind : SyscallKind::Absent) {
    case SyscallKind::Own:
        return row->handler(thread, args);
    case SyscallKind::Pass:
        return host_syscall(row->host_number, args[0], args[1], args[2], args[3], args[4], args[5]);
    case SyscallKind::PassBlocking:
        return blocking_syscall(row->host_number, args[0], args[1], args[2], args[3], args[4],
                                args[5]);
    case SyscallKind::None:
    case SyscallKind::Absent:
        break;
    }
    return refuse(number, row);
}

i64 perform_traced(GuestThread& thread,
                   const SyscallRow* row,
                   u64 number,
                   const SyscallArgs& args) {
    if (!process().options.strace) [[likely]] {
        return perform(thread, row, number, args);
    }
    strace_enter(thread, row, number, args);
    const i64 result = perform(thread, row, number, args);
    strace_exit(thread, row, number, args, result);
    return result;
}

// The kernel takes the number from W8.
u32 asked_number(const ir::CpuState& cpu) { return static_cast<u32>(cpu.x[8]); }

std::optional<i64> refuse_traced(GuestThread& thread) {
    const ir::CpuState& cpu = *thread.cpu;
    const u32 number = asked_number(cpu);
    const SyscallArgs args = {cpu.x[0], cpu.x[1], cpu.x[2], cpu.x[3], cpu.x[4], cpu.x[5]};
    const SyscallRow* const row = find_syscall(number);
    const std::optional<i64> refused = refuse_by_seccomp(thread, number);
    if (refused && process().options.strace) {
        strace_enter(thread, row, number, args);
        strace_exit(thread, row, number, args, *refused);
    }
    return refused;
}

} // namespace

constexpr std::array<SyscallRow, kSyscallLimit> kSyscallTable = make_table();
const std::array<SyscallRow, kSyscallLimit> kSyscalls = kSyscallTable;

const SyscallRow* find_syscall(u64 number) {
    return number < kSyscallLimit && kSyscalls[number].kind != SyscallKind::Absent
               ? &kSyscalls[number]
               : nullptr;
}

i64 dispatch_syscall(GuestThread& thread) {
    const ir::CpuState& cpu = *thread.cpu;
    if (has_seccomp(thread)) [[unlikely]] {
        if (const std::optional<i64> refused = refuse_traced(thread)) {
            return *refused;
        }
    }
    const u64 number = asked_number(cpu);
    SyscallArgs args = {cpu.x[0], cpu.x[1], cpu.x[2], cpu.x[3], cpu.x[4], cpu.x[5]};
    const SyscallRow* const row = find_syscall(number);
    if (thread.tagged_addresses && row != nullptr) [[unlikely]] {
        const UntaggedArguments untagged(thread, *row, args);
        return untagged.faulted() ? -EFAULT : perform_traced(thread, row, number, args);
    }
    return perform_traced(thread, row, number, args);
}

} // namespace ulna::user
