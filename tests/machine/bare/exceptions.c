// Synchronous exceptions taken at EL1 from EL1 and EL0, with the MMU off.
#include "support.h"

extern const char el0_svc[], el0_brk[], el0_mrs[], el0_hlt[], el0_fp[], el0_wfi[];
extern const char el0_ctr[], el0_branch[], el0_eret[], el0_udf[];
asm(".pushsection .text\n"
    "el0_svc: svc #0x1234\n"
    "el0_brk: brk #0xffff\n"
    "el0_mrs: mrs x0, sctlr_el1\n"
    "el0_hlt: hlt #1\n"
    "el0_fp: fmov d0, x0\n svc #0\n"
    "el0_wfi: wfi\n svc #0\n"
    "el0_ctr: mrs x1, ctr_el0\n svc #0\n"
    "el0_branch: ret x0\n"
    "el0_eret: eret\n"
    "el0_udf: udf #7\n"
    ".popsection");

static void from_el1(void) {
    print("from EL1\n");
    TRY("svc #0", 0, 0);
    TRY("svc #0xffff", 0, 0);
    TRY("brk #0", 0, 0);
    TRY("brk #0xabcd", 0, 0);
    TRY("udf #0", 0, 0);
    TRY("udf #0xffff", 0, 0);
    TRY("hlt #1", 0, 0);
    TRY(".inst 0xd51bd060\n", 0, 0);     // MSR TPIDRRO_EL0: EL1 may
    TRY("mrs x0, s3_0_c4_c0_2\n", 0, 0); // no such register
    TRY("msr s3_1_c0_c0_1, x0\n", 0, 0); // CLIDR_EL1 is read-only
    TRY("mrs x0, s3_4_c1_c0_0\n", 0, 0); // SCTLR_EL2 without EL2, or at EL1
    TRY("nop\n nop\n svc #3\n", 0, 0);
    TRY("ldr x0, [x0]", 0x40000001, 0); // MMU off: Device, so aligned accesses only
    TRY("str w1, [x0]", 0x40000002, 0);
    TRY("ldp x2, x3, [x0]", 0x40000004, 0);
    TRY("ldxr x0, [x0]", 0x40000004, 0);
    TRY("ldar w0, [x0]", 0x40000001, 0);
    print("address sizes\n");
    TRY("ldr x0, [x0]", 1ul << 52, 0);
    TRY("ldr x0, [x0]", 1ul << 63, 0);
    TRY("str xzr, [x0]", 0xfff0000000000000, 0);
    TRY("ret x0\n", 1ul << 53, 0);
    TRY("ret x0\n", 0x40200002, 0);
}

static void stack_pointers(void) {
    print("stack pointers\n");
    write_register("sp_el0", 0x40001000);
    TRY("msr spsel, #0\n svc #1\n msr spsel, #1", 0, 0);
    // The exception came back with SPSel as it was, behind the last instruction.
    print("SPSel %x\n", read_register("spsel"));
    asm volatile("msr spsel, #1");
}

// A handler that takes exceptions itself.
static int depth;
static int nested(struct Frame* frame) {
    if ((frame->esr >> 26 & 63) != 0x15) {
        return 0;
    }
    if (depth++ < 3) {
        print("  depth %d: ESR %x", (u64)depth, frame->esr);
        asm volatile("svc #9");
        print("  back at %d\n", (u64)depth);
    } else {
        print("\n");
    }
    --depth;
    return 1;
}

static void nesting(void) {
    print("nested\n");
    on_synchronous = nested;
    asm volatile("svc #8" ::: "memory");
    on_synchronous = 0;
}

static void from_el0(void) {
    print("from EL0\n");
    write_register("sctlr_el1", read_register("sctlr_el1") &
                                    ~(1ul << 9 | 1ul << 14 | 1ul << 15 | 1ul << 16 | 1ul << 18));
    run_lower(el0_svc, kEl0, 0, 0);
    run_lower(el0_brk, kEl0, 0, 0);
    run_lower(el0_mrs, kEl0, 0, 0);
    run_lower(el0_hlt, kEl0, 0, 0);
    run_lower(el0_eret, kEl0, 0, 0);
    run_lower(el0_udf, kEl0, 0, 0);
    run_lower(el0_branch, kEl0, 0x40200002, 0);
    run_lower(el0_branch, kEl0, 1ul << 40, 0);
    print("trapped by SCTLR_EL1\n");
    run_lower(el0_wfi, kEl0, 0, 0);
    run_lower(el0_ctr, kEl0, 0, 0);
    write_register("sctlr_el1", read_register("sctlr_el1") | 1ul << 9 | 1ul << 15);
    run_lower(el0_ctr, kEl0, 0, 0);
    print("CPACR_EL1.FPEN\n");
    for (u64 fpen = 0; fpen < 4; ++fpen) {
        write_register("cpacr_el1", fpen << 20);
        print("%d\n", fpen);
        run_lower(el0_fp, kEl0, 0, 0);
        TRY("fmov d0, x0\n", 0, 0);
        TRY("ldr q0, [x0]\n", 0x40000000, 0);
    }
}

// ERET to states that there are not: PSTATE.IL is set, and the next instruction is the exception.
static void illegal_returns(void) {
    print("illegal returns\n");
    static const u64 kModes[] = {0x3c1, 0x3c2, 0x3c6, 0x3c7, 0x3c8,
                                 0x3c9, 0x3cd, 0x3cf, 0x1d3, 0x3dd};
    for (u64 i = 0; i < sizeof kModes / sizeof *kModes; ++i) {
        print("SPSR %x\n", kModes[i]);
        TRY("adr x2, 3f\n msr elr_el1, x2\n msr spsr_el1, x0\n eret\n 3: nop\n", kModes[i], 0);
    }
    print("SPSR.IL\n");
    TRY("adr x2, 3f\n msr elr_el1, x2\n msr spsr_el1, x0\n eret\n 3: nop\n", 0x3c5 | 1 << 20, 0);
    print("PSTATE.IL at EL0\n");
    run_lower(el0_svc, kEl0 | 1 << 20, 0, 0);
    print("ELR with a misaligned PC\n");
    run_lower((const char*)0x44000002, kEl0, 0, 0);
}

void main(void) {
    print("EL%d\n", current_el());
    from_el1();
    stack_pointers();
    nesting();
    from_el0();
    illegal_returns();
    print("%d exceptions\n", exceptions_taken);
}
