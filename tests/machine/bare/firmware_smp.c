// machine: -machine secure=on -smp 3
// firmware
// Firmware in flash: all CPUs start in it, at EL3, with RAM of its own.
#include "support.h"

enum { kCpus = 3 };
struct Seen {
    volatile u64 el, arrived;
};
static struct Seen seen[kCpus];

static void arrive(u64 cpu) {
    seen[cpu].el = current_el();
    seen[cpu].arrived = 1;
    asm volatile("dsb sy" ::: "memory");
}

void secondary_main(u64 cpu) { arrive(cpu); }

void main(void) {
    arrive(0);
    for (u64 cpu = 0; cpu < kCpus; ++cpu) {
        while (!seen[cpu].arrived) {
        }
        print("CPU %d started at EL%d\n", cpu, seen[cpu].el);
    }
    print("a call of PSCI is EL3's own\n");
    TRY("smc #0", 0x84000000, 0); // PSCI_VERSION
}
