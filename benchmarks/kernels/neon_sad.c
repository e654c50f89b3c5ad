// NEON integers: sum of absolute differences of bytes, widening.
#include "kernel.h"
enum { N = 16384 };
static uint8_t a[N], b[N];
uint64_t kernel(void) {
    uint32_t seed = 9;
    for (int i = 0; i < N; ++i) {
        a[i] = (uint8_t)next_random(&seed);
        b[i] = (uint8_t)next_random(&seed);
    }
    uint64_t total = 0;
    for (int round = 0; round < 160000; ++round) {
        uint32_t sum = 0;
        for (int i = 0; i < N; ++i) {
            sum += (uint32_t)abs(a[i] - b[i]);
        }
        total += sum;
        a[round & (N - 1)] ^= 1;
        __asm__ volatile("" ::: "memory");
    }
    return total;
}
