// cflags: -march=armv8.4-a
// FEAT_LSE2: exclusive, ordered and atomic accesses need not be aligned inside 16 bytes. Pairs and vectors that are
// aligned to 16 bytes are single-copy atomic.
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>

static sigjmp_buf after;
static void* volatile address;
static void on_bus(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)context;
    CHECK(info->si_code == BUS_ADRALN);
    address = info->si_addr;
    siglongjmp(after, 1);
}

static char buffer[64] __attribute__((aligned(64)));

// Runs `access` with x9 = the address, at every offset; it must fault just where it leaves 16 bytes.
#define EVERYWHERE(bytes, ...)                                                                     \
    for (volatile int offset = 0; offset < 32; ++offset) {                                                  \
        char* const p = buffer + offset;                                                           \
        const int inside = offset % 16 + (bytes) <= 16;                                            \
        volatile int faulted = 1;                                                                  \
        if (sigsetjmp(after, 1) == 0) {                                                            \
            __asm__ volatile("mov x9, %0\n mov x10, #0\n mov x11, #0\n" __VA_ARGS__ ::"r"(p)       \
                             : "x8", "x9", "x10", "x11", "x12", "memory");                         \
            faulted = 0;                                                                           \
        }                                                                                          \
        CHECK(faulted == !inside);                                                                 \
        CHECK(!faulted || address == p);                                                           \
    }

static void where_accesses_fault(void) {
    EVERYWHERE(8, "ldar x10, [x9]");
    EVERYWHERE(4, "stlr w10, [x9]");
    EVERYWHERE(2, "ldaprh w10, [x9]");
    EVERYWHERE(8, "ldapur x10, [x9]");
    EVERYWHERE(4, "stlur w10, [x9]");
    EVERYWHERE(2, "ldapursh x10, [x9]");
    EVERYWHERE(8, "ldxr x10, [x9]\n clrex");
    EVERYWHERE(4, "ldaxr w10, [x9]\n stlxr w12, w10, [x9]");
    EVERYWHERE(8, "ldxp w10, w11, [x9]\n clrex");
    EVERYWHERE(8, "ldadd x10, x11, [x9]");
    EVERYWHERE(4, "swpal w10, w11, [x9]");
    EVERYWHERE(2, "ldumaxh w10, w11, [x9]");
    EVERYWHERE(8, "cas x10, x11, [x9]");
    EVERYWHERE(8, "casp w10, w11, w10, w11, [x9]");
    EVERYWHERE(1, "ldaddb w10, w11, [x9]");
}

// Offsets count: the address that faults is the one accessed.
static void offsets(void) {
    char* const p = buffer + 16;
    uint64_t value = 0x1122334455667788, back = 0;
    __asm__ volatile("stlur %1, [%2, #-13]\n ldapur %0, [%2, #-13]" : "=&r"(back) : "r"(value), "r"(p) : "memory");
    CHECK(back == value && memcmp(buffer + 3, &value, 8) == 0);
    if (sigsetjmp(after, 1) == 0) {
        __asm__ volatile("ldapur %0, [%1, #-7]" : "=r"(back) : "r"(p) : "memory");
        CHECK(!"no fault");
    }
    CHECK(address == p - 7);
}

// Misaligned read-modify-write loses no update of a neighbour that overlaps it.
static void* adds(void* p) {
    for (int i = 0; i < 200000; ++i) {
        __asm__ volatile("stadd %w0, [%1]" ::"r"(1), "r"(p) : "memory");
    }
    return NULL;
}
static void misaligned_atomics_are_atomic(void) {
    memset(buffer, 0, sizeof buffer);
    pthread_t threads[2];
    for (int i = 0; i < 2; ++i) {
        CHECK(pthread_create(&threads[i], NULL, adds, buffer + 5) == 0);
    }
    for (int i = 0; i < 2; ++i) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    uint32_t sum;
    memcpy(&sum, buffer + 5, 4);
    CHECK(sum == 400000);
}

static volatile int stop;
static void* stores_pairs(void* p) {
    for (uint64_t i = 0; !stop; ++i) {
        __asm__ volatile("stp %0, %0, [%1]" ::"r"(i), "r"(p) : "memory");
    }
    return NULL;
}
static void pairs_are_atomic(void) {
    memset(buffer, 0, sizeof buffer);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, stores_pairs, buffer) == 0);
    const long long end = now_ms() + 500;
    while (now_ms() < end) {
        for (int i = 0; i < 1000; ++i) {
            uint64_t a, b;
            __asm__ volatile("ldp %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(buffer) : "memory");
            CHECK(a == b);
        }
    }
    stop = 1;
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(void) {
    CHECK(getauxval(AT_HWCAP) & 1ul << 25); // HWCAP_USCAT
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
    RUN(where_accesses_fault);
    RUN(offsets);
    RUN(misaligned_atomics_are_atomic);
    RUN(pairs_are_atomic);
    return 0;
}
