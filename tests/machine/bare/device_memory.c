// peer: QEMU lets ordinary unaligned accesses to Device memory pass while the MMU is on, and sets
// WnR for an atomic that a read would have faulted as well (DDI 0487, ISS of a Data Abort)
// Unaligned accesses to Device memory, and atomics that are not aligned.
#include "paging.h"

void main(void) {
    const u64 va = 0x4080000000;
    const struct Space space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48));
    map(space, va, 0x44000000, 3, kReadWrite);
    map(space, va + 0x1000, 0x44000000, 3, kReadWrite | kAttribute(kDevice));
    map(space, va + 0x2000, 0x44000000, 3, kReadWrite | kAttribute(kNonCacheable));
    *(volatile u64*)va = 0x1122334455667788;
    for (u64 page = 0; page < 3; ++page) {
        print("page %d\n", page);
        const u64 at = va + page * 0x1000;
        print("%x\n", TRY("ldr x0, [x0]\n", at + 4, 0));
        TRY("str w1, [x0]\n", at + 2, 0);
        TRY("ldp w2, w3, [x0]\n", at + 4, 0);
        TRY("ldp x2, x3, [x0]\n", at + 4, 0);
        TRY("ldr q0, [x0]\n", at + 8, 0);
        TRY("ldrb w0, [x0]\n", at + 1, 0);
        TRY("ldtr x0, [x0]\n", at + 4, 0);
    }
    print("atomics\n");
    TRY("ldadd x1, x0, [x0]\n", va + 12, 0);
    TRY("stadd x1, [x0]\n", va + 0x1004, 0);
    TRY("swp x1, x0, [x0]\n", va + 4, 0);
    TRY("cas x1, x0, [x0]\n", va + 12, 0);
}
