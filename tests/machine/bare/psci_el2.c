// machine: -M virtualization=on -smp 2
// loader
// CPU_ON by software at EL1 starts the other CPU at EL2 all the same.
#include "support.h"

extern const char starts_other[];
asm(".pushsection .text\n"
    "starts_other: mov x1, #1\n adrp x2, secondary_start\n"
    " add x2, x2, :lo12:secondary_start\n mov x3, #1\n smc #0\n hvc #0\n"
    ".popsection");

static volatile u64 other_el;

void secondary_main(u64 cpu) {
    (void)cpu;
    other_el = current_el();
    psci(kPsciCpuOff, 0, 0, 0);
}

void main(void) {
    write_register("hcr_el2", 1ul << 31);
    write_register("sctlr_el1", 0x30d00800);
    print("CPU_ON: %d\n", run_lower(starts_other, kEl1h, PSCI_CPU_ON, 0));
    while (other_el == 0) {
    }
    print("CPU 1 is at EL%d\n", other_el);
}
