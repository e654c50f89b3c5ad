// Translation of every granule: blocks, pages, contiguous entries, and the faults of every level.
#include "paging.h"

static const u64 kVa = 0x4080000000; // beyond the machine's own addresses
static u64 pattern_base;

static u64 shift_of(u64 page_bits, u64 level) { return page_bits + (3 - level) * (page_bits - 3); }

static void faults(struct Space space, u64 va) {
    print("invalid descriptor at each level\n");
    for (u64 level = space.first_level; level <= 3; ++level) {
        // A block address far away: its tables do not exist yet.
        const u64 at = va + (1ul << (shift_of(space.page_bits, 1) < 42 ? 38 : 42));
        u64 probe = at + ((level + 1) << shift_of(space.page_bits, 2));
        if (level == 3) {
            map(space, probe, 0x44000000, 3, kReadWrite);
            probe += 1ul << space.page_bits;
        } else if (level == 2 && space.page_bits == 12) {
            map(space, probe, 0x44000000, 2, kReadWrite);
            probe += 1ul << shift_of(space.page_bits, 2);
        }
        TRY("ldr x0, [x0]\n", probe + 0x18, 0);
        TRY("str x0, [x0]\n", probe + 0x20, 0);
        TRY("ret x0\n", probe + 0x40, 0);
    }
    print("reserved and broken descriptors\n");
    map(space, va, pattern_base, 3, kReadWrite);
    volatile u64* const entry = descriptor(space, va, 3);
    const u64 good = *entry;
    *entry = good & ~(u64)kTable; // level 3 has no blocks
    tlbi_va(va, 0);
    TRY("ldr x0, [x0]\n", va, 0);
    *entry = good & ~(u64)kAccessed;
    tlbi_va(va, 0);
    TRY("ldr x0, [x0]\n", va, 0);
    TRY("str x0, [x0]\n", va, 0);
    *entry = good | 1ul << 47; // beyond IPS of 48 bits it is not; there is no memory
    tlbi_va(va, 0);
    TRY("ldr x0, [x0]\n", va, 0);
    *entry = good;
    tlbi_va(va, 0);
    print("%x\n", TRY("ldr x0, [x0]\n", va, 0));
    TRY("ldr x0, [x0]\n", va | 1ul << 55, 0);
    TRY("ldr x0, [x0]\n", va | 1ul << 48, 0);
    TRY("ldr x0, [x0]\n", ~0ul - 7, 0);
}

static void sizes(struct Space space, u64 va) {
    const u64 two = shift_of(space.page_bits, 2);
    print("page, block\n");
    map(space, va, 0x44000000, 3, kReadWrite);
    print("%x\n", *(volatile u64*)(va + 0x40));
    const u64 block = va + (1ul << two);
    const u64 pa = pattern_base & ~((1ul << two) - 1);
    map(space, block, pa, 2, kReadWrite);
    print("%x\n", *(volatile u64*)(block + pattern_base - pa + 0x40));
    if (space.page_bits == 12) {
        const u64 giga = 0x8000000000 | 1ul << 30;
        map(space, giga, 0x40000000, 1, kReadWrite);
        print("1 GiB %x\n", *(volatile u64*)(giga + 0x4000040));
        // A table over the block is seen after TLBI.
        *descriptor(space, giga, 1) = 0;
        tlbi_va(giga, 0);
        TRY("ldr x0, [x0]\n", giga + 0x4000040, 0);
        map(space, giga + 0x200000, 0x44000000, 2, kReadWrite);
        print("table %x\n", *(volatile u64*)(giga + 0x200040));
        TRY("ldr x0, [x0]\n", giga + 0x4000040, 0);
    }
    print("contiguous\n");
    const u64 count = space.page_bits == 12 ? 16 : space.page_bits == 14 ? 128 : 32;
    const u64 base = va + (count << space.page_bits) * 3;
    for (u64 i = 0; i < count; ++i) {
        map(space, base + (i << space.page_bits), 0x44000000 + (i << space.page_bits), 3,
            kReadWrite | kContiguous);
    }
    u64 sum = 0;
    for (u64 i = 0; i < count; ++i) {
        sum += *(volatile u64*)(base + (i << space.page_bits) + 0x40);
    }
    print("%x\n", sum);
}

static void crossing(struct Space space, u64 va) {
    print("accesses across two pages\n");
    const u64 page = 1ul << space.page_bits;
    // Neighbours in virtual memory, far apart in physical memory.
    map(space, va, 0x44000000, 3, kReadWrite);
    map(space, va + page, 0x45000000, 3, kReadWrite);
    for (u64 i = 0; i < 8; ++i) {
        *(volatile u8*)(va + page - 4 + i) = (u8)(0xa0 + i);
    }
    print("%x %x\n", TRY("ldr x0, [x0]\n", va + page - 4, 0),
          TRY("ldur w0, [x0, #-1]\n", va + page - 1, 0));
    TRY("str x1, [x0]\n", va + page - 3, 0x1122334455667788);
    print("%x %x\n", *(volatile u64*)(0x44000000 + page - 8), *(volatile u64*)0x45000000);
    TRY("str q0, [x0]\n ldr q1, [x0]\n", va + page - 5, 0);
    // The second page cannot be written: which address, and what was written before?
    map(space, va + page, 0x45000000, 3, kReadWrite | kReadOnly);
    tlbi_va(va + page, 0);
    TRY("stp x1, x1, [x0]\n", va + page - 8, 0x5555);
    TRY("str x1, [x0]\n", va + page, 0x5555);
    *descriptor(space, va + page, 3) = 0;
    tlbi_va(va + page, 0);
    TRY("ldp x2, x3, [x0]\n", va + page - 8, 0);
    TRY("ldr x0, [x0]\n", va + page, 0);
    print("SCTLR_EL1.A\n");
    write_register("sctlr_el1", read_register("sctlr_el1") | 2);
    TRY("ldr x0, [x0]\n", va + 4, 0);
    TRY("ldr w0, [x0]\n", va + 4, 0);
    TRY("strh w1, [x0]\n", va + 1, 0);
    TRY("strb w1, [x0]\n", va + 1, 0);
    write_register("sctlr_el1", read_register("sctlr_el1") & ~2ul);
    TRY("ldr x0, [x0]\n", va + 4, 0);
    print("exclusives and acquire are checked always, but within 16 bytes\n");
    TRY("ldxr x0, [x0]\n", va + 4, 0);
    TRY("ldaxr w0, [x0]\n", va + 2, 0);
    TRY("ldxp x2, x3, [x0]\n", va + 8, 0);
    TRY("ldar x0, [x0]\n", va + 12, 0);
}

void main(void) {
    static const u64 kBits[] = {12, 14, 16};
    for (u64 i = 0; i < 3; ++i) {
        const u64 page_bits = kBits[i];
        const struct Space space = new_space(page_bits, 48);
        print("pages of 2^%d bytes, first level %d\n", page_bits, space.first_level);
        pattern_base = 0x44000000;
        for (u64 at = 0; at < 1 << 22; at += 64) {
            *(volatile u64*)(pattern_base + at) = at * 0x10001;
        }
        map_machine(space);
        enable_mmu(space, tcr_for(page_bits, 48));
        sizes(space, kVa);
        faults(space, kVa);
        crossing(space, kVa + (1ul << shift_of(page_bits, 2)) * 5);
        asm volatile("dsb ish" ::: "memory");
        write_register("sctlr_el1", read_register("sctlr_el1") & ~(1ul | 1ul << 2 | 1ul << 12));
    }
}
