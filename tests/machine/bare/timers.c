// The generic timers: their conditions and registers, interrupts, WFI.
#include "gic.h"

enum { kVirtual = 27, kPhysical = 30 };
static volatile u64 count[32];
static u64 period;

static void tick(struct Frame* frame) {
    (void)frame;
    const u64 interrupt = acknowledge();
    ++count[interrupt & 31];
    if (interrupt == kVirtual) {
        if (period != 0) {
            write_register("cntv_tval_el0", period);
        } else {
            write_register("cntv_ctl_el0", 0);
        }
    } else if (interrupt == kPhysical) {
        write_register("cntp_ctl_el0", 0);
    }
    end_of_interrupt(interrupt);
}

static void conditions(void) {
    print("conditions: CTL with the deadline ahead and behind\n");
    write_register("cntv_ctl_el0", 0);
    write_register("cntp_ctl_el0", 0);
    write_register("cntv_cval_el0", ~0ul);
    print("%x", read_register("cntv_ctl_el0"));
    write_register("cntv_ctl_el0", 1);
    print(" %x", read_register("cntv_ctl_el0"));
    write_register("cntv_cval_el0", 0);
    print(" %x", read_register("cntv_ctl_el0"));
    write_register("cntv_ctl_el0", 3);
    print(" %x", read_register("cntv_ctl_el0"));
    write_register("cntv_ctl_el0", 2);
    print(" %x", read_register("cntv_ctl_el0") & ~4ul);
    write_register("cntv_ctl_el0", 0);
    print(" %x\n", read_register("cntv_ctl_el0") & ~4ul);
    print("TVAL is a signed distance\n");
    write_register("cntp_tval_el0", 0xffffffff); // -1
    write_register("cntp_ctl_el0", 3);
    print("%x\n", read_register("cntp_ctl_el0"));
    write_register("cntp_tval_el0", 0x7fffffff);
    print("%x\n", read_register("cntp_ctl_el0"));
    const s64 distance = (s64)(read_register("cntp_cval_el0") - read_register("cntpct_el0"));
    print("%d\n", (u64)(distance > 0x70000000 && distance <= 0x7fffffff));
    write_register("cntp_cval_el0", read_register("cntpct_el0") + 0x123456789ab);
    const u64 left = read_register("cntp_tval_el0");
    print("%d\n", (u64)(left > 0x40000000 && left <= 0x456789ab));
    write_register("cntp_ctl_el0", 0);
    print("counters rise\n");
    u64 rises = 1, last = read_register("cntvct_el0");
    for (int i = 0; i < 10000; ++i) {
        const u64 now = read_register("cntvct_el0");
        rises = rises && now >= last;
        last = now;
    }
    print("%d %d\n", rises, (u64)(read_register("cntpct_el0") >= last));
}

static void wait_for(volatile u64* at, u64 value) {
    allow_interrupts();
    while (*at < value) {
        asm volatile("wfi");
    }
    forbid_interrupts();
}

void main(void) {
    on_interrupt = tick;
    const u64 frequency = read_register("cntfrq_el0");
    enable_distributor();
    enable_gic(0);
    conditions();
    enable_private(0, kVirtual, 0x80);
    enable_private(0, kPhysical, 0x80);

    print("one virtual interrupt\n");
    u64 begin = read_register("cntvct_el0");
    write_register("cntv_tval_el0", frequency / 100);
    write_register("cntv_ctl_el0", 1);
    wait_for(&count[kVirtual], 1);
    print("%d, not early: %d\n", count[kVirtual],
          (u64)(read_register("cntvct_el0") - begin >= frequency / 100));

    print("one physical interrupt\n");
    write_register("cntp_cval_el0", read_register("cntpct_el0") + frequency / 200);
    write_register("cntp_ctl_el0", 1);
    wait_for(&count[kPhysical], 1);
    print("%d\n", count[kPhysical]);

    print("a hundred, each 500 us after the other\n");
    period = frequency / 2000;
    begin = read_register("cntvct_el0");
    write_register("cntv_tval_el0", period);
    write_register("cntv_ctl_el0", 1);
    wait_for(&count[kVirtual], 101);
    print("not early: %d\n", (u64)(read_register("cntvct_el0") - begin >= 100 * period));
    period = 0;
    wait_for(&count[kVirtual], 102);

    print("WFI goes on with a masked interrupt\n");
    write_register("cntv_tval_el0", frequency / 100);
    write_register("cntv_ctl_el0", 1);
    asm volatile("wfi");
    print("taken %d, ISR %x, CTL %x\n", count[kVirtual] - 102, read_register("isr_el1"),
          read_register("cntv_ctl_el0"));
    write_register("cntv_ctl_el0", 3); // IMASK: the line falls
    print("ISR %x\n", read_register("isr_el1"));
    write_register("cntv_ctl_el0", 1);
    print("ISR %x\n", read_register("isr_el1"));
    allow_interrupts();
    asm volatile("nop; nop");
    forbid_interrupts();
    print("taken %d\n", count[kVirtual] - 102);

    print("an interrupt in a loop without exits\n");
    write_register("cntv_tval_el0", frequency / 100);
    write_register("cntv_ctl_el0", 1);
    allow_interrupts();
    while (count[kVirtual] < 104) {
    }
    forbid_interrupts();
    print("taken %d\n", count[kVirtual] - 102);
    print("EL0's accesses: CNTKCTL_EL1\n");
    extern const char el0_counter[], el0_timer[];
    for (u64 i = 0; i < 4; ++i) {
        static const u64 kBits[] = {0, 3, 3 << 8, 0x303};
        write_register("cntkctl_el1", kBits[i]);
        print("%x\n", kBits[i]);
        run_lower(el0_counter, kEl0, 0, 0);
        run_lower(el0_timer, kEl0, 0, 0);
    }
}
asm(".pushsection .text\n"
    "el0_counter: mrs x0, cntvct_el0\n svc #0\n"
    "el0_timer: mrs x0, cntv_ctl_el0\n svc #0\n"
    ".popsection");
