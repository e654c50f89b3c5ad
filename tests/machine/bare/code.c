// Code that changes: written in place, through an alias, by remapping its page; called and run
// into; at several addresses; and across pages.
#include "paging.h"

static const u64 kVa = 0x4080000000;
static struct Space space;

// MOVZ X0, #value; RET
static void put_function(u64 at, u64 value) {
    const u32 words[] = {0xd2800000u | (u32)value << 5, 0xd65f03c0u};
    write_code((volatile u32*)at, words, 2);
}
static u64 call(u64 at) { return ((u64(*)(void))at)(); }

// Writes through one name, IC IVAU by another.
static void put_by_alias(u64 writable, u64 executable, u64 value) {
    *(volatile u32*)writable = 0xd2800000u | (u32)value << 5;
    *(volatile u32*)(writable + 4) = 0xd65f03c0u;
    asm volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %1\n\tdsb ish\n\tisb" ::"r"(writable),
                 "r"(executable)
                 : "memory");
}

static void in_place(void) {
    print("in place\n");
    map(space, kVa, 0x44000000, 3, kAccessed | kInner | kUxn);
    u64 sum = 0;
    for (u64 i = 0; i < 300; ++i) {
        put_function(kVa + 64 * (i % 5), i);
        for (u64 again = 0; again < 30; ++again) {
            sum += call(kVa + 64 * (i % 5)) * (again + 1);
        }
    }
    print("%d\n", sum);
}

static void by_alias(void) {
    print("by an alias\n");
    map(space, kVa, 0x44000000, 3, kReadWrite);
    map(space, kVa + 0x10000, 0x44000000, 3, kCode);
    map(space, kVa + 0x20000, 0x44000000, 3, kCode);
    tlbi_all();
    u64 sum = 0;
    for (u64 i = 0; i < 300; ++i) {
        put_by_alias(kVa, kVa + 0x10000 + (i & 1) * 0x10000, i);
        sum += call(kVa + 0x10000) + call(kVa + 0x20000) * 3;
    }
    print("%d\n", sum);
    print("IC IALLU\n");
    for (u64 i = 0; i < 20; ++i) {
        *(volatile u32*)kVa = 0xd2800000u | (u32)i << 5;
        asm volatile("dc cvau, %0\n\tdsb ish\n\tic iallu\n\tdsb ish\n\tisb" ::"r"(kVa) : "memory");
        sum += call(kVa + 0x10000) * i;
    }
    print("%d\n", sum);
}

static void remapped(void) {
    print("remapped\n");
    for (u64 i = 0; i < 8; ++i) {
        put_function(0x44000000 + i * 0x1000, 0x100 + i);
    }
    u64 sum = 0;
    for (u64 i = 0; i < 400; ++i) {
        map(space, kVa, 0x44000000 + i % 8 * 0x1000, 3, kCode);
        tlbi_va(kVa, 0);
        for (u64 again = 0; again < 20; ++again) {
            sum = sum * 3 + call(kVa);
        }
    }
    print("%x\n", sum);
    *descriptor(space, kVa, 3) = 0;
    tlbi_va(kVa, 0);
    TRY("blr x0\n", kVa, 0);
    map(space, kVa, 0x44000000, 3, kReadWrite);
    TRY("blr x0\n", kVa, 0);
}

// A loop of two pages, whose second one comes and goes under it.
static void across_pages(void) {
    print("across pages\n");
    const u64 second = kVa + 0x31000;
    map(space, kVa + 0x30000, 0x44010000, 3, kAccessed | kInner | kUxn);
    map(space, second, 0x44020000, 3, kAccessed | kInner | kUxn);
    tlbi_all();
    // ADD X0, X0, #1 three times, over the boundary, then RET.
    const u32 add = 0x91000400, add16 = 0x91004000, ret = 0xd65f03c0;
    const u32 first_words[] = {add, add}, second_words[] = {add, ret}, other_words[] = {add16, ret};
    write_code((volatile u32*)(second - 8), first_words, 2);
    write_code((volatile u32*)second, second_words, 2);
    write_code((volatile u32*)0x44030000, other_words, 2);
    for (u64 i = 0; i < 4; ++i) {
        u64 value = 0;
        for (u64 again = 0; again < 100; ++again) {
            value = TRY("blr x1\n", value, second - 8);
        }
        print("%d\n", value);
        map(space, second, i % 2 ? 0x44020000 : 0x44030000, 3, kAccessed | kInner | kUxn);
        tlbi_va(second, 0);
    }
    *descriptor(space, second, 3) = 0;
    tlbi_va(second, 0);
    print("%d\n", TRY("blr x1\n", 5, second - 8)); // two were added
}

// Code that writes the instructions behind itself.
static void ahead(void) {
    print("ahead of itself\n");
    map(space, kVa, 0x44000000, 3, kAccessed | kInner | kUxn);
    tlbi_all();
    const u32 sequence[] = {
        0xb9002001, // STR W1, [X0, #32]
        0x91008002, // ADD X2, X0, #32
        0xd50b7b22, // DC CVAU, X2
        0xd5033b9f, // DSB ISH
        0xd50b7522, // IC IVAU, X2
        0xd5033b9f, // DSB ISH
        0xd5033fdf, // ISB
        0xd2800000, // MOVZ X0, #0
        0xd2800000, // replaced
        0xd65f03c0, // RET
    };
    write_code((volatile u32*)kVa, sequence, 10);
    for (u64 i = 0; i < 5; ++i) {
        print("%d\n", TRY("blr x0\n", kVa, 0xd2800000u | (u32)(i * 11) << 5));
    }
}

void main(void) {
    space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48));
    in_place();
    by_alias();
    remapped();
    across_pages();
    ahead();
}
