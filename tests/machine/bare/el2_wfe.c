// machine: -M virtualization=on
// peer: QEMU never traps WFE
// WFE at EL1 trapped by HCR_EL2.TWE, when there is no event: an exception return is one.
#include "support.h"

extern const char do_wfe[], do_wfe_twice[];
asm(".pushsection .text\n"
    "do_wfe: wfe\n hvc #0\n"
    "do_wfe_twice: wfe\n wfe\n hvc #0\n"
    ".popsection");

void main(void) {
    write_register("sctlr_el1", 0x30d00800);
    write_register("hcr_el2", 1ul << 31 | 1ul << 14);
    run_lower(do_wfe, kEl1h, 0, 0);
    run_lower(do_wfe_twice, kEl1h, 0, 0);
    print("end\n");
}
