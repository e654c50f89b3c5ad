// machine: -smp 2
// PSCI: what it says it can, and calls that are wrong.
#include "support.h"

static volatile u64 arrived;
void secondary_main(u64 cpu) {
    arrived = cpu;
    psci(kPsciCpuOff, 0, 0, 0);
}

void main(void) {
    print("version %x\n", psci(kPsciVersion, 0, 0, 0) >> 16);
    static const u64 kFunctions[] = {0x84000000, 0xc4000003, 0x84000002, 0xc4000004,
                                     0x84000008, 0x84000009, 0xc4000001, 0x84000001};
    for (u64 i = 0; i < sizeof kFunctions / sizeof *kFunctions; ++i) {
        const s64 features = (s64)(int)psci(0x8400000a, kFunctions[i], 0, 0);
        print("%x: %s\n", kFunctions[i], features >= 0 ? "there" : "not there");
    }
    print("unknown functions: %x %x\n", psci(0x8400001f, 0, 0, 0) & 0xffffffff,
          psci(0xc400001f, 0, 0, 0));
    print("affinity %x %x %x\n", psci(PSCI_AFFINITY_INFO, 0, 0, 0),
          psci(PSCI_AFFINITY_INFO, 1, 0, 0), psci(PSCI_AFFINITY_INFO, 0x100, 0, 0));
    print("no such CPU: %x\n", psci(PSCI_CPU_ON, 0x10000, (u64)secondary_start, 1));
    for (u64 i = 0; i < 20; ++i) {
        arrived = 0;
        u64 status;
        while ((status = start_cpu(1)) == (u64)-4) { // still on its way off
        }
        if (status != 0) {
            print("CPU_ON: %x\n", status);
        }
        while (arrived == 0) {
        }
    }
    print("started 20 times\n");
}
