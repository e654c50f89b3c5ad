// What a TLB may remember and has to forget: unmapping with every kind of TLBI, ASIDs and global
// pages, tables that are switched, aliases.
#include "paging.h"

static const u64 kVa = 0x4080000000;
enum { kPages = 64 };
static struct Space space;

static u64 page_of(u64 i) { return 0x44000000 + i * 0x1000; }

static void fill(void) {
    for (u64 i = 0; i < kPages; ++i) {
        *(volatile u64*)page_of(i) = 0x1000 + i;
    }
}
static void map_all(u64 attributes) {
    for (u64 i = 0; i < kPages; ++i) {
        map(space, kVa + i * 0x1000, page_of(i), 3, attributes);
    }
}
static u64 sum_all(void) {
    u64 sum = 0;
    for (u64 i = 0; i < kPages; ++i) {
        sum += *(volatile u64*)(kVa + i * 0x1000);
    }
    return sum;
}
static void touch(u64 i) {
    const u64 got = TRY("ldr x0, [x0]\n", kVa + i * 0x1000, 0);
    print("  page %d: %x\n", i, got);
}

// Remaps one page, says so by the instruction, and looks.
#define FORGET(name, code, value)                                                                  \
    do {                                                                                           \
        print(name "\n");                                                                          \
        map_all(kReadWrite | kNotGlobal);                                                          \
        tlbi_all();                                                                                \
        sum_all();                                                                                 \
        map(space, kVa + 5 * 0x1000, page_of(9), 3, kReadWrite | kNotGlobal);                      \
        *descriptor(space, kVa + 6 * 0x1000, 3) = 0;                                               \
        asm volatile("dsb ishst\n\t" code "\n\tdsb ish\n\tisb" ::"r"(value) : "memory");           \
        touch(5);                                                                                  \
        asm volatile("dsb ishst\n\t" code "\n\tdsb ish\n\tisb" ::"r"((value) + 1) : "memory");     \
        touch(6);                                                                                  \
        touch(7);                                                                                  \
    } while (0)

static void invalidations(void) {
    const u64 page = (kVa >> 12) + 5;
    FORGET("VMALLE1", "tlbi vmalle1 // %0", 0ul);
    FORGET("VMALLE1IS", "tlbi vmalle1is // %0", 0ul);
    FORGET("VAE1", "tlbi vae1, %0", page);
    FORGET("VAE1IS", "tlbi vae1is, %0", page);
    FORGET("VALE1", "tlbi vale1, %0", page);
    FORGET("VALE1IS", "tlbi vale1is, %0", page);
    FORGET("VAAE1", "tlbi vaae1, %0", page);
    FORGET("VAAE1IS", "tlbi vaae1is, %0", page);
    FORGET("VAALE1IS", "tlbi vaale1is, %0", page);
    // ASID 0, then 1: the second has nothing to do with page 6, whose translation was not used
    // after it went.
    print("ASIDE1IS\n");
    map_all(kReadWrite | kNotGlobal);
    tlbi_all();
    sum_all();
    *descriptor(space, kVa + 5 * 0x1000, 3) = 0;
    asm volatile("dsb ishst\n\ttlbi aside1is, %0\n\tdsb ish\n\tisb" ::"r"(0ul) : "memory");
    touch(5);
    print("RVAE1IS\n"); // 2 * (SCALE 0, NUM 0: 2 pages), 4 KiB granule
    map_all(kReadWrite | kNotGlobal);
    tlbi_all();
    sum_all();
    *descriptor(space, kVa + 5 * 0x1000, 3) = 0;
    *descriptor(space, kVa + 6 * 0x1000, 3) = 0;
    asm volatile("dsb ishst\n\ttlbi rvae1is, %0\n\tdsb ish\n\tisb" ::"r"(page | 1ul << 46)
                 : "memory");
    touch(5);
    touch(6);
    touch(7);
    print("a table goes\n");
    map_all(kReadWrite | kNotGlobal);
    tlbi_all();
    print("%x\n", sum_all());
    const u64 old = *descriptor(space, kVa, 2);
    *descriptor(space, kVa, 2) = 0;
    tlbi_va(kVa, 0);
    touch(0);
    *descriptor(space, kVa, 2) = old;
    asm volatile("dsb ishst\n\tisb" ::: "memory");
    touch(0);
}

// The same address in several address spaces.
static void address_spaces(void) {
    print("address spaces\n");
    enum { kSpaces = 4 };
    struct Space spaces[kSpaces];
    for (u64 i = 0; i < kSpaces; ++i) {
        spaces[i] = new_space(12, 48);
        map_machine(spaces[i]);
        for (u64 page = 0; page < 8; ++page) {
            map(spaces[i], kVa + page * 0x1000, page_of(page + i * 8), 3,
                kReadWrite | (page == 7 ? 0 : kNotGlobal));
        }
    }
    // Page 7 is global: the same in all of them.
    for (u64 i = 1; i < kSpaces; ++i) {
        map(spaces[i], kVa + 7 * 0x1000, page_of(7), 3, kReadWrite);
    }
    tlbi_all();
    for (u64 round = 0; round < 12; ++round) {
        const u64 i = round * 7 % kSpaces;
        write_register("ttbr0_el1", spaces[i].root | (i + 1) << 48);
        u64 sum = 0;
        for (u64 page = 0; page < 8; ++page) {
            volatile u64* const at = (volatile u64*)(kVa + page * 0x1000);
            sum += *at;
            *at += 0x10000;
        }
        print("space %d: %x\n", i, sum);
    }
    print("page of one ASID unmapped in all, forgotten in one\n");
    for (u64 i = 0; i < kSpaces; ++i) {
        *descriptor(spaces[i], kVa + 0x3000, 3) = 0;
    }
    tlbi_va(kVa + 0x3000, 2);
    write_register("ttbr0_el1", spaces[1].root | 2ul << 48);
    touch(3);
    touch(4);
    print("an ASID used again for another space\n");
    write_register("ttbr0_el1", spaces[2].root | 2ul << 48);
    asm volatile("tlbi aside1is, %0\n\tdsb ish\n\tisb" ::"r"(2ul << 48) : "memory");
    touch(0);
    touch(1);
    print("global page remapped\n");
    touch(7);
    for (u64 i = 0; i < kSpaces; ++i) {
        map(spaces[i], kVa + 7 * 0x1000, page_of(8), 3, kReadWrite);
    }
    tlbi_va(kVa + 7 * 0x1000, 0);
    touch(7);
    write_register("ttbr0_el1", spaces[0].root | 1ul << 48);
    touch(7);
    write_register("ttbr0_el1", space.root);
    tlbi_all();
}

static void aliases(void) {
    print("aliases\n");
    map(space, kVa, page_of(0), 3, kReadWrite);
    map(space, kVa + 0x200000, page_of(0), 3, kReadWrite | kReadOnly);
    map(space, kVa + 0x40000000, page_of(0), 3, kReadWrite);
    tlbi_all();
    for (u64 i = 0; i < 3; ++i) {
        *(volatile u64*)(kVa + 8) = 0x100 + i;
        *(volatile u64*)(kVa + 0x40000000 + 16) = 0x200 + i;
        print("%x %x %x\n", *(volatile u64*)(kVa + 0x200008), *(volatile u64*)(kVa + 0x200010),
              *(volatile u64*)(page_of(0) + 16));
    }
    TRY("str x0, [x0]\n", kVa + 0x200008, 0);
    print("exclusives through two names\n");
    u64 got = TRY("ldxr x2, [x0]\n str xzr, [x1]\n stxr w3, x2, [x0]\n mov x0, #0\n", kVa + 8,
                  kVa + 0x40000100);
    print("%d\n", got);
}

// More pages than any TLB has, and what maps them changing all the time.
static void many(void) {
    print("many\n");
    u64 sum = 0;
    for (u64 i = 0; i < 20000; ++i) {
        const u64 va = kVa + 0x10000000 + (i * 37 % 5000) * 0x1000;
        map(space, va, page_of(i % kPages), 3, kReadWrite);
        tlbi_va(va, 0);
        sum = sum * 3 + *(volatile u64*)(va + 0);
        if (i % 5000 == 0) {
            tlbi_all();
        }
    }
    print("%x\n", sum);
}

void main(void) {
    space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48));
    fill();
    invalidations();
    fill();
    address_spaces();
    fill();
    aliases();
    fill();
    many();
}
