// Interrupts of the timers and of the performance monitors, through a GICv3: which one comes, by which vector, with what
// masked; and what WFI does meanwhile.
#include "bare.h"

#define WRITE(register, value) __asm__ volatile("msr " register ", %0\n isb" : : "r"((u64)(value)) : "memory")
#define READ(register)                                                                             \
    ({                                                                                             \
        u64 value_;                                                                                \
        __asm__ volatile("isb\n mrs %0, " register : "=r"(value_) : : "memory");                   \
        value_;                                                                                    \
    })

static volatile u32* const kDistributor = (volatile u32*)0x8000000;
static volatile u32* const kRedistributor = (volatile u32*)0x80a0000;
static volatile u32* const kPrivate = (volatile u32*)0x80b0000;

static void set_up_gic(void) {
    kDistributor[0] = 0x12;             // affinity routing, group 1
    kRedistributor[0x14 / 4] &= ~2u;    // GICR_WAKER.ProcessorSleep
    while (kRedistributor[0x14 / 4] & 4) {
    }
    kPrivate[0x80 / 4] = ~0u;           // group 1
    kPrivate[0x100 / 4] = 0x7c800000;   // the PMU (23) and the timers (26..30)
    WRITE("S3_0_C12_C12_5", 7);         // ICC_SRE_EL1
    WRITE("S3_0_C4_C6_0", 0xff);        // ICC_PMR_EL1
    WRITE("S3_0_C12_C12_7", 1);         // ICC_IGRPEN1_EL1
}

// Waits with interrupts masked, takes the interrupt, and says which it was. `stop` ends its cause.
#define EXPECT(what, stop)                                                                         \
    do {                                                                                           \
        taken.level = 0;                                                                           \
        __asm__ volatile("wfi" : : : "memory");                                                    \
        put(what ": pending ");                                                                    \
        put_hex(READ("ISR_EL1"));                                                                  \
        put(taken.level ? " taken though masked" : "");                                            \
        resume_spsr = 0x3c1 | EL << 2;                                                             \
        __asm__ volatile("adr x0, 1f\n ldr x1, =resume_at\n str x0, [x1]\n"                        \
                         "msr DAIFClr, #2\n isb\n nop\n nop\n"                                     \
                         "1: msr DAIFSet, #15\n str xzr, [x1]"                                     \
                         :                                                                         \
                         :                                                                         \
                         : "x0", "x1", "memory");                                                  \
        put(" EL");                                                                                \
        put_hex(taken.level);                                                                      \
        put(" vector ");                                                                           \
        put_hex(taken.vector);                                                                     \
        put(" spsr ");                                                                             \
        put_hex(taken.spsr & ~0xf0000c00ul);                                                       \
        const u64 intid = READ("S3_0_C12_C12_0");                                                  \
        put(" intid ");                                                                            \
        put_hex(intid);                                                                            \
        stop;                                                                                      \
        WRITE("S3_0_C12_C12_1", intid);                                                            \
        put(" then ");                                                                             \
        put_hex(READ("ISR_EL1"));                                                                  \
        put("\n");                                                                                 \
    } while (0)

int main(void) {
    set_up_gic();
    WRITE("CNTV_TVAL_EL0", 2000);
    WRITE("CNTV_CTL_EL0", 1);
    EXPECT("virtual timer", WRITE("CNTV_CTL_EL0", 0));
    WRITE("CNTP_CVAL_EL0", READ("CNTPCT_EL0") + 2000);
    WRITE("CNTP_CTL_EL0", 1);
    EXPECT("physical timer", WRITE("CNTP_CTL_EL0", 3));
    put("masked: ");
    put_hex(READ("CNTP_CTL_EL0"));
    put("\n");
    WRITE("CNTP_CTL_EL0", 1); // still due
    EXPECT("unmasked", WRITE("CNTP_TVAL_EL0", 0x7fffffff));
    put("later: ");
    put_hex(READ("CNTP_CTL_EL0"));
    put("\n");
    WRITE("CNTP_CTL_EL0", 0);
#if EL == 2
    WRITE("CNTHP_TVAL_EL2", 2000);
    WRITE("CNTHP_CTL_EL2", 1);
    EXPECT("hypervisor's timer", WRITE("CNTHP_CTL_EL2", 0));
    WRITE("CNTHV_TVAL_EL2", 2000);
    WRITE("CNTHV_CTL_EL2", 1);
    EXPECT("hypervisor's virtual timer", WRITE("CNTHV_CTL_EL2", 0));
    WRITE("CNTVOFF_EL2", 1ul << 40);
    WRITE("CNTV_CVAL_EL0", READ("CNTPCT_EL0") - (1ul << 40) + 2000);
    WRITE("CNTV_CTL_EL0", 1);
    EXPECT("virtual timer with an offset", WRITE("CNTV_CTL_EL0", 0));
#endif
    WRITE("PMCCFILTR_EL0", 1ul << 27); // at EL2 too
    WRITE("PMCCNTR_EL0", -100000l);
    WRITE("PMINTENSET_EL1", 1ul << 31);
    WRITE("PMCNTENSET_EL0", 1ul << 31);
    WRITE("PMCR_EL0", 0x41);
    EXPECT("cycle counter", WRITE("PMOVSCLR_EL0", 1ul << 31));
    put("overflow: ");
    put_hex(READ("PMOVSSET_EL0"));
    put("\n");
    WRITE("PMCR_EL0", 0);
    WRITE("PMSWINC_EL0", 1);
    WRITE("S3_0_C12_C11_5", 5ul << 24 | 1); // ICC_SGI1R_EL1: SGI 5 to this CPU
    kPrivate[0x100 / 4] = 1u << 5;
    EXPECT("SGI", (void)0);
    return 0;
}
