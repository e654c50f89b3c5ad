// SCTLR_EL1.SA and SA0 of 0: SP need not be aligned.
#include "support.h"

extern const char el0_sp[];
asm(".pushsection .text\n"
    "el0_sp: mov sp, x0\n ldr x1, [sp]\n svc #0\n"
    ".popsection");

void main(void) {
    enum { kSa = 1 << 3, kSa0 = 1 << 4 };
    write_register("sctlr_el1", read_register("sctlr_el1") & ~(u64)(kSa | kSa0));
    TRY("msr spsel, #0\n mov sp, x0\n ldr x1, [sp]\n msr spsel, #1\n", 0x44001008, 0);
    run_lower(el0_sp, kEl0, 0x44001008, 0);
    print("end\n");
}
