// Calls through a table of function pointers, in an order that a predictor can't learn whole.
#include "kernel.h"
#define F(n, e) \
    __attribute__((noinline)) static uint64_t f##n(uint64_t x) { return e; }
F(0, x + 1) F(1, x * 3) F(2, x ^ 0x55) F(3, x - 7) F(4, x << 1 | x >> 63) F(5, ~x) F(6, x + (x >> 3)) F(7, x * 5 + 1)
static uint64_t (*const functions[8])(uint64_t) = {f0, f1, f2, f3, f4, f5, f6, f7};
uint64_t kernel(void) {
    uint64_t x = 1;
    uint32_t seed = 3;
    for (int i = 0; i < 40000000; ++i) {
        x = functions[next_random(&seed) >> 9 & 7](x);
    }
    return x;
}
