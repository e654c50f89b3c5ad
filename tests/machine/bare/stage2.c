// machine: -M virtualization=on
// Stage 2: translation for EL1, faults with their syndromes and HPFAR_EL2, VMIDs, S1PTW, TLBIs.
#include "paging.h"

extern const char load[], store[], load_pair[], load_byte_signed[], store_post[], load_imm[],
    jump[];
extern const char atomic[], zero[], enable_and_load[];
asm(".pushsection .text\n"
    "load: ldr x0, [x0]\n hvc #0\n"
    "store: str w1, [x0]\n hvc #0\n"
    "load_pair: ldp x2, x3, [x0]\n hvc #0\n"
    "load_byte_signed: ldrsb w7, [x0, x1]\n hvc #0\n"
    "store_post: str x1, [x0], #8\n hvc #0\n"
    "load_imm: ldrh w9, [x0, #2]\n hvc #0\n"
    "jump: br x0\n"
    "atomic: ldadd x1, x2, [x0]\n hvc #0\n"
    "zero: dc zva, x0\n hvc #0\n"
    "enable_and_load: msr sctlr_el1, x1\n isb\n ldr x0, [x0]\n msr sctlr_el1, xzr\n isb\n hvc #0\n"
    ".popsection");

#define S2_READ (1ul << 6)
#define S2_WRITE (1ul << 7)
#define S2_NORMAL (0xful << 2)
#define S2_DEVICE (1ul << 2)
#define S2_XN (2ul << 53)
#define S2_RAM (S2_NORMAL | S2_READ | S2_WRITE | kAccessed | kInner)

static int watch(struct Frame* frame) {
    const u64 ec = frame->esr >> 26 & 63;
    if (ec == 0x20 || ec == 0x24) {
        print("  IPA %x000\n", read_register("hpfar_el2") >> 4);
    }
    if (ec == 0x16 && (frame->esr & 0xffff) == 0x77) {
        print("  to EL1\n");
        leave_lower(frame->x[0]);
    }
    return 0;
}
static u64 guest(const char* code, u64 x0, u64 x1) { return run_lower(code, kEl1h, x0, x1); }
static void forget(void) {
    asm volatile("dsb ishst\n tlbi vmalls12e1is\n dsb ish\n isb" ::: "memory");
}

void main(void) {
    on_synchronous = watch;
    extern const char el1_report[];
    write_register("vbar_el1", el1_report);
    // 40 bits of IPA from level 1 (two concatenated tables), so a space of 39 bits is enough here.
    const struct Space space = new_space(12, 39);
    for (u64 at = 0x40000000; at < 0x50000000; at += 0x200000) {
        map(space, at, at, 2, S2_RAM);
    }
    const u64 ipa = 0x80000000;
    map(space, ipa, 0x44000000, 3, S2_RAM);
    map(space, ipa + 0x1000, 0x44001000, 3, S2_RAM & ~S2_WRITE);
    map(space, ipa + 0x2000, 0x44002000, 3, S2_RAM & ~S2_READ);
    map(space, ipa + 0x3000, 0x44003000, 3, S2_RAM & ~(u64)kAccessed);
    map(space, ipa + 0x4000, 0x44004000, 3, S2_RAM | S2_XN);
    map(space, ipa + 0x5000, 0x44005000, 3, S2_DEVICE | S2_READ | S2_WRITE | kAccessed);
    for (u64 i = 0; i < 6; ++i) {
        *(volatile u64*)(0x44000000 + i * 0x1000) = 0x8081828384858600 + i;
    }
    write_register("sctlr_el1", 0x30d00800);
    // T0SZ 25, SL0 1, inner and outer write-back, 4 KiB, PS 48 bits
    write_register("vtcr_el2",
                   1ul << 31 | 5ul << 16 | 3ul << 12 | 1ul << 10 | 1ul << 8 | 1ul << 6 | 25);
    write_register("vttbr_el2", space.root | 1ul << 48);
    write_register("hcr_el2", 1ul << 31 | 1);
    forget();
    print("mapped %x\n", guest(load, ipa, 0));
    guest(store, ipa + 0x10, 0x55);
    print("%x\n", *(volatile u64*)0x44000010);
    print("read-only\n");
    print("%x\n", guest(load, ipa + 0x1000, 0));
    guest(store, ipa + 0x1008, 1);
    guest(atomic, ipa + 0x1008, 1);
    guest(store_post, ipa + 0x1010, 1);
    print("write-only\n");
    guest(store, ipa + 0x2008, 1);
    guest(load, ipa + 0x2008, 1);
    print("not accessed\n");
    guest(load, ipa + 0x3000, 1);
    print("syndromes of what is not mapped\n");
    guest(load, ipa + 0x10000, 0);
    guest(store, ipa + 0x10004, 0);
    guest(load_pair, ipa + 0x10008, 0);
    guest(load_byte_signed, ipa + 0x10000, 0x13);
    guest(store_post, ipa + 0x10010, 0);
    guest(load_imm, ipa + 0x10020, 0);
    guest(load, 0x100000000, 0);
    guest(load, 0x7fc0000000, 0);
    guest(load, 0x8000000000, 0); // beyond the 39 bits
    print("fetches\n");
    guest(jump, ipa + 0x4000, 0);
    guest(jump, ipa + 0x10000, 0);
    print("Device memory by stage 2\n");
    print("%x\n", guest(load, ipa + 0x5000, 0));

    print("another VMID\n");
    const struct Space other = new_space(12, 39);
    for (u64 at = 0x40000000; at < 0x50000000; at += 0x200000) {
        map(other, at, at, 2, S2_RAM);
    }
    map(other, ipa, 0x44001000, 3, S2_RAM);
    for (u64 i = 0; i < 4; ++i) {
        write_register("vttbr_el2", (i & 1 ? other.root : space.root) | (1 + (i & 1)) << 48);
        print("%x\n", guest(load, ipa, 0));
    }
    write_register("vttbr_el2", space.root | 1ul << 48);
    print("unmapped: TLBI IPAS2E1IS\n");
    *descriptor(space, ipa, 3) = 0;
    asm volatile(
        "dsb ishst\n tlbi ipas2e1is, %0\n dsb ish\n tlbi vmalle1is\n dsb ish\n isb" ::"r"(ipa >> 12)
        : "memory");
    guest(load, ipa, 0);
    map(space, ipa, 0x44000000, 3, S2_RAM);

    print("both stages\n");
    const struct Space first = new_space(12, 48);
    map_machine(first);
    const u64 va = 0x4080000000;
    map(first, va, ipa, 3, kReadWrite);
    map(first, va + 0x1000, ipa + 0x1000, 3, kReadWrite);
    map(first, va + 0x2000, ipa + 0x20000, 3, kReadWrite);
    map(first, va + 0x3000, ipa, 3, kReadWrite | kReadOnly);
    write_register("mair_el1", kMair);
    write_register("tcr_el1", tcr_for(12, 48));
    write_register("ttbr0_el1", first.root);
    forget();
    const u64 sctlr = 0x30d00801;
    print("%x\n", guest(enable_and_load, va, sctlr));
    print("%x\n", guest(enable_and_load, va + 0x1000, sctlr));
    guest(enable_and_load, va + 0x2000, sctlr);
    write_register("sctlr_el1", 0x30d00800);
    guest(enable_and_load, va + 0x4000, sctlr); // stage 1's: to EL1, which reports it
    print("ESR_EL1 %x FAR_EL1 %x\n", read_register("esr_el1"), read_register("far_el1"));
    write_register("sctlr_el1", 0x30d00800);
    print("a table of stage 1 that stage 2 does not map\n");
    volatile u64* const table = descriptor(first, va, 2);
    const u64 good = *table;
    *table = 0xa0000000 | kTable | kValid;
    forget();
    guest(enable_and_load, va + 0x2008, sctlr);
    write_register("sctlr_el1", 0x30d00800);
    *table = good;
    forget();

    print("AT S12E1R: ");
    write_register("sctlr_el1", sctlr);
    asm volatile("at s12e1r, %0\n isb" ::"r"(va));
    print("%x ", read_register("par_el1"));
    print("\n");
    write_register("sctlr_el1", 0x30d00800);
}
asm(".pushsection .text\n .balign 2048\n"
    "el1_report:\n"
    ".rept 16\n .balign 128\n hvc #0x77\n .endr\n"
    ".popsection");
