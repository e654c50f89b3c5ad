// Debug exceptions at EL1 for EL0: software step, breakpoints, watchpoints; and the monitor's own
// with MDSCR_EL1.KDE.
#include "support.h"

extern const char el0_steps[], el0_target[], el0_watch[];
asm(".pushsection .text\n .balign 64\n"
    "el0_steps: add x0, x0, #1\n add x0, x0, #2\n"
    "el0_target: add x0, x0, #3\n b 1f\n nop\n 1: ldr x1, [x1]\n svc #0x33\n"
    "el0_watch: ldr x2, [x0]\n str x2, [x0, #8]\n ldp x2, x3, [x0, #16]\n strb w2, [x0, #35]\n svc "
    "#0\n"
    ".popsection");

static u64 steps, base;
enum { kSs = 1 << 21 };

static int stepping(struct Frame* frame) {
    const u64 ec = frame->esr >> 26 & 63;
    if (ec != 0x32) {
        return 0;
    }
    print("  step %d: ISS %x, ELR +%x, X0 %d, SS %d\n", steps, frame->esr & 0x1ffffff,
          frame->elr - base, frame->x[0], frame->spsr >> 21 & 1);
    if (++steps > 10) {
        write_register("mdscr_el1", 0);
    }
    frame->spsr |= kSs;
    return 1;
}

static int debugging(struct Frame* frame) {
    const u64 ec = frame->esr >> 26 & 63;
    switch (ec) {
    case 0x30:
        print("  breakpoint: ISS %x, ELR +%x, X0 %d\n", frame->esr & 0x1ffffff, frame->elr - base,
              frame->x[0]);
        write_register("dbgbcr0_el1", 0);
        return 1;
    case 0x34:
        print("  watchpoint: ISS %x, ELR +%x, FAR %x\n", frame->esr & 0x1ffffff, frame->elr - base,
              frame->far);
        frame->elr += 4;
        return 1;
    }
    return 0;
}

static void watch(const char* name, u64 address, u64 control) {
    print("%s\n", name);
    write_register("dbgwvr0_el1", address);
    write_register("dbgwcr0_el1", control);
    write_register("mdscr_el1", 1 << 15);
    base = (u64)el0_watch;
    run_lower(el0_watch, kEl0 & ~0x200ul, 0x44000000, 0);
    write_register("mdscr_el1", 0);
    write_register("dbgwcr0_el1", 0);
}

void main(void) {
    write_register("oslar_el1", 0);
    print("OSLSR %x\n", read_register("oslsr_el1") & 2);
    base = (u64)el0_steps;
    on_synchronous = stepping;
    print("step\n");
    write_register("mdscr_el1", 1);
    run_lower(el0_steps, (kEl0 & ~0x200ul) | kSs, 0, 0x44000000);
    write_register("mdscr_el1", 0);
    print("masked by PSTATE.D? not at EL0\n");
    steps = 0;
    write_register("mdscr_el1", 1);
    run_lower(el0_steps, kEl0 | kSs, 0, 0x44000000);
    write_register("mdscr_el1", 0);

    on_synchronous = debugging;
    print("breakpoint\n");
    write_register("dbgbvr0_el1", el0_target);
    write_register("dbgbcr0_el1", 0xfu << 5 | 2 << 1 | 1); // EL0
    write_register("mdscr_el1", 1 << 15);
    run_lower(el0_steps, kEl0 & ~0x200ul, 0, 0x44000000);
    write_register("mdscr_el1", 0);
    print("breakpoint for EL1 only\n");
    write_register("dbgbcr0_el1", 0xfu << 5 | 1 << 1 | 1);
    write_register("mdscr_el1", 1 << 15);
    run_lower(el0_steps, kEl0 & ~0x200ul, 0, 0x44000000);
    write_register("mdscr_el1", 0);
    write_register("dbgbcr0_el1", 0);

    // LSC 1 load, 2 store; BAS; PAC 2 (EL0); E
    watch("loads of the first 8 bytes", 0x44000000, 0xffu << 5 | 1 << 3 | 2 << 1 | 1);
    watch("stores of the second", 0x44000008, 0xffu << 5 | 2 << 3 | 2 << 1 | 1);
    watch("both, second half of a pair", 0x44000018, 0xffu << 5 | 3 << 3 | 2 << 1 | 1);
    watch("one byte", 0x44000020, 0x08u << 5 | 3 << 3 | 2 << 1 | 1);
    watch("another byte", 0x44000020, 0x04u << 5 | 3 << 3 | 2 << 1 | 1);
    watch("not enabled", 0x44000000, 0xffu << 5 | 3 << 3 | 2 << 1);

    print("at EL1: KDE\n");
    write_register("dbgwvr0_el1", 0x44000040);
    write_register("dbgwcr0_el1", 0xffu << 5 | 3 << 3 | 1 << 1 | 1);
    write_register("mdscr_el1", 1 << 15);
    on_synchronous = 0;
    asm volatile("msr daifclr, #8");
    TRY("ldr x0, [x0]\n", 0x44000040, 0);
    write_register("mdscr_el1", 1 << 15 | 1 << 13);
    TRY("ldr x0, [x0]\n", 0x44000040, 0);
    TRY("str x0, [x0]\n", 0x44000040, 0);
    asm volatile("msr daifset, #8");
    TRY("str x0, [x0]\n", 0x44000040, 0);
    write_register("mdscr_el1", 0);
}
