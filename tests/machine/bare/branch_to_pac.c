// short: PACIASP is judged as with SCTLR_EL1.BT1 always
// SCTLR_EL1.BT1 of 0: PACIASP on a guarded page is a place for every branch.
#include "paging.h"

void main(void) {
    const struct Space space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48));
    const u64 va = 0x4080000000;
    map(space, va, 0x44000000, 3, kCode | 1ul << 50);
    write_register("sctlr_el1", read_register("sctlr_el1") & ~(1ul << 36));
    const u32 words[] = {0xd61f0020, 0xd503233f, 0xd65f0180}; // BR X1; PACIASP; RET X12
    write_code((volatile u32*)0x44000000, words, 3);
    TRY("adr x12, 3f\n mov x2, x0\n ret x2\n 3:\n", va, va + 4);
    print("end\n");
}
