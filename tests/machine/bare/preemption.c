// Tasks at EL0 in address spaces of their own, all at the same address, that a timer takes from the
// CPU at any instruction: what each computes depends on every register, flags and exclusives.
#include "gic.h"
#include "paging.h"

enum { kTasks = 4, kTimer = 27, kIterations = 20000, kIdle = 0x800 };
static const u64 kCode_ = 0x4080000000, kData = 0x4080010000;

struct Task {
    struct Frame frame;
    u64 vectors[64] __attribute__((aligned(16)));
    u64 fpcr, fpsr, tpidr, root, done;
};
static struct Task tasks[kTasks];
static u64 running, left, switches, period;

extern const char task[], task_end[];
asm(".arch_extension fp\n .pushsection .text\n .balign 64\n"
    "task: mov x2, x0\n mov x3, #0\n mov x5, #0\n scvtf d1, x0\n fmov d2, #0.5\n msr tpidr_el0, "
    "x0\n"
    "movi v3.16b, #1\n mov x10, x0\n"
    "1: mul x2, x2, x0\n add x2, x2, #7\n"
    "adds x4, x2, x3\n adcs x5, x5, x4\n cset x9, cs\n add x3, x3, x9\n"
    "eor x3, x3, x2, ror #13\n"
    "ldxr x6, [x7]\n add x6, x6, x9\n stxr w8, x6, [x7]\n cbz w8, 2f\n"
    "3: ldxr x6, [x7]\n add x6, x6, x9\n stxr w8, x6, [x7]\n cbnz w8, 3b\n"
    "2: ldaddal x0, x9, [x11]\n"
    "fmul d1, d1, d2\n and x4, x2, #0xffff\n scvtf d4, x4\n fadd d1, d1, d4\n"
    "add v3.16b, v3.16b, v3.16b\n dup v5.16b, w2\n eor v3.16b, v3.16b, v5.16b\n"
    "stp x2, x3, [sp, #-16]!\n str q3, [sp, #-16]!\n ldr q6, [sp], #16\n ldp x4, x6, [sp], #16\n"
    "add x5, x5, x4\n fmov x4, d6\n eor x5, x5, x4\n mrs x4, tpidr_el0\n sub x4, x4, x10\n add x5, "
    "x5, x4\n"
    "subs x1, x1, #1\n b.ne 1b\n"
    "fmov x4, d1\n eor x5, x5, x4\n ldr x4, [x7]\n add x5, x5, x4\n ldr x4, [x11]\n add x5, x5, "
    "x4\n"
    "mov x0, x5\n svc #1\n"
    "task_end:\n .popsection");

static void save_vectors(u64* at) {
    asm volatile(".arch_extension fp\n"
                 "stp q0, q1, [%0]\n stp q2, q3, [%0, #32]\n stp q4, q5, [%0, #64]\n stp q6, q7, "
                 "[%0, #96]" ::"r"(at)
                 : "memory");
}
static void load_vectors(const u64* at) {
    asm volatile("ldp q0, q1, [%0]\n ldp q2, q3, [%0, #32]\n ldp q4, q5, [%0, #64]\n ldp q6, q7, "
                 "[%0, #96]" ::"r"(at)
                 : "memory");
}

static void switch_to(u64 next, struct Frame* frame) {
    running = next;
    *frame = tasks[next].frame;
    write_register("sp_el0", frame->sp_el0);
    write_register("tpidr_el0", tasks[next].tpidr);
    write_register("ttbr0_el1", tasks[next].root | (next + 1) << 48);
    load_vectors(tasks[next].vectors);
    ++switches;
}
static void switch_from(struct Frame* frame) {
    if (running == kTasks) { // the loop that waits for the first interrupt
        return;
    }
    tasks[running].frame = *frame;
    tasks[running].tpidr = read_register("tpidr_el0");
    save_vectors(tasks[running].vectors);
}
static u64 next_task(void) {
    u64 next = running % kTasks;
    do {
        next = (next + 1) % kTasks;
    } while (tasks[next].done);
    return next;
}

static void tick(struct Frame* frame) {
    const u64 interrupt = acknowledge();
    // Never the same distance, so that every instruction has its turn.
    period = period * 5 % 251 + 20;
    write_register("cntv_tval_el0", period * (read_register("cntfrq_el0") / 1000000 + 1));
    end_of_interrupt(interrupt);
    switch_from(frame);
    switch_to(next_task(), frame);
}

static int end_of_task(struct Frame* frame) {
    if (frame->source != kLower64 || (frame->esr >> 26 & 63) != 0x15) {
        return 0;
    }
    tasks[running].done = frame->x[0];
    if (--left == 0) {
        write_register("cntv_ctl_el0", 0);
        leave_lower(0);
    }
    switch_to(next_task(), frame);
    return 1;
}

static u64 data_of(u64 i) { return 0x45010000 + i * 0x10000; }

static void run_all(void) {
    for (u64 i = 0; i < kTasks; ++i) {
        struct Task* const at = &tasks[i];
        at->frame = (struct Frame){.elr = kCode_, .sp_el0 = kData + 0x4000};
        at->frame.x[0] = 2 * i + 3;
        at->frame.x[1] = kIterations;
        at->frame.x[7] = kData;
        at->frame.x[11] = kData + 0x100;
        at->done = 0;
        *(volatile u64*)data_of(i) = *(volatile u64*)(data_of(i) + 0x100) = 0;
    }
    left = kTasks;
    running = kTasks;
    period = 100;
    write_register("ttbr0_el1", tasks[0].root | 1ul << 48);
    write_register("cntv_tval_el0", 1000);
    write_register("cntv_ctl_el0", 1);
    run_lower((const char*)kCode_ + kIdle, 0, 0, 0);
}

void main(void) {
    const struct Space kernel = new_space(12, 48);
    map_machine(kernel);
    enable_mmu(kernel, tcr_for(12, 48));
    write_code((volatile u32*)0x45000000, (const u32*)task, (u64)(task_end - task) / 4);
    const u32 loop = 0x14000000; // B .
    write_code((volatile u32*)(0x45000000 + kIdle), &loop, 1);
    for (u64 i = 0; i < kTasks; ++i) {
        const struct Space space = new_space(12, 48);
        map_machine(space);
        map(space, kCode_, 0x45000000, 3, kUserCode | kNotGlobal);
        map_pages(space, kData, data_of(i), 0x4000, kUserReadWrite | kNotGlobal);
        tasks[i].root = space.root;
    }
    enable_distributor();
    enable_gic(0);
    enable_private(0, kTimer, 0x80);
    on_interrupt = tick;
    on_synchronous = end_of_task;
    // Until there were enough interrupts, and always with the same results.
    u64 results[kTasks] = {}, rounds = 0, wrong = 0;
    while (rounds++ == 0 || switches < 60) {
        run_all();
        for (u64 i = 0; i < kTasks; ++i) {
            wrong += rounds != 1 && tasks[i].done != results[i];
            results[i] = tasks[i].done;
        }
    }
    for (u64 i = 0; i < kTasks; ++i) {
        print("task %d: %x\n", i, results[i]);
    }
    print("wrong: %d\n", wrong);
}
