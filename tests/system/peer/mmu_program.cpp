// Translates the addresses of mmu_cases.h by AT, at EL3 of the machine that it runs on, and writes
// what PAR_EL1 says to its serial port: `tests/system/peer/run` says how.
#include "mmu_cases.h"

#ifndef FIRST
#define FIRST 0
#endif
#ifndef COUNT
#define COUNT 1
#endif
#ifndef VERBOSE
#define VERBOSE 0
#endif

using mmu_cases::u64;

namespace {

volatile unsigned* const kUart = reinterpret_cast<volatile unsigned*>(0x0900'0000);

void put(char c) { *kUart = static_cast<unsigned char>(c); }
void put_hex(u64 value, int digits) {
    while (digits-- > 0) {
        put("0123456789abcdef"[value >> (4 * digits) & 15]);
    }
}

struct Memory {
    u64 load(u64 at) { return *reinterpret_cast<volatile u64*>(at); }
    void store(u64 at, u64 value) { *reinterpret_cast<volatile u64*>(at) = value; }
};

#define SET(name, value) asm volatile("msr " name ", %0" ::"r"(value) : "memory")

void set_registers(const mmu_cases::Case& c) {
    SET("hcr_el2", c.hcr);
    if (c.el2) {
        SET("sctlr_el2", c.sctlr);
        SET("tcr_el2", c.tcr);
        SET("ttbr0_el2", c.ttbr0);
        SET("s3_4_c2_c0_1", c.ttbr1); // TTBR1_EL2
        SET("mair_el2", c.mair);
    } else {
        SET("sctlr_el1", c.sctlr);
        SET("tcr_el1", c.tcr);
        SET("ttbr0_el1", c.ttbr0);
        SET("ttbr1_el1", c.ttbr1);
        SET("mair_el1", c.mair);
        SET("vtcr_el2", c.vtcr);
        SET("vttbr_el2", c.vttbr);
    }
    asm volatile("dsb sy\n isb\n tlbi alle2\n tlbi alle1\n dsb sy\n isb" ::: "memory");
}

#define AT(operation) asm volatile("at " operation ", %0\n isb" ::"r"(address) : "memory")

u64 translate(unsigned operation, u64 address) {
    switch (operation) {
    case 0:
        AT("s1e1r");
        break;
    case 1:
        AT("s1e1w");
        break;
    case 2:
        AT("s1e0r");
        break;
    case 3:
        AT("s1e0w");
        break;
    case 4:
        AT("s12e1r");
        break;
    case 5:
        AT("s12e1w");
        break;
    case 6:
        AT("s12e0r");
        break;
    case 7:
        AT("s12e0w");
        break;
    case 8:
        AT("s1e1rp");
        break;
    case 9:
        AT("s1e1wp");
        break;
    case 10:
        AT("s1e2r");
        break;
    default:
        AT("s1e2w");
        break;
    }
    u64 par;
    asm volatile("mrs %0, par_el1" : "=r"(par));
    return par;
}

void run(u64 seed) {
    Memory memory;
    const mmu_cases::Case c = mmu_cases::Maker<Memory>(seed, memory).make();
    set_registers(c);
    u64 hash = 0;
    // Numbers of translate().
    static constexpr unsigned kEl1[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, kEl2[] = {10, 11, 2, 3};
    const unsigned count = !c.el2 ? 10 : (c.hcr >> 34 & 1) != 0 ? 4 : 2;
    for (const u64 address : c.addresses) {
        for (unsigned i = 0; i < count; ++i) {
            const unsigned operation = (c.el2 ? kEl2 : kEl1)[i];
            const u64 par = mmu_cases::comparable(translate(operation, address));
            hash = (hash ^ par) * 0x9e37'79b9'7f4a'7c15;
            hash ^= hash >> 29;
            if (VERBOSE) {
                put_hex(par, 16);
                put('\n');
            }
        }
    }
    if (!VERBOSE) {
        put_hex(hash, 8);
        put('\n');
    }
}

} // namespace

// What the compiler calls for itself.
extern "C" void* memset(void* to, int byte, unsigned long bytes) {
    for (unsigned long i = 0; i < bytes; ++i) {
        static_cast<volatile char*>(to)[i] = static_cast<char>(byte);
    }
    return to;
}

extern "C" void start_c() {
    constexpr u64 kNs = 1, kHce = 1 << 8, kRw = 1 << 10, kRes1 = 3 << 4;
    asm volatile("msr pan, #1");
    SET("scr_el3", kNs | kHce | kRw | kRes1);
    for (u64 seed = FIRST; seed < FIRST + COUNT; ++seed) {
        run(seed);
    }
    static const u64 kExit[] = {0x20026, 0}; // ADP_Stopped_ApplicationExit, status
    asm volatile("mov x0, #0x18\n mov x1, %0\n hlt #0xf000" ::"r"(kExit) : "x0", "x1", "memory");
}

asm(".section .text.start\n"
    ".global _start\n"
    "_start: ldr x0, =0x41000000\n"
    "        mov sp, x0\n"
    "        bl start_c\n"
    "        b .\n"
    ".text\n");
