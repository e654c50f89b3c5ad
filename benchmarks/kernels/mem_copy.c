// The guest libc's memcpy, memset and strlen over small and medium sizes.
#include "kernel.h"
static char from[1 << 16], to[1 << 16];
uint64_t kernel(void) {
    uint32_t seed = 2;
    for (size_t i = 0; i < sizeof from - 1; ++i) {
        from[i] = (char)('a' + next_random(&seed) % 26);
    }
    uint64_t h = 0;
    for (int i = 0; i < 1000000; ++i) {
        const uint32_t size = next_random(&seed) % 2000, offset = next_random(&seed) % 32000;
        memcpy(to + offset, from + (offset >> 1), size);
        to[offset + size] = 0;
        h += strlen(to + offset);
        memset(to + offset, 0x20, size / 2);
    }
    return mix(h, (uint8_t)to[777]);
}
