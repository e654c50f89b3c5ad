// What the programs about ptrace(2) share: calling it, and the stops of children.
#pragma once

#include "check.h"

#include <elf.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

static inline long ptrace_(long request, pid_t pid, uintptr_t address, uintptr_t data) {
    return syscall(SYS_ptrace, request, pid, address, data);
}

// --- what differs between architectures

struct registers {
    struct user_regs_struct r;
};
#ifdef __aarch64__
#define PC(s) (s).r.pc
#define SP(s) (s).r.sp
#define RESULT(s) (s).r.regs[0]
#define FIRST_ARGUMENT(s) (s).r.regs[0]
#define BREAKPOINT 0xd4200000u // brk #0
#define BREAKPOINT_BYTES 4
#define PC_AFTER_BREAKPOINT 0 // from its start
#else
#define PC(s) (s).r.rip
#define SP(s) (s).r.rsp
#define RESULT(s) (s).r.rax
#define FIRST_ARGUMENT(s) (s).r.rdi
#define BREAKPOINT 0xccu // int3
#define BREAKPOINT_BYTES 1
#define PC_AFTER_BREAKPOINT 1
#endif

static inline struct registers get_registers(pid_t pid) {
    struct registers set;
    struct iovec place = {&set.r, sizeof set.r};
    CHECK(ptrace_(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&place) == 0);
    CHECK(place.iov_len == sizeof set.r);
    return set;
}

static inline void set_registers(pid_t pid, struct registers* set) {
    struct iovec place = {&set->r, sizeof set->r};
    CHECK(ptrace_(PTRACE_SETREGSET, pid, NT_PRSTATUS, (uintptr_t)&place) == 0);
}

// The number of the call that the thread has stopped at.
static inline long get_number(pid_t pid) {
#ifdef __aarch64__
    int number;
    struct iovec place = {&number, sizeof number};
    CHECK(ptrace_(PTRACE_GETREGSET, pid, NT_ARM_SYSTEM_CALL, (uintptr_t)&place) == 0);
    return number;
#else
    return get_registers(pid).r.orig_rax;
#endif
}

static inline void set_number(pid_t pid, int number) {
#ifdef __aarch64__
    struct iovec place = {&number, sizeof number};
    CHECK(ptrace_(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, (uintptr_t)&place) == 0);
#else
    struct registers set = get_registers(pid);
    set.r.orig_rax = number;
    set_registers(pid, &set);
#endif
}

// --- helpers

static inline int wait_for(pid_t pid) {
    int status;
    CHECK(waitpid(pid, &status, __WALL) == pid);
    return status;
}

static inline void expect_stop(pid_t pid, int code) {
    const int status = wait_for(pid);
    if (status != (code << 8 | 0x7f)) {
        printf("status %x, not %x\n", status, code << 8 | 0x7f);
    }
    CHECK(status == (code << 8 | 0x7f));
}

#define EVENT(event) (SIGTRAP | (event) << 8)
#define EVENT_STOP(signal) ((signal) | PTRACE_EVENT_STOP << 8)
#define CALL_STOP (SIGTRAP | 0x80)

static inline void expect_exit(pid_t pid, int code) {
    const int status = wait_for(pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
        printf("status %x, not the end with %d\n", status, code);
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code);
}

static inline void expect_killed(pid_t pid, int signal) {
    const int status = wait_for(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signal);
}

static inline void resume(long request, pid_t pid, int signal) {
    CHECK(ptrace_(request, pid, 0, signal) == 0);
}

static inline unsigned long message_of(pid_t pid) {
    unsigned long message;
    CHECK(ptrace_(PTRACE_GETEVENTMSG, pid, 0, (uintptr_t)&message) == 0);
    return message;
}

static inline siginfo_t info_of(pid_t pid) {
    siginfo_t info;
    CHECK(ptrace_(PTRACE_GETSIGINFO, pid, 0, (uintptr_t)&info) == 0);
    return info;
}

static inline void set_options(pid_t pid, unsigned long options) {
    CHECK(ptrace_(PTRACE_SETOPTIONS, pid, 0, options) == 0);
}

static inline long peek(pid_t pid, void* at) {
    long word;
    CHECK(ptrace_(PTRACE_PEEKDATA, pid, (uintptr_t)at, (uintptr_t)&word) == 0);
    return word;
}

// A test that fails leaves nobody behind.
static inline void trace_me(void) {
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0);
    CHECK(ptrace_(PTRACE_TRACEME, 0, 0, 0) == 0);
    CHECK(raise(SIGSTOP) == 0);
}

// A child that has stopped with SIGSTOP, and runs `body` when it goes on.
static inline pid_t start(void (*body)(void)) {
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        trace_me();
        body();
        _exit(0);
    }
    expect_stop(pid, SIGSTOP);
    return pid;
}

static inline pid_t start_untraced(void (*body)(void)) {
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        body();
        _exit(0);
    }
    return pid;
}

static inline void sleep_for_ever(void) {
    while (1) {
        pause();
    }
}

static inline void end(pid_t pid) {
    CHECK(kill(pid, SIGKILL) == 0);
    expect_killed(pid, SIGKILL);
}
