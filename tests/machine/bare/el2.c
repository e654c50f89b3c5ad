// machine: -M virtualization=on
// EL2 over EL1: HVC, SMC, trapped instructions and registers, virtual interrupts.
#include "support.h"

#define CODE(name, text) name ":" text "\n"
extern const char do_hvc[], do_hvc0[], do_wfi[], do_fp[], do_sctlr[], do_ttbr[], do_id[];
extern const char do_actlr[], do_tlbi[], do_dc[], do_smc[], do_svc[], do_midr[], do_cpacr[];
extern const char do_vbar_el2[], do_eret[], do_udf[], do_spin[], do_cnt[], do_cntp[], do_at[];
extern const char do_el0[];
asm(".pushsection .text\n" CODE("do_hvc", "hvc #0x42") CODE("do_hvc0", "hvc #0") CODE(
    "do_wfi", "wfi\n hvc #0") CODE("do_wfe", "wfe\n wfe\n hvc #0") CODE("do_fp",
                                                                        "fmov d0, x0\n hvc #0")
        CODE("do_sctlr", "mrs x5, sctlr_el1\n msr sctlr_el1, x5\n hvc #0") CODE(
            "do_ttbr", "msr ttbr0_el1, x7\n hvc #0") CODE("do_id",
                                                          "mrs x3, id_aa64mmfr0_el1\n hvc #0")
            CODE("do_actlr", "mrs x3, actlr_el1\n hvc #0") CODE("do_tlbi",
                                                                "tlbi vae1is, x9\n hvc #0")
                CODE("do_dc", "dc isw, x4\n hvc #0") CODE("do_smc", "smc #0x11\n hvc #0")
                    CODE("do_svc", "svc #0x22") CODE("do_midr", "mrs x0, midr_el1\n hvc #0") CODE(
                        "do_cpacr", "mrs x6, cpacr_el1\n hvc #0") CODE("do_vbar_el2",
                                                                       "mrs x0, vbar_el2\n hvc #0")
                        CODE("do_eret", "mov x1, #0\n msr elr_el1, x0\n msr spsr_el1, x1\n eret")
                            CODE("do_udf", "udf #0")
                                CODE("do_spin",
                                     "msr daifclr, #2\n 1: sub x0, x0, #1\n cbnz x0, 1b\n hvc #0")
                                    CODE("do_cnt", "mrs x0, cntpct_el0\n hvc #0")
                                        CODE("do_cntp", "mrs x0, cntp_ctl_el0\n hvc #0")
                                            CODE("do_at", "at s1e1r, x0\n hvc #0")
                                                CODE("do_el0",
                                                     "mov x1, #0x3c0\n msr spsr_el1, x1\n msr "
                                                     "elr_el1, x0\n eret") ".popsection");

// EL1's vectors are HVCs with their numbers.
static int report(struct Frame* frame) {
    if ((frame->esr >> 26 & 63) != 0x16 || (frame->esr & 0xff00) != 0x700) {
        return 0;
    }
    print("  [EL1: vector %d]\n", frame->esr & 0xff);
    leave_lower(frame->x[0]);
}

#define HCR_RW (1ul << 31)
static void at_el1(const char* name, const char* code, u64 hcr, u64 x0) {
    print("%s\n", name);
    write_register("hcr_el2", HCR_RW | hcr);
    run_lower(code, kEl1h, x0, 0);
    write_register("hcr_el2", HCR_RW);
}

void main(void) {
    extern const char el1_vectors[];
    write_register("vbar_el1", el1_vectors);
    print("EL%d\n", current_el());
    on_synchronous = report;
    write_register("hcr_el2", HCR_RW);
    write_register("cptr_el2", 0x33ff);
    write_register("sctlr_el1", 0x30d00800);
    write_register("cnthctl_el2", 3);
    print("at EL2\n");
    TRY("hvc #5\n", 0, 0);
    TRY("svc #6\n", 0, 0);
    TRY("brk #7\n", 0, 0);
    TRY("udf #0\n", 0, 0);
    TRY("mrs x0, sctlr_el12\n", 0, 0); // without E2H
    TRY("ldr x0, [x0]\n", 0x40000001, 0);
    at_el1("hvc", do_hvc, 0, 0);
    at_el1("hvc 0", do_hvc0, 0, 0);
    print("HCD\n");
    write_register("hcr_el2", HCR_RW | 1ul << 29);
    TRY("hvc #5\n", 0, 0);
    write_register("hcr_el2", HCR_RW);
    at_el1("TWI", do_wfi, 1ul << 13, 0);
    at_el1("TVM reads", do_sctlr, 1ul << 30, 0);
    at_el1("TVM writes", do_sctlr, 1ul << 26, 0);
    at_el1("TVM TTBR0", do_ttbr, 1ul << 26, 0);
    at_el1("TID3", do_id, 1ul << 18, 0);
    at_el1("TACR", do_actlr, 1ul << 21, 0);
    at_el1("TTLB", do_tlbi, 1ul << 25, 0);
    at_el1("TSW", do_dc, 1ul << 22, 0);
    at_el1("TSC", do_smc, 1ul << 19, 0);
    at_el1("register of EL2", do_vbar_el2, 0, 0);
    at_el1("TGE is not for EL1; undefined", do_udf, 0, 0);

    print("CPTR_EL2\n");
    write_register("cptr_el2", 0x33ff | 1 << 10);
    at_el1("TFP", do_fp, 0, 0);
    TRY("fmov d0, x0\n", 0, 0);
    write_register("cptr_el2", 0x33ff | 1u << 31);
    at_el1("TCPAC", do_cpacr, 0, 0);
    write_register("cptr_el2", 0x33ff);

    print("VPIDR, VMPIDR\n");
    write_register("vpidr_el2", 0x12345678);
    write_register("hcr_el2", HCR_RW);
    print("%x\n", run_lower(do_midr, kEl1h, 0, 0));

    print("CNTHCTL_EL2\n");
    write_register("cnthctl_el2", 0);
    at_el1("counter", do_cnt, 0, 0);
    at_el1("timer", do_cntp, 0, 0);

    print("virtual interrupts: EL1's vectors report by HVC\n");
    at_el1("VI", do_spin, 1ul << 7 | 1ul << 4, 1000000000);
    print("EL1 saw %d, ELR in its code: %d\n", read_register("tpidr_el1"),
          (u64)(read_register("elr_el1") - (u64)do_spin < 16));
    at_el1("VSE", do_spin, 1ul << 8 | 1ul << 5, 3);

    print("EL1's own exceptions\n");
    at_el1("svc", do_svc, 0, 0);
    print("ESR_EL1 %x, SPSR_EL1 %x\n", read_register("esr_el1"), read_register("spsr_el1") & 0xfff);
    at_el1("udf", do_udf, 0, 0);
    print("ESR_EL1 %x\n", read_register("esr_el1"));

    print("EL0\n");
    write_register("hcr_el2", HCR_RW);
    run_lower(do_hvc, 0x3c0, 0, 0); // HVC is undefined at EL0: to EL1
    print("ESR_EL1 %x\n", read_register("esr_el1"));
    print("TGE\n");
    write_register("hcr_el2", HCR_RW | 1ul << 27);
    run_lower(do_svc, 0x3c0, 0, 0);
    run_lower(do_udf, 0x3c0, 0, 0);
    run_lower(do_fp, 0x3c0, 0, 0);
    print("ERET to EL1 with TGE\n");
    TRY("adr x2, 3f\n msr elr_el2, x2\n msr spsr_el2, x0\n eret\n 3: nop\n", kEl1h, 0);
    write_register("hcr_el2", HCR_RW);
}
// Each says to EL2 where it is in the table, by X0, with the number of the vector in TPIDR_EL1.
asm(".pushsection .text\n .balign 2048\n"
    "el1_vectors:\n"
    ".set n, 0\n"
    ".rept 16\n .balign 128\n mov x0, #n\n msr tpidr_el1, x0\n hvc #(0x700 + n)\n .set n, n + 1\n"
    ".endr\n"
    ".popsection");
