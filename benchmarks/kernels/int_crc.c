// Table-driven CRC-32: loads on the critical path.
#include "kernel.h"
static uint32_t table[256];
static uint8_t data[1 << 20];
uint64_t kernel(void) {
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t c = i;
        for (int k = 0; k < 8; ++k) {
            c = (c & 1) ? 0xedb88320u ^ (c >> 1) : c >> 1;
        }
        table[i] = c;
    }
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof data; ++i) {
        data[i] = (uint8_t)next_random(&seed);
    }
    uint32_t crc = ~0u;
    for (int round = 0; round < 100; ++round) {
        for (size_t i = 0; i < sizeof data; ++i) {
            crc = table[(crc ^ data[i]) & 255] ^ (crc >> 8);
        }
    }
    return crc;
}
