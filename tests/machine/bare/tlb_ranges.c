// TLBI by range where tables of 4 KiB pages have 52 bits (LPA2): addresses count 64 KiB then.
#include "paging.h"

static const u64 kVa = 0x4081530000;
static struct Space space;

// Without shareability, whose place has two more bits of the address.
enum { kData = kAccessed };
static u64 page_of(u64 i) { return 0x44000000 + i * 0x1000; }

static void map_flat(void) {
    map(space, 0x09000000, 0x09000000, 3, kAccessed | kUxn | kPxn | kAttribute(kDevice));
    for (u64 at = 0x40000000; at < 0x50000000; at += 0x200000) {
        map(space, at, at, 2, kAccessed | kUxn);
    }
}

// Maps `pages` pages, uses them, maps others there, says so by `value`, and looks.
#define FORGET(name, pages, instruction, value)                                                    \
    do {                                                                                           \
        print(name "\n");                                                                          \
        for (u64 turn = 0; turn < 2; ++turn) {                                                     \
            for (u64 i = 0; i < (pages); ++i) {                                                    \
                map(space, kVa + i * 0x1000, page_of(2 * i + turn), 3, kData | kUxn | kPxn);       \
            }                                                                                      \
            asm volatile("dsb ishst\n\ttlbi " instruction ", %0\n\tdsb ish\n\tisb" ::"r"(           \
                             (value) | kVa >> 16)                                                  \
                         : "memory");                                                              \
            u64 sum = 0;                                                                           \
            for (u64 i = 0; i < (pages); ++i) {                                                    \
                sum += *(volatile u64*)(kVa + i * 0x1000);                                         \
            }                                                                                      \
            print("  %x\n", sum);                                                                  \
        }                                                                                          \
        tlbi_all();                                                                                \
    } while (0)

void main(void) {
    space = new_space(12, 48);
    map_flat();
    for (u64 i = 0; i < 256; ++i) {
        *(volatile u64*)page_of(i) = i;
    }
    enable_mmu(space, tcr_for(12, 48) | 1ul << 59);
    const u64 granule = 1ul << 46;
    FORGET("2 pages, RVAE1", 2, "rvae1", granule);
    FORGET("2 pages, RVAE1IS", 2, "rvae1is", granule);
    FORGET("8 pages, RVALE1IS", 8, "rvale1is", granule | 3ul << 39);
    FORGET("16 pages, RVAAE1IS", 16, "rvaae1is", granule | 7ul << 39);
    FORGET("64 pages, RVAE1IS", 64, "rvae1is", granule | 1ul << 44);
}
