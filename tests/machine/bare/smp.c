// machine: -smp 4
// peer: QEMU may keep the old code when another CPU translates it at the moment of the change
// Four CPUs: PSCI, SGIs between them, spinlocks of both kinds, atomics, WFE and SEV, TLB
// maintenance and code changes that the others have to see.
#include "gic.h"
#include "paging.h"

enum { kCpus = 4, kRounds = 4000 };
static struct Space space;
static volatile u64 command, finished, alive; // alive: a bit for each CPU
static volatile u64 counter, lock_word, interrupts[kCpus], event_flag;
static u64 tcr;

static void wait(void) { asm volatile("yield"); }

// --- locks

static void lock_exclusive(volatile u64* lock) {
    u64 old, failed;
    asm volatile("sevl\n"
                 "1: wfe\n"
                 "2: ldaxr %0, [%2]\n cbnz %0, 1b\n stxr %w1, %3, [%2]\n cbnz %w1, 2b"
                 : "=&r"(old), "=&r"(failed)
                 : "r"(lock), "r"(1ul)
                 : "memory");
}
static void lock_lse(volatile u64* lock) {
    u64 old;
    do {
        old = 0;
        asm volatile("casa %0, %2, [%1]" : "+r"(old) : "r"(lock), "r"(1ul) : "memory");
    } while (old != 0);
}
static void unlock(volatile u64* lock) {
    asm volatile("stlr xzr, [%0]\n sev" ::"r"(lock) : "memory");
}

// --- what each CPU does for a command

enum { kExclusive = 1, kLse, kAtomics, kStxr, kEvents, kTlb, kRunCode, kStop };
static const u64 kVa = 0x4080000000;
static volatile u64 wrong;

static void add_atomics(void) {
    for (int i = 0; i < kRounds; ++i) {
        asm volatile("stadd %0, [%1]" ::"r"(1ul), "r"(&counter) : "memory");
        u64 old;
        asm volatile("ldaddal %1, %0, [%2]" : "=r"(old) : "r"(2ul), "r"(&counter) : "memory");
    }
}
static void add_exclusive(void) {
    for (int i = 0; i < kRounds; ++i) {
        u64 value, failed;
        asm volatile("1: ldxr %0, [%2]\n add %0, %0, #1\n stxr %w1, %0, [%2]\n cbnz %w1, 1b"
                     : "=&r"(value), "=&r"(failed)
                     : "r"(&counter)
                     : "memory");
    }
}
static void add_locked(void (*lock)(volatile u64*)) {
    for (int i = 0; i < kRounds / 4; ++i) {
        lock(&lock_word);
        ++counter;
        unlock(&lock_word);
    }
}
// Page and code that CPU 0 changes; each reads until it is told to stop. A page's generation may
// only rise.
static volatile u64 stop;
static void watch_page(void) {
    u64 last = 0;
    while (!stop) {
        const u64 now = *(volatile u64*)kVa;
        if (now < last) {
            ++wrong;
        }
        last = now;
    }
    if (*(volatile u64*)kVa != 199) {
        ++wrong;
    }
}
// The code reads which change is complete, synchronizes, and branches by what was changed: that may
// be newer, but not older (without ISB, old and new may be fetched in any order).
static volatile u64 changed;
static void watch_code(void) {
    u64 last;
    do {
        last = __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
        ((void (*)(void))(kVa + 0x1008))(); // what follows the ISB is known when it is compiled
        register u64 complete asm("x1");
        register u64 now asm("x0") = (u64)&changed;
        asm volatile("blr %2"
                     : "+r"(now), "=&r"(complete)
                     : "r"(kVa + 0x1000)
                     : "x30", "memory");
        if (now < complete || (last && now != 99)) {
            ++wrong;
        }
        __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
    } while (!last);
}

static void work(u64 what) {
    switch (what) {
    case kExclusive:
        add_locked(lock_exclusive);
        break;
    case kLse:
        add_locked(lock_lse);
        break;
    case kAtomics:
        add_atomics();
        break;
    case kStxr:
        add_exclusive();
        break;
    case kEvents:
        while (!event_flag) {
            asm volatile("wfe");
        }
        break;
    case kTlb:
        watch_page();
        break;
    case kRunCode:
        watch_code();
        break;
    }
}

static void on_ipi(struct Frame* frame) {
    (void)frame;
    const u64 interrupt = acknowledge();
    ++interrupts[read_register("mpidr_el1") & 3];
    end_of_interrupt(interrupt);
}

void secondary_main(u64 cpu) {
    enable_mmu(space, tcr);
    enable_gic(cpu);
    enable_private(cpu, 1, 0x80);
    __atomic_fetch_or(&alive, 1ul << cpu, __ATOMIC_SEQ_CST);
    allow_interrupts();
    u64 seen = 0;
    for (;;) {
        while (command == seen) {
            wait();
        }
        seen = command;
        const u64 what = seen & 0xff;
        if (what == kStop) {
            forbid_interrupts();
            psci(kPsciCpuOff, 0, 0, 0);
        }
        work(what);
        __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
    }
}

static u64 generation;
static void start(u64 what) {
    finished = 0;
    __atomic_store_n(&command, ++generation << 8 | what, __ATOMIC_SEQ_CST);
}
static void wait_all(void) {
    while (finished != kCpus - 1) {
        wait();
    }
}
static void all(const char* name, u64 what) {
    counter = 0;
    start(what);
    work(what);
    wait_all();
    print("%s: %d\n", name, counter);
}

static void forget_page(void) { tlbi_va(kVa, 0); }
static void forget_asid(void) {
    asm volatile("dsb ishst\n\ttlbi aside1is, xzr\n\tdsb ish\n\tisb" ::: "memory");
}
static void change_page(const char* name, void (*forget)(void)) {
    for (u64 i = 0; i < 16; ++i) {
        *(volatile u64*)(0x44000000 + i * 0x1000) = 0;
    }
    stop = 0;
    map(space, kVa, 0x44000000, 3, kReadWrite | kNotGlobal);
    start(kTlb);
    for (u64 i = 1; i < 200; ++i) {
        const u64 page = 0x44000000 + i % 16 * 0x1000;
        // Break before make would fault in the others: both pages hold what may be seen.
        *(volatile u64*)page = i;
        map(space, kVa, page, 3, kReadWrite | kNotGlobal);
        forget();
    }
    stop = 1;
    wait_all();
    print("%s broadcast, wrong: %d\n", name, wrong);
}

// A branch may change while others run it (DDI 0487 B2.2.5); its targets return their numbers.
static void change_code(void) {
    enum { kTargets = 100 };
    stop = 0;
    const u64 entry = kVa + 0x1000, targets = kVa + 0x2000;
    map(space, entry, 0x44020000, 3, kAccessed | kInner | kUxn);
    map(space, targets, 0x44021000, 3, kAccessed | kInner | kUxn);
    for (u64 i = 0; i < kTargets; ++i) {
        const u32 words[] = {0xd2800000u | (u32)i << 5, 0xd65f03c0u}; // MOVZ X0, #i; RET
        write_code((volatile u32*)(targets + 8 * i), words, 2);
    }
    const u32 words[] = {0xf9400001u, 0xd5033fdfu}; // LDR X1, [X0]; ISB
    write_code((volatile u32*)entry, words, 2);
    const u64 branch = entry + 8;
    for (u64 i = 0; i < kTargets; ++i) {
        const u32 word = 0x14000000u | (u32)(targets + 8 * i - branch) / 4;
        write_code((volatile u32*)branch, &word, 1);
        changed = i;
        if (i == 0) {
            start(kRunCode);
        }
        for (const u64 before = counter; counter < before + 5;) {
            wait();
        }
    }
    stop = 1;
    wait_all();
    print("code changed, wrong: %d\n", wrong);
}

void main(void) {
    on_interrupt = on_ipi;
    space = new_space(12, 48);
    map_machine(space);
    tcr = tcr_for(12, 48);
    enable_mmu(space, tcr);
    enable_distributor();
    enable_gic(0);
    enable_private(0, 1, 0x80);
    print("PSCI %x\n", psci(kPsciVersion, 0, 0, 0) >> 16);
    print("affinity of CPU 1: %d, of CPU 9: %x\n", psci(PSCI_AFFINITY_INFO, 1, 0, 0),
          psci(PSCI_AFFINITY_INFO, 9, 0, 0));
    print("CPU 9: %x, CPU 0: %x\n", start_cpu(9), start_cpu(0));
    for (u64 i = 1; i < kCpus; ++i) {
        print("CPU %d: %x\n", i, start_cpu(i));
        while ((alive >> i & 1) == 0) {
            wait();
        }
        print("  again: %x, affinity %d\n", start_cpu(i), psci(PSCI_AFFINITY_INFO, i, 0, 0));
    }
    all("exclusive lock", kExclusive);
    all("CAS lock", kLse);
    all("LSE atomics", kAtomics);
    all("LDXR and STXR", kStxr);

    start(kEvents);
    for (int i = 0; i < 1000; ++i) {
        asm volatile("sev");
    }
    event_flag = 1;
    asm volatile("dsb ish\n sev" ::: "memory");
    wait_all();
    print("events: done\n");

    for (u64 i = 0; i < 100; ++i) {
        send_sgi(0xe, 1);
        for (u64 cpu = 1; cpu < kCpus; ++cpu) {
            while (interrupts[cpu] <= i) {
                wait();
            }
        }
    }
    send_sgi(0, 1); // to nobody
    asm volatile("dsb ish" ::: "memory");
    write_register("s3_0_c12_c11_5", 1ul << 40 | 1ul << 24); // to all others
    for (u64 cpu = 1; cpu < kCpus; ++cpu) {
        while (interrupts[cpu] <= 100) {
            wait();
        }
    }
    print("SGIs: %d %d %d %d\n", interrupts[0], interrupts[1], interrupts[2], interrupts[3]);
    change_page("TLBI VAE1IS", forget_page);
    change_page("TLBI ASIDE1IS", forget_asid);
    change_code();

    start(kStop);
    for (u64 cpu = 1; cpu < kCpus; ++cpu) {
        while (psci(PSCI_AFFINITY_INFO, cpu, 0, 0) == 0) {
            wait();
        }
    }
    print("all off\n");
    alive = 0;
    command = 0; // what a CPU that starts has seen
    print("CPU 2 again: %x\n", start_cpu(2));
    while (alive != 4) {
        wait();
    }
    print("alive %x\n", alive);
}
