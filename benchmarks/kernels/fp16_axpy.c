// Half precision: y = a x + y over a buffer that fits the cache, every operation rounded.
// arm64 flags: -march=armv8.2-a+fp16 -O3
// native flags: -mf16c -fexcess-precision=16 -O3
#include "kernel.h"
enum { N = 4096 };
static _Float16 x[N], y[N];
uint64_t kernel(void) {
    for (int i = 0; i < N; ++i) {
        x[i] = (_Float16)((i & 63) * 0.37f);
        y[i] = (_Float16)((i & 31) * 0.11f);
    }
    for (int round = 0; round < 16000; ++round) {
        const _Float16 a = (round & 1) ? 0.3f16 : -0.3f16;
        for (int i = 0; i < N; ++i) {
            y[i] += a * x[i];
        }
        __asm__ volatile("" ::: "memory");
    }
    uint64_t h = 0;
    for (int i = 0; i < N; i += 13) {
        h = mix(h, (uint64_t)(int64_t)(y[i] * 1024.0f));
    }
    return h;
}
