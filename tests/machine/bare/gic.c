#include "gic.h"

static volatile u32* distributor(u64 offset) { return (volatile u32*)(0x08000000 + offset); }
static volatile u32* redistributor(u64 cpu, u64 offset) {
    return (volatile u32*)(0x080a0000 + cpu * 0x20000 + offset);
}
enum { kSgiFrame = 0x10000 };

void enable_distributor(void) {
    *distributor(0) = 1 << 4 | 1 << 1; // ARE_NS, EnableGrp1 (one security state)
}

void enable_gic(u64 cpu) {
    volatile u32* const waker = redistributor(cpu, 0x14);
    *waker &= ~2u;
    while (*waker & 4) {
    }
    write_register("s3_0_c12_c12_5", 7); // ICC_SRE_EL1
    set_priority_mask(0xff);
    write_register("s3_0_c12_c12_3", 0); // ICC_BPR1_EL1: the least there is
    write_register("s3_0_c12_c12_7", 1); // ICC_IGRPEN1_EL1
}

void enable_private(u64 cpu, u64 interrupt, u8 priority) {
    *redistributor(cpu, kSgiFrame + 0x80) |= 1u << interrupt; // GICR_IGROUPR0
    volatile u32* const priorities = redistributor(cpu, kSgiFrame + 0x400 + (interrupt & ~3ul));
    const u64 shift = (interrupt & 3) * 8;
    *priorities = (*priorities & ~(0xffu << shift)) | (u32)priority << shift;
    *redistributor(cpu, kSgiFrame + 0x100) = 1u << interrupt; // GICR_ISENABLER0
    asm volatile("dsb sy" ::: "memory");
}

void disable_private(u64 cpu, u64 interrupt) {
    *redistributor(cpu, kSgiFrame + 0x180) = 1u << interrupt;
    asm volatile("dsb sy" ::: "memory");
}

void send_sgi(u64 cpu_mask, u64 interrupt) {
    asm volatile("dsb ish" ::: "memory");
    write_register("s3_0_c12_c11_5", interrupt << 24 | cpu_mask);
}
