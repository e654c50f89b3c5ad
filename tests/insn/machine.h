// The little machine that instruction tests run on: its memory map, its registers, and batches of
// runs as they travel to the Arm harness (tests/fuzz/peer_harness.c) through shared memory. Plain
// C: the harness is an Arm program.
//
//     out     what ends a program: code of the harness; here, a supervisor call
//     leave   one page; a program ends by reaching its first word, which branches out
//     code    a page per program: its words, then BRK #0, from kPoolOffset literals
//     (machine_pool_word),
//             then BRK #0 again
//     data    a window per run: writable bytes, read-only bytes, nothing up to kWindowStride
//
// Both processes map the same addresses, so that pointers in registers mean the same.
#pragma once
#include <stdint.h>

enum {
    kMaxWords = 64,
    kPrograms = 16, // in a batch
    kRuns = 64,     // in a batch; run i has window i
    kCodeBytes = 4096,
    kPoolOffset = 1024,
    kPoolBytes = 1024,
    kDataBytes = 16384,
    kReadOnlyBytes = 4096,
    kWindowBytes = kDataBytes + kReadOnlyBytes,
    kWindowStride = 1 << 17, // no immediate offset reaches from one window to another
};
#define MACHINE_OUT 0x0f000000ull
#define MACHINE_LEAVE 0x10000000ull
#define MACHINE_CODE 0x10001000ull
#define MACHINE_DATA 0x10100000ull
#define MACHINE_BRK 0xd4200000u
#define MACHINE_NOP 0xd503201fu

// B from one address to another.
static inline uint32_t machine_branch(uint64_t from, uint64_t to) {
    return 0x14000000u | ((uint32_t)((int64_t)(to - from) >> 2) & 0x03ffffffu);
}
static inline uint32_t machine_pool_word(uint32_t index) { return (index + 1) * 0x9e3779b9u; }
// What the leave page and the pages of programs hold before there are programs, by word.
static inline uint32_t machine_initial_word(uint32_t index) {
    const uint32_t page_offset = index * 4 % kCodeBytes;
    const uint32_t pool_offset = page_offset - kPoolOffset;
    return index == 0 ? machine_branch(MACHINE_LEAVE, MACHINE_OUT)
           : pool_offset < kPoolBytes && index * 4u >= kCodeBytes
               ? machine_pool_word(pool_offset / 4)
               : MACHINE_BRK;
}

struct MachineState {
    uint64_t x[31];
    uint64_t sp;
    uint64_t v[64]; // V0 low, V0 high, V1 low, ...
    uint64_t nzcv;  // four bits
    uint64_t fpcr;
    uint64_t fpsr;
    uint64_t tpidr;
};

struct MachineResult {
    struct MachineState state;
    uint32_t signal;  // 0: reached the leave page
    uint32_t code;    // si_code, of SIGSEGV and SIGBUS
    uint64_t pc;      // where it stopped
    uint64_t address; // si_addr, of SIGSEGV and SIGBUS
};

struct MachineProgram {
    uint32_t count;
    uint32_t words[kMaxWords];
};

struct MachineRun {
    uint32_t program; // index
    uint32_t reserved;
    struct MachineState in;
    struct MachineResult out;
};

// Followed in the shared file, at the next page boundary, by the windows, then by the leave page
// and the programs, which are the harness's own.
struct MachineBatch {
    uint32_t program_count, run_count;
    uint32_t only_first_window, reserved; // the others are inaccessible during this batch
    uint64_t dczid, ctr, random[2];       // filled by the harness; random: AT_RANDOM
    struct MachineProgram programs[kPrograms];
    struct MachineRun runs[kRuns];
};
#define MACHINE_BATCH_BYTES ((sizeof(struct MachineBatch) + 4095) & ~(uint64_t)4095)
#define MACHINE_WINDOWS_BYTES ((uint64_t)kRuns * kWindowBytes)
#define MACHINE_EXECUTABLE_BYTES (MACHINE_CODE - MACHINE_LEAVE + (uint64_t)kPrograms * kCodeBytes)
#define MACHINE_SHARED_BYTES                                                                       \
    (MACHINE_BATCH_BYTES + MACHINE_WINDOWS_BYTES + MACHINE_EXECUTABLE_BYTES)
