// Results that the host gets wrong or raises an exception for: values and FPSR are Arm's, from the
// first to the many thousandth, in threads that signals interrupt, in children, and where the
// program has a handler of SIGFPE, which no arithmetic ever calls.
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/wait.h>

#define IOC 1u
#define DZC 2u
#define UFC 8u
#define IXC 16u
#define DEFAULT_NAN 0x7ff8000000000000ull
#define QUIET_A 0x7ff8000000000aaaull
#define QUIET_B 0xfff8000000000bbbull
#define SIGNALING 0x7ff0000000000ccdull
#define INFINITE 0x7ff0000000000000ull
#define LEAST_NORMAL 0x0010000000000000ull
#define ONE 0x3ff0000000000000ull
#define BELOW_ONE 0x3fefffffffffffffull

static uint32_t take_fpsr(void) {
    uint64_t value;
    __asm__ volatile("mrs %0, fpsr\n\tmsr fpsr, xzr" : "=r"(value)::"memory");
    return (uint32_t)value;
}

#define BINARY(name)                                                                               \
    static uint64_t name(uint64_t a, uint64_t b) {                                                 \
        uint64_t r;                                                                                \
        __asm__ volatile("fmov d1, %1\n\tfmov d2, %2\n\t" #name " d0, d1, d2\n\tfmov %0, d0"       \
                         : "=r"(r)                                                                 \
                         : "r"(a), "r"(b)                                                          \
                         : "v0", "v1", "v2");                                                      \
        return r;                                                                                  \
    }
BINARY(fadd) BINARY(fsub) BINARY(fmul) BINARY(fdiv)

#define FUSED(name)                                                                                \
    static uint64_t name(uint64_t a, uint64_t b, uint64_t c) {                                     \
        uint64_t r;                                                                                \
        __asm__ volatile("fmov d1, %1\n\tfmov d2, %2\n\tfmov d3, %3\n\t"                           \
                         #name " d0, d1, d2, d3\n\tfmov %0, d0"                                    \
                         : "=r"(r)                                                                 \
                         : "r"(a), "r"(b), "r"(c)                                                  \
                         : "v0", "v1", "v2", "v3");                                                \
        return r;                                                                                  \
    }
FUSED(fmadd) FUSED(fmsub) FUSED(fnmadd)

static void once(void) {
    CHECK(fdiv(0, 0) == DEFAULT_NAN && take_fpsr() == IOC);
    CHECK(fsub(INFINITE, INFINITE) == DEFAULT_NAN && take_fpsr() == IOC);
    CHECK(fadd(QUIET_A, QUIET_B) == QUIET_A && fadd(QUIET_B, QUIET_A) == QUIET_B);
    CHECK(take_fpsr() == 0);
    CHECK(fmul(QUIET_A, SIGNALING) == (SIGNALING | 1ull << 51) && take_fpsr() == IOC);
    CHECK(fdiv(ONE, 0) == INFINITE && take_fpsr() == DZC);
    // tiny before rounding, the least normal number after it
    CHECK(fmul(LEAST_NORMAL, BELOW_ONE) == LEAST_NORMAL && take_fpsr() == (UFC | IXC));
    CHECK(fmul(LEAST_NORMAL, ONE) == LEAST_NORMAL && take_fpsr() == 0);
    CHECK(fmul(LEAST_NORMAL, 0x3fe0000000000000ull) == LEAST_NORMAL / 2 && take_fpsr() == 0);
    CHECK(fadd(1, 1) == 2 && take_fpsr() == 0);
    // the addend first, and not without Invalid
    CHECK(fmadd(QUIET_B, ONE, QUIET_A) == QUIET_A && take_fpsr() == 0);
    CHECK(fmadd(INFINITE, 0, QUIET_A) == DEFAULT_NAN && take_fpsr() == IOC);
    CHECK(fmsub(QUIET_A, ONE, ONE) == (QUIET_A | 1ull << 63) && take_fpsr() == 0);
    CHECK(fnmadd(ONE, QUIET_A, QUIET_B) == (QUIET_B & ~(1ull << 63)) && take_fpsr() == 0);
    CHECK(fmadd(LEAST_NORMAL, BELOW_ONE, 0) == LEAST_NORMAL && take_fpsr() == (UFC | IXC));
}

static volatile sig_atomic_t fpe_calls, ticks;
static void on_signal(int signal) {
    if (signal == SIGFPE) {
        ++fpe_calls;
        return;
    }
    ++ticks; // arithmetic of its own, with flags that the interrupted code must not see
    CHECK(fsub(INFINITE, INFINITE) == DEFAULT_NAN);
}

// A vector: NaNs in some lanes, numbers in the others.
static void vectors(uint32_t seed) {
    const uint32_t nan = 0x7fc00000u | (seed & 0xffff);
    const uint32_t a[4] = {nan, 0x3f800000, 0x7f800000, seed & 0xff};
    const uint32_t b[4] = {0xffc00001u, 0x40000000, 0, 0x3f800000};
    uint32_t r[4];
    __asm__ volatile("ldr q1, %1\n\tldr q2, %2\n\tfmul v0.4s, v1.4s, v2.4s\n\tstr q0, %0"
                     : "=m"(r)
                     : "m"(a), "m"(b)
                     : "v0", "v1", "v2");
    CHECK(r[0] == nan && r[1] == 0x40000000 && r[2] == 0x7fc00000 && r[3] == (seed & 0xff));
    CHECK(take_fpsr() == IOC);
}

static void* many(void* argument) {
    const uint32_t first = (uint32_t)(uintptr_t)argument;
    for (uint32_t i = 0; i < 3000; ++i) {
        (void)take_fpsr();
        if (i % 3 == 0) {
            CHECK(fadd(SIGNALING + i, ONE) == ((SIGNALING + i) | 1ull << 51));
            CHECK(take_fpsr() == IOC);
        } else if (i % 3 == 1) {
            vectors(first + i);
        } else {
            CHECK(fmadd(INFINITE, 0, QUIET_A + i) == DEFAULT_NAN && take_fpsr() == IOC);
            CHECK(fadd(ONE, ONE) == 0x4000000000000000ull && take_fpsr() == 0);
        }
    }
    return NULL;
}

static void threads(void) {
    const struct itimerval often = {{0, 500}, {0, 500}};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    pthread_t thread[4];
    for (uintptr_t i = 0; i < 4; ++i) {
        CHECK(pthread_create(&thread[i], NULL, many, (void*)(i * 100)) == 0);
    }
    for (unsigned i = 0; i < 4; ++i) {
        CHECK(pthread_join(thread[i], NULL) == 0);
    }
    const struct itimerval never = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(fpe_calls == 0);
}

// Flags that were raised before a signal and a fork are there afterwards.
static void kept(void) {
    (void)take_fpsr();
    CHECK(fdiv(0, 0) == DEFAULT_NAN && fdiv(ONE, 0) == INFINITE);
    CHECK(raise(SIGFPE) == 0 && fpe_calls == 1);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK((take_fpsr() & (IOC | DZC)) == (IOC | DZC));
        once();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK((take_fpsr() & (IOC | DZC)) == (IOC | DZC));
}

int main(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    CHECK(sigaction(SIGFPE, &action, NULL) == 0 && sigaction(SIGALRM, &action, NULL) == 0);
    const char* const tests[] = {"once", "threads", "once", "kept"};
    void (*const run[])(void) = {once, threads, once, kept};
    for (unsigned i = 0; i < 4; ++i) {
        run[i]();
        printf("%s OK\n", tests[i]);
    }
    return 0;
}
