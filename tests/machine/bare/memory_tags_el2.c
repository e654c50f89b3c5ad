// machine: -machine mte=on,virtualization=on
// FEAT_MTE2 by EL2: HCR_EL2.ATA, TID5 and DCT, tags where stage 2 leaves memory write-back, and
// checks of EL2's own accesses.
#include "paging.h"

asm(".arch_extension memtag");

#define kRw (1ul << 31)
#define kAta (1ul << 56)
#define kDct (1ul << 57)
#define kTid5 (1ul << 58)
#define kDc (1ul << 12)
#define kVm 1ul
static u64 stage2[512] __attribute__((aligned(4096)));
static const u64 kData = 0x44000000;

extern const char el1_tags[], el1_registers[], el1_gmid[], el1_check[], el1_vectors[];
asm(".pushsection .text\n"
    "el1_tags: stg x1, [x0]\n ldg x0, [x0]\n hvc #0\n"
    "el1_registers: mrs x0, gcr_el1\n hvc #0\n"
    "el1_gmid: mrs x0, gmid_el1\n hvc #0\n"
    "el1_check: msr tco, #0\n ldr x1, [x0]\n mov x0, #1\n hvc #0\n"
    ".balign 2048\n el1_vectors: .skip 0x200\n" // EL1's own exceptions: of its SP
    "mrs x0, esr_el1\n mrs x1, far_el1\n hvc #0\n"
    ".popsection");

static void el1(const char* what, const char* code, u64 x0) {
    print("  %s %x\n", what, run_lower(code, kEl1h, x0, 6ul << 56));
}

static void guest(const char* name, u64 hcr) {
    print("%s\n", name);
    write_register("hcr_el2", kRw | hcr);
    asm volatile("tlbi alle1\n dsb ish\n isb");
    el1("tags", el1_tags, kData);
    el1("registers", el1_registers, 0);
    el1("GMID_EL1", el1_gmid, 0);
    el1("right", el1_check, kData | 6ul << 56);
    el1("wrong", el1_check, kData | 5ul << 56);
    write_register("hcr_el2", kRw);
}

static void own_accesses(void) {
    print("EL2\n");
    struct Space space = new_space(12, 48);
    map_machine(space);
    for (u64 at = 0x40000000; at < 0x50000000; at += 1ul << 21) {
        *descriptor(space, at, 2) &= ~kUxn; // here it is XN, and AP[1] RES1
    }
    map(space, 0x4080000000, kData, 3, kReadWrite | kUser | kAttribute(3));
    write_register("mair_el2", kMair | 0xf0ul << 24);
    // PS 48 bits, TBI, 4 KiB, inner shareable, write-back; T0SZ 16
    write_register("tcr_el2", 1ul << 31 | 1ul << 23 | 5ul << 16 | 1ul << 20 | 3ul << 12 | 1ul << 10 | 1ul << 8 | 16);
    write_register("ttbr0_el2", space.root);
    asm volatile("tlbi alle2\n dsb ish\n isb");
    const u64 sctlr = read_register("sctlr_el2") | 1ul << 12 | 1ul << 2 | 1;
    write_register("sctlr_el2", sctlr | 1ul << 43);
    asm volatile("msr tco, #0");
    TRY("stg x1, [x0]\n", 0x4080000000, 3ul << 56);
    print("  %x\n", TRY("ldg x0, [x0]\n", 0x4080000000, 0));
    for (u64 mode = 0; mode < 4; ++mode) {
        print("TCF %d\n", mode);
        write_register("sctlr_el2", sctlr | 1ul << 43 | mode << 40);
        TRY("ldr x0, [x0]\n", 0x4080000000 | 3ul << 56, 0);
        TRY("ldr x0, [x0]\n", 0x4080000000 | 4ul << 56, 0);
        TRY("str x1, [x0]\n", 0x4080000000 | 4ul << 56, 0);
        TRY("ldtr x0, [x0]\n", 0x4080000000 | 4ul << 56, 0);
        print("  TFSR_EL2 %x TFSR_EL1 %x\n", read_register("tfsr_el2"), read_register("tfsr_el1"));
        write_register("tfsr_el2", 0);
    }
    write_register("sctlr_el2", sctlr & ~1ul);
}

void main(void) {
    write_register("gcr_el1", 0x123);
    write_register("vbar_el1", el1_vectors);
    // Identity, blocks of 1 GiB from level 1: write-back, and RAM's second GiB for the same as not cacheable.
    for (u64 i = 0; i < 2; ++i) {
        stage2[i] = i << 30 | 1ul << 10 | 3ul << 8 | 3ul << 6 | (i == 0 ? 0 : 15ul) << 2 | 1;
    }
    write_register("vtcr_el2", 1ul << 31 | 5ul << 16 | 3ul << 12 | 1ul << 10 | 1ul << 8 | 1ul << 6 | 25);
    write_register("vttbr_el2", (u64)stage2);
    write_register("tcr_el1", 3ul << 37 | 5ul << 32);
    write_register("sctlr_el1", 0x30d00980 | 1ul << 43 | 1ul << 40);
    guest("without anything", 0);
    guest("ATA", kAta);
    guest("TID5", kAta | kTid5);
    guest("DC", kAta | kDc);
    guest("DC, DCT", kAta | kDc | kDct);
    guest("DC, DCT, but not ATA", kDc | kDct);
    guest("stage 2", kAta | kDc | kDct | kVm);
    stage2[1] = (stage2[1] & ~(15ul << 2)) | 5ul << 2;
    guest("stage 2, not cacheable", kAta | kDc | kDct | kVm);
    own_accesses();
}
