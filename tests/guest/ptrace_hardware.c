// ptrace(2): hardware breakpoints and watchpoints of an Arm CPU.
#define _GNU_SOURCE
#include "ptrace_check.h"

#ifdef __aarch64__
#include <pthread.h>
#include <stddef.h>

static struct user_hwdebug_state get_hardware(pid_t pid, long set) {
    struct user_hwdebug_state state;
    struct iovec place = {&state, sizeof state};
    CHECK(ptrace_(PTRACE_GETREGSET, pid, set, (uintptr_t)&place) == 0);
    CHECK(place.iov_len == sizeof state);
    return state;
}

// Sets the n'th one; without a control word there is none.
static long set_hardware(pid_t pid, long set, int n, uintptr_t address, unsigned control) {
    struct user_hwdebug_state state = get_hardware(pid, set);
    state.dbg_regs[n].addr = address;
    state.dbg_regs[n].ctrl = control;
    struct iovec place = {&state, offsetof(struct user_hwdebug_state, dbg_regs) + (n + 1) * sizeof state.dbg_regs[0]};
    return ptrace_(PTRACE_SETREGSET, pid, set, (uintptr_t)&place);
}

static void expect_hardware_stop(pid_t pid, long request, uintptr_t address) {
    resume(request, pid, 0);
    expect_stop(pid, SIGTRAP);
    CHECK(info_of(pid).si_code == TRAP_HWBKPT && (uintptr_t)info_of(pid).si_addr == address);
}

// --- watchpoints

static volatile long g_watched[2];
static void touch(void) {
    g_watched[1] = 1;
    g_watched[0] = 2;
    _exit((int)g_watched[0]);
}

enum { kWatchLoads = 1 << 3, kWatchStores = 2 << 3, kEnabledForUser = 1 | 2 << 1 };

static long watch(pid_t pid, uintptr_t address, unsigned kinds, unsigned bytes) {
    return set_hardware(pid, NT_ARM_HW_WATCH, 0, address, kinds == 0 ? 0 : kEnabledForUser | kinds | bytes << 5);
}

// A thread stops before the access.
static void watchpoints(void) {
    const pid_t pid = start(touch);
    const uintptr_t first = (uintptr_t)&g_watched[0];
    struct user_hwdebug_state set = get_hardware(pid, NT_ARM_HW_WATCH);
    CHECK((set.dbg_info & 0xff) > 0 && set.dbg_regs[0].ctrl == 0);
    CHECK(watch(pid, first, kWatchStores, 0) == -1 && errno == EINVAL);
    CHECK(watch(pid, first, kWatchStores, 5) == -1 && errno == EINVAL);
    CHECK(watch(pid, 1ul << 63, kWatchStores, 1) == -1 && errno == EINVAL);

    CHECK(watch(pid, first, kWatchStores, 0xff) == 0);
    set = get_hardware(pid, NT_ARM_HW_WATCH);
    CHECK(set.dbg_regs[0].addr == first && set.dbg_regs[0].ctrl == (kEnabledForUser | kWatchStores | 0xff << 5));
    expect_hardware_stop(pid, PTRACE_CONT, first);
    CHECK(peek(pid, (void*)first) == 0 && peek(pid, (void*)&g_watched[1]) == 1);
    CHECK(watch(pid, 0, 0, 0) == 0);
    resume(PTRACE_SINGLESTEP, pid, 0);
    expect_stop(pid, SIGTRAP);
    CHECK(peek(pid, (void*)first) == 2);
    // The upper half, where the address says so.
    CHECK(watch(pid, first + 4, kWatchLoads | kWatchStores, 0xf) == 0);
    expect_hardware_stop(pid, PTRACE_CONT, first + 4);
    CHECK(watch(pid, 0, 0, 0) == 0);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 2);
}

// --- breakpoints

enum { kInstruction = 0xf << 5 };

static volatile int g_calls;
__attribute__((noinline)) static void broken_here(void) {
    __asm__ volatile("nop" ::: "memory");
    ++g_calls;
}

static long break_at(pid_t pid, int n, uintptr_t address) {
    return set_hardware(pid, NT_ARM_HW_BREAK, n, address, kEnabledForUser | kInstruction);
}

static long remove_break(pid_t pid, int n) { return set_hardware(pid, NT_ARM_HW_BREAK, n, 0, 0); }

static int calls_of(pid_t pid) { return (int)peek(pid, (void*)&g_calls); }

static void call_often(void) {
    for (int i = 0; i < 1000; ++i) { // it is translated well before
        broken_here();
    }
    raise(SIGSTOP);
    for (int i = 0; i < 1000; ++i) {
        broken_here();
    }
    _exit(g_calls == 2000 ? 5 : 6);
}

static void breakpoint_registers(void) {
    const pid_t pid = start(call_often);
    const uintptr_t here = (uintptr_t)broken_here;
    struct user_hwdebug_state set = get_hardware(pid, NT_ARM_HW_BREAK);
    const int count = set.dbg_info & 0xff;
    CHECK(count > 1 && count < 16 && set.dbg_regs[0].ctrl == 0);
    CHECK(break_at(pid, count, here) == -1 && errno == ENOSPC);
    CHECK(break_at(pid, 0, 1ul << 63) == -1 && errno == EINVAL);
    CHECK(set_hardware(pid, NT_ARM_HW_BREAK, 0, here, kEnabledForUser | 5 << 5) == -1 && errno == EINVAL);
    CHECK(set_hardware(pid, NT_ARM_HW_BREAK, 0, here, kEnabledForUser) == -1 && errno == EINVAL);
    CHECK(set_hardware(pid, NT_ARM_HW_BREAK, 0, here, kEnabledForUser | kWatchStores | kInstruction) == -1);
    CHECK(errno == EINVAL);
    CHECK(break_at(pid, count - 1, here) == 0);
    set = get_hardware(pid, NT_ARM_HW_BREAK);
    CHECK(set.dbg_regs[count - 1].addr == here && set.dbg_regs[0].ctrl == 0);
    CHECK(set.dbg_regs[count - 1].ctrl == (kEnabledForUser | kInstruction));
    // What are no bytes of an instruction becomes one; beside it nothing is met.
    CHECK(set_hardware(pid, NT_ARM_HW_BREAK, 0, here, kEnabledForUser | 0xff << 5) == 0);
    CHECK(get_hardware(pid, NT_ARM_HW_BREAK).dbg_regs[0].ctrl == (kEnabledForUser | kInstruction));
    CHECK(break_at(pid, 0, here + 2) == 0 && get_hardware(pid, NT_ARM_HW_BREAK).dbg_regs[0].addr == here);
    CHECK(get_hardware(pid, NT_ARM_HW_BREAK).dbg_regs[0].ctrl == (kEnabledForUser | 0x3c << 5));
    CHECK(remove_break(pid, count - 1) == 0);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSTOP);
    CHECK(get_hardware(pid, NT_ARM_HW_BREAK).dbg_regs[0].addr == here);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 5);
}

// A thread stops before the instruction, and again, as long as the breakpoint is there.
static void breakpoints(void) {
    const pid_t pid = start(call_often);
    const uintptr_t here = (uintptr_t)broken_here;
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSTOP);
    CHECK(break_at(pid, 0, here) == 0);
    for (int i = 0; i < 10; ++i) {
        expect_hardware_stop(pid, PTRACE_CONT, here);
        expect_hardware_stop(pid, PTRACE_CONT, here);
        expect_hardware_stop(pid, PTRACE_SINGLESTEP, here);
        CHECK(PC(get_registers(pid)) == here && calls_of(pid) == 1000 + i);
        CHECK(remove_break(pid, 0) == 0 && break_at(pid, 1, here + 4) == 0);
        resume(PTRACE_SINGLESTEP, pid, 0);
        expect_stop(pid, SIGTRAP);
        CHECK(info_of(pid).si_code == TRAP_TRACE && PC(get_registers(pid)) == here + 4);
        expect_hardware_stop(pid, PTRACE_CONT, here + 4);
        CHECK(remove_break(pid, 1) == 0 && break_at(pid, 0, here) == 0);
    }
    CHECK(remove_break(pid, 0) == 0);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 5);
}

// --- whose they are

static void* call_in_thread(void* argument) {
    for (int i = 0; i < 100; ++i) {
        broken_here();
    }
    return argument;
}

static void call_in_others(void) {
    pthread_t thread;
    broken_here();
    CHECK(pthread_create(&thread, NULL, call_in_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        broken_here();
        _exit(g_calls == 102 ? 7 : 8);
    }
    expect_exit(pid, 7);
    broken_here();
    _exit(g_calls == 102 ? 5 : 6);
}

static void breakpoints_of_one_thread(void) {
    const pid_t pid = start(call_in_others);
    const uintptr_t here = (uintptr_t)broken_here;
    CHECK(break_at(pid, 0, here) == 0);
    expect_hardware_stop(pid, PTRACE_CONT, here);
    CHECK(remove_break(pid, 0) == 0);
    resume(PTRACE_SINGLESTEP, pid, 0);
    expect_stop(pid, SIGTRAP);
    CHECK(break_at(pid, 0, here) == 0);
    resume(PTRACE_CONT, pid, 0);
    int status = wait_for(pid);
    if (status == (SIGCHLD << 8 | 0x7f)) { // before the call or after it
        resume(PTRACE_CONT, pid, 0);
        status = wait_for(pid);
    }
    CHECK(status == (SIGTRAP << 8 | 0x7f));
    CHECK(info_of(pid).si_code == TRAP_HWBKPT && calls_of(pid) == 101);
    CHECK(ptrace_(PTRACE_DETACH, pid, 0, 0) == 0); // and nothing is left
    expect_exit(pid, 5);
}

int main(void) {
    RUN(watchpoints);
    RUN(breakpoint_registers);
    RUN(breakpoints);
    RUN(breakpoints_of_one_thread);
    return 0;
}
#else
int main(void) { return 0; }
#endif
