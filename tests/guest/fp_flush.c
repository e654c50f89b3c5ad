// Flush to zero (FPCR.FZ): values and FPSR are Arm's, whatever the host does with denormal numbers:
// the first time and the many thousandth, behind signals, and in threads and children, which
// inherit the mode.
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>

#define IOC 1u
#define DZC 2u
#define OFC 4u
#define UFC 8u
#define IXC 16u
#define IDC 128u
#define DEFAULT_NAN 0x7ff8000000000000ull
#define INFINITE 0x7ff0000000000000ull
#define LEAST_NORMAL 0x0010000000000000ull
#define DENORMAL 0x0000000000000123ull
#define ONE 0x3ff0000000000000ull
#define HALF 0x3fe0000000000000ull
#define BELOW_ONE 0x3fefffffffffffffull
#define GREATEST 0x7fefffffffffffffull
#define MINUS (1ull << 63)

static void set_fpsr(uint64_t value) { __asm__ volatile("msr fpsr, %0" ::"r"(value) : "memory"); }
static uint32_t fpsr(void) {
    uint64_t value;
    __asm__ volatile("mrs %0, fpsr" : "=r"(value)::"memory");
    return (uint32_t)value;
}
static uint32_t take_fpsr(void) {
    const uint32_t value = fpsr();
    set_fpsr(0);
    return value;
}
static void flush_to_zero(void) {
    __asm__ volatile("msr fpcr, %0" ::"r"(1ull << 24) : "memory");
    set_fpsr(0);
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
BINARY(fadd) BINARY(fsub) BINARY(fmul) BINARY(fdiv) BINARY(fmaxnm)

static uint64_t fmadd(uint64_t a, uint64_t b, uint64_t c) {
    uint64_t r;
    __asm__ volatile("fmov d1, %1\n\tfmov d2, %2\n\tfmov d3, %3\n\t"
                     "fmadd d0, d1, d2, d3\n\tfmov %0, d0"
                     : "=r"(r)
                     : "r"(a), "r"(b), "r"(c)
                     : "v0", "v1", "v2", "v3");
    return r;
}
static uint64_t fsqrt(uint64_t a) {
    uint64_t r;
    __asm__ volatile("fmov d1, %1\n\tfsqrt d0, d1\n\tfmov %0, d0" : "=r"(r) : "r"(a) : "v0", "v1");
    return r;
}
static uint32_t to_single(uint64_t a) {
    uint32_t r;
    __asm__ volatile("fmov d1, %1\n\tfcvt s0, d1\n\tfmov %w0, s0"
                     : "=r"(r)
                     : "r"(a)
                     : "v0", "v1");
    return r;
}
static uint64_t to_integer(uint64_t a) {
    uint64_t r;
    __asm__ volatile("fmov d1, %1\n\tfcvtzs %0, d1" : "=r"(r) : "r"(a) : "v1");
    return r;
}
static int equal(uint64_t a, uint64_t b) {
    uint64_t r;
    __asm__ volatile("fmov d1, %1\n\tfmov d2, %2\n\tfcmp d1, d2\n\tcset %0, eq"
                     : "=r"(r)
                     : "r"(a), "r"(b)
                     : "v1", "v2", "cc");
    return (int)r;
}

static void results(void) {
    CHECK(fmul(LEAST_NORMAL, HALF) == 0 && take_fpsr() == UFC);
    CHECK(fmul(LEAST_NORMAL | MINUS, HALF) == MINUS && take_fpsr() == UFC);
    CHECK(fmul(LEAST_NORMAL + 1, HALF) == 0 && take_fpsr() == UFC); // inexact, were it not flushed
    CHECK(fmul(LEAST_NORMAL, BELOW_ONE) == 0 && take_fpsr() == UFC); // tiny before rounding only
    CHECK(fmul(LEAST_NORMAL, ONE) == LEAST_NORMAL && take_fpsr() == 0);
    CHECK(fdiv(LEAST_NORMAL, 0x4008000000000000ull) == 0 && take_fpsr() == UFC);
    CHECK(fsub(LEAST_NORMAL + 5, LEAST_NORMAL) == 0 && take_fpsr() == UFC);
    CHECK(fmadd(LEAST_NORMAL, BELOW_ONE, 0) == 0 && take_fpsr() == UFC);
    CHECK(fmadd(LEAST_NORMAL, HALF, MINUS | LEAST_NORMAL) == MINUS && take_fpsr() == UFC);
    CHECK(to_single(0x37d0000000000000ull) == 0 && take_fpsr() == UFC); // 2^-130
    CHECK(to_single(MINUS | 0x37d0000000000001ull) == 0x80000000u && take_fpsr() == UFC);
}

static void operands(void) {
    CHECK(fadd(DENORMAL, ONE) == ONE && take_fpsr() == IDC);
    CHECK(fadd(DENORMAL, DENORMAL) == 0 && take_fpsr() == IDC);
    CHECK(fmul(INFINITE, DENORMAL) == DEFAULT_NAN && take_fpsr() == (IDC | IOC));
    CHECK(fdiv(ONE, DENORMAL | MINUS) == (INFINITE | MINUS) && take_fpsr() == (IDC | DZC));
    CHECK(fmadd(DENORMAL, ONE, ONE) == ONE && take_fpsr() == IDC);
    CHECK(fmadd(ONE, ONE, DENORMAL) == ONE && take_fpsr() == IDC);
    CHECK(fmadd(DENORMAL, DENORMAL, DEFAULT_NAN + 7) == DEFAULT_NAN + 7 && take_fpsr() == IDC);
    CHECK(fsqrt(DENORMAL | MINUS) == MINUS && take_fpsr() == IDC);
    CHECK(fmaxnm(DENORMAL, MINUS) == 0 && take_fpsr() == IDC);
    CHECK(equal(DENORMAL, 0) && take_fpsr() == IDC);
    CHECK(!equal(DENORMAL, DEFAULT_NAN) && take_fpsr() == IDC);
    CHECK(to_integer(DENORMAL) == 0 && take_fpsr() == IDC);
    CHECK(to_single(DENORMAL) == 0 && take_fpsr() == IDC);
}

// What has nothing to do with flushing.
static void ordinary(void) {
    CHECK(fadd(ONE, LEAST_NORMAL) == ONE && take_fpsr() == IXC);
    CHECK(fdiv(0, 0) == DEFAULT_NAN && take_fpsr() == IOC);
    CHECK(fdiv(ONE, 0) == INFINITE && take_fpsr() == DZC);
    CHECK(fmul(GREATEST, GREATEST) == INFINITE && take_fpsr() == (OFC | IXC));
    CHECK(to_integer(0x4004000000000000ull) == 2 && take_fpsr() == IXC); // 2.5
    CHECK(fsqrt(0x4000000000000000ull) == 0x3ff6a09e667f3bcdull && take_fpsr() == IXC);
    CHECK(fadd(ONE, ONE) == 0x4000000000000000ull && take_fpsr() == 0);
}

// Flags add up in any order.
static void flags_together(void) {
    CHECK(fadd(ONE, LEAST_NORMAL) == ONE && fmul(LEAST_NORMAL + 1, HALF) == 0);
    CHECK(fpsr() == (IXC | UFC));
    CHECK(fadd(DENORMAL, ONE) == ONE && take_fpsr() == (IXC | UFC | IDC));
    CHECK(fmul(LEAST_NORMAL + 1, HALF) == 0 && fpsr() == UFC);
    CHECK(fadd(ONE, LEAST_NORMAL) == ONE && take_fpsr() == (IXC | UFC));
    set_fpsr(IXC | DZC);
    CHECK(fmul(LEAST_NORMAL + 1, HALF) == 0 && take_fpsr() == (IXC | DZC | UFC));
    CHECK(fmul(LEAST_NORMAL + 1, HALF) == 0 && take_fpsr() == UFC);
}

static void vectors(uint32_t seed) {
    const uint32_t a[4] = {1 + seed % 1000, 0x3f800000, 0x00800001, 0x40400000};
    const uint32_t b[4] = {0x3f800000, 0x40000000, 0x3f000000, 0x3f800000};
    uint32_t r[4];
    __asm__ volatile("ldr q1, %1\n\tldr q2, %2\n\tfmul v0.4s, v1.4s, v2.4s\n\tstr q0, %0"
                     : "=m"(r)
                     : "m"(a), "m"(b)
                     : "v0", "v1", "v2");
    CHECK(r[0] == 0 && r[1] == 0x40000000 && r[2] == 0 && r[3] == 0x40400000);
    CHECK(take_fpsr() == (IDC | UFC));
    __asm__ volatile("ldr d1, %1\n\tldr d2, %2\n\tfmul v0.2s, v1.2s, v2.2s\n\tstr q0, %0"
                     : "=m"(r)
                     : "m"(a), "m"(b)
                     : "v0", "v1", "v2");
    CHECK(r[0] == 0 && r[1] == 0x40000000 && r[2] == 0 && r[3] == 0 && take_fpsr() == IDC);
}

static void once(void) {
    set_fpsr(0);
    results();
    operands();
    ordinary();
    flags_together();
    vectors(0);
}

static void* many(void* argument) {
    set_fpsr(0); // FPCR is the parent's
    for (uint32_t i = 0; i < 3000; ++i) {
        vectors((uint32_t)(uintptr_t)argument + i);
        CHECK(fmul(LEAST_NORMAL + i, HALF) == 0 && take_fpsr() == UFC);
        CHECK(fadd(ONE, LEAST_NORMAL + i) == ONE && take_fpsr() == IXC);
    }
    return NULL;
}
static void threads(void) {
    pthread_t thread[4];
    for (uintptr_t i = 0; i < 4; ++i) {
        CHECK(pthread_create(&thread[i], NULL, many, (void*)(i * 100)) == 0);
    }
    for (unsigned i = 0; i < 4; ++i) {
        CHECK(pthread_join(thread[i], NULL) == 0);
    }
}

static volatile sig_atomic_t calls;
static void on_signal(int signal) {
    (void)signal;
    ++calls;
    set_fpsr(0);
    CHECK(fadd(ONE, LEAST_NORMAL) == ONE && fpsr() == IXC);
}
// A handler's flags are not those of what it interrupted, and a child's not its parent's.
static void kept(void) {
    set_fpsr(0);
    CHECK(raise(SIGUSR1) == 0 && calls > 0 && fpsr() == 0);
    CHECK(fmul(LEAST_NORMAL + 1, HALF) == 0 && fpsr() == UFC);
    CHECK(raise(SIGUSR1) == 0 && fpsr() == UFC);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(fadd(ONE, LEAST_NORMAL) == ONE && take_fpsr() == (UFC | IXC));
        once();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0 && take_fpsr() == UFC);
}

int main(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    flush_to_zero();
    const char* const tests[] = {"once", "kept", "threads", "once", "kept"};
    void (*const run[])(void) = {once, kept, threads, once, kept};
    for (unsigned i = 0; i < sizeof run / sizeof run[0]; ++i) {
        run[i]();
        printf("%s OK\n", tests[i]);
    }
    return 0;
}
