// NEON integers: 16-bit multiply-accumulate, shifts, min/max, as in image filters.
#include "kernel.h"
enum { N = 8192 };
static int16_t a[N], b[N], c[N];
uint64_t kernel(void) {
    uint32_t seed = 11;
    for (int i = 0; i < N; ++i) {
        a[i] = (int16_t)next_random(&seed);
        b[i] = (int16_t)(next_random(&seed) & 255);
    }
    for (int round = 0; round < 160000; ++round) {
        for (int i = 0; i < N; ++i) {
            const int16_t t = (int16_t)((a[i] * b[i] >> 3) + c[i]);
            c[i] = t > 12000 ? 12000 : t < -12000 ? -12000 : t;
        }
        __asm__ volatile("" ::: "memory");
    }
    uint64_t h = 0;
    for (int i = 0; i < N; i += 11) {
        h = mix(h, (uint16_t)c[i]);
    }
    return h;
}
