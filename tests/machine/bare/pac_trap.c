// machine: -M virtualization=on
// HCR_EL2.API: what would use an enabled key at EL1 and EL0 is trapped to EL2, each time until the
// bit is set, as a hypervisor does that switches keys lazily.
#include "support.h"

#define LOWER(name, text)                                                                          \
    extern const char name[];                                                                      \
    asm(".pushsection .text\n" #name ": " text "\n hvc #0\n svc #0\n.popsection")
LOWER(signs, "pacia x0, x1");
LOWER(signs_zero, "pacdzb x0");
LOWER(signs_link, "paciasp");
LOWER(signs_1716, "pacib1716");
LOWER(authenticates, "autda x0, x1");
LOWER(authenticates_link, "autiasp");
LOWER(makes_code, "pacga x0, x1, x2");
LOWER(strips, "xpaci x0\n xpaclri");
LOWER(loads, "ldraa x0, [x0]");
LOWER(loads_and_writes, "ldrab x3, [x0, #8]!");
LOWER(jumps, "adr x1, 1f\n braaz x1\n 1:");
LOWER(calls, "adr x1, 1f\n blrab x1, x0\n 1:");
LOWER(returns, "adr x30, 1f\n retaa\n 1:");
LOWER(returns_from_exception, "adr x1, 1f\n msr elr_el1, x1\n mrs x2, currentel\n add x2, x2, #0x3c1\n"
                              " msr spsr_el1, x2\n eretab\n 1:");
LOWER(signs_at_el0, "pacia x0, x1\n svc #1");
LOWER(twice, "mov x2, #3\n 1: paciasp\n autiasp\n hvc #3\n sub x2, x2, #1\n cbnz x2, 1b");

static const struct {
    const char *name, *code;
} kCases[] = {
    {"PACIA", signs},         {"PACDZB", signs_zero},
    {"PACIASP", signs_link},  {"PACIB1716", signs_1716},
    {"AUTDA", authenticates}, {"AUTIASP", authenticates_link},
    {"PACGA", makes_code},    {"XPACI", strips},
    {"LDRAA", loads},         {"LDRAB", loads_and_writes},
    {"BRAAZ", jumps},         {"BLRAB", calls},
    {"RETAA", returns},       {"ERETAB", returns_from_exception},
};

static const u64 kRw = 1ul << 31, kApi = 1ul << 41, kApk = 1ul << 40, kE2h = 1ul << 34;
static const u64 kTge = 1ul << 27;
static const u64 kSctlr = 0x30d00800, kKeys = 1ul << 31 | 1ul << 30 | 1ul << 27 | 1ul << 13;

static u64 traps;
// The hypervisor of `twice`: allows keys when they are asked for, and denies them again.
static int switch_keys(struct Frame* frame) {
    const u64 hcr = read_register("hcr_el2"), ec = frame->esr >> 26;
    if (ec == 9) {
        ++traps;
        write_register("hcr_el2", hcr | kApi);
        return 1;
    }
    if (frame->esr == (0x16ul << 26 | 1ul << 25 | 3)) {
        write_register("hcr_el2", hcr & ~kApi);
        return 1;
    }
    return 0;
}

static u64 word = 0x1234, words[2];

void main(void) {
    for (u64 enabled = 0; enabled != 2; ++enabled) {
        print("keys %s, not allowed\n", enabled ? "enabled" : "disabled");
        write_register("hcr_el2", kRw | kApk);
        write_register("sctlr_el1", enabled ? kSctlr | kKeys : kSctlr);
        for (u64 i = 0; i != sizeof kCases / sizeof *kCases; ++i) {
            print("%s\n", kCases[i].name);
            const int load = kCases[i].code == loads || kCases[i].code == loads_and_writes;
            run_lower(kCases[i].code, kEl1h, load ? (u64)words : (u64)&word, 0);
        }
        print("PACIA at EL0\n");
        write_register("hcr_el2", kRw | kTge);
        run_lower(signs_at_el0, kEl0, 5, 0);
    }
    print("allowed\n");
    write_register("hcr_el2", kRw | kApk | kApi);
    run_lower(signs, kEl1h, 5, 0);
    run_lower(makes_code, kEl1h, 5, 0);
    write_register("hcr_el2", kRw | kTge | kApi);
    run_lower(signs_at_el0, kEl0, 5, 0);
    print("the host's EL0\n");
    write_register("hcr_el2", kRw | kE2h | kTge);
    write_register("sctlr_el1", kSctlr | kKeys); // SCTLR_EL2
    run_lower(signs_at_el0, kEl0, 5, 0);
    write_register("sctlr_el1", kSctlr);
    write_register("hcr_el2", kRw | kApk);
    print("lazily\n");
    write_register("sctlr_el1", kSctlr | kKeys);
    on_synchronous = switch_keys;
    run_lower(twice, kEl1h, 0, 0);
    print("%d traps\n", traps);
}
