// Instructions that raise exceptions, and what is noted of them: syndrome, level, saved state, vector.
#include "bare.h"

static void show(const char* what, const u64* at, int with_far) {
    put(what);
    if (!taken.level) {
        put(": nothing\n");
        return;
    }
    put_field(": EL", taken.level);
    put_field(" esr ", taken.esr);
    put_field(" vector ", taken.vector);
    put_field(" spsr ", taken.spsr & ~0xc00ul); // without BTYPE
    put_field(" elr ", taken.elr - (u64)at);
    if (with_far) {
        put_field(" far ", taken.far);
    }
    put("\n");
}

// Raised by the instruction behind `here`.
#define TRY(what, instruction, with_far)                                                           \
    do {                                                                                           \
        u64* at;                                                                                   \
        taken.level = 0;                                                                           \
        __asm__ volatile("adr %0, 1f\n mov x9, xzr\n1: " instruction                               \
                         : "=r"(at)                                                                \
                         :                                                                         \
                         : "x0", "x1", "x9", "x10", "x30", "memory", "cc");                        \
        show(what, at, with_far);                                                                  \
    } while (0)

// SVC, HVC and SMC go on behind themselves, where start.S skips an instruction more.
#define CALL(what, instruction) TRY(what, instruction "\n nop", 0)

static void branch_to(const char* what, u64 target) {
    taken.level = 0;
    __asm__ volatile("adr x0, 1f\n ldr x1, =resume_at\n str x0, [x1]\n br %0\n1: str xzr, [x1]"
                     :
                     : "r"(target)
                     : "x0", "x1", "memory");
    show(what, 0, 1);
}

int main(void) {
    CALL("svc", "svc #0x1234");
    TRY("brk", "brk #0xffff", 0);
    TRY("hlt", "hlt #1", 0);
    TRY("udf", "udf #7", 0);
    TRY("dcps1", "dcps1 #1", 0);
    TRY("drps", "drps", 0);
#if EL != 0
    // Elsewhere they leave for firmware, or are the peer's own.
    CALL("hvc", "hvc #0x55");
#endif
    TRY("load, misaligned, without MMU", "mov x0, #0x40000000\n ldr x1, [x0, #1]", 1);
    TRY("store, misaligned, without MMU", "mov x0, #0x40000000\n str x1, [x0, #2]", 1);
    TRY("pair, misaligned, without MMU", "mov x0, #0x40000000\n add x0, x0, #4\n ldp x1, x10, [x0]", 1);
    TRY("exclusive, misaligned", "mov x0, #0x40000000\n add x0, x0, #4\n ldxr x1, [x0]", 1);
    TRY("acquire, misaligned", "mov x0, #0x40000000\n add x0, x0, #4\n stlr x1, [x0]", 1);
    TRY("no memory", "mov x0, #0x1000000000\n ldr x1, [x0]", 1);
    TRY("address too large", "mov x0, #1\n lsl x0, x0, #52\n ldr x1, [x0]", 1);
    TRY("wfi", "wfit x9", 0);
    TRY("wfe", "sevl\n wfe", 0);
    TRY("daif", "msr DAIFSet, #15", 0);
    TRY("cache", "ic ivau, x9", 0);
    TRY("zero", "mov x0, #0x40000000\n dc zva, x0", 1);
    TRY("pan", "msr S0_0_C4_C0_4, xzr", 0); // as MSR (register): nowhere
    TRY("floating point", "fmov d0, x0", 0);
    branch_to("branch, misaligned", 0x40000002);
    branch_to("branch, misaligned and without memory", 0x1000000001);
    branch_to("branch without memory", 0x1000000000);
    return 0;
}
