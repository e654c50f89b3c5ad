// Pointer chasing through 8 MiB: load latency.
#include "kernel.h"
enum { N = 1 << 20 };
static uint32_t next[N * 2];
uint64_t kernel(void) {
    uint32_t seed = 1;
    for (uint32_t i = 0; i < N; ++i) next[i] = i;
    for (uint32_t i = N - 1; i > 0; --i) {
        const uint32_t j = next_random(&seed) % i, t = next[i];
        next[i] = next[j];
        next[j] = t;
    }
    uint32_t at = 0;
    uint64_t h = 0;
    for (int i = 0; i < 20000000; ++i) {
        at = next[at];
        h += at;
    }
    return h;
}
