// machine: -machine secure=on,gic-version=2
// A GICv2 with Security Extensions: what each state sees of the other's interrupts, and how they
// arrive.
#include "secure_gic.h"

// One interrupt of each group, as SGI and as SPI; group 0 is Secure.
enum { kGroup0, kGroup1, kFirstSpi = 40 };
enum { kEnable0 = 1 << 0, kEnable1 = 1 << 1, kAckControl = 1 << 2, kFiqEnable = 1 << 3 };
enum { kCommonBinaryPoint = 1 << 4, kEoiModeS = 1 << 9, kEoiModeNs = 1 << 10 };
static const u64 kInterface = 0x08010000;
enum { kCtlr = 0, kPmr = 4, kBpr = 8, kIar = 0xc, kEoir = 0x10, kRpr = 0x14, kHppir = 0x18 };
enum { kAbpr = 0x1c, kDir = 0x1000 };
static char el1_stack[16384] __attribute__((aligned(16)));

// By a byte of GICD_SPENDSGIR, from this CPU.
static void make_pending(u64 sgi) {
    *(volatile u8*)(kDistributor + 0xf20 + sgi) = 1;
    asm volatile("dsb sy\n\tisb" ::: "memory");
}
static void forget_pending(void) { set(kDistributor + 0xf10, ~0u); }

// --- what is there to see

static const struct Named kRegisters[] = {
    {"GICD_CTLR", 0x08000000},         {"GICD_IGROUPR0", 0x08000080},
    {"GICD_IGROUPR1", 0x08000084},     {"GICD_ISENABLER1", 0x08000104},
    {"GICD_ISPENDR1", 0x08000204},     {"GICD_ICPENDR1", 0x08000284},
    {"GICD_ISACTIVER1", 0x08000304},   {"GICD_IPRIORITYR0", 0x08000400},
    {"GICD_IPRIORITYR10", 0x08000428}, {"GICD_ITARGETSR10", 0x08000828},
    {"GICD_ICFGR2", 0x08000c08},       {"GICD_SPENDSGIR0", 0x08000f20},
};

static void show_frames(const char* who) {
    show_registers(who, kRegisters, sizeof kRegisters / sizeof *kRegisters);
}

// Priorities may have five bits, or eight.
static void show_interface(const char* who) {
    print("%s: CTLR %x PMR %x BPR %x RPR %x HPPIR %d ABPR %x\n", who, get(kInterface + kCtlr),
          get(kInterface + kPmr) & 0xf0, get(kInterface + kBpr), get(kInterface + kRpr),
          get(kInterface + kHppir), get(kInterface + kAbpr));
}

// --- how interrupts arrive

static void take(struct Frame* frame) {
    static const char* const kKinds[] = {"", "IRQ", "FIQ", "SError"};
    const u32 interrupt = get(kInterface + kIar);
    print("  %s at EL%d: IAR %d, RPR %x\n", kKinds[frame->kind], (u64)frame->el, interrupt,
          get(kInterface + kRpr));
    if (interrupt < 1020) {
        set(kInterface + kEoir, interrupt);
    } else { // of the other group
        forget_pending();
    }
}

// To EL3 by a trap, CPTR_EL3.TCPAC, since SMC may be for the firmware of the machine.
static void back(void) { (void)read_register("cpacr_el1"); }
static int take_trap(struct Frame* frame) {
    if (frame->el == 3 && frame->esr >> 26 == 0x18) {
        leave_lower(0);
    }
    return 0;
}

// --- programs of EL1

static void look_around(void) {
    show_frames("Non-secure");
    show_interface("Non-secure");
    print("writes\n");
    set(kDistributor, 0);
    set(kDistributor + 0x80, 0);
    set(kDistributor + 0x84, 0);
    set(kDistributor + 0x184, ~0u); // ICENABLER1
    set(kDistributor + 0x204, ~0u);
    set(kDistributor + 0x400, 0x40404040);
    set(kDistributor + 0x428, 0x20202020);
    set(kDistributor + 0xc08, 0);
    make_pending(kGroup0);
    make_pending(kGroup1);
    show_frames("Non-secure");
    set(kInterface + kPmr, 0x40);
    set(kInterface + kBpr, 5);
    set(kInterface + kAbpr, 7);
    set(kInterface + kCtlr, ~0u);
    show_interface("Non-secure, written");
    back();
}

static void receive(void) {
    asm volatile("msr daifclr, #3" ::: "memory");
    print("in EL1\n");
    back();
}

static void end_group0(void) {
    set(kInterface + kEoir, kGroup0);
    set(kInterface + kDir, kGroup0);
    back();
}

static void run_el1(void (*program)(void), u64 state) {
    set_state(state);
    write_register("sp_el1", el1_stack + sizeof el1_stack);
    run_lower((const void*)program, kEl1h, 0, 0);
    set_state(0);
}

// --- EL3

static void set_groups(void) {
    set(kDistributor, kEnable0 | kEnable1);
    set(kDistributor + 0x80, 1 << kGroup1);
    set(kDistributor + 0x84, 1 << (kFirstSpi - 32 + kGroup1));
    set(kDistributor + 0x104, 3 << (kFirstSpi - 32));
    set(kDistributor + 0x400, 0xc040);
    set(kDistributor + 0x428, 0xc050);
    set(kDistributor + 0xc08, 0xff0000); // edges
    set(kInterface + kPmr, 0xff);
    set(kInterface + kCtlr, kEnable0 | kEnable1 | kFiqEnable);
}

static void set_binary_points(void) {
    set(kInterface + kBpr, 3);
    set(kInterface + kAbpr, 4);
}

static void receive_at_el3(u32 control) {
    set(kInterface + kCtlr, kEnable0 | kEnable1 | control);
    set_state(kFiqToEl3 | kIrqToEl3);
    on_interrupt = take;
    for (u64 interrupt = 0; interrupt < 2; ++interrupt) {
        print("group %d at EL3, GICC_CTLR %x\n", interrupt, get(kInterface + kCtlr));
        make_pending(interrupt);
        show_interface("pending");
        const u64 before = exceptions_taken;
        asm volatile("msr daifclr, #3" ::: "memory");
        while (exceptions_taken == before) {
        }
        asm volatile("msr daifset, #3" ::: "memory");
    }
}

static void preempted(u64 interrupt, u64 state) {
    print("group %d, pending for %s EL1\n", interrupt, state & kNs ? "Non-secure" : "Secure");
    make_pending(interrupt);
    run_el1(receive, state);
    forget_pending();
}

static void banks(void) {
    set(kInterface + kBpr, 4);
    set(kInterface + kAbpr, 6);
    set(kInterface + kCtlr, ~0u);
    show_interface("Secure, written");
    set(kInterface + kCtlr, kEnable0 | kEnable1 | kFiqEnable | kCommonBinaryPoint);
    run_el1(look_around, kNs | kFiqToEl3);
    show_frames("Secure");
    show_interface("Secure");
    set(kDistributor + 0x284, ~0u); // ICPENDR1
    forget_pending();
    set_binary_points();
}

// An active interrupt of group 0 is not for Non-secure software to end.
static void foreign_ends(void) {
    make_pending(kGroup0);
    print("IAR %d\n", get(kInterface + kIar));
    run_el1(end_group0, kNs | kFiqToEl3);
    show_interface("still active");
    set(kInterface + kEoir, kGroup0);
    show_interface("ended");
}

void main(void) {
    set_state(0);
    write_register("cptr_el3", 1u << 31);
    on_synchronous = take_trap;
    show_frames("out of reset");
    set_binary_points();
    show_interface("out of reset");
    set_groups();
    show_frames("Secure");
    show_interface("Secure");
    receive_at_el3(kFiqEnable);
    receive_at_el3(kFiqEnable | kAckControl);
    receive_at_el3(0);
    banks();
    set_groups();
    for (u64 state = 0; state <= kNs; ++state) {
        preempted(kGroup0, state | kFiqToEl3);
        preempted(kGroup1, state | kFiqToEl3);
    }
    foreign_ends();
}
