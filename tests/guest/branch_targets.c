// cflags: -march=armv8.5-a
// With PEER in the environment it leaves out what a peer emulator is known to differ in from Linux.
// Branch target identification: which instruction accepts which branch on a guarded page (PROT_BTI).
#define _GNU_SOURCE
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifndef PROT_BTI
#define PROT_BTI 0x10
#endif

enum {
    kNop = 0xd503201f,
    kRet = 0xd65f03c0,
    kBti = 0xd503241f,
    kBtiC = 0xd503245f,
    kBtiJ = 0xd503249f,
    kBtiJc = 0xd50324df,
    kPaciasp = 0xd503233f,
    kAutiasp = 0xd50323bf,
    kBrk = 0xd4200000,
};

// What a branch of each kind does to a target, and BTYPE there.
enum Kind { kCall = 2, kVeneer = 1, kJump = 3 };

static sigjmp_buf after;
static volatile sig_atomic_t raised;
static volatile int code, btype;
static volatile uintptr_t at;

static void on_signal(int signal, siginfo_t* info, void* context) {
    const ucontext_t* uc = context;
    raised = signal;
    code = info->si_code;
    btype = uc->uc_mcontext.pstate >> 10 & 3;
    at = uc->uc_mcontext.pc;
    CHECK((uintptr_t)info->si_addr == at);
    siglongjmp(after, 1);
}

// The page: 0x000 targets, 0x800 branches that are guarded themselves.
static uint32_t* page;

static void fill(uint32_t target) {
    CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
    page[0] = target;
    page[1] = target == (uint32_t)kPaciasp ? kAutiasp : kNop;
    page[2] = kRet;
    // 0x800: br x16, 0x804: br x5
    page[0x200] = 0xd61f0200;
    page[0x201] = 0xd61f00a0;
    __builtin___clear_cache((char*)page, (char*)page + 4096);
}

static void branch(enum Kind kind) {
    register uintptr_t target __asm__("x5") = (uintptr_t)page;
    register uintptr_t veneer __asm__("x16") = (uintptr_t)page;
    register uintptr_t from __asm__("x6") = 0;
    switch (kind) {
    case kCall:
        __asm__ volatile("blr x5" ::"r"(target) : "x30", "memory");
        break;
    case kVeneer: // from an unguarded page any BR is one
        __asm__ volatile("adr x30, 1f\n br x5\n1:" ::"r"(target) : "x30", "memory");
        from = (uintptr_t)&page[0x200];
        __asm__ volatile("adr x30, 1f\n b 2f\n2: mov x7, x6\n ret x7\n1:" ::"r"(veneer), "r"(from)
                         : "x7", "x30", "memory");
        break;
    case kJump:
        from = (uintptr_t)&page[0x201];
        __asm__ volatile("adr x30, 1f\n ret x6\n1:" ::"r"(target), "r"(from) : "x30", "memory");
        break;
    }
}

// 0, or the signal that the branch raised.
static int try_branch(enum Kind kind) {
    raised = 0;
    if (sigsetjmp(after, 1) == 0) {
        branch(kind);
    }
    return raised;
}

static int accepts(enum Kind kind, uint32_t target, int protection) {
    fill(target);
    CHECK(mprotect(page, 4096, protection) == 0);
    int result = 0;
    for (int i = 0; i < 20; ++i) { // again: what is cached must give the same
        const int signal = try_branch(kind);
        if (signal != 0) {
            CHECK(signal == SIGILL && (code == ILL_ILLOPC || getenv("PEER")) && at == (uintptr_t)page && btype == (int)kind);
        }
        CHECK(i == 0 || result == (signal == 0));
        result = signal == 0;
    }
    return result;
}

static void guarded_pages_check(void) {
    const struct {
        uint32_t word;
        int call, veneer, jump;
    } rows[] = {
        {kNop, 0, 0, 0},     {kRet, 0, 0, 0},  {kBti, 0, 0, 0},     {kBtiC, 1, 1, 0},
        {kBtiJ, 0, 1, 1},    {kBtiJc, 1, 1, 1}, {kPaciasp, 1, 1, 0},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; ++i) {
        CHECK(accepts(kCall, rows[i].word, PROT_READ | PROT_EXEC | PROT_BTI) == rows[i].call);
        CHECK(accepts(kVeneer, rows[i].word, PROT_READ | PROT_EXEC | PROT_BTI) == rows[i].veneer);
        CHECK(accepts(kJump, rows[i].word, PROT_READ | PROT_EXEC | PROT_BTI) == rows[i].jump);
    }
}

static void other_pages_do_not(void) {
    CHECK(accepts(kCall, kNop, PROT_READ | PROT_EXEC));
    CHECK(accepts(kJump, kNop, PROT_READ | PROT_EXEC));
    CHECK(!accepts(kCall, kBtiJ, PROT_READ | PROT_EXEC | PROT_BTI));
    CHECK(accepts(kCall, kBtiJ, PROT_READ | PROT_EXEC));
}

// A breakpoint raises its own exception.
static void breakpoints_are_targets(void) {
    fill(kBrk);
    CHECK(mprotect(page, 4096, PROT_READ | PROT_EXEC | PROT_BTI) == 0);
    CHECK(try_branch(kCall) == SIGTRAP);
}

// Returning from a handler restores BTYPE: the same target is refused again, and accepted without it.
static volatile int visits;
static void on_refused(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)info;
    ucontext_t* uc = context;
    CHECK((uc->uc_mcontext.pstate >> 10 & 3) == kCall);
    if (++visits == 3) {
        uc->uc_mcontext.pstate &= ~(3ull << 10);
    }
}
static void handlers_see_btype(void) {
    struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO}, old;
    sigaction(SIGILL, &action, &old);
    fill(kNop);
    CHECK(mprotect(page, 4096, PROT_READ | PROT_EXEC | PROT_BTI) == 0);
    branch(kCall);
    CHECK(visits == 3);
    sigaction(SIGILL, &old, NULL);
}

int main(void) {
    CHECK(getauxval(AT_HWCAP2) & 1ul << 17); // HWCAP2_BTI
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    RUN(other_pages_do_not);
    RUN(guarded_pages_check);
    RUN(other_pages_do_not);
    RUN(breakpoints_are_targets);
    RUN(handlers_see_btype);
    return 0;
}
