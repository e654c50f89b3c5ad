// Dependent integer arithmetic: multiply, rotate, xor.
#include "kernel.h"
uint64_t kernel(void) {
    uint64_t h = 1;
    for (uint64_t i = 0; i < 150000000; ++i) {
        h = mix(h, i) + (h << 7 | h >> 57);
    }
    return h;
}
