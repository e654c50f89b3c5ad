// ERET with every mode of AArch64 and PSTATE's fields: what is legal, and what state it leads to. What is returned to
// is an instruction that raises an exception in whatever state that is.
#include "bare.h"

#if EL == 1
#define LEVEL "1"
#elif EL == 2
#define LEVEL "2"
#else
#define LEVEL "3"
#endif

static void try(u64 spsr) {
    taken.level = 0;
    __asm__ volatile("msr SPSR_EL" LEVEL ", %0\n"
                     "adr x0, 1f\n"
                     "msr ELR_EL" LEVEL ", x0\n"
                     "adr x0, 2f\n"
                     "ldr x1, =resume_at\n"
                     "str x0, [x1]\n"
                     "eret\n"
                     "1: brk #1\n"
                     "brk #2\n"
                     "2:"
                     :
                     : "r"(spsr)
                     : "x0", "x1", "memory", "cc");
    put_hex(spsr);
    put_field(": EL", taken.level);
    put_field(" esr ", taken.esr);
    put_field(" vector ", taken.vector);
    put_field(" spsr ", taken.spsr);
    put("\n");
}

int main(void) {
    // By MDCR_EL2.TDE the BRK of a lower level ends here, too.
    resume_spsr = 0x3c1 | EL << 2;
    for (u64 mode = 0; mode < 16; ++mode) {
        const u64 target = mode >> 2;
        if (target < EL && EL == 3) {
            continue; // its BRK would not come back
        }
        try(mode | 0x3c0);
        try(mode | 0xf0000000);
        if (target == EL) { // a lower level would take the exception of IL itself
            try(mode | 1 << 20);
        }
        try(mode | 1 << 22 | 1 << 23);     // PAN, UAO
        try(mode | 1 << 12 | 1 << 24);     // SSBS, DIT
        try(mode | 1 << 21);               // SS
        try(mode | 0x5a5ul << 32 | 1 << 5); // RES0
    }
    return 0;
}
