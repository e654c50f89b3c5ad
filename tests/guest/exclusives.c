// LDXR, STXR loops as compilers emit them without LSE: every size and ordering under contention,
// the compare-and-swap form, and a store that faults in the middle of the loop.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"

#define THREADS 4
#define ROUNDS 20000

#define DEFINE_ADD(name, type, load, store, width)                                                 \
    static type name(volatile type* p, type n) {                                                   \
        type old, fresh;                                                                           \
        uint32_t failed;                                                                           \
        __asm__ volatile("1: " load " %" width "0, [%3]\n\tadd %" width "1, %" width "0, %" width  \
                         "4\n\t" store " %w2, %" width "1, [%3]\n\tcbnz %w2, 1b"                   \
                         : "=&r"(old), "=&r"(fresh), "=&r"(failed)                                 \
                         : "r"(p), "r"(n)                                                          \
                         : "memory");                                                              \
        CHECK(fresh == (type)(old + n) || sizeof(type) < 4);                                       \
        return old;                                                                                \
    }
DEFINE_ADD(add8, uint8_t, "ldxrb", "stxrb", "w")
DEFINE_ADD(add16, uint16_t, "ldaxrh", "stxrh", "w")
DEFINE_ADD(add32, uint32_t, "ldxr", "stlxr", "w")
DEFINE_ADD(add64, uint64_t, "ldaxr", "stlxr", "x")

static int compare_and_swap(volatile uint64_t* p, uint64_t* expected, uint64_t desired) {
    uint64_t old;
    uint32_t failed;
    __asm__ volatile(
        "1: ldaxr %0, [%2]\n\tcmp %0, %3\n\tb.ne 2f\n\tstlxr %w1, %4, [%2]\n\tcbnz %w1, 1b\n2:"
        : "=&r"(old), "=&r"(failed)
        : "r"(p), "r"(*expected), "r"(desired)
        : "cc", "memory");
    const int done = old == *expected;
    *expected = old;
    return done;
}

// Adds to both halves.
static void add_pair(volatile uint32_t* p) {
    uint32_t low, high, failed;
    __asm__ volatile("1: ldaxp %w0, %w1, [%3]\n\tadd %w0, %w0, #1\n\tadd %w1, %w1, #2\n\tstlxp "
                     "%w2, %w0, %w1, [%3]\n\t"
                     "cbnz %w2, 1b"
                     : "=&r"(low), "=&r"(high), "=&r"(failed)
                     : "r"(p)
                     : "memory");
}

static struct {
    uint8_t b;
    uint16_t h;
    uint32_t w;
    uint64_t x, swapped, sum;
    uint32_t pair[2] __attribute__((aligned(8)));
} shared;

static void* worker(void* unused) {
    (void)unused;
    uint64_t sum = 0;
    for (int i = 0; i < ROUNDS; ++i) {
        add8(&shared.b, 3);
        add16(&shared.h, 5);
        sum += add32(&shared.w, 1);
        add64(&shared.x, 0x100000001);
        add_pair(shared.pair);
        uint64_t expected = shared.swapped;
        while (!compare_and_swap(&shared.swapped, &expected, expected + 2)) {
        }
    }
    add64(&shared.sum, sum);
    return NULL;
}

static void contention(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; ++i) {
        CHECK(pthread_create(&threads[i], NULL, worker, NULL) == 0);
    }
    for (int i = 0; i < THREADS; ++i) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    const uint64_t n = (uint64_t)THREADS * ROUNDS;
    CHECK(shared.b == (uint8_t)(3 * n));
    CHECK(shared.h == (uint16_t)(5 * n));
    CHECK(shared.w == n);
    CHECK(shared.sum == n * (n - 1) / 2); // every old value was seen once
    CHECK(shared.x == 0x100000001 * n);
    CHECK(shared.swapped == 2 * n);
    CHECK(shared.pair[0] == n && shared.pair[1] == 2 * n);
}

// The load succeeds and the store does not: the fault belongs to STXR, with the loaded value and
// the sum in their registers; the loop goes on once the page can be written.
static volatile int faults;
static char* page;
extern const char faulting_store[];
static void on_fault(int signal, siginfo_t* info, void* context) {
    (void)signal;
    const ucontext_t* const uc = context;
    CHECK(info->si_addr == page + 8 && info->si_code == SEGV_ACCERR);
    CHECK(uc->uc_mcontext.pc == (uintptr_t)faulting_store);
    CHECK(uc->uc_mcontext.regs[10] == 41 && uc->uc_mcontext.regs[11] == 42);
    ++faults;
    CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
}

static void faulting_store_is_precise(void) {
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    volatile uint64_t* const cell = (uint64_t*)(page + 8);
    *cell = 41;
    CHECK(mprotect(page, 4096, PROT_READ) == 0);
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    __asm__ volatile(
        "1: ldxr x10, [%0]\n\tadd x11, x10, #1\n\t.global faulting_store\nfaulting_store:\n\t"
        "stxr w12, x11, [%0]\n\tcbnz w12, 1b"
        :
        : "r"(cell)
        : "x10", "x11", "x12", "memory");
    CHECK(faults == 1);
    CHECK(*cell == 42);
}

// A branch out between the two leaves the reservation, and only the first store takes it.
static void reservation_survives_a_branch(void) {
    uint64_t cell = 7, old;
    uint32_t first, second;
    __asm__ volatile(
        "ldxr %0, [%3]\n\tcmp %0, #8\n\tb.ne 1f\n\tstxr %w1, xzr, [%3]\n\tcbnz %w1, 1f\n1:\n\t"
        "b 2f\n\tnop\n2: stxr %w1, %4, [%3]\n\tstxr %w2, xzr, [%3]"
        : "=&r"(old), "=&r"(first), "=&r"(second)
        : "r"(&cell), "r"(9ull)
        : "cc", "memory");
    CHECK(old == 7 && first == 0 && second == 1 && cell == 9);
}

int main(void) {
    RUN(contention);
    RUN(faulting_store_is_precise);
    RUN(reservation_survives_a_branch);
    return 0;
}
