// One case of the instruction fuzzer, as it travels to the peer harness and back. Plain C: the
// harness is an Arm program.
#pragma once
#include <stdint.h>

enum {
    kMaxWords = 64,
    kDataBytes = 1 << 16,
};
// Both processes map the same addresses, so that pointers in registers mean the same.
#define FUZZ_CODE_ADDRESS 0x10000000ull
#define FUZZ_DATA_ADDRESS 0x10100000ull

struct FuzzState {
    uint64_t x[31];
    uint64_t sp;
    uint64_t v[64]; // V0 low, V0 high, V1 low, ...
    uint64_t nzcv;  // four bits
    uint64_t fpcr;
    uint64_t fpsr;
};

struct FuzzCase {
    uint32_t count;     // words
    uint32_t data_seed; // data is fill_data(seed)
    uint32_t words[kMaxWords];
    struct FuzzState state;
};

struct FuzzResult {
    struct FuzzState state;
    uint32_t signal;    // 0: ran to the end
    uint32_t code;      // si_code
    uint64_t pc;        // of the faulting instruction
    uint64_t address;   // si_addr
    uint64_t data_hash; // hash_data
};

static inline void fill_data(uint8_t* data, uint32_t seed) {
    for (uint32_t i = 0; i < kDataBytes; i += 4) {
        seed = seed * 1664525u + 1013904223u;
        const uint32_t word = seed ^ seed >> 15;
        __builtin_memcpy(data + i, &word, 4);
    }
}
static inline uint64_t hash_data(const uint8_t* data) {
    uint64_t hash = 1469598103934665603ull;
    for (uint32_t i = 0; i < kDataBytes; i += 8) {
        uint64_t word;
        __builtin_memcpy(&word, data + i, 8);
        hash = (hash ^ word) * 1099511628211ull;
        hash ^= hash >> 29;
    }
    return hash;
}
