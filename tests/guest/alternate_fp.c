// FEAT_AFP: FPCR.FIZ, AH and NEP take effect, and survive signals and belong to a thread.
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <ucontext.h>

#define FIZ 1ul
#define AH 2ul
#define NEP 4ul
#define IDC 0x80ul

static uint64_t fpcr(void) {
    uint64_t value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
}
static void set_fpcr(uint64_t value) { __asm__ volatile("msr fpcr, %0" ::"r"(value) : "memory"); }

typedef struct {
    uint64_t low, high, fpsr;
} Sum;
// The S register a + b, into a register whose 16 bytes are known before.
static Sum add(uint32_t a, uint32_t b, uint64_t mode) {
    Sum sum;
    const uint64_t old = fpcr();
    __asm__ volatile("msr fpcr, %[mode]\n\tmsr fpsr, xzr\n\t"
                     "dup v1.4s, %w[a]\n\tfmov s2, %w[b]\n\tmovi v0.2d, #0\n\t"
                     "fadd s0, s1, s2\n\t"
                     "mrs %[fpsr], fpsr\n\tmsr fpcr, %[old]\n\t"
                     "fmov %[low], d0\n\tfmov %[high], v0.d[1]"
                     : [low] "=&r"(sum.low), [high] "=&r"(sum.high), [fpsr] "=&r"(sum.fpsr)
                     : [a] "r"(a), [b] "r"(b), [mode] "r"(mode), [old] "r"(old)
                     : "v0", "v1", "v2");
    return sum;
}

static void modes(void) {
    Sum sum = add(1, 1, 0);
    CHECK(sum.low == 2 && sum.high == 0 && sum.fpsr == 0);
    sum = add(1, 1, AH);
    CHECK(sum.low == 2 && sum.high == 0 && sum.fpsr == IDC);
    sum = add(1, 1, FIZ);
    CHECK(sum.low == 0 && sum.high == 0 && sum.fpsr == 0);
    sum = add(1, 1, NEP);
    CHECK(sum.low == 0x100000002 && sum.high == 0x100000001);
    sum = add(0x7f800000, 0xff800000, AH); // infinity - infinity
    CHECK(sum.low == 0xffc00000 && sum.fpsr == 1);
}

static volatile uint64_t in_frame, in_handler;

static void handler(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)info;
    const ucontext_t* const uc = context;
    const struct fpsimd_context* const fp = (const void*)uc->uc_mcontext.__reserved;
    CHECK(fp->head.magic == FPSIMD_MAGIC);
    in_frame = fp->fpcr;
    in_handler = fpcr();
    set_fpcr(0);
}

static void signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    set_fpcr(FIZ | AH);
    const int result = raise(SIGUSR1);
    const uint64_t after = fpcr();
    set_fpcr(0);
    CHECK(result == 0 && in_frame == (FIZ | AH) && in_handler == (FIZ | AH) && after == (FIZ | AH));
}

static void* other(void* arg) {
    *(uint64_t*)arg = fpcr();
    set_fpcr(0);
    return NULL;
}
static void threads(void) {
    pthread_t thread;
    uint64_t inherited = 0;
    set_fpcr(AH);
    const int result = pthread_create(&thread, NULL, other, &inherited);
    const int joined = pthread_join(thread, NULL);
    const uint64_t after = fpcr();
    set_fpcr(0);
    CHECK(result == 0 && joined == 0 && inherited == AH && after == AH);
}

int main(void) {
    const unsigned long kAfp = 1ul << 20; // HWCAP2_AFP
    set_fpcr(FIZ | AH | NEP);
    const uint64_t written = fpcr();
    set_fpcr(0);
    if ((getauxval(AT_HWCAP2) & kAfp) == 0) {
        CHECK(written == 0);
        return 0;
    }
    CHECK(written == (FIZ | AH | NEP));
    RUN(modes);
    RUN(signals);
    RUN(threads);
    return 0;
}
