// machine: -icount shift=1,sleep=off -smp 4
// peer: when CPUs take their turns is each machine's own affair
// One, two and four CPUs race without any order among them: for a counter, for slots of a trace,
// for locks, with interrupts of their timers in between. It must end the same every time.
#include "gic.h"
#include "paging.h"

enum { kVirtual = 27, kCpus = 4, kRounds = 30000, kSlots = 4096 };
static struct Space space;
static u64 tcr;
static volatile u64 racers, alive, finished, command, counter, lock_word, locked_sum;
static volatile u64 slot, trace[kSlots], ticks[kCpus], ended_at[kCpus];

static u64 number(void) { return read_register("mpidr_el1") & 0xff; }

static void tick(struct Frame* frame) {
    const u64 interrupt = acknowledge(), cpu = number();
    ++ticks[cpu];
    trace[slot++ % kSlots] = frame->elr << 8 | cpu; // where it came, too
    write_register("cntv_tval_el0", 1000 + 100 * cpu);
    end_of_interrupt(interrupt);
}

static void lock(void) {
    u64 old, failed;
    asm volatile("sevl\n"
                 "1: wfe\n"
                 "2: ldaxr %0, [%2]\n cbnz %0, 1b\n stxr %w1, %3, [%2]\n cbnz %w1, 2b"
                 : "=&r"(old), "=&r"(failed)
                 : "r"(&lock_word), "r"(1ul)
                 : "memory");
}
static void unlock(void) { asm volatile("stlr xzr, [%0]" ::"r"(&lock_word) : "memory"); }

static void race(void) {
    const u64 cpu = number();
    write_register("cntv_tval_el0", 1000);
    write_register("cntv_ctl_el0", 1);
    allow_interrupts();
    for (u64 i = 0; i < kRounds; ++i) {
        const u64 seen = counter; // what others add until it is written is lost
        trace[slot++ % kSlots] = seen << 8 | cpu;
        for (u64 wait = i % 64; wait != 0; --wait) {
            asm volatile("nop");
        }
        counter = seen + 1;
        if (i % 16 == 0) {
            lock();
            locked_sum = locked_sum * 31 + cpu + read_register("cntvct_el0");
            unlock();
        }
        if (i % 1000 == 0) {
            asm volatile("wfi");
        }
    }
    forbid_interrupts();
    write_register("cntv_ctl_el0", 0);
    ended_at[cpu] = read_register("cntvct_el0");
}

void secondary_main(u64 cpu) {
    enable_mmu(space, tcr);
    enable_gic(cpu);
    enable_private(cpu, kVirtual, 0x80);
    __atomic_fetch_or(&alive, 1ul << cpu, __ATOMIC_SEQ_CST);
    for (u64 seen = 0;;) {
        while (command == seen) { // spins, to the end of its turn
        }
        seen = command;
        if (cpu < racers) {
            race();
            __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
        }
    }
}

static void race_of(u64 count) {
    counter = slot = locked_sum = finished = 0;
    for (u64 i = 0; i < kSlots; ++i) {
        trace[i] = 0;
    }
    for (u64 i = 0; i < kCpus; ++i) {
        ticks[i] = ended_at[i] = 0;
    }
    racers = count;
    __atomic_fetch_add(&command, 1, __ATOMIC_SEQ_CST);
    race();
    while (finished != count - 1) {
        asm volatile("yield");
    }
    u64 hash = 0;
    for (u64 i = 0; i < kSlots; ++i) {
        hash = (hash ^ trace[i]) * 0x9e3779b97f4a7c15;
    }
    print("%d racers: counter %d of %d, slots %d, trace %x, locked %x\n", count, counter,
          count * kRounds, slot, hash, locked_sum);
    for (u64 i = 0; i < count; ++i) {
        print("  CPU %d: %d ticks, ended at %d\n", i, ticks[i], ended_at[i]);
    }
}

void main(void) {
    on_interrupt = tick;
    space = new_space(12, 48);
    map_machine(space);
    tcr = tcr_for(12, 48);
    enable_mmu(space, tcr);
    enable_distributor();
    enable_gic(0);
    enable_private(0, kVirtual, 0x80);
    for (u64 i = 1; i < kCpus; ++i) {
        start_cpu(i);
        while ((alive >> i & 1) == 0) {
        }
    }
    race_of(1);
    race_of(2);
    race_of(4);
    print("random: %x", read_register("s3_3_c2_c4_0"));
    print(" %x, ended at %d\n", read_register("s3_3_c2_c4_0"), read_register("cntvct_el0"));
}
