// cflags: -march=armv8.1-a
// SP alignment check (SCTLR_EL1.SA0): an access by a misaligned SP is SIGBUS, BUS_ADRALN with SP as its address; a handler
// can repair SP and resume. Everything else works with such an SP.
#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>

static volatile int faults, handled;
static uint64_t address, context_address, sp, pc, esr;
static int code;

static uint64_t find_esr(const mcontext_t* context) {
    const struct _aarch64_ctx* head = (const void*)context->__reserved;
    for (; head->magic != 0; head = (const void*)((const char*)head + head->size)) {
        if (head->magic == ESR_MAGIC) {
            return ((const struct esr_context*)head)->esr;
        }
    }
    return 0;
}

static void repair(int signal, siginfo_t* info, void* context) {
    (void)signal;
    mcontext_t* const machine = &((ucontext_t*)context)->uc_mcontext;
    ++faults;
    code = info->si_code;
    address = (uint64_t)info->si_addr;
    context_address = machine->fault_address;
    sp = machine->sp;
    pc = machine->pc;
    esr = find_esr(machine);
    machine->sp &= ~15ul;
}
static void count(int signal) {
    (void)signal;
    volatile char room[64] = {0}; // by SP
    room[0] += room[1];
    ++handled;
}

// Runs `text` with SP 40 below where it was, then takes it back. X0 and X1 are free.
#define WITH_MISALIGNED_SP(text)                                                                   \
    do {                                                                                           \
        faults = 0;                                                                                \
        uint64_t where = 0;                                                                        \
        __asm__ volatile("mov x19, sp\n sub sp, sp, #256\n mov x20, sp\n sub sp, sp, #40\n"        \
                         "adr %0, 1f\n mov x0, #0\n mov x1, #0\n1: " text "\n mov sp, x19\n"       \
                         : "=&r"(where)                                                            \
                         :                                                                         \
                         : "x0", "x1", "x19", "x20", "x30", "v0", "v1", "memory", "cc");           \
        place = where;                                                                             \
    } while (0)
static uint64_t place;

#define FAULTS(text)                                                                               \
    do {                                                                                           \
        WITH_MISALIGNED_SP(text);                                                                  \
        CHECK(faults == 1 && code == BUS_ADRALN);                                                  \
        CHECK(address == sp && sp % 16 == 8 && pc == place);                                       \
        CHECK(context_address == 0 && esr == (0x26ul << 26 | 1ul << 25));                          \
    } while (0)
#define WORKS(text)                                                                                \
    do {                                                                                           \
        WITH_MISALIGNED_SP(text);                                                                  \
        CHECK(faults == 0);                                                                        \
    } while (0)

static void every_kind_of_access(void) {
    FAULTS("ldr x0, [sp]");
    FAULTS("str x0, [sp, #8]");
    FAULTS("ldrb w0, [sp, #1]");
    FAULTS("ldur x0, [sp, #-3]");
    FAULTS("ldrsw x0, [sp, x1]");
    FAULTS("str w0, [sp, w1, uxtw #2]");
    FAULTS("ldr x0, [sp], #16");
    FAULTS("str x0, [sp, #-16]!");
    FAULTS("ldp x0, x1, [sp, #16]");
    FAULTS("stp x0, x1, [sp, #-16]!");
    FAULTS("ldpsw x0, x1, [sp]");
    FAULTS("ldnp x0, x1, [sp]");
    FAULTS("ldtr x0, [sp]");
    FAULTS("ldr q0, [sp]");
    FAULTS("stp d0, d1, [sp]");
    FAULTS("ld1 {v0.16b, v1.16b}, [sp]");
    FAULTS("st1 {v0.b}[3], [sp], #1");
    FAULTS("ld1r {v0.4s}, [sp]");
    FAULTS("ldxr x0, [sp]");
    FAULTS("stxr w0, x1, [sp]");
    FAULTS("ldaxp x0, x1, [sp]");
    FAULTS("ldar x0, [sp]");
    FAULTS("stlr x0, [sp]");
    FAULTS("ldadd x0, x1, [sp]");
    FAULTS("swp w0, w1, [sp]");
    FAULTS("cas x0, x1, [sp]");
}

static void other_uses(void) {
    WORKS("prfm pldl1keep, [sp]");
    WORKS("prfm pldl1keep, [sp, x1]");
    WORKS("prfum pldl1keep, [sp, #1]");
    WORKS("ldr x0, 1b");
    WORKS("mov x0, sp\n ldr x1, [x0]\n str x1, [x0, #8]");
    WORKS("add sp, sp, #16\n sub sp, sp, #16\n cmp sp, x0\n and x0, x0, #1");
    WORKS("b 2f\n nop\n2: nop");
    WORKS("bl 2f\n b 3f\n2: ret\n3: nop");
    WORKS("mov x8, #172\n svc #0\n"); // getpid
}

// Whether SP is aligned is found out where it is written.
static void writes_of_sp(void) {
    // aligned again: nothing happens
    WORKS("add sp, sp, #8\n ldr x0, [sp]");
    WORKS("mov sp, x20\n ldr x0, [sp]\n str x0, [sp, #8]");
    WORKS("mov x0, sp\n and sp, x0, #-16\n ldr x0, [sp]");
    // writeback misaligns, the next access faults
    WITH_MISALIGNED_SP("mov sp, x20\n ldr x0, [sp], #8\n ldr x0, [sp]");
    CHECK(faults == 1 && pc == place + 8 && sp % 16 == 8);
    WITH_MISALIGNED_SP("mov sp, x20\n str x0, [sp, #-8]!\n nop\n str x0, [sp]");
    CHECK(faults == 1 && pc == place + 12);
    WITH_MISALIGNED_SP("mov sp, x20\n mov x1, #1\n ld1 {v0.b}[0], [sp], x1\n ldr x0, [sp]");
    CHECK(faults == 1 && pc == place + 12 && sp % 16 == 1);
    // by a value that is not known, and back
    WITH_MISALIGNED_SP("mov x1, #24\n sub sp, x20, x1\n ldr x0, [sp]\n mov sp, x20\n ldr x0, [sp]");
    CHECK(faults == 1 && pc == place + 8);
    // flags survive
    uint64_t flags;
    __asm__ volatile("mov x19, sp\n cmp xzr, xzr\n sub sp, sp, #24\n mrs %0, nzcv\n mov sp, x19"
                     : "=r"(flags) :: "x19", "memory", "cc");
    CHECK(flags == 6ul << 28);
    // a call and a loop with a misaligned SP, then an access in the callee
    WITH_MISALIGNED_SP("mov x0, #1000\n2: sub x0, x0, #1\n cbnz x0, 2b\n bl 3f\n b 4f\n3: ldr x0, [sp]\n ret\n4: nop");
    CHECK(faults == 1 && pc == place + 5 * 4);
    // often, so that blocks are linked in both modes
    int total = 0;
    for (int i = 0; i < 1000; ++i) {
        WITH_MISALIGNED_SP("ldr x0, [sp]\n ldr x1, [sp, #8]");
        total += faults;
    }
    CHECK(total == 1000);
}

static void signals_with_misaligned_sp(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = count; // on this very stack
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    handled = 0;
    register uint64_t x21 __asm__("x21") = getpid();
    faults = 0;
    __asm__ volatile("mov x19, sp\n sub sp, sp, #1024\n sub sp, sp, #8\n mov x20, sp\n"
                     "mov x0, %0\n mov x1, #10\n mov x8, #129\n svc #0\n" // kill(getpid(), SIGUSR1)
                     "mov x0, sp\n cmp x0, x20\n b.eq 1f\n brk #1\n"
                     "1: ldr x0, [sp]\n mov sp, x19"
                     :: "r"(x21) : "x0", "x1", "x8", "x19", "x20", "memory", "cc");
    CHECK(handled == 1 && faults == 1 && sp % 16 == 8);
}

int main(void) {
    static char stack[65536] __attribute__((aligned(16)));
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    CHECK(sigaltstack(&alternate, NULL) == 0);
    struct sigaction action = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK(sigaction(SIGBUS, &action, NULL) == 0);
    RUN(every_kind_of_access);
    RUN(other_uses);
    RUN(writes_of_sp);
    RUN(signals_with_misaligned_sp);
    return 0;
}
