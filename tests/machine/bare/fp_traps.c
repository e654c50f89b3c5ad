// CPACR_EL1 changes under code that is already translated, and an FP access that its handler lets
// through.
#include "support.h"

static void set_fpen(u64 value) { write_register("cpacr_el1", value << 20); }

static int enable_and_repeat(struct Frame* frame) {
    if ((frame->esr >> 26 & 63) != 7) {
        return 0;
    }
    print("  enabled at X0 = %d\n", frame->x[0]);
    set_fpen(3);
    return 1; // the instruction again
}

static u64 __attribute__((noinline)) add(u64 a, u64 b) {
    u64 sum;
    asm volatile("mov x0, %1\n\tfmov d0, %1\n\tfmov d1, %2\n\tadd d0, d0, d1\n\tfmov %0, d0"
                 : "=r"(sum)
                 : "r"(a), "r"(b)
                 : "x0");
    return sum;
}

void main(void) {
    on_synchronous = enable_and_repeat;
    for (u64 i = 0; i < 12; ++i) {
        if (i % 3 == 0) {
            set_fpen(i % 2); // 0: all trapped; 1: EL0 only
        }
        print("%d\n", add(i, 100));
    }
    on_synchronous = 0;
    set_fpen(0);
    TRY("fmov d0, x0\n", 1, 0);
    TRY("mrs x0, fpcr\n", 1, 0);
    TRY("msr fpsr, x0\n", 1, 0);
    TRY("ld1 {v0.16b}, [x0]\n", 0x44000000, 0);
    TRY("str q0, [x0]\n", 1ul << 60, 0); // the trap comes before the abort
    TRY("str d0, [x0]\n", 0x44000001, 0);
    TRY("fcsel d0, d0, d1, eq\n", 0, 0);
    TRY("prfm pldl1keep, [x0]\n", 0, 0); // no FP
    set_fpen(3);
    print("%x\n", TRY("fmov d0, x0\n fadd d0, d0, d0\n fmov x0, d0\n", 0x3ff0000000000000, 0));
    // A loop hot enough for any tier, trapped in its middle.
    u64 sum = 0;
    on_synchronous = enable_and_repeat;
    for (u64 i = 0; i < 20000; ++i) {
        if (i == 15000) {
            set_fpen(0);
        }
        sum = add(sum, i);
    }
    print("%d\n", sum);
}
