// peer: keeps pieces of a mapping (of a contiguous run, and of code) that TLBI named another address of
// A mapping larger than a page is forgotten whole, whatever address of it TLBI names: blocks, pages of
// 16 and 64 KiB, contiguous runs; of data and of code.
#include "paging.h"

static const u64 kVa = 0x4080000000;
static struct Space space;
static volatile u64* at(u64 address) { return (volatile u64*)address; }

// Maps two places that differ to one address in turn, with TLBI of an address in the middle, and
// looks at the ends.
static void remap(const char* name, u64 level, u64 bytes, u64 attributes, u64 from, u64 to) {
    print("%s\n", name);
    map(space, kVa, from, level, attributes);
    tlbi_all();
    print("  before: %x %x\n", *at(kVa + 8), *at(kVa + bytes - 8));
    *descriptor(space, kVa, level) = 0;
    tlbi_va(kVa + bytes / 2, 0);
    map(space, kVa, to, level, attributes);
    asm volatile("dsb ishst\n\tisb" ::: "memory");
    print("  after: %x %x\n", *at(kVa + 8), *at(kVa + bytes - 8));
    *descriptor(space, kVa, level) = 0;
    tlbi_va(kVa + bytes - 8, 0);
    TRY("ldr x0, [x0]\n", kVa + 8, 0);
    TRY("ldr x0, [x0]\n", kVa + bytes - 8, 0);
}

static void mark(u64 place, u64 bytes, u64 value) {
    *at(place + 8) = value;
    *at(place + bytes - 8) = value + 1;
}

static void contiguous(u64 page_bits, u64 pages) {
    const u64 page = 1ul << page_bits, first = 0x44000000, second = 0x46000000;
    print("contiguous run\n");
    for (u64 turn = 0; turn < 2; ++turn) {
        for (u64 i = 0; i < pages; ++i) {
            *descriptor(space, kVa + i * page, 3) = 0;
        }
        tlbi_va(kVa + 3 * page, 0); // one of them
        for (u64 i = 0; i < pages; ++i) {
            map(space, kVa + i * page, (turn == 0 ? first : second) + i * page, 3,
                kReadWrite | kContiguous);
        }
        asm volatile("dsb ishst\n\tisb" ::: "memory");
        print("  %x %x\n", *at(kVa + 8), *at(kVa + pages * page - 8));
    }
    for (u64 i = 0; i < pages; ++i) {
        *descriptor(space, kVa + i * page, 3) = 0;
    }
    tlbi_all();
}

// movz w0, #n; ret
static void write_function(u64 place, u32 n) {
    const u32 words[] = {0x52800000 | n << 5, 0xd65f03c0};
    write_code((volatile u32*)place, words, 2);
}
static u64 call(u64 address) { return ((u64(*)(void))address)(); }

static void code(u64 level, u64 bytes) {
    const u64 first = 0x44000000, second = 0x46000000, last = bytes - 0x1000;
    print("code\n");
    write_function(first, 1), write_function(first + last, 2);
    write_function(second, 3), write_function(second + last, 4);
    map(space, kVa, first, level, kCode);
    tlbi_all();
    print("  %d %d\n", call(kVa), call(kVa + last));
    *descriptor(space, kVa, level) = 0;
    tlbi_va(kVa + bytes / 2, 0);
    map(space, kVa, second, level, kCode);
    asm volatile("dsb ishst\n\tisb" ::: "memory");
    print("  %d %d\n", call(kVa), call(kVa + last));
    *descriptor(space, kVa, level) = 0;
    tlbi_all();
}

static void granule(u64 page_bits, u64 run_pages) {
    const u64 page = 1ul << page_bits, block = page << (page_bits - 3);
    print("--- granule %d\n", page);
    space = new_space(page_bits, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(page_bits, 48));
    mark(0x44000000, page, 0x100), mark(0x46000000, page, 0x200);
    remap("page", 3, page, kReadWrite, 0x44000000, 0x46000000);
    mark(0x44000000, run_pages * page, 0x300), mark(0x46000000, run_pages * page, 0x400);
    contiguous(page_bits, run_pages);
    if (block <= 0x2000000) {
        mark(0x44000000, block, 0x500), mark(0x46000000, block, 0x600);
        remap("block", 2, block, kReadWrite, 0x44000000, 0x46000000);
        code(2, block);
    }
    code(3, page);
    write_register("sctlr_el1", read_register("sctlr_el1") & ~1ul);
}

void main(void) {
    granule(12, 16);
    granule(14, 128);
    granule(16, 32);
}
