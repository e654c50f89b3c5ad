#include "paging.h"

static u64 next_free = 0x48000000;

u64 allocate(u64 bytes) {
    const u64 at = next_free;
    next_free += (bytes + 0xffff) & ~0xfffful;
    return at;
}

static u64 level_shift(u64 page_bits, u64 level) {
    return page_bits + (3 - level) * (page_bits - 3);
}

struct Space new_space(u64 page_bits, u64 va_bits) {
    u64 level = 3;
    while (level_shift(page_bits, level) + page_bits - 3 < va_bits) {
        --level;
    }
    return (struct Space){allocate(1ul << page_bits), page_bits, level};
}

volatile u64* descriptor(struct Space space, u64 va, u64 level) {
    u64* table = (u64*)space.root;
    for (u64 at = space.first_level;; ++at) {
        const u64 shift = level_shift(space.page_bits, at);
        const u64 index = va >> shift & ((1ul << (space.page_bits - 3)) - 1);
        if (at == level) {
            return &table[index];
        }
        if (table[index] == 0) {
            table[index] = allocate(1ul << space.page_bits) | kTable | kValid;
        }
        table = (u64*)(table[index] & 0xfffffffff000);
    }
}

void map(struct Space space, u64 va, u64 pa, u64 level, u64 attributes) {
    *descriptor(space, va, level) = pa | attributes | (level == 3 ? kTable : 0) | kValid;
    asm volatile("dsb ishst\n\tisb" ::: "memory");
}

void map_pages(struct Space space, u64 va, u64 pa, u64 bytes, u64 attributes) {
    for (u64 at = 0; at < bytes; at += 1ul << space.page_bits) {
        map(space, va + at, pa + at, 3, attributes);
    }
}

void map_machine(struct Space space) {
    const u64 device = kAccessed | kUxn | kPxn | kAttribute(kDevice);
    const u64 ram = kAccessed | kInner | kUxn;
    map_pages(space, 0x08000000, 0x08000000, 0x20000, device); // GIC
    map_pages(space, 0x080a0000, 0x080a0000, 0x100000, device);
    map_pages(space, 0x09000000, 0x09000000, 1ul << space.page_bits, device);
    // Blocks of level 2: 2, 32 or 512 MiB.
    const u64 block = 1ul << level_shift(space.page_bits, 2);
    for (u64 at = 0x40000000; at < 0x50000000; at += block) {
        map(space, at, at, 2, ram);
    }
}

u64 tcr_for(u64 page_bits, u64 va_bits) {
    const u64 granule = page_bits == 12 ? 0 : page_bits == 14 ? 2 : 1;
    return 5ul << 32 | 1ul << 23 | granule << 14 | 3ul << 12 | 1ul << 10 | 1ul << 8 |
           (64 - va_bits) | 2ul << 30 | 16ul << 16;
}

void enable_mmu(struct Space space, u64 tcr) {
    write_register("mair_el1", kMair);
    write_register("tcr_el1", tcr);
    write_register("ttbr0_el1", space.root);
    asm volatile("tlbi vmalle1\n\tdsb ish\n\tisb" ::: "memory");
    // C, I, M
    write_register("sctlr_el1", read_register("sctlr_el1") | 1ul << 12 | 1ul << 2 | 1);
}
