// NEON single precision: y = a x + y over a buffer that fits the cache.
#include "kernel.h"
enum { N = 4096 };
static float x[N], y[N];
uint64_t kernel(void) {
    for (int i = 0; i < N; ++i) {
        x[i] = (float)(i & 63);
        y[i] = (float)(i & 31);
    }
    for (int round = 0; round < 240000; ++round) {
        const float a = (round & 1) ? 0.5f : -0.5f;
        for (int i = 0; i < N; ++i) {
            y[i] += a * x[i];
        }
        __asm__ volatile("" ::: "memory");
    }
    uint64_t h = 0;
    for (int i = 0; i < N; i += 13) {
        h = mix(h, (uint64_t)(int64_t)y[i]);
    }
    return h;
}
