// The GICv3 of `virt`, as far as the programs use it.
#pragma once

#include "support.h"

void enable_distributor(void);
// This CPU's redistributor and CPU interface; all priorities pass.
void enable_gic(u64 cpu);
// SGIs and PPIs of this CPU; group 1.
void enable_private(u64 cpu, u64 interrupt, u8 priority);
void disable_private(u64 cpu, u64 interrupt);
void send_sgi(u64 cpu_mask, u64 interrupt);

static inline u64 acknowledge(void) { return read_register("s3_0_c12_c12_0") & 0xffffff; }
static inline void end_of_interrupt(u64 interrupt) { write_register("s3_0_c12_c12_1", interrupt); }
static inline void deactivate(u64 interrupt) { write_register("s3_0_c12_c11_1", interrupt); }
static inline u64 running_priority(void) { return read_register("s3_0_c12_c11_3"); }
static inline u64 highest_pending(void) { return read_register("s3_0_c12_c12_2") & 0xffffff; }
static inline void set_priority_mask(u64 mask) { write_register("s3_0_c4_c6_0", mask); }
static inline void allow_interrupts(void) { asm volatile("msr daifclr, #3" ::: "memory"); }
static inline void forbid_interrupts(void) { asm volatile("msr daifset, #3" ::: "memory"); }
