// Checked memory (MTE, synchronous): tagging it, walking along it, and following pointers through it.
// arm64 flags: -march=armv8.5-a+memtag
#define _GNU_SOURCE
#include "kernel.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { BYTES = 1 << 20, WORDS = BYTES / 8, LINKS = 4096 };

#ifdef __ARM_FEATURE_MEMORY_TAGGING
enum { SET_TAGGED_ADDRESSES = 55, ENABLE_SYNC_ALL_TAGS = 1 | 1 << 1 | 0xffff << 3, CHECKED = 0x20 };
static uint64_t* tag(uint64_t* memory, uint64_t tag) {
    char* at = (char*)((uintptr_t)memory << 8 >> 8 | tag << 56);
    for (int i = 0; i < BYTES; i += 16) {
        __asm__ volatile("stg %0, [%0]" : : "r"(at + i) : "memory");
    }
    return (uint64_t*)at;
}
static uint64_t* map(void) {
    if (prctl(SET_TAGGED_ADDRESSES, ENABLE_SYNC_ALL_TAGS, 0, 0, 0) != 0) {
        abort();
    }
    return mmap(NULL, BYTES, PROT_READ | PROT_WRITE | CHECKED, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
#else
static uint64_t* tag(uint64_t* memory, uint64_t tag) { return tag ? memory : NULL; }
static uint64_t* map(void) { return malloc(BYTES); }
#endif

uint64_t kernel(void) {
    uint64_t* memory = map();
    uint64_t h = 0;
    for (uint64_t round = 0; round < 60; ++round) {
        memory = tag(memory, 1 + round % 15);
        for (int i = 0; i < WORDS; ++i) {
            memory[i] = round * (uint64_t)i;
        }
        for (int i = 0; i < WORDS; ++i) {
            h += memory[i] ^ (uint64_t)i;
        }
        void** links = (void**)memory;
        for (int i = 0; i < LINKS; ++i) {
            links[i * 2] = &links[(i * 1237 + 1) % LINKS * 2];
        }
        void** at = links;
        for (int i = 0; i < WORDS; ++i) {
            at = *at;
        }
        h = mix(h, (uint64_t)(at - links));
    }
    return h;
}
