// Runs a given amount of the code that benchmarks/scaling generates, over and over.
// usage: code_size GROUPS MILLISECONDS; prints a checksum of the first pass over the groups, the nanoseconds it took, and
// those of a pass in the last half of the time.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef uint64_t (*group_function)(uint64_t* memory, uint64_t x);
extern const group_function groups[];
enum { GROUPS_A_BATCH = 200 }; // between two looks at the clock

// What generated code never calls.
__attribute__((cold, noinline)) uint64_t rare(uint64_t* memory, uint64_t x) { return memory[x % 256] = x; }

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static uint64_t memory[256];

static uint64_t pass(uint64_t count, uint64_t x) {
    for (uint64_t i = 0; i < count; ++i) x = groups[i](memory, x);
    return x;
}
// Passes until `end`; returns the nanoseconds a pass.
static double passes_until(uint64_t end, uint64_t count, uint64_t* x) {
    const uint64_t begin = now(), batch = count < GROUPS_A_BATCH ? GROUPS_A_BATCH / count : 1;
    uint64_t done = 0, time = begin;
    do {
        for (uint64_t i = 0; i < batch; ++i) *x = pass(count, *x);
        done += batch;
        time = now();
    } while (time < end);
    return (double)(time - begin) / (double)done;
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const uint64_t count = strtoull(argv[1], NULL, 10), nanoseconds = strtoull(argv[2], NULL, 10) * 1000000u;
    if (count == 0) return 2;
    const uint64_t start = now();
    uint64_t x = pass(count, 1);
    const uint64_t first = now();
    printf("%016llx %.1f", (unsigned long long)x, (double)(first - start));
    passes_until(first + nanoseconds / 2, count, &x);
    printf(" %.1f\n", passes_until(first + nanoseconds, count, &x));
    return x == 0;
}
