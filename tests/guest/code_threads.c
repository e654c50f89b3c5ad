// A branch that one thread changes while others run it (DDI 0487 B2.2.5): what is complete before their ISB is what
// they run behind it. Without ISB, old and new may be fetched in any order.
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"

enum { kChanges = 3000, kReaders = 3, kEntryWords = 3 };

struct Seen {
    uint64_t now, complete;
};

static _Atomic uint64_t complete, calls;
static _Atomic int stop;
static uint32_t* code;

static void publish(uint32_t* at, uint32_t word) {
    __atomic_store_n(at, word, __ATOMIC_RELAXED);
    __builtin___clear_cache((char*)at, (char*)(at + 1));
}
static uint32_t* target(unsigned i) { return code + kEntryWords + 2 * i; }

// The code reads which change is complete, synchronizes, and branches by what was changed.
static struct Seen call(void) {
    register uint64_t now asm("x0") = (uint64_t)&complete;
    register uint64_t before asm("x1");
    asm volatile("blr %2" : "+r"(now), "=&r"(before) : "r"(code) : "x30", "memory");
    return (struct Seen){now, before};
}

static void* read_code(void* nothing) {
    int last;
    do {
        last = stop;
        ((void (*)(void))(code + 2))(); // what follows the ISB is known when what it is in is compiled
        const struct Seen seen = call();
        CHECK(seen.now >= seen.complete);
        CHECK(!last || seen.now == kChanges - 1);
        ++calls;
    } while (!last);
    return nothing;
}

static void code_changes_reach_all_threads(void) {
    code = mmap(NULL, 4 * (kEntryWords + 2 * kChanges), PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(code != MAP_FAILED);
    for (unsigned i = 0; i < kChanges; ++i) {
        publish(target(i), 0xd2800000u | i << 5); // MOVZ X0, #i
        publish(target(i) + 1, 0xd65f03c0u);      // RET
    }
    publish(code, 0xf9400001u);     // LDR X1, [X0]
    publish(code + 1, 0xd5033fdfu); // ISB
    publish(code + 2, 0x14000000u | (uint32_t)(target(0) - (code + 2)));
    pthread_t readers[kReaders];
    for (unsigned i = 0; i < kReaders; ++i) {
        CHECK(pthread_create(&readers[i], NULL, read_code, NULL) == 0);
    }
    for (unsigned i = 1; i < kChanges; ++i) {
        publish(code + 2, 0x14000000u | (uint32_t)(target(i) - (code + 2)));
        complete = i;
        for (const uint64_t before = calls; calls < before + 5;) {
            sched_yield();
        }
    }
    stop = 1;
    for (unsigned i = 0; i < kReaders; ++i) {
        CHECK(pthread_join(readers[i], NULL) == 0);
    }
}

int main(void) {
    RUN(code_changes_reach_all_threads);
    return 0;
}
