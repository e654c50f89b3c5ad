// peer: QEMU has no check of SP's alignment; its MSR DAIFSet has op1 and op2 of the syndrome in the
// wrong places (DDI 0487 D24.2.40, ISS of a trapped MSR (immediate))
// SP alignment (SCTLR_EL1.SA, SA0), and MSR (immediate) trapped from EL0.
#include "support.h"

extern const char el0_sp[], el0_daif[];
asm(".pushsection .text\n"
    "el0_sp: mov sp, x0\n ldr x1, [sp]\n svc #0\n"
    "el0_daif: msr daifset, #2\n svc #0\n"
    ".popsection");

static void set_sctlr(u64 clear, u64 set) {
    write_register("sctlr_el1", (read_register("sctlr_el1") & ~clear) | set);
}

static void check_at_el1(u64 sp) {
    TRY("msr spsel, #0\n mov sp, x0\n ldr x1, [sp]\n", sp, 0);
    asm volatile("msr spsel, #1");
    TRY("msr spsel, #0\n mov sp, x0\n ldr x1, [sp, #8]\n", sp, 0);
    asm volatile("msr spsel, #1");
    TRY("msr spsel, #0\n mov sp, x0\n stp x1, x1, [sp, #-16]!\n", sp, 0);
    asm volatile("msr spsel, #1");
}

void main(void) {
    enum { kSa = 1 << 3, kSa0 = 1 << 4, kUma = 1 << 9 };
    set_sctlr(0, kSa | kSa0);
    print("checked\n");
    check_at_el1(0x44001008);
    check_at_el1(0x44001000);
    run_lower(el0_sp, kEl0, 0x44001008, 0);
    run_lower(el0_sp, kEl0, 0x44001000, 0);
    print("MSR DAIFSet at EL0\n");
    set_sctlr(kUma, 0);
    run_lower(el0_daif, kEl0, 0, 0);
    set_sctlr(0, kUma);
    run_lower(el0_daif, kEl0, 0, 0);
}
