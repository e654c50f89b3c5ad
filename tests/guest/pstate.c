// cflags: -march=armv8.5-a+rng+sb+ssbs
// Bits of PSTATE that EL0 has: registers of their own, and in signal frames. Random numbers, flag conversions.
#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <ucontext.h>

#define READ(name, reg)                                                                            \
    static uint64_t read_##name(void) {                                                            \
        uint64_t value;                                                                            \
        __asm__ volatile("mrs %0, " reg : "=r"(value)::"memory");                                   \
        return value;                                                                              \
    }                                                                                              \
    static void write_##name(uint64_t value) {                                                     \
        __asm__ volatile("msr " reg ", %0" ::"r"(value) : "memory");                                \
    }
READ(dit, "s3_3_c4_c2_5")
READ(ssbs, "s3_3_c4_c2_6")
enum { kSsbs = 1 << 12, kDit = 1 << 24 };

static void registers(void) {
    CHECK(read_dit() == 0); // SSBS is the kernel's choice
    write_ssbs(kSsbs);
    write_dit(~0ull);
    CHECK(read_dit() == kDit && read_ssbs() == kSsbs);
    write_ssbs(0);
    CHECK(read_dit() == kDit && read_ssbs() == 0);
    __asm__ volatile(".inst 0xd503405f" ::: "memory"); // msr dit, #0
    CHECK(read_dit() == 0 && read_ssbs() == 0);
    __asm__ volatile(".inst 0xd503415f\n .inst 0xd503413f" ::: "memory"); // msr dit, #1; msr ssbs, #1
    CHECK(read_dit() == kDit && read_ssbs() == kSsbs);
    write_dit(0);
}

static volatile uint64_t seen;
static void on_signal(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)info;
    ucontext_t* uc = context;
    seen = uc->uc_mcontext.pstate;
    uc->uc_mcontext.pstate = (uc->uc_mcontext.pstate & ~(uint64_t)kSsbs) | kDit;
}
static void in_signal_frames(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    write_dit(0), write_ssbs(kSsbs);
    raise(SIGUSR1);
    CHECK((seen & (kSsbs | kDit)) == kSsbs);
    CHECK(read_dit() == kDit && read_ssbs() == 0);
    write_dit(0), write_ssbs(kSsbs);
}

static void random_numbers(void) {
    uint64_t numbers[16];
    for (int i = 0; i < 16; ++i) {
        uint64_t flags;
        if (i & 1) {
            __asm__ volatile("mrs %0, rndr\n mrs %1, nzcv" : "=r"(numbers[i]), "=r"(flags)::"cc");
        } else {
            __asm__ volatile("mrs %0, rndrrs\n mrs %1, nzcv" : "=r"(numbers[i]), "=r"(flags)::"cc");
        }
        CHECK(flags == 0);
        for (int k = 0; k < i; ++k) {
            CHECK(numbers[i] != numbers[k]);
        }
    }
}

// DDI 0487, CFINV, AXFLAG, XAFLAG, by their definitions.
static void flag_conversions(void) {
    for (uint64_t nzcv = 0; nzcv < 16; ++nzcv) {
        const unsigned n = nzcv >> 3 & 1, z = nzcv >> 2 & 1, c = nzcv >> 1 & 1, v = nzcv & 1;
        uint64_t inverted, to_alternative, from_alternative;
        __asm__ volatile("msr nzcv, %1\n cfinv\n mrs %0, nzcv" : "=r"(inverted) : "r"(nzcv << 28) : "cc");
        __asm__ volatile("msr nzcv, %1\n axflag\n mrs %0, nzcv" : "=r"(to_alternative) : "r"(nzcv << 28) : "cc");
        __asm__ volatile("msr nzcv, %1\n xaflag\n mrs %0, nzcv" : "=r"(from_alternative) : "r"(nzcv << 28) : "cc");
        CHECK(inverted >> 28 == (n << 3 | z << 2 | !c << 1 | v));
        CHECK(to_alternative >> 28 == ((z | v) << 2 | (c & !v) << 1));
        CHECK(from_alternative >> 28 == (!(c | z) << 3 | (z & c) << 2 | (c | z) << 1 | (z & !c)));
    }
}

// They have no effect but must exist.
static void barriers_and_hints(void) {
    static char line[64];
    __asm__ volatile("sb\n"
                     ".inst 0xd503323f\n"  // dsb oshnxs
                     ".inst 0xd50320df\n"  // dgh
                     ".inst 0xd5031001\n"  // wfet x1
                     ".inst 0xd5031021\n"  // wfit x1
                     "dc cvap, %0\n dc cvadp, %0" ::"r"(line) : "memory");
}

int main(void) {
    RUN(registers);
    RUN(in_signal_frames);
    RUN(random_numbers);
    RUN(flag_conversions);
    RUN(barriers_and_hints);
    return 0;
}
