// machine: -machine mte=on
// FEAT_MTE2 and FEAT_MTE3: instructions on tags, which accesses are checked, and what a mismatch does.
#include "paging.h"

asm(".arch_extension memtag\n.arch_extension mops");

static const u64 kVa = 0x4080000000, kPhysical = 0x44000000;
static const u64 kEl0Code = 0x5080000000, kEl0Stack = 0x5090000000;
enum { kPage = 4096, kTaggedIndex = 3 };
#define kTagged kAttribute(kTaggedIndex)
#define kAta (1ul << 43)
#define kAta0 (1ul << 42)
#define kTcf(mode) ((u64)(mode) << 40)
#define kTcf0(mode) ((u64)(mode) << 38)
#define kTbi0 (1ul << 37)
#define kTcma0 (1ul << 57)
static struct Space space;
static u64 sctlr;

static u64 tagged(u64 address, u64 tag) { return address | tag << 56; }
static void set_tco(u64 value) {
    if (value) {
        asm volatile("msr tco, #1");
    } else {
        asm volatile("msr tco, #0");
    }
}
static void set_controls(u64 bits) { write_register("sctlr_el1", sctlr | bits); }
static u64 ldg(u64 address) {
    u64 value = 0;
    asm volatile("ldg %0, [%1]" : "+r"(value) : "r"(address));
    return value >> 56;
}
static void stg(u64 address, u64 tag) {
    asm volatile("stg %0, [%1]" ::"r"(tag << 56), "r"(address) : "memory");
}
static void show_tags(u64 address, u64 granules) {
    print("  tags");
    for (u64 i = 0; i < granules; ++i) {
        print(" %x", ldg(address + 16 * i));
    }
    print("\n");
}
static volatile u64* words(void) { return (volatile u64*)kPhysical; }
static void fill(u64 granules) {
    for (u64 i = 0; i < granules * 2; ++i) {
        words()[i] = 0x1111111111111111ul * (i % 15 + 1);
    }
}
static void show_words(u64 count) {
    print("  words");
    for (u64 i = 0; i < count; ++i) {
        print(" %x", words()[i]);
    }
    print("\n");
}
static void show_faults(void) {
    print("  TFSR_EL1 %x TFSRE0_EL1 %x\n", read_register("tfsr_el1"), read_register("tfsre0_el1"));
    write_register("tfsr_el1", 0);
    write_register("tfsre0_el1", 0);
}

static void instructions(void) {
    print("instructions on tags\n");
    set_controls(kAta | kAta0);
    fill(16);
#define RUN(code, address, value)                                                                  \
    print(code "\n");                                                                              \
    print("  = %x\n", TRY(code "\n", address, value));                                             \
    show_tags(kVa, 8);
    RUN("stg x1, [x0]", kVa, 5ul << 56)
    RUN("stg x1, [x0, #16]", kVa, 6ul << 56)
    RUN("stg x1, [x0], #32", kVa, 7ul << 56)
    RUN("stg x1, [x0, #48]!", kVa, 8ul << 56)
    RUN("st2g x1, [x0, #64]", kVa, 9ul << 56)
    RUN("st2g x1, [x0, #-16]!", kVa + 64, 10ul << 56)
    RUN("stg x0, [x0, #16]", tagged(kVa, 11), 0)
    show_words(8);
    RUN("stzg x1, [x0], #16", kVa, 1ul << 56)
    RUN("stz2g x1, [x0, #32]!", kVa, 2ul << 56)
    show_words(16);
    RUN("stgp x1, x0, [x0, #16]", tagged(kVa, 3), 0x1234)
    RUN("stgp x0, x1, [x0], #-16", tagged(kVa + 64, 4), 0x5678)
    RUN("stgp xzr, x1, [x0, #32]!", tagged(kVa + 64, 5), 0x9abc)
    show_words(16);
    RUN("ldg x1, [x0, #16]\n mov x0, x1", kVa + 5, 0x0f23456789abcdef)
    RUN("stg x1, [x0]", kVa + 8, 5ul << 56)
    RUN("st2g x1, [x0, #16]", kVa + 1, 5ul << 56)
    RUN("stzg x1, [x0]", kVa + 4, 5ul << 56)
    RUN("stgp x1, x1, [x0]", kVa + 4, 5ul << 56)
    RUN("ldgm x1, [x0]\n mov x0, x1", kVa + 100, 0)
    RUN("stgm x1, [x0]", kVa + 100, 0x0123456789abcdef)
    show_tags(kVa, 18);
    RUN("stzgm x1, [x0]", kVa + 100, 0x3d)
    show_words(20);
    RUN("dc gva, x0", tagged(kVa + 17, 12), 0)
    fill(16);
    RUN("dc gzva, x0", tagged(kVa + 65, 13), 0)
    show_words(20);
    print("across pages, the second of which is absent, read-only, untagged\n");
    for (u64 i = 0; i < 3; ++i) {
        static const u64 kSecond[] = {0, kReadWrite | kReadOnly, kReadWrite};
        *descriptor(space, kVa + kPage, 3) = 0;
        if (kSecond[i]) {
            map(space, kVa + kPage, kPhysical + kPage, 3, kSecond[i] | (i == 1 ? kTagged : 0));
        }
        tlbi_all();
        stg(kVa + kPage - 16, 0);
        TRY("st2g x1, [x0]\n", kVa + kPage - 16, 9ul << 56);
        show_tags(kVa + kPage - 16, 1);
        print("  %x\n", TRY("ldg x0, [x0]\n", kVa + kPage, 0) >> 56);
        TRY("stz2g x1, [x0]\n", kVa + kPage - 16, 9ul << 56);
    }
    map(space, kVa + kPage, kPhysical + kPage, 3, kReadWrite | kTagged);
    tlbi_all();
    print("without ATA\n");
    set_controls(0);
    RUN("stg x1, [x0]", kVa, 14ul << 56)
    RUN("stzg x1, [x0]", kVa, 14ul << 56)
    RUN("ldgm x0, [x0]", kVa, 0)
    RUN("irg x0, x0", tagged(kVa, 9), 0)
    RUN("addg x0, x0, #32, #3", tagged(kVa, 9), 0)
    RUN("subg x0, x0, #32, #3", tagged(kVa, 9), 0)
    set_controls(kAta);
    show_tags(kVa, 4);
    TRY("stg x1, [x0]\n", kVa + 0x100000, 0);
    TRY("ldg x1, [x0]\n", kVa + 0x100000, 0);
}

static void registers(void) {
    print("tags in registers\n");
    write_register("gcr_el1", 0);
    write_register("rgsr_el1", 0xace1ul << 8 | 3);
    for (u64 i = 0; i < 6; ++i) {
        print("  irg %x rgsr %x\n", TRY("irg x0, x0\n", kVa, 0), read_register("rgsr_el1"));
    }
    write_register("gcr_el1", 0xfff0);
    for (u64 i = 0; i < 6; ++i) {
        print("  irg %x rgsr %x\n", TRY("irg x0, x0, x1\n", kVa, i), read_register("rgsr_el1"));
    }
    write_register("gcr_el1", 0xffff);
    print("  irg %x rgsr %x\n", TRY("irg x0, x0, x1\n", kVa, 0), read_register("rgsr_el1"));
    write_register("gcr_el1", 6);
    for (u64 i = 0; i < 5; ++i) {
        print("  addg %x", TRY("addg x0, x0, #48, #1\n", tagged(kVa, i * 4), 0));
        print(" subg %x", TRY("subg x0, x0, #48, #15\n", tagged(kVa, i * 4), 0));
        print(" gmi %x", TRY("gmi x0, x0, x1\n", tagged(kVa, i * 4), 0x100));
        print(" subp %x\n", TRY("subp x0, x0, x1\n", tagged(kVa, i * 4), tagged(kVa + i, 9)));
    }
    write_register("gcr_el1", 0);
    write_register("tfsr_el1", 3);
    write_register("tfsre0_el1", 2);
    show_faults();
}

extern volatile u64 try_range[2];
// The peer takes DC ZVA for a load.
static int only_far(struct Frame* frame) {
    print("  FAR %x\n", frame->far & ~63ul);
    frame->elr = try_range[1];
    return 1;
}
static int back_to_own_stack(struct Frame* frame) {
    frame->spsr |= 1;
    return 0;
}

#define ACCESS(code, address) TRY(code "\n", address, 0)
// Granules of tags 1, 2, 2, 1, then 0; both pages' neighbours at the border have tag 3, the rest 0.
static void accesses(void) {
    const u64 one = tagged(kVa, 1), two = tagged(kVa, 2), three = tagged(kVa, 3);
    print("right\n");
    ACCESS("ldr x0, [x0]", one);
    ACCESS("ldrb w0, [x0, #15]", one);
    ACCESS("str x1, [x0, #16]", two);
    ACCESS("ldp x0, x1, [x0, #40]", two - 16);
    ACCESS("ldr x0, [x0]", kVa + 64);
    ACCESS("ldr x0, [x0]", three + kPage - 4);
    ACCESS("str x1, [x0]", three + kPage - 4);
    print("wrong\n");
    ACCESS("ldr x0, [x0]", two);
    ACCESS("ldrb w0, [x0, #16]", one);
    ACCESS("ldr x0, [x0, #12]", one);
    ACCESS("ldr x0, [x0, #12]", two);
    ACCESS("ldr x0, [x0]", kVa);
    ACCESS("str x1, [x0]", two);
    ACCESS("str w1, [x0, #14]", one);
    ACCESS("strb w1, [x0, #16]", one);
    ACCESS("ldp x0, x1, [x0, #8]", one);
    ACCESS("stp x0, x1, [x0, #8]", one);
    ACCESS("ldp x0, x1, [x0]", two);
    ACCESS("ldr x0, [x0, x1]", one + 16);
    ACCESS("ldr x1, [x0], #8", two);
    ACCESS("ldtr x0, [x0]", two);
    ACCESS("ldar x0, [x0]", two);
    ACCESS("stlr x1, [x0]", two);
    ACCESS("ldxr x1, [x0]", two);
    ACCESS("ldxr x1, [x0]\n stxr w2, x1, [x0]", one);
    ACCESS("ldr x0, [x0]", two + kPage - 4);
    ACCESS("str x0, [x0]", two + kPage - 4);
    ACCESS("prfm pldl1keep, [x0]", two);
    ACCESS("dc civac, x0", two);
    show_faults();
    print("by SP\n");
    on_synchronous = back_to_own_stack;
    ACCESS("mov x3, sp\n msr spsel, #0\n mov sp, x0\n ldr x1, [sp]\n str x1, [sp, #16]\n"
           "msr spsel, #1",
           two);
    ACCESS("msr spsel, #0\n mov sp, x0\n mov x1, #8\n ldr x1, [sp, x1]\n msr spsel, #1", two);
    ACCESS("msr spsel, #0\n mov sp, x0\n ldr x1, [sp], #16\n msr spsel, #1", two);
    on_synchronous = 0;
    show_faults();
}

static void set_tags(void) {
    static const u8 kTags[] = {1, 2, 2, 1};
    for (u64 i = 0; i < 8; ++i) {
        stg(kVa + 16 * i, i < 4 ? kTags[i] : 0);
    }
    stg(kVa + kPage - 16, 3);
    stg(kVa + kPage, 3);
}

static void checks(void) {
    static const char* const kModes[] = {"no", "synchronous", "asynchronous", "asymmetric"};
    set_controls(kAta);
    set_tags();
    for (u64 mode = 0; mode < 4; ++mode) {
        print("%s checks\n", kModes[mode]);
        set_controls(kAta | kAta0 | kTcf(mode) | kTcf0(mode));
        accesses();
    }
    print("atomics and DC ZVA, synchronous\n");
    set_controls(kAta | kTcf(1));
    on_synchronous = only_far;
    ACCESS("dc zva, x0", tagged(kVa + 100, 4));
    ACCESS("dc zva, x0", kVa + 100);
    ACCESS("dc zva, x0", kVa + 40);
    stg(kVa + 64, 5);
    ACCESS("dc zva, x0", kVa + 0x70);
    stg(kVa + 64, 0);
    ACCESS("dc zva, x0", kVa + 0x70);
    on_synchronous = 0;
    ACCESS("ldadd x1, x2, [x0]", tagged(kVa, 2));
    ACCESS("swp x1, x2, [x0]", tagged(kVa, 2));
    ACCESS("ldadd x1, x2, [x0]", tagged(kVa, 1));
    ACCESS("cas x1, x2, [x0]", tagged(kVa, 1));
    print("TCO\n");
    set_tco(1);
    ACCESS("ldr x0, [x0]", tagged(kVa, 2));
    ACCESS("msr tco, #0\n ldr x0, [x0]", tagged(kVa, 2));
    print("  TCO %x\n", read_register("tco"));
    write_register("tco", ~0ul);
    print("  TCO %x\n", read_register("tco"));
    ACCESS("ldr x0, [x0]", tagged(kVa, 2));
    set_tco(0);
    const u64 tcr = read_register("tcr_el1");
    print("TCMA0\n");
    write_register("tcr_el1", tcr | kTcma0);
    ACCESS("ldr x0, [x0]", kVa);
    ACCESS("ldr x0, [x0]", tagged(kVa, 2));
    print("without TBI\n");
    write_register("tcr_el1", tcr & ~kTbi0);
    ACCESS("ldr x0, [x0]", kVa);
    ACCESS("ldr x0, [x0]", tagged(kVa, 1));
    write_register("tcr_el1", tcr);
    print("without ATA\n");
    set_controls(kTcf(1));
    ACCESS("ldr x0, [x0]", tagged(kVa, 2));
    print("memory without tags\n");
    set_controls(kAta | kTcf(1));
    map(space, kVa + 2 * kPage, kPhysical, 3, kReadWrite);
    ACCESS("ldr x0, [x0]", tagged(kVa + 2 * kPage, 9));
    stg(kVa + 2 * kPage, 7);
    show_tags(kVa + 2 * kPage, 1);
    show_tags(kVa, 1);
    print("the same bytes at another address\n");
    map(space, kVa + 3 * kPage, kPhysical, 3, kReadWrite | kTagged);
    show_tags(kVa + 3 * kPage, 4);
    ACCESS("ldr x0, [x0]", tagged(kVa + 3 * kPage, 1));
    ACCESS("ldr x0, [x0]", tagged(kVa + 3 * kPage, 2));
    print("a loop\n");
    u64 sum = 0;
    for (u64 i = 0; i < 100; ++i) {
        sum += *(volatile u64*)(tagged(kVa, 2) + 16 + i % 4 * 8);
        stg(kVa + 64, i % 16);
        *(volatile u64*)tagged(kVa + 64, i % 16) = sum;
    }
    print("  %x\n", sum);
}

extern const char el0_load[], el0_store[], el0_tag[], el0_ldgm[], el0_tco[], el0_end[];
asm(".pushsection .text\n .balign 64\n"
    "el0_load: ldr x0, [x0]\n svc #0\n"
    "el0_store: str xzr, [x0]\n svc #0\n"
    "el0_tag: stg x1, [x0]\n ldg x0, [x0]\n svc #0\n"
    "el0_ldgm: ldgm x0, [x0]\n svc #0\n"
    "el0_tco: msr tco, #1\n ldr x0, [x0]\n svc #0\n"
    "el0_end:\n"
    ".popsection");

static void el0(const char* code, u64 address) {
    const char* const at = (const char*)kEl0Code + (code - el0_load);
    print("  %x\n", run_lower(at, kEl0, address, 6ul << 56));
}

static void at_el0(void) {
    print("EL0\n");
    map(space, kEl0Code, 0x45000000, 3, kUserCode);
    map(space, kVa, kPhysical, 3, kUserReadWrite | kTagged);
    tlbi_all();
    write_code((volatile u32*)0x45000000, (const u32*)el0_load, (u64)(el0_end - el0_load) / 4);
    for (u64 mode = 0; mode < 4; ++mode) {
        print("TCF0 %d\n", mode);
        set_controls(kAta | kAta0 | kTcf0(mode));
        set_tags();
        words()[0] = 0x77;
        words()[2] = 0x78;
        el0(el0_load, tagged(kVa, 1));
        el0(el0_load, tagged(kVa, 2));
        el0(el0_store, tagged(kVa, 2));
        el0(el0_tco, tagged(kVa, 2));
        show_faults();
        print("as EL0, and not\n");
        set_tco(0);
        ACCESS("ldtr x0, [x0]", tagged(kVa, 2));
        ACCESS("sttr x1, [x0]", tagged(kVa, 2));
        ACCESS("ldr x0, [x0]", tagged(kVa, 2));
        show_faults();
        ACCESS("msr uao, #1\n ldtr x0, [x0]\n msr uao, #0", tagged(kVa, 2));
        asm volatile("msr uao, #0");
        show_faults();
    }
    el0(el0_tag, kVa + 32);
    el0(el0_ldgm, kVa);
    set_controls(kAta | kTcf0(1));
    el0(el0_load, tagged(kVa, 2));
    el0(el0_tag, kVa + 32);
    show_tags(kVa, 4);
}

// As in memory_copy.c.
static int show_abort(struct Frame* frame) {
    const s64 left = (s64)frame->x[2];
    if ((frame->esr >> 26 & 63) != 0x25) {
        return 0;
    }
    print("  [ISS %x FAR %x, left %x]\n", frame->esr & 0x1ffffff, frame->far,
          (u64)(left < 0 ? -left : left));
    frame->elr = try_range[1];
    return 1;
}

static void copies(void) {
    print("copies\n");
    set_controls(kAta | kTcf(1));
    set_tco(0);
    set_tags();
    on_synchronous = show_abort;
    const u64 two = tagged(kVa, 2);
#define COPY "cpyfp [x0]!, [x1]!, x2!\n cpyfm [x0]!, [x1]!, x2!\n cpyfe [x0]!, [x1]!, x2!\n"
#define MOVE "cpyp [x0]!, [x1]!, x2!\n cpym [x0]!, [x1]!, x2!\n cpye [x0]!, [x1]!, x2!\n"
#define SET "setp [x0]!, x2!, x1\n setm [x0]!, x2!, x1\n sete [x0]!, x2!, x1\n"
#define SETG "setgp [x0]!, x2!, x1\n setgm [x0]!, x2!, x1\n setge [x0]!, x2!, x1\n"
    TRY("mov x2, #24\n" COPY, kVa + 0x200, two + 18);
    TRY("mov x2, #24\n" COPY, kVa + 0x200, two + 28);
    TRY("mov x2, #24\n" COPY, two + 28, kVa + 0x200);
    TRY("mov x2, #24\n" COPY, two + 18, kVa + 0x200);
    TRY("mov x2, #40\n" SET, two + 16, 7);
    TRY("mov x2, #32\n" SET, two + 16, 7);
    print("long ones\n");
    for (u64 i = 0; i < 40; ++i) {
        stg(kVa + 0x400 + 16 * i, i == 20 ? 3 : 2);
    }
    TRY("mov x2, #512\n" COPY, kVa + 0x800, two + 0x403);
    TRY("mov x2, #512\n" COPY, two + 0x403, kVa + 0x800);
    TRY("mov x2, #512\n" SET, two + 0x405, 7);
    TRY("mov x2, #512\n" MOVE, two + 0x408, two + 0x400);
    TRY("mov x2, #512\n" MOVE, two + 0x408, two + 0x403);
    stg(kVa + 0x400 + 16 * 20, 2);
    print("  = %x\n", TRY("mov x2, #512\n" MOVE, two + 0x408, two + 0x400) - two);
    print("  = %x\n", TRY("mov x2, #512\n" COPY, two + 0x408, kVa + 0x800) - two);
    print("  = %x\n", TRY("mov x2, #48\n" SETG, tagged(kVa + 16, 9), 0x1ab) - kVa);
    show_tags(kVa, 6);
    show_words(10);
    TRY("mov x2, #40\n" SETG, tagged(kVa + 16, 9), 7);
    TRY("mov x2, #32\n" SETG, tagged(kVa + 8, 9), 7);
    TRY("mov x2, #0\n" SETG, tagged(kVa + 8, 9), 7);
    print("  = %x\n", TRY("mov x2, #8192\n" SETG, tagged(kVa, 4), 1) - kVa);
    show_tags(kVa + kPage - 32, 4);
    *descriptor(space, kVa + kPage, 3) = 0;
    tlbi_all();
    TRY("mov x2, #8192\n" SETG, tagged(kVa + 32, 5), 1);
    show_tags(kVa, 4);
    set_controls(kAta | kTcf(2));
    TRY("mov x2, #24\n" COPY, kVa + 0x200, two + 28);
    show_faults();
    on_synchronous = 0;
}

void main(void) {
    space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48) | kTbi0);
    write_register("mair_el1", kMair | 0xf0ul << 8 * kTaggedIndex);
    print("MTE %d GMID %d\n", read_register("id_aa64pfr1_el1") >> 8 & 15, read_register("gmid_el1"));
    map(space, kVa, kPhysical, 3, kReadWrite | kTagged);
    map(space, kVa + kPage, kPhysical + kPage, 3, kReadWrite | kTagged);
    map(space, kEl0Stack, 0x45010000, 3, kUserReadWrite);
    tlbi_all();
    sctlr = read_register("sctlr_el1");
    set_tco(0);
    instructions();
    registers();
    checks();
    at_el0();
    copies();
    asm volatile("at s1e1r, %0\n isb" ::"r"(kVa));
    print("PAR_EL1 %x\n", read_register("par_el1"));
}
