// machine: -M virtualization=on
// HCR_EL2.E2H: EL1's names are EL2's registers, EL12's are EL1's, and EL0 is EL2's.
#include "paging.h"

extern const char el0_svc[], el0_udf[];
asm(".pushsection .text\n"
    "el0_svc: svc #0x99\n"
    "el0_udf: udf #0\n"
    ".popsection");

void main(void) {
    const u64 kE2h = 1ul << 34, kTge = 1ul << 27, kRw = 1ul << 31;
    write_register("hcr_el2", kRw);
    write_register("tcr_el1", 0x1111);
    write_register("mair_el1", 0x2222);
    write_register("vbar_el1", 0x3000);
    write_register("elr_el1", 0x4444);
    write_register("cpacr_el1", 3ul << 20);
    write_register("hcr_el2", kRw | kE2h);
    write_register("mair_el1", 0x5555); // MAIR_EL2
    print("%x %x\n", read_register("mair_el2"), read_register("mair_el12"));
    write_register("mair_el12", 0x6666);
    print("%x %x\n", read_register("mair_el1"), read_register("mair_el12"));
    print("%x %x %x\n", read_register("tcr_el12"), read_register("vbar_el12"),
          read_register("elr_el12"));
    print("CPACR_EL1 is CPTR_EL2\n");
    write_register("cpacr_el1", 0);
    TRY("fmov d0, x0\n", 0, 0);
    write_register("cpacr_el1", 3ul << 20);
    TRY("fmov d0, x0\n", 0, 0);
    print("%x\n", read_register("cptr_el2") >> 20 & 3);
    print("CONTEXTIDR_EL1 is CONTEXTIDR_EL2\n");
    write_register("contextidr_el1", 0x77);
    print("%x %x\n", read_register("s3_4_c13_c0_1"), read_register("s3_5_c13_c0_1"));

    print("the EL2&0 regime\n");
    const struct Space space = new_space(12, 48);
    map_machine(space);
    const u64 va = 0x4080000000;
    map(space, va, 0x44000000, 3, kUserReadWrite);
    map(space, va + 0x1000, 0x44001000, 3, kUserCode);
    map(space, va + 0x2000, 0x44002000, 3, kReadWrite);
    write_code((volatile u32*)0x44001000, (const u32*)el0_svc, 2);
    *(volatile u64*)0x44000000 = 0x1234;
    write_register("mair_el1", kMair);
    write_register("tcr_el1", tcr_for(12, 48));
    write_register("ttbr0_el1", space.root | 3ul << 48);
    asm volatile("tlbi alle2\n dsb ish\n isb");
    write_register("hcr_el2", kRw | kE2h | kTge);
    write_register("sctlr_el1", (read_register("sctlr_el1") | 1 | 1ul << 23) & ~(1ul << 19));
    print("%x\n", TRY("ldr x0, [x0]\n", va, 0));
    TRY("ldr x0, [x0]\n", va + 0x3000, 0);
    TRY("str x0, [x0]\n", va + 0x1000, 0);
    TRY("msr pan, #1\n ldr x0, [x0]\n", va, 0);
    asm volatile("msr pan, #0");
    run_lower((const char*)va + 0x1000, kEl0, 0, 0);
    run_lower((const char*)va + 0x1004, kEl0, 0, 0);
    print("unmap, TLBI VAE1IS is EL2's\n");
    *descriptor(space, va, 3) = 0;
    tlbi_va(va, 3);
    TRY("ldr x0, [x0]\n", va, 0);
    write_register("sctlr_el1", read_register("sctlr_el1") & ~1ul);
    write_register("hcr_el2", kRw);
    print("%x\n", read_register("mair_el1"));
}
