// machine: -machine secure=on
// A GICv3 with two Security states: what each sees of the other's interrupts, and how they arrive.
#include "gic.h"
#include "secure_gic.h"

// One interrupt of each group, as SGI and as SPI.
enum { kGroup0, kSecureGroup1, kGroup1, kFirstSpi = 40 };
static const u64 kSgiFrame = 0x080b0000;
static char el1_stack[16384] __attribute__((aligned(16)));

// --- what is there to see

static const struct Named kRegisters[] = {
    {"GICD_CTLR", 0x08000000},       {"GICD_IGROUPR1", 0x08000084},
    {"GICD_ISENABLER1", 0x08000104}, {"GICD_ISPENDR1", 0x08000204},
    {"GICD_ICPENDR1", 0x08000284},   {"GICD_ISACTIVER1", 0x08000304},
    {"GICD_IPRIORITYR10", 0x08000428}, {"GICD_ICFGR2", 0x08000c08},
    {"GICD_IGRPMODR1", 0x08000d04},  {"GICD_NSACR2", 0x08000e08},
    {"GICD_IROUTER40", 0x08006140},  {"GICD_IROUTER42", 0x08006150},
    {"GICR_IGROUPR0", 0x080b0080},   {"GICR_ISENABLER0", 0x080b0100},
    {"GICR_ISPENDR0", 0x080b0200},   {"GICR_IPRIORITYR0", 0x080b0400},
    {"GICR_IGRPMODR0", 0x080b0d00},  {"GICR_NSACR", 0x080b0e00},
    {"GICR_WAKER", 0x080a0014},
};

static void show_frames(const char* who) {
    show_registers(who, kRegisters, sizeof kRegisters / sizeof *kRegisters);
}

static void show_interface(const char* who) {
    print("%s: PMR %x RPR %x BPR1 %x AP1R0 %x CTLR %x IGRPEN1 %x HPPIR1 %d\n", who,
          read_register("s3_0_c4_c6_0"), running_priority(), read_register("s3_0_c12_c12_3"),
          read_register("s3_0_c12_c9_0"), read_register("s3_0_c12_c12_4") & 0xff,
          read_register("s3_0_c12_c12_7"), highest_pending());
}

static void show_el3(const char* when) {
    print("%s: ", when);
    show_interface("EL3");
    print("  BPR0 %x AP0R0 %x HPPIR0 %d CTLR_EL3 %x IGRPEN1_EL3 %x\n",
          read_register("s3_0_c12_c8_3"), read_register("s3_0_c12_c8_4"),
          read_register("s3_0_c12_c8_2"), read_register("s3_6_c12_c12_4") & 0x1f,
          read_register("s3_6_c12_c12_7"));
}

// --- how interrupts arrive

static void take(struct Frame* frame) {
    static const char* const kKinds[] = {"", "IRQ", "FIQ", "SError"};
    print("  %s at EL%d:", kKinds[frame->kind], (u64)frame->el);
    if (frame->el != 3) {
        const u64 interrupt = acknowledge();
        print(" IAR1 %d, RPR %x, ISR %x\n", interrupt, running_priority(),
              read_register("isr_el1"));
        end_of_interrupt(interrupt);
        return;
    }
    const u64 interrupt = read_register("s3_0_c12_c8_0"); // ICC_IAR0_EL1
    print(" IAR0 %d, RPR %x", interrupt, running_priority());
    if (interrupt == 1020) { // of Secure group 1
        const u64 it = acknowledge();
        print(", IAR1 %d, RPR %x", it, running_priority());
        end_of_interrupt(it);
    } else if (interrupt == 1021) { // of group 1
        print(", HPPIR1 %d", highest_pending());
        set(0x080b0280, 1 << kGroup1);
    } else {
        write_register("s3_0_c12_c8_1", interrupt);
    }
    print("\n");
}

static void wait_for_one(u64 before) {
    while (exceptions_taken == before) {
    }
}
static void send_and_wait(u64 interrupt, const char* name) {
    const u64 before = exceptions_taken;
    print(" %s\n", name);
    set(0x080b0200, 1u << interrupt); // GICR_ISPENDR0
    wait_for_one(before);
}

// To EL3 by a trap, CPTR_EL3.TCPAC, since SMC may be for the firmware of the machine.
static void back(void) { (void)read_register("cpacr_el1"); }
static int take_trap(struct Frame* frame) {
    if (frame->el == 3 && frame->esr >> 26 == 0x18) {
        leave_lower(0);
    }
    return 0;
}

// --- programs of the lower ELs

static void start_el1(void) { write_register("s3_0_c12_c12_5", 7); } // ICC_SRE_EL1

static void look_around(void) {
    start_el1();
    show_frames("Non-secure");
    show_interface("Non-secure");
    print("writes\n");
    set(kDistributor, 0);
    set(kDistributor + 0x84, 0);
    set(kDistributor + 0x184, ~0u); // ICENABLER1
    set(kDistributor + 0x204, ~0u);
    set(kDistributor + 0x428, 0x20202020);
    set(kDistributor + 0xc08, 0);
    set(kDistributor + 0xe08, ~0u);
    set(kDistributor + 0x6140, 1);
    set(kSgiFrame + 0x80, 0);
    set(kSgiFrame + 0x180, ~0u);
    set(kSgiFrame + 0x400, 0x40404040);
    set(kSgiFrame + 0xe00, ~0u);
    show_frames("Non-secure");
    set_priority_mask(0x40);
    show_interface("Non-secure, mask 40");
    set_priority_mask(0xff);
    write_register("s3_0_c12_c12_3", 5); // BPR1
    write_register("s3_0_c12_c12_4", 3); // CTLR
    write_register("s3_0_c12_c12_7", 1); // IGRPEN1
    show_interface("Non-secure, written");
    write_register("s3_0_c12_c12_4", 0);
    write_register("s3_0_c12_c12_3", 0);
    back();
}

static void reach_secure_devices(void) {
    print("Secure UART, RAM, pins\n");
    TRY("ldr w0, [x0]", 0x09040018, 0);
    TRY("ldr w0, [x0]", 0x0e000000, 0);
    TRY("str w1, [x0]", 0x090b0400, 1);
    back();
}

static void receive(void) {
    start_el1();
    asm volatile("msr daifclr, #3" ::: "memory");
    print("in EL1\n");
    back();
}

// A pending interrupt of each group, in turn, while EL1 runs.
static void receive_all(void) {
    start_el1();
    allow_interrupts();
    show_interface("EL1");
    send_and_wait(kGroup1, "its own, or the other state's");
    back();
}

static void send_sgis(void) {
    start_el1();
    forbid_interrupts();
    for (u64 interrupt = 0; interrupt < 3; ++interrupt) {
        write_register("s3_0_c12_c11_7", interrupt << 24 | 1); // SGI0R
        write_register("s3_0_c12_c11_5", interrupt << 24 | 1); // SGI1R
        write_register("s3_0_c12_c11_6", interrupt << 24 | 1); // ASGI1R
    }
    back();
}

static void end_group0(void) {
    end_of_interrupt(kGroup0);
    end_of_interrupt(kGroup1);
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
    set(kDistributor, 1 << 4 | 1 << 5 | 7); // all three groups
    set(kDistributor + 0x84, 1 << (kFirstSpi - 32 + kGroup1));
    set(kDistributor + 0xd04, 1 << (kFirstSpi - 32 + kSecureGroup1));
    set(kDistributor + 0x104, 7 << (kFirstSpi - 32));
    set(kDistributor + 0x428, 0xc05040);
    set(kDistributor + 0xc08, 0xff0000); // edges
    for (u64 i = 0; i < 3; ++i) {
        set(kDistributor + 0x6140 + 8 * i, 0);
    }
    set(kSgiFrame + 0x80, 1 << kGroup1);
    set(kSgiFrame + 0xd00, 1 << kSecureGroup1);
    set(kSgiFrame + 0x400, 0xc06040);
    set(kSgiFrame + 0x100, 7);
    volatile u32* const waker = (volatile u32*)0x080a0014;
    *waker &= ~2u;
    while (*waker & 4) {
    }
}

static void open_interface(void) {
    write_register("s3_6_c12_c12_5", 15); // ICC_SRE_EL3
    set_priority_mask(0xff);
    write_register("s3_0_c12_c12_6", 1); // IGRPEN0
    write_register("s3_6_c12_c12_7", 3); // IGRPEN1_EL3
}

static void banks(void) {
    show_el3("out of reset, Secure bank");
    set_state(kNs);
    show_el3("out of reset, Non-secure bank");
    write_register("s3_0_c12_c12_3", 6);
    write_register("s3_0_c12_c12_7", 1);
    show_el3("written");
    set_state(0);
    show_el3("the other bank");
    write_register("s3_0_c12_c12_3", 5);
    write_register("s3_6_c12_c12_4", 0x1f);
    write_register("s3_0_c12_c8_3", 4);
    show_el3("CTLR_EL3 1f");
    set_state(kNs);
    show_el3("the other bank");
    write_register("s3_0_c12_c12_3", 0);
    write_register("s3_6_c12_c12_4", 0);
    write_register("s3_0_c12_c8_3", 0);
    set_state(0);
    write_register("s3_0_c12_c12_3", 0);
}

// Those of each group while EL3 runs are all FIQ.
static void receive_at_el3(void) {
    set_state(kFiqToEl3);
    on_interrupt = take;
    allow_interrupts();
    send_and_wait(kGroup0, "group 0 at EL3");
    send_and_wait(kSecureGroup1, "Secure group 1 at EL3");
    send_and_wait(kGroup1, "group 1 at EL3");
    forbid_interrupts();
    for (u64 i = 0; i < 3; ++i) {
        set(kSgiFrame + 0x200, 1 << (2 - i)); // the next one is more urgent
        show_el3("pending");
        print("  ISR %x\n", read_register("isr_el1"));
    }
    set(kSgiFrame + 0x280, 7);
}

static void preempted(u64 interrupt, const char* name, u64 state) {
    print("%s, pending for %s EL1\n", name, state & kNs ? "Non-secure" : "Secure");
    set(kSgiFrame + 0x200, 1u << interrupt);
    run_el1(receive, state);
    set(kSgiFrame + 0x280, 7);
}

static void show_sent(const char* who) {
    print("%s SGIs: %x\n", who, get(kSgiFrame + 0x200));
    set(kSgiFrame + 0x280, ~0u);
}

static void sgis(void) {
    for (u64 access = 0; access < 3; ++access) {
        set(kSgiFrame + 0xe00, 0x55555555u * (u32)access);
        run_el1(send_sgis, kNs);
        show_sent("Non-secure");
    }
    run_el1(send_sgis, 0);
    show_sent("Secure");
}

// An active interrupt of group 0 is not for Non-secure software to end.
static void foreign_ends(void) {
    set(kSgiFrame + 0x200, 1 << kGroup0);
    print("IAR0 %d\n", read_register("s3_0_c12_c8_0"));
    run_el1(end_group0, kNs | kFiqToEl3);
    show_el3("still active");
    write_register("s3_0_c12_c8_1", kGroup0);
    show_el3("ended");
}

static void nonsecure_pages(void) {
    static u64 table[512] __attribute__((aligned(4096)));
    table[0] = 0x401 | 1 << 5;                     // devices, Non-secure
    table[1] = 0x40000000 | 0x705;                 // RAM
    table[2] = 0x401;                              // devices
    write_register("mair_el3", 0xff00);
    write_register("tcr_el3", 1u << 31 | 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 32);
    write_register("ttbr0_el3", table);
    asm volatile("tlbi alle3\n\tdsb sy\n\tisb" ::: "memory");
    write_register("sctlr_el3", read_register("sctlr_el3") | 1);
    print("EL3 by Non-secure pages: %x %x, by Secure ones: %x %x\n", get(kDistributor),
          get(kDistributor + 0x84), get(0x80000000 + kDistributor),
          get(0x80000084 + kDistributor));
    asm volatile("at s1e3r, %0\n\tisb" ::"r"(kDistributor));
    print("PAR %x", read_register("par_el1"));
    asm volatile("at s1e3r, %0\n\tisb" ::"r"(0x80000000 + kDistributor));
    print(" %x\n", read_register("par_el1"));
    write_register("sctlr_el3", read_register("sctlr_el3") & ~1ul);
}

static void one_state(void) {
    set(kDistributor, 1 << 6 | 7);
    set_state(kNs); // the bank that counts now
    show_frames("GICD_CTLR.DS");
    set(kSgiFrame + 0x200, 5);
    show_interface("GICD_CTLR.DS");
    print("  HPPIR0 %d\n", read_register("s3_0_c12_c8_2"));
}

void main(void) {
    set_state(0);
    write_register("cptr_el3", 1u << 31);
    on_synchronous = take_trap;
    write_register("s3_6_c12_c12_5", 15);
    show_frames("out of reset");
    banks();
    set_groups();
    open_interface();
    show_frames("Secure");
    receive_at_el3();
    run_el1(look_around, kNs | kFiqToEl3);
    show_frames("Secure");
    show_el3("after that");
    set(kDistributor + 0x284, ~0u); // ICPENDR1
    set_groups();
    open_interface();
    run_el1(reach_secure_devices, kNs);
    for (u64 state = 0; state <= kNs; ++state) {
        preempted(kGroup0, "group 0", state | kFiqToEl3);
        preempted(kSecureGroup1, "Secure group 1", state | kFiqToEl3);
        preempted(kGroup1, "group 1", state | kFiqToEl3);
    }
    run_el1(receive_all, kNs | kFiqToEl3);
    sgis();
    foreign_ends();
    nonsecure_pages();
    one_state();
}
