// Every kernel is one program: it does a fixed amount of work and prints a checksum, which must be
// equal on every engine.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t mix(uint64_t h, uint64_t v) {
    h ^= v;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}
// A small generator, so that inputs are equal everywhere.
static inline uint32_t next_random(uint32_t* state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}
static inline void fill_random(void* bytes, size_t count, uint32_t seed) {
    for (size_t i = 0; i < count; ++i) {
        ((uint8_t*)bytes)[i] = (uint8_t)next_random(&seed);
    }
}
uint64_t kernel(void);

int main(void) {
    printf("%016llx\n", (unsigned long long)kernel());
    return 0;
}
