// Page tables for the bare-metal programs: any granule, in memory of their own.
#pragma once

#include "support.h"

enum {
    kValid = 1 << 0,
    kTable = 1 << 1, // or a page
    kUser = 1 << 6,
    kReadOnly = 1 << 7,
    kInner = 3 << 8,
    kAccessed = 1 << 10,
    kNotGlobal = 1 << 11,
};
#define kDirtyModifier (1ul << 51)
#define kContiguous (1ul << 52)
#define kPxn (1ul << 53)
#define kUxn (1ul << 54)
#define kAttribute(index) ((u64)(index) << 2)
// Indices of MAIR_EL1.
enum { kNormal, kDevice, kNonCacheable };
#define kMair 0x4404fful

#define kReadWrite (kAccessed | kInner | kUxn | kPxn)
#define kUserReadWrite (kReadWrite | kUser)
#define kCode (kAccessed | kInner | kReadOnly | kUxn)
#define kUserCode (kAccessed | kInner | kReadOnly | kUser | kPxn)

// Zeroed memory that nobody else uses.
u64 allocate(u64 bytes);

// A table of `levels_from` (the level of its root) with pages of 2^page_bits bytes.
struct Space {
    u64 root, page_bits, first_level;
};
struct Space new_space(u64 page_bits, u64 va_bits);
// Maps what one descriptor of the level maps; 3: a page.
void map(struct Space space, u64 va, u64 pa, u64 level, u64 attributes);
void map_pages(struct Space space, u64 va, u64 pa, u64 bytes, u64 attributes);
// The descriptor, to read or to change.
volatile u64* descriptor(struct Space space, u64 va, u64 level);
// The UART, and RAM from where the image is, each at its own address.
void map_machine(struct Space space);

u64 tcr_for(u64 page_bits, u64 va_bits); // of TTBR0, 48 bits of physical address, TTBR1 off
// Turns EL1's MMU on.
void enable_mmu(struct Space space, u64 tcr);

static inline void tlbi_all(void) {
    asm volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish\n\tisb" ::: "memory");
}
static inline void tlbi_va(u64 va, u64 asid) {
    asm volatile("dsb ishst\n\ttlbi vae1is, %0\n\tdsb ish\n\tisb" ::"r"(asid << 48 |
                                                                        (va >> 12 & 0xfffffffffff))
                 : "memory");
}
