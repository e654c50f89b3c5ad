// machine: -machine virtualization=on
// FEAT_MOPS by HCRX_EL2: whether EL1 and EL0 have it, and who takes its exceptions.
#include "support.h"

asm(".arch_extension mops");

#define WRITE_HCRX(value) write_register("s3_4_c1_c2_2", value)
enum { kMce2 = 1 << 10, kMscen = 1 << 11 };

static u8 memory[64];

extern const char el1_set[], el1_raise[], el0_set[];
asm(".pushsection .text\n"
    "el1_set: mov x2, #16\n setp [x0]!, x2!, x1\n setm [x0]!, x2!, x1\n sete [x0]!, x2!, x1\n hvc #0\n"
    "el1_raise: mov x2, #16\n cmp xzr, xzr\n setm [x0]!, x2!, x1\n hvc #0\n"
    ".popsection");

static void sets(const char* code, u64 spsr) {
    memory[0] = 0;
    print("  = %x", run_lower(code, spsr, (u64)memory, 5) - (u64)memory);
    print(" %d\n", (u64)memory[0]);
}

void main(void) {
    print("HCX %d\n", read_register("id_aa64mmfr1_el1") >> 40 & 15);
    write_register("hcr_el2", 1ul << 31);
    write_register("sctlr_el1", 0x30d00980);
    print("at EL2\n");
    TRY("mov x2, #16\n setp [x0]!, x2!, x1\n setm [x0]!, x2!, x1\n sete [x0]!, x2!, x1\n", memory, 9);
    print("  %d\n", (u64)memory[15]);
    for (u64 i = 0; i < 4; ++i) {
        const u64 hcrx = (i & 1 ? kMscen : 0) | (i & 2 ? kMce2 : 0);
        WRITE_HCRX(hcrx);
        print("HCRX_EL2 %x\n", read_register("s3_4_c1_c2_2"));
        if ((i & 1) == 0) { // UNDEFINED: taken to EL1, which has nowhere to go
            write_register("hcr_el2", 1ul << 31 | 1ul << 27);
            sets(el1_set, kEl0); // EL2 takes EL0's
            write_register("hcr_el2", 1ul << 31);
            continue;
        }
        sets(el1_set, kEl1h);
        if (i & 2) {
            sets(el1_raise, kEl1h);
        }
        for (u64 enabled = 0; enabled < 2; ++enabled) {
            print("SCTLR_EL1.MSCEn %d\n", enabled);
            write_register("sctlr_el1", 0x30d00980 | enabled << 33);
            write_register("hcr_el2", 1ul << 31 | 1ul << 27);
            sets(el1_set, kEl0);
            sets(el1_raise, kEl0);
            write_register("hcr_el2", 1ul << 31);
        }
        write_register("sctlr_el1", 0x30d00980);
    }
    print("EL2&0\n");
    write_register("hcr_el2", 1ul << 31 | 1ul << 27 | 1ul << 34);
    const u64 sctlr = read_register("sctlr_el2");
    WRITE_HCRX(0);
    for (u64 enabled = 0; enabled < 2; ++enabled) {
        print("SCTLR_EL2.MSCEn %d\n", enabled);
        write_register("sctlr_el2", (sctlr & ~(1ul << 33)) | enabled << 33);
        sets(el1_set, kEl0);
        sets(el1_raise, kEl0);
    }
    write_register("hcr_el2", 1ul << 31);
}
