// cflags: -march=armv8.3-a -mbranch-protection=standard
// With PEER in the environment it leaves out what a peer emulator is known not to do.
// Pointer authentication: signing and authenticating, failures, keys of threads and processes.
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>

static sigjmp_buf after;
static volatile int raised, code;
static volatile uintptr_t at;

static void on_signal(int signal, siginfo_t* info, void* context) {
    raised = signal;
    code = info->si_code;
    at = ((ucontext_t*)context)->uc_mcontext.pc;
    CHECK((uintptr_t)info->si_addr == at);
    siglongjmp(after, 1);
}

#define SIGN(op)                                                                                   \
    static uint64_t op(uint64_t pointer, uint64_t modifier) {                                      \
        __asm__ volatile(#op " %0, %1" : "+r"(pointer) : "r"(modifier));                           \
        return pointer;                                                                            \
    }
SIGN(pacia) SIGN(pacib) SIGN(pacda) SIGN(pacdb) SIGN(autia) SIGN(autib) SIGN(autda) SIGN(autdb)

static uint64_t xpaci(uint64_t pointer) {
    __asm__ volatile("xpaci %0" : "+r"(pointer));
    return pointer;
}
static uint64_t pacga(uint64_t a, uint64_t b) {
    uint64_t result;
    __asm__ volatile("pacga %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

typedef uint64_t (*operation)(uint64_t, uint64_t);
static const operation sign[] = {pacia, pacib, pacda, pacdb}, auth[] = {autia, autib, autda, autdb};

static const uint64_t pointers[] = {0x0000aaaabbbbccc0, 0x1200aaaabbbbccc1, 0xff80000000000000, 0,
                                    0xa5ffffffffffffff & ~(1ull << 55)};

// True when authentication raises SIGILL.
static int fails(operation authenticate, uint64_t pointer, uint64_t modifier, uint64_t* result) {
    raised = 0;
    if (sigsetjmp(after, 1) == 0) {
        *result = authenticate(pointer, modifier);
        return 0;
    }
    CHECK(raised == SIGILL && code == ILL_ILLOPN);
    return 1;
}

static void round_trips(void) {
    for (unsigned k = 0; k < 4; ++k) {
        for (unsigned i = 0; i < sizeof pointers / sizeof *pointers; ++i) {
            const uint64_t plain = xpaci(pointers[i]);
            const uint64_t signed_pointer = sign[k](plain, 42 + i);
            if ((plain & 1ull << 55) == 0) { // where EL0's addresses are: bits 63:56 are a tag
                CHECK((signed_pointer & 0xff80ffffffffffff) == (plain & 0xff80ffffffffffff));
            }
            CHECK(xpaci(signed_pointer) == plain);
            CHECK(auth[k](signed_pointer, 42 + i) == plain);
        }
    }
}

// Some code, somewhere in 64 tries, depends on pointer, modifier and key.
static void codes_depend_on_everything(void) {
    int by_modifier = 0, by_pointer = 0, by_key = 0, data = 0, by_tag = 0;
    for (uint64_t i = 0; i < 64; ++i) {
        const uint64_t p = 0x0000aaaa00000000 + i * 16, field = 0x7full << 48;
        by_modifier += pacia(p, i) != pacia(p, i + 1);
        by_pointer += (pacia(p, 7) & field) != (pacia(p + 16, 7) & field);
        by_tag += (pacia(p, 7) & field) != (pacia(p | 1ull << 60, 7) & field);
        by_key += pacia(p, i) != pacib(p, i);
        data += pacda(p, i) != pacdb(p, i);
    }
    CHECK(by_modifier > 32 && by_pointer > 32 && by_key > 32 && data > 32 && by_tag > 32);
}

static void failures_raise(void) {
    uint64_t result;
    for (unsigned k = 0; k < 4; ++k) {
        const uint64_t good = sign[k](pointers[0], 1);
        for (unsigned bit = 48; bit < 55; ++bit) {
            CHECK(fails(auth[k], good ^ 1ull << bit, 1, &result));
        }
        CHECK(!fails(auth[k], good, 1, &result) && result == pointers[0]);
    }
}

static void generic_codes(void) {
    CHECK((uint32_t)pacga(1, 2) == 0);
    CHECK(pacga(1, 2) == pacga(1, 2));
    CHECK(pacga(1, 2) != pacga(2, 2) && pacga(1, 2) != pacga(1, 3)); // once in 2^32 not
}

// Combined forms, and those in the hint space.
static void combined_forms(void) {
    uint64_t result, target;
    __asm__ volatile("adr %0, 1f\n paciza %0\n blraaz %0\n b 2f\n1: bti c\n mov %1, #5\n ret\n2:"
                     : "=&r"(target), "=&r"(result)::"x30");
    CHECK(result == 5);
    __asm__ volatile("adr %0, 1f\n pacib %0, sp\n brab %0, sp\n mov %1, #1\n1: bti j\n" : "=&r"(target), "=&r"(result));
    __asm__ volatile("mov x9, x30\n adr x30, 1f\n paciasp\n retaa\n brk #1\n1: mov x30, x9" ::: "x9", "x30");
    __asm__ volatile("mov x9, x30\n adr x30, 1f\n mov x8, x30\n pacibz\n xpaclri\n sub %0, x30, x8\n1: mov x30, x9"
                     : "=r"(result)::"x8", "x9", "x30");
    CHECK(result == 0);
    __asm__ volatile("mov x16, #9\n mov x17, #0x1230\n pacia1716\n autia1716\n mov %0, x17" : "=r"(result)::"x16", "x17");
    CHECK(result == 0x1230);
    uint64_t data[4] = {11, 22, 33, 44};
    uint64_t pointer = (uint64_t)&data[2];
    __asm__ volatile("pacdza %1\n ldraa %0, [%1, #-8]" : "=r"(result), "+r"(pointer)::"memory");
    CHECK(result == 22);
    pointer = (uint64_t)&data[0];
    __asm__ volatile("pacdzb %1\n ldrab %0, [%1, #24]!" : "=r"(result), "+r"(pointer)::"memory");
    CHECK(result == 44 && pointer == (uint64_t)&data[3]);
}

static uint64_t shared;
static void* in_thread(void* unused) {
    (void)unused;
    return (void*)(uintptr_t)(autia(shared, 3) == pointers[0]);
}
static void threads_and_children_inherit_keys(void) {
    shared = pacia(pointers[0], 3);
    pthread_t thread;
    void* same;
    CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0);
    CHECK(pthread_join(thread, &same) == 0 && same);
    const pid_t child = fork();
    if (child == 0) {
        _exit(autia(shared, 3) == pointers[0] ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

// Not inlined: the return addresses of this function's callers are signed with the keys it changes, so it
// keeps IA and IB.
static void keys_are_reset(void) {
    uint64_t before[64];
    for (unsigned i = 0; i < 64; ++i) {
        before[i] = pacda(pointers[0], i);
    }
    const uint64_t generic = pacga(1, 2);
    CHECK(prctl(PR_PAC_RESET_KEYS, PR_PAC_APDAKEY, 0, 0, 0) == 0);
    int changed = 0;
    for (unsigned i = 0; i < 64; ++i) {
        changed += before[i] != pacda(pointers[0], i);
    }
    CHECK(changed > 32);
    CHECK(pacga(1, 2) == generic);
    CHECK(prctl(PR_PAC_RESET_KEYS, PR_PAC_APGAKEY, 0, 0, 0) == 0);
    CHECK(pacga(1, 2) != generic);
    CHECK(prctl(PR_PAC_RESET_KEYS, 1ul << 5, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(prctl(PR_PAC_RESET_KEYS, PR_PAC_APDAKEY, 1, 0, 0) == -1 && errno == EINVAL);
}

#ifndef PR_PAC_SET_ENABLED_KEYS
#define PR_PAC_SET_ENABLED_KEYS 60
#define PR_PAC_GET_ENABLED_KEYS 61
#endif
static void keys_can_be_disabled(void) {
    const long all = prctl(PR_PAC_GET_ENABLED_KEYS, 0, 0, 0, 0);
    if (all == -1 && errno == EINVAL && getenv("PEER")) {
        return; // the peer emulator lacks these calls
    }
    CHECK(all == (PR_PAC_APIAKEY | PR_PAC_APIBKEY | PR_PAC_APDAKEY | PR_PAC_APDBKEY));
    CHECK(prctl(PR_PAC_SET_ENABLED_KEYS, PR_PAC_APDAKEY | PR_PAC_APDBKEY, PR_PAC_APDBKEY, 0, 0) == 0);
    CHECK(prctl(PR_PAC_GET_ENABLED_KEYS, 0, 0, 0, 0) == (all & ~(long)PR_PAC_APDAKEY));
    for (unsigned i = 0; i < 64; ++i) {
        CHECK(pacda(pointers[1], i) == pointers[1] && autda(pointers[1] | 1ull << 50, i) == (pointers[1] | 1ull << 50));
        CHECK(autdb(pacdb(pointers[1], i), i) == pointers[1]);
        CHECK(autia(pacia(pointers[1], i), i) == pointers[1]);
    }
    CHECK(prctl(PR_PAC_SET_ENABLED_KEYS, PR_PAC_APDAKEY, PR_PAC_APDAKEY, 0, 0) == 0);
    int changed = 0;
    for (unsigned i = 0; i < 64; ++i) {
        changed += pacda(pointers[1], i) != pointers[1];
    }
    CHECK(changed > 32);
    CHECK(prctl(PR_PAC_SET_ENABLED_KEYS, PR_PAC_APGAKEY, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(prctl(PR_PAC_SET_ENABLED_KEYS, PR_PAC_APDAKEY, PR_PAC_APDBKEY, 0, 0) == -1 && errno == EINVAL);
}

int main(void) {
    CHECK((getauxval(AT_HWCAP) >> 30 & 3) == 3); // HWCAP_PACA, HWCAP_PACG
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    RUN(round_trips);
    RUN(codes_depend_on_everything);
    RUN(failures_raise);
    RUN(generic_codes);
    if (!getenv("PEER")) {
        RUN(combined_forms);
    }
    RUN(threads_and_children_inherit_keys);
    RUN(keys_are_reset);
    RUN(keys_can_be_disabled);
    return 0;
}
