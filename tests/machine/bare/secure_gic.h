// What the programs about a GIC with two Security states share: EL3's switch between them, and
// registers of the GIC's frames by name.
#pragma once

#include "support.h"

// Of SCR_EL3.
enum { kNs = 1 << 0, kIrqToEl3 = 1 << 1, kFiqToEl3 = 1 << 2, kReserved = 3 << 4, kRw = 1 << 10 };
static const u64 kDistributor = 0x08000000;

struct Named {
    const char* name;
    u64 at;
};

static inline u32 get(u64 at) { return *(volatile u32*)at; }
static inline void set(u64 at, u32 value) {
    *(volatile u32*)at = value;
    asm volatile("dsb sy\n\tisb" ::: "memory");
}
static inline void set_state(u64 bits) { write_register("scr_el3", kReserved | kRw | bits); }

static inline void show_registers(const char* who, const struct Named* registers, u64 count) {
    print("%s: SecurityExtn %d\n", who, get(kDistributor + 4) >> 10 & 1);
    for (u64 i = 0; i < count; ++i) {
        print("  %s %x\n", registers[i].name, get(registers[i].at));
    }
}
