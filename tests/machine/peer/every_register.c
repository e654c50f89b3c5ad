// MRS and MSR of every encoding, and SYS of those that are caches', TLBs' and AT: which of them are UNDEFINED, which
// are trapped, and with what syndrome. A register is written with what it was read as, so it changes little.
#include "bare.h"

enum { kRegisters = 1 << 15, kInstructions = 1 << 14, kWordsOfProbe = 2 };

// <instruction using X0>; ret
__asm__(".macro probes name, first, count\n"
        ".balign 8\n"
        "\\name:\n"
        ".set number, 0\n"
        ".rept \\count\n"
        ".inst \\first | number << 5\n"
        "ret\n"
        ".set number, number + 1\n"
        ".endr\n"
        ".endm\n"
        ".text\n"
        "probes mrs_probes, 0xd5300000, 1 << 15\n"
        "probes msr_probes, 0xd5100000, 1 << 15\n"
        "probes sys_probes, 0xd5080000, 1 << 14\n");
extern u32 mrs_probes[], msr_probes[], sys_probes[];

static char scratch[4096] __attribute__((aligned(4096)));

static u64 call(const u32* code, u64 argument) {
    register u64 x0 __asm__("x0") = argument;
    taken.level = 0;
    __asm__ volatile("blr %1" : "+r"(x0) : "r"(code) : "x30", "memory", "cc");
    return x0;
}

static void put_outcome(const char* kind, u32 op0, u32 number) {
    if (taken.level && EC(taken.esr) == 0) {
        return; // UNDEFINED
    }
    put(kind);
    put_hex(op0);
    for (int lsb = 11, width = 3; lsb >= 0; lsb -= lsb == 11 ? 4 : lsb == 7 ? 4 : 3) {
        put("_");
        put_hex(number >> lsb & ((1u << width) - 1));
        width = lsb == 11 || lsb == 7 ? 4 : 3;
    }
    if (taken.level) {
        put_field(" EL", taken.level);
        put_field(" ", taken.esr);
    } else {
        put(" ok");
    }
    put("\n");
}

static int is_reset_request(u32 number) { // RMR_EL1 and the like
    return (number & 0x7ff) == (12 << 7 | 2);
}

int main(void) {
    for (u32 n = 0; n < kRegisters; ++n) {
        const u64 value = call(mrs_probes + kWordsOfProbe * n, 0);
        const int could_read = taken.level == 0;
        put_outcome("mrs ", 2 + (n >> 14), n & 0x3fff);
        if (!is_reset_request(n)) {
            call(msr_probes + kWordsOfProbe * n, could_read ? value : 0);
            put_outcome("msr ", 2 + (n >> 14), n & 0x3fff);
        }
    }
    for (u32 n = 0; n < kInstructions; ++n) {
        const u32 CRn = n >> 7 & 15;
        if (CRn >= 7 && CRn <= 9) {
            call(sys_probes + kWordsOfProbe * n, (u64)scratch);
            put_outcome("sys ", 1, n);
        }
    }
    return 0;
}
