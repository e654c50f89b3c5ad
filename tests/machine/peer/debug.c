// Software step, breakpoints and watchpoints of EL1's own code (MDSCR_EL1.KDE).
#include "bare.h"

#define SS (1ul << 0)
#define KDE (1ul << 13)
#define MDE (1ul << 15)
#define SPSR_EL1h 0x5ul // D, A, I and F clear
#define MASKED 0x3c0ul

#define WRITE(register, value) __asm__ volatile("msr " register ", %0\n isb" : : "r"((u64)(value)) : "memory")

static volatile u64 data[32] __attribute__((aligned(256)));

static void show(const char* what, u64 base) {
    WRITE("MDSCR_EL1", 0);
    put(what);
    if (!taken.level) {
        put(": nothing\n");
        return;
    }
    put_field(": esr ", taken.esr);
    put_field(" spsr ", taken.spsr & ~0xf0000c00ul);
    put_field(" elr ", taken.elr - base);
    if (EC(taken.esr) == 0x25 || EC(taken.esr) == 0x35) {
        put_field(" far ", taken.far - (u64)data);
    }
    put("\n");
}

// Returns by ERET with `spsr` to the instructions, which see `data` in X0; comes back by an exception.
#define RUN(what, mdscr, spsr, instructions)                                                       \
    do {                                                                                           \
        u64 base;                                                                                  \
        taken.level = 0;                                                                           \
        resume_spsr = SPSR_EL1h | MASKED;                                                          \
        WRITE("MDSCR_EL1", mdscr);                                                                 \
        __asm__ volatile("msr SPSR_EL1, %1\n"                                                      \
                         "adr %0, 1f\n"                                                            \
                         "msr ELR_EL1, %0\n"                                                       \
                         "adr x9, 2f\n"                                                            \
                         "ldr x10, =resume_at\n"                                                   \
                         "str x9, [x10]\n"                                                         \
                         "mov x0, %2\n"                                                            \
                         "eret\n"                                                                  \
                         ".ltorg\n"                                                                \
                         "1: " instructions "\n"                                                   \
                         "brk #0x99\n"                                                             \
                         "2:"                                                                      \
                         : "=&r"(base)                                                             \
                         : "r"((u64)(spsr)), "r"(data)                                             \
                         : "x0", "x1", "x2", "x3", "x9", "x10", "x30", "memory", "cc");            \
        show(what, base);                                                                          \
    } while (0)

#define STEP(what, instructions) RUN(what, SS | KDE, SPSR_EL1h | 1ul << 21, instructions)
#define WATCH(what, instructions) RUN(what, MDE | KDE, SPSR_EL1h, instructions)

static void watch(u64 address, u64 control) {
    WRITE("DBGWVR0_EL1", address);
    WRITE("DBGWCR0_EL1", control);
}

int main(void) {
    WRITE("OSLAR_EL1", 0);
    STEP("step nop", "nop\n nop");
    STEP("step branch", "b 3f\n nop\n nop\n 3: nop");
    STEP("step call", "bl 3f\n nop\n 3: nop");
    STEP("step load", "ldr x1, [x0]\n nop");
    STEP("step exclusive", "ldxr x1, [x0]\n nop");
    STEP("step exclusive pair", "ldaxp x1, x2, [x0]\n nop");
    STEP("step svc", "svc #1\n nop");
    STEP("step brk", "brk #1\n nop");
    STEP("step abort", "ldr x1, [x0, #1]\n nop"); // misaligned, without MMU
    STEP("step undefined", "udf #1\n nop");
    STEP("step mrs", "mrs x1, CurrentEL\n nop");
    STEP("step masking", "msr DAIFSet, #8\n nop");
    STEP("step atomic", "ldadd x1, x2, [x0]\n nop");
    RUN("pending at once", SS | KDE, SPSR_EL1h, "nop\n nop");
    RUN("masked", SS | KDE, SPSR_EL1h | 0x200 | 1ul << 21, "nop\n nop");
    RUN("without KDE", SS, SPSR_EL1h | 1ul << 21, "nop\n nop");
    RUN("without SS", KDE, SPSR_EL1h | 1ul << 21, "nop\n nop");

    // Watchpoints of EL1: E, PAC 01, LSC, BAS.
    const u64 on = 1 | 1 << 1, loads = 1 << 3, stores = 2 << 3, all = 0xff << 5;
    watch((u64)&data[1], on | loads | stores | all);
    WATCH("watch load", "ldr x1, [x0, #8]");
    WATCH("watch store", "str x1, [x0, #8]");
    WATCH("watch byte", "strb w1, [x0, #11]");
    WATCH("watch before", "ldr x1, [x0]");
    WATCH("watch behind", "ldr x1, [x0, #16]");
    WATCH("watch pair", "ldp x1, x2, [x0]");
    WATCH("watch atomic", "ldadd x1, x2, [x0, #0]\n add x0, x0, #8\n ldadd x1, x2, [x0]");
    WATCH("watch exclusive", "add x0, x0, #8\n ldxr x1, [x0]");
    WATCH("watch unprivileged", "ldtr x1, [x0, #8]");
    WATCH("watch many", "str xzr, [x0]\n str xzr, [x0, #16]\n str xzr, [x0, #24]\n str xzr, [x0, #8]");
    watch((u64)&data[1], on | stores | all);
    WATCH("watch stores, load", "ldr x1, [x0, #8]");
    WATCH("watch stores, store", "str x1, [x0, #8]");
    watch((u64)&data[1], on | loads | stores | 0x18 << 5);
    WATCH("watch two bytes", "ldr x1, [x0, #8]");
    WATCH("watch other bytes", "ldrh w1, [x0, #8]");
    watch((u64)data, on | loads | stores | all | 6ul << 24);
    WATCH("watch by mask", "ldr x1, [x0, #56]");
    WATCH("watch behind mask", "ldr x1, [x0, #64]");
    watch((u64)&data[1], 1 | 2 << 1 | loads | stores | all);
    WATCH("watch for EL0", "ldr x1, [x0, #8]");
    WATCH("watch for EL0, unprivileged", "ldtr x1, [x0, #8]");
    watch(0, 0);

    __asm__ volatile("adr x1, 1f\n msr DBGBVR0_EL1, x1\n b 2f\n 1: nop\n ret\n 2:" : : : "x1");
    WRITE("DBGBCR0_EL1", 1 | 1 << 1 | 0xf << 5);
    WATCH("breakpoint", "mrs x1, DBGBVR0_EL1\n nop\n br x1");
    WATCH("breakpoint elsewhere", "mrs x1, DBGBVR0_EL1\n add x1, x1, #4\n adr x30, 3f\n br x1\n 3: nop");
    WRITE("DBGBCR0_EL1", 1 | 2 << 1 | 0xf << 5);
    WATCH("breakpoint of EL0", "mrs x1, DBGBVR0_EL1\n adr x30, 3f\n br x1\n 3: nop");
    WRITE("DBGBCR0_EL1", 0);
    WATCH("no breakpoint", "mrs x1, DBGBVR0_EL1\n adr x30, 3f\n br x1\n 3: nop");
    return 0;
}
