// The GICv3 with one CPU: SGIs to oneself, priorities, preemption, masks, EOImode, and where an
// interrupt is taken.
#include "gic.h"

static volatile u64 taken[16];
static volatile u64 depth;
static int nests;

static void plain(struct Frame* frame) {
    const u64 interrupt = acknowledge();
    print("  [%s %s, INTID %d, running priority %x]\n",
          frame->source == kLower64 ? "lower" : "same", frame->kind == kIrq ? "IRQ" : "FIQ",
          interrupt, running_priority());
    ++taken[interrupt & 15];
    if (nests) {
        ++depth;
        const u64 elr = read_register("elr_el1"), spsr = read_register("spsr_el1");
        if (nests == 1) {
            nests = 2;
            send_sgi(1, 3);
            send_sgi(1, 1);
        }
        allow_interrupts();
        for (int i = 0; i < 100; ++i) {
            asm volatile("nop");
        }
        forbid_interrupts();
        write_register("elr_el1", elr);
        write_register("spsr_el1", spsr);
        print("  leaving %d\n", interrupt);
        --depth;
    }
    end_of_interrupt(interrupt);
}

static void window(void) {
    allow_interrupts();
    for (int i = 0; i < 100; ++i) {
        asm volatile("nop");
    }
    forbid_interrupts();
}

extern const char el0_loop[];
asm(".pushsection .text\n"
    "el0_loop: sub x0, x0, #1\n cbnz x0, el0_loop\n svc #0\n"
    ".popsection");

static void leave_at_interrupt(struct Frame* frame) {
    plain(frame);
    frame->x[0] = 1; // enough of the loop
}

void main(void) {
    on_interrupt = plain;
    enable_distributor();
    enable_gic(0);
    for (u64 i = 0; i < 8; ++i) {
        enable_private(0, i, (u8)(0x40 + 0x20 * i < 0xf0 ? 0x40 + 0x20 * i : 0xe0));
    }
    print("idle: %x, nothing pending: %d\n", running_priority(), highest_pending());

    print("masked, then not\n");
    send_sgi(1, 2);
    print("ISR %x, pending %d, taken %d\n", read_register("isr_el1"), highest_pending(), taken[2]);
    window();
    print("taken %d, ISR %x\n", taken[2], read_register("isr_el1"));

    print("three at once, by priority\n");
    send_sgi(1, 4);
    send_sgi(1, 0);
    send_sgi(1, 2);
    window();

    print("the same twice\n");
    send_sgi(1, 2);
    send_sgi(1, 2);
    window();
    print("taken %d\n", taken[2]);

    print("priority mask\n");
    set_priority_mask(0x60);
    send_sgi(1, 0); // 0x40
    send_sgi(1, 1); // 0x60: not higher than the mask
    window();
    print("pending %d\n", highest_pending());
    set_priority_mask(0x61);
    print("mask %x, pending %d\n", read_register("s3_0_c4_c6_0"), highest_pending());
    set_priority_mask(0xff);
    window();

    print("preemption\n");
    nests = 1;
    send_sgi(1, 2);
    window();
    nests = 0;

    print("no preemption within a group of priorities\n");
    write_register("s3_0_c12_c12_3", 7);
    nests = 1;
    send_sgi(1, 2);
    window();
    nests = 0;
    write_register("s3_0_c12_c12_3", 0);
    print("binary point at least %x\n", read_register("s3_0_c12_c12_3"));

    print("EOImode 1\n");
    write_register("s3_0_c12_c12_4", 2);
    send_sgi(1, 5);
    const u64 got = acknowledge();
    print("%d, running %x\n", got, running_priority());
    end_of_interrupt(got);
    print("running %x\n", running_priority());
    send_sgi(1, 5); // active: it waits
    print("pending %d\n", highest_pending());
    deactivate(got);
    print("pending %d\n", highest_pending());
    print("%d\n", acknowledge());
    end_of_interrupt(5);
    deactivate(5);
    write_register("s3_0_c12_c12_4", 0);

    print("disabled while pending\n");
    send_sgi(1, 6);
    disable_private(0, 6);
    window();
    print("pending %d\n", highest_pending());
    enable_private(0, 6, 0x80);
    window();

    print("group disabled\n");
    write_register("s3_0_c12_c12_7", 0);
    send_sgi(1, 1);
    window();
    print("pending %d\n", highest_pending());
    write_register("s3_0_c12_c12_7", 1);
    window();

    print("from EL0\n");
    send_sgi(1, 3);
    on_interrupt = leave_at_interrupt;
    print("%d\n", run_lower(el0_loop, 0x340 /* IRQs pass */, 1000000000, 0));
    print("DAIF %x\n", read_register("daif"));
    print("spurious: %d\n", acknowledge());
}
