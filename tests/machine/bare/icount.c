// machine: -icount shift=4,sleep=off
// Time from the count of instructions: what loops, branches, accesses, exceptions and interrupts
// take, to the instruction.
#include "gic.h"
#include "paging.h"

enum { kVirtual = 27 };

// The counter's ticks in an instruction's time, or the other way round.
static u64 frequency;
static u64 instructions(u64 ticks) { return ticks * (1000000000 / 16) / frequency; }
static u64 ticks_of(u64 count) { return count * frequency / (1000000000 / 16); }

// Instructions from one read of the counter to the next, around `code`.
#define COUNT(code, ...)                                                                           \
    ({                                                                                             \
        u64 begin_, end_;                                                                          \
        asm volatile("mrs %0, cntvct_el0\n" code "\nmrs %1, cntvct_el0"                            \
                     : "=&r"(begin_), "=&r"(end_)                                                  \
                     : __VA_ARGS__                                                                 \
                     : "memory", "cc", "x9", "x10", "x11", "x12", "x30");                          \
        instructions(end_ - begin_) - 1;                                                                         \
    })

static u64 memory[64];
static struct Space space;

static void code(void) {
    print("nothing %d, nops %d\n", COUNT(""), COUNT("nop\n nop\n nop"));
    for (u64 n = 1; n <= 100000; n *= 10) {
        print("%d times round: %d", n, COUNT("mov x9, %2\n 1: subs x9, x9, #1\n b.ne 1b", "r"(n)));
        print(", with accesses %d",
              COUNT("mov x9, %2\n 1: ldp x10, x11, [%3]\n str x10, [%3, #16]\n ldr x12, [%3, #400]\n"
                    "sub x9, x9, #1\n cbnz x9, 1b",
                    "r"(n), "r"(memory)));
        print(", with calls %d\n",
              COUNT("mov x9, %2\n b 1f\n 2: add x10, x10, #1\n ret\n"
                    "1: bl 2b\n sub x9, x9, #1\n cbnz x9, 1b",
                    "r"(n)));
    }
    print("a forward branch: not taken %d, taken %d\n",
          COUNT("mov x9, #1\n cbz x9, 1f\n nop\n 1: nop", "r"(0)),
          COUNT("mov x9, #0\n cbz x9, 1f\n nop\n 1: nop", "r"(0)));
    print("system registers %d, barriers %d\n",
          COUNT("mrs x9, vbar_el1\n msr vbar_el1, x9\n msr daifset, #2"),
          COUNT("isb\n dsb sy\n dmb sy\n yield\n sev\n sevl\n wfe"));
    print("exclusives %d, atomics %d\n",
          COUNT("1: ldxr x9, [%2]\n stxr w10, x9, [%2]\n cbnz w10, 1b", "r"(memory)),
          COUNT("ldadd x9, x10, [%2]\n cas x9, x10, [%2]", "r"(memory)));
    print("across a page %d\n",
          COUNT("ldr x9, [%2]\n str x9, [%2]", "r"((u64)0x44000ffc)));
    print("the serial port %d\n", COUNT("ldr w9, [%2]\n ldr w9, [%2]\n nop", "r"(0x09000018ul)));
    print("floating point %d\n", COUNT("fmov d0, #1.0\n fdiv d0, d0, d0\n fmov x9, d0"));
}

// --- exceptions. Each handler's way back is the same length: differences count.

static u64 at_exception;
static int on_call(struct Frame* frame) {
    at_exception = read_register("cntvct_el0");
    if (frame->esr >> 26 == 0x25) { // the access that faulted is not one that was executed
        frame->elr += 4;
    }
    return 1;
}

static void exceptions(void) {
    on_synchronous = on_call;
    const u64 one = COUNT("svc #0"), two = COUNT("svc #0\n svc #0");
    const u64 nops = COUNT("nop\n svc #0\n nop\n nop");
    print("a call that returns: twice as long %d, more instructions %d\n", two == 2 * one,
          nops - one);
    const u64 fault = COUNT("ldr x9, [%2]", "r"(0xf0000000000ul));
    const u64 fault_later = COUNT("nop\n nop\n ldr x9, [%2]\n nop", "r"(0xf0000000000ul));
    print("a fault: behind others %d\n", fault_later - fault);
}

// --- interrupts

static volatile u64 interrupted_at, seen, interrupts;
static void on_timer(struct Frame* frame) {
    interrupted_at = frame->elr;
    seen = frame->x[9];
    ++interrupts;
    const u64 interrupt = acknowledge();
    write_register("cntv_ctl_el0", 0);
    end_of_interrupt(interrupt);
}

// How often a loop goes round until the timer interrupts it.
static void one_interrupt(u64 count) {
    extern char spin_start[];
    interrupts = 0;
    asm volatile("mrs x10, cntvct_el0\n"
                 "add x10, x10, %0\n"
                 "msr cntv_cval_el0, x10\n"
                 "mov x10, #1\n"
                 "mov x9, #0\n"
                 "msr cntv_ctl_el0, x10\n"
                 "msr daifclr, #3\n"
                 ".global spin_start\n"
                 "spin_start: add x9, x9, #1\n"
                 "nop\n"
                 "nop\n"
                 "ldr x10, [%1]\n"
                 "cbz x10, spin_start\n"
                 "msr daifset, #3" ::"r"(ticks_of(count)),
                 "r"(&interrupts)
                 : "x9", "x10", "memory");
    print("after %d: %d times round and instruction %d\n", count, seen,
          (interrupted_at - (u64)spin_start) / 4);
}

static void wait_for_interrupt(u64 count) {
    const u64 ticks = ticks_of(count);
    const u64 begin = read_register("cntvct_el0");
    write_register("cntv_cval_el0", begin + ticks);
    write_register("cntv_ctl_el0", 1);
    asm volatile("wfi");
    const u64 passed = read_register("cntvct_el0") - begin;
    write_register("cntv_ctl_el0", 0);
    print("WFI for %d: %d more\n", count, instructions(passed) - count);
}

void main(void) {
    frequency = read_register("cntfrq_el0");
    space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48));
    code();
    exceptions();
    enable_distributor();
    enable_gic(0);
    on_interrupt = on_timer;
    enable_private(0, kVirtual, 0x80);
    for (u64 count = 60; count < 80; ++count) {
        one_interrupt(count);
    }
    one_interrupt(123456);
    one_interrupt(10000000);
    forbid_interrupts();
    for (u64 count = 100; count <= 100000000; count *= 1000) {
        wait_for_interrupt(count);
    }
}
