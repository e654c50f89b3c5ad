// DC ZVA at EL0, trapped by SCTLR_EL1.DZE.
#include "support.h"

extern const char el0_dc_zva[];
asm(".pushsection .text\n"
    "el0_dc_zva: dc zva, x0\n svc #0\n"
    ".popsection");

void main(void) {
    const u64 dze = 1ul << 14;
    write_register("sctlr_el1", read_register("sctlr_el1") & ~dze);
    run_lower(el0_dc_zva, kEl0, 0x44000000, 0);
}
