// Accesses off one register that are near each other, but not alike: in two pages, of which one may
// be absent or read-only; reads and a write; of a device.
#include "paging.h"

static const u64 kVa = 0x4080000000, kPage = 4096;
static struct Space space;
static volatile u64* at(u64 address) { return (volatile u64*)address; }

static void map_two(u64 first, u64 second) {
    for (u64 i = 0; i < 2; ++i) {
        const u64 attributes = i == 0 ? first : second;
        *descriptor(space, kVa + i * kPage, 3) = 0;
        if (attributes != 0) {
            map(space, kVa + i * kPage, 0x44000000 + i * 0x10000, 3, attributes);
        }
    }
    tlbi_all();
}

static void show(void) {
    print("  first %x %x second %x %x\n", *at(0x44000ff0), *at(0x44000ff8), *at(0x44010000),
          *at(0x44010008));
}

static void accesses(const char* name, u64 first, u64 second) {
    print("%s\n", name);
    for (u64 i = 0; i < 4; ++i) {
        *at(0x44000ff0 + (i & 1) * 8 + (i >> 1) * 0xf010) = 0x100 + i;
    }
    // Twice: the second time the first page is known.
    for (u64 turn = 0; turn < 2; ++turn) {
        map_two(first, second);
        for (u64 again = 0; again < 2; ++again) {
            const u64 base = kVa + kPage - 16 * (turn == 0);
            print("  = %x\n", TRY("ldr x1, [x0]\n ldr x2, [x0, #8]\n ldr x3, [x0, #16]\n"
                                  "add x0, x1, x2\n add x0, x0, x3\n",
                                  base, 0));
            print("  = %x\n", TRY("ldr x1, [x0, #-8]\n ldr x2, [x0, #8]\n add x1, x1, #1\n"
                                  "str x1, [x0, #8]\n mov x0, x1\n",
                                  base, 0));
            print("  = %x\n",
                  TRY("str x1, [x0, #8]!\n str x1, [x0, #-8]\n stp x1, x1, [x0, #8]\n", base, again));
            show();
        }
    }
}

void main(void) {
    space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48));
    accesses("both", kReadWrite, kReadWrite);
    accesses("the second is read-only", kReadWrite, kReadWrite | kReadOnly);
    accesses("the first is read-only", kReadWrite | kReadOnly, kReadWrite);
    accesses("the second is absent", kReadWrite, 0);
    accesses("the first is absent", 0, kReadWrite);
    accesses("the second is never accessed before", kReadWrite, kReadWrite & ~(u64)kAccessed);
    print("device\n");
    // UARTPeriphID0 to 3
    print("  = %x\n", TRY("ldr w1, [x0]\n ldr w2, [x0, #4]\n ldr w3, [x0, #8]\n lsl x2, x2, #8\n"
                          "lsl x3, x3, #16\n orr x0, x1, x2\n orr x0, x0, x3\n",
                          0x09000fe0, 0));
}
