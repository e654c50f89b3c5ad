// FEAT_MOPS: results, faults in the middle, who accesses, what is refused, devices and watchpoints.
#include "paging.h"

asm(".arch_extension mops");

static const u64 kVa = 0x4080000000, kPhysical = 0x44000000;
static const u64 kEl0Code = 0x5080000000, kEl0Stack = 0x5090000000;
enum { kPage = 4096, kPages = 4 };
static struct Space space;

#define CPYF "cpyfp [x0]!, [x1]!, x2!\n cpyfm [x0]!, [x1]!, x2!\n cpyfe [x0]!, [x1]!, x2!\n"
#define CPY "cpyp [x0]!, [x1]!, x2!\n cpym [x0]!, [x1]!, x2!\n cpye [x0]!, [x1]!, x2!\n"
#define SET "setp [x0]!, x2!, x1\n setm [x0]!, x2!, x1\n sete [x0]!, x2!, x1\n"
// The size is in bits 63:48 of the first argument.
#define SIZED "lsr x2, x0, #48\n ubfx x0, x0, #0, #48\n"
#define SHOW(code, to, from, size)                                                                 \
    ({                                                                                             \
        const u64 before_ = exceptions_taken;                                                      \
        const u64 x0_ = TRY(SIZED code, (to) | (u64)(size) << 48, from);                           \
        if (before_ == exceptions_taken) {                                                         \
            print("  to %x\n", x0_ - (to));                                                        \
        }                                                                                          \
    })

static volatile u8* bytes(void) { return (volatile u8*)kPhysical; }

static void fill(void) {
    for (u64 i = 0; i < kPages * kPage; ++i) {
        bytes()[i] = (u8)(i * 7 + (i >> 8));
    }
}
static u64 sum(void) {
    u64 sum = 0;
    for (u64 i = 0; i < kPages * kPage; ++i) {
        sum = (sum ^ bytes()[i]) * 0x100000001b3;
    }
    return sum;
}

extern volatile u64 try_range[2];

// What is left where an access faults, which may be in a prologue: how much that does is open.
static int show_abort(struct Frame* frame) {
    const u64 ec = frame->esr >> 26 & 63;
    if ((ec & ~1ul) != 0x24 && (ec & ~1ul) != 0x34) {
        return 0;
    }
    const s64 left = (s64)frame->x[2];
    print("  [EC %x ISS %x FAR %x, left %x]\n", ec, frame->esr & 0x1ffffff, frame->far,
          (u64)(left < 0 ? -left : left));
    if (frame->source >= kLower64) {
        leave_lower(0);
    }
    frame->elr = try_range[1];
    return 1;
}

static void map_all(u64 first, u64 second, u64 third, u64 fourth) {
    const u64 attributes[] = {first, second, third, fourth};
    for (u64 i = 0; i < kPages; ++i) {
        *descriptor(space, kVa + i * kPage, 3) = 0;
        if (attributes[i] != 0) {
            map(space, kVa + i * kPage, kPhysical + i * kPage, 3, attributes[i]);
        }
    }
    tlbi_all();
}

static void results(void) {
    static const u64 kSizes[] = {0, 1, 15, 16, 17, 64, 100, 4095, 4096, 4200, 8000};
    print("results\n");
    map_all(kReadWrite, kReadWrite, kReadWrite, kReadWrite);
    for (u64 i = 0; i < sizeof kSizes / sizeof *kSizes; ++i) {
        print("size %d\n", kSizes[i]);
        fill();
        SHOW(CPYF, kVa + 4090, kVa + 5, kSizes[i] < 4000 ? kSizes[i] : 4000);
        print("  %x\n", sum());
        for (u64 distance = 0; distance < 64; distance += 21) {
            SHOW(CPY, kVa + 4000 + distance, kVa + 4000, kSizes[i]);
            print("  %x\n", sum());
            SHOW(CPY, kVa + 4000, kVa + 4000 + distance, kSizes[i]);
            print("  %x\n", sum());
        }
        SHOW(SET, kVa + 4090, 0x1234, kSizes[i]);
        print("  %x\n", sum());
    }
}

static void faults(void) {
    print("the source's second page is absent\n");
    map_all(kReadWrite, 0, kReadWrite, kReadWrite);
    fill();
    SHOW(CPYF, kVa + 0x2010, kVa + 0xf00, 0x300);
    print("  %x\n", sum());
    SHOW(CPY, kVa + 0x2010, kVa + 0xf00, 0x300);
    print("the target's\n");
    SHOW(CPYF, kVa + 0xf20, kVa + 0x2800, 0x300);
    print("  %x\n", sum());
    SHOW(SET, kVa + 0xf20, 0x55, 0x300);
    print("  %x\n", sum());
    print("the target's is read-only\n");
    map_all(kReadWrite, kReadWrite | kReadOnly, kReadWrite, kReadWrite);
    SHOW(CPYF, kVa + 0xf20, kVa + 0x2800, 0x300);
    print("  %x\n", sum());
    print("down, into an absent page\n");
    map_all(kReadWrite, 0, kReadWrite, kReadWrite);
    SHOW(CPY, kVa + 0x2010, kVa + 0x1ff8, 0x100);
    print("  %x\n", sum());
    print("without a prologue\n");
    map_all(kReadWrite, kReadWrite, kReadWrite, kReadWrite);
    print("  = %x\n", TRY("mov x2, #-300\n tst xzr, xzr\n cpyfm [x0]!, [x1]!, x2!\n"
                         "cpyfe [x0]!, [x1]!, x2!\n mov x0, x2\n",
                         kVa + 0x400, kVa + 0x2800));
    print("  %x\n", sum());
    print("  = %x\n", TRY("mov x2, #300\n tst xzr, xzr\n cpym [x0]!, [x1]!, x2!\n"
                         "cpye [x0]!, [x1]!, x2!\n mov x0, x2\n",
                         kVa + 0x400, kVa + 0x2900));
    print("  %x\n", sum());
    print("sizes that saturate\n");
    map_all(kReadWrite, kReadWrite, kReadWrite, 0);
    TRY("mov x2, #-1\n" SET "mov x0, x2\n", kVa + 0x2ff0, 1);
}

static void refused(void) {
    print("flags and registers of others\n");
#define RAISES(code) TRY("mov x2, #16\n cmp xzr, xzr\n" code, kVa, kVa + 0x1000)
    RAISES("cpyfm [x0]!, [x1]!, x2!\n");
    RAISES("cpyfmwt [x0]!, [x1]!, x2!\n");
    RAISES("cpyfmrtn [x0]!, [x1]!, x2!\n");
    RAISES("cpyfe [x0]!, [x1]!, x2!\n");
    RAISES("cpym [x0]!, [x1]!, x2!\n");
    RAISES("cpyewn [x0]!, [x1]!, x2!\n");
    RAISES("setm [x0]!, x2!, x1\n");
    RAISES("setmtn [x0]!, x2!, x1\n");
    RAISES("sete [x0]!, x2!, x1\n");
    RAISES("setet [x0]!, x2!, xzr\n");
}

static void unprivileged(void) {
    print("as EL0\n");
    for (u64 pan = 0; pan < 2; ++pan) {
        for (u64 uao = 0; uao < 2; ++uao) {
            map_all(kUserReadWrite, kReadWrite, kUserReadWrite, kReadWrite);
            print("PAN %d, UAO %d\n", pan, uao);
            if (pan) {
                asm volatile("msr pan, #1");
            }
            if (uao) {
                asm volatile("msr uao, #1");
            }
#define COPIES(suffix)                                                                             \
    "cpyfp" suffix " [x0]!, [x1]!, x2!\n cpyfm" suffix " [x0]!, [x1]!, x2!\n"                      \
    "cpyfe" suffix " [x0]!, [x1]!, x2!\n"
#define EACH(to, from)                                                                             \
    print("to %x from %x\n", (u64)to, (u64)from);                                                  \
    SHOW(COPIES(""), kVa + to, kVa + from, 16);                                                    \
    SHOW(COPIES("t"), kVa + to, kVa + from, 16);                                                   \
    SHOW(COPIES("wt"), kVa + to, kVa + from, 16);                                                  \
    SHOW(COPIES("rt"), kVa + to, kVa + from, 16);
            EACH(0, 0x2000)
            EACH(0, 0x1000)
            EACH(0x1000, 0)
            EACH(0x1000, 0x3000)
            SHOW("setpt [x0]!, x2!, x1\n setmt [x0]!, x2!, x1\n setet [x0]!, x2!, x1\n", kVa, 3, 16);
            SHOW("setpt [x0]!, x2!, x1\n setmt [x0]!, x2!, x1\n setet [x0]!, x2!, x1\n",
                 kVa + 0x1000, 3, 16);
            asm volatile("msr pan, #0");
            asm volatile("msr uao, #0");
        }
    }
}

extern const char el0_copy[], el0_set[], el0_end[];
asm(".pushsection .text\n .balign 64\n"
    "el0_copy: mov x2, #32\n" CPYF "svc #0\n"
    "el0_set: mov x2, #32\n" SET "svc #0\n"
    "el0_end:\n"
    ".popsection");

static void at_el0(void) {
    map_all(kUserReadWrite, kReadWrite, kUserReadWrite, kReadWrite);
    map(space, kEl0Code, 0x45000000, 3, kUserCode);
    write_code((volatile u32*)0x45000000, (const u32*)el0_copy, (u64)(el0_end - el0_copy) / 4);
    const u64 sctlr = read_register("sctlr_el1");
    for (u64 enabled = 0; enabled < 2; ++enabled) {
        print("at EL0, SCTLR_EL1.MSCEn %d\n", enabled);
        write_register("sctlr_el1", (sctlr & ~(1ul << 33)) | enabled << 33);
        const char* const set = (const char*)kEl0Code + (el0_set - el0_copy);
        print("  %x\n", run_lower((const void*)kEl0Code, kEl0, kVa, kVa + 0x2000));
        print("  %x\n", run_lower(set, kEl0, kVa, 7));
        print("  %x\n", run_lower(set, kEl0, kVa + 0x1000, 7));
    }
    write_register("sctlr_el1", sctlr);
}

static void devices(void) {
    print("a device\n");
    map_all(kReadWrite, kReadWrite, kReadWrite, kReadWrite);
    fill();
    TRY("mov x2, #1\n" CPYF, kVa, 0x09000fe0); // UARTPeriphID0
    print("  %x %x\n", (u64)bytes()[0], (u64)bytes()[1]);
    TRY("mov x2, #1\n" SET, 0x09000000, '!');
    print("\n");
    print("RAM as a device\n");
    map_all(kReadWrite | kAttribute(kDevice), kReadWrite, kReadWrite, kReadWrite);
    SHOW(CPYF, kVa + 0xff3, kVa + 0x2001, 50);
    print("  %x\n", sum());
}

static void watchpoints(void) {
    print("watchpoints\n");
    map_all(kReadWrite, kReadWrite, kReadWrite, kReadWrite);
    fill();
    write_register("oslar_el1", 0);
    asm volatile("msr daifclr, #8");
    write_register("dbgwvr0_el1", kVa + 0x108);
    for (u64 kinds = 1; kinds < 4; ++kinds) { // loads, stores, both
        print("%d\n", kinds);
        write_register("dbgwcr0_el1", 0xful << 5 | kinds << 3 | 1ul << 1 | 1);
        write_register("mdscr_el1", 1ul << 15 | 1ul << 13);
        SHOW(CPYF, kVa + 0x100, kVa + 0x2000, 32);
        SHOW(CPYF, kVa + 0x2000, kVa + 0x100, 32);
        SHOW(SET, kVa + 0x100, 1, 32);
        SHOW(SET, kVa + 0x100, 1, 8);
        SHOW(SET, kVa + 0x10c, 1, 8);
        write_register("mdscr_el1", 0);
        print("  %x\n", sum());
    }
    write_register("dbgwcr0_el1", 0);
}

// Code that is copied is seen after the maintenance that copied code needs.
static void code(void) {
    static const u32 kCodes[2][2] = {{0xd2800020, 0xd65f03c0}, {0xd2800040, 0xd65f03c0}};
    print("code\n");
    map_all(kReadWrite & ~kPxn, kReadWrite, kReadWrite, kReadWrite);
    for (u64 i = 0; i < 4; ++i) {
        TRY("mov x2, #8\n" CPYF, kVa, kCodes[i % 2]);
        asm volatile("dc cvau, %0\n dsb ish\n ic ivau, %0\n dsb ish\n isb" ::"r"(kVa) : "memory");
        print("  %x\n", TRY("blr x0\n", kVa, 0));
    }
}

void main(void) {
    space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48));
    print("ID_AA64ISAR2_EL1.MOPS %d\n", read_register("s3_0_c0_c6_2") >> 16 & 15);
    map(space, kEl0Stack, 0x45010000, 3, kUserReadWrite);
    on_synchronous = show_abort;
    results();
    faults();
    refused();
    unprivileged();
    at_el0();
    devices();
    watchpoints();
    code();
}
