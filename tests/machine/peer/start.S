// From power on to main() at exception level EL: vectors, stacks, and what higher levels allow it (a macro each,
// set by the case in `run`). An exception is noted in `taken`; the program goes on at the next instruction, or at `resume_at`
// with `resume_spsr` where those are not 0.
#ifndef HCR
#define HCR 0x80000000
#endif
#ifndef SCTLR
#define SCTLR 0x30d00980
#endif
#ifndef SCTLR2
#define SCTLR2 0x30c50830
#endif
#ifndef CPTR
#define CPTR 0x33ff
#endif
#ifndef MDCR
#define MDCR 6
#endif
#ifndef CNTHCTL
#define CNTHCTL 3
#endif
#ifndef SCR
#define SCR 0x4030531 // NS, RW, HCE, APK, API, ATA
#endif

.macro write register, value
    ldr x0, =\value
    msr \register, x0
.endm

.text
.global _start
_start:
    msr SPSel, #1
    ldr x0, =stack_top
    mov sp, x0
    mrs x1, CurrentEL
    cmp x1, #2 << 2
    b.lo at_el1
    b.eq at_el2
    write VBAR_EL3, vectors3
    write SCR_EL3, SCR
    msr CPTR_EL3, xzr
    msr MDCR_EL3, xzr
    write SP_EL2, stack_top - 0x1000
at_el2: // with E2H, EL1's names would mean EL2's registers
    write VBAR_EL2, vectors2
    write HCR_EL2, 0x80000000
    write SCTLR_EL2, SCTLR2
    write SP_EL1, stack_top - 0x2000
at_el1:
    write VBAR_EL1, vectors1
    write SCTLR_EL1, SCTLR
    write CPACR_EL1, 3 << 20
    write SP_EL0, stack_top - 0x3000
    cmp x1, #1 << 2
    b.eq to_main
    write HCR_EL2, HCR
    isb
    write CPTR_EL2, CPTR
    write MDCR_EL2, MDCR
    write CNTHCTL_EL2, CNTHCTL
to_main:
    isb
    cmp x1, #EL << 2
    b.eq at_main
#if EL == 0
    ldr x2, =0x3c0
#else
    ldr x2, =0x3c1 | EL << 2
#endif
    ldr x3, =at_main
    cmp x1, #2 << 2
    b.hi from_el3
    b.eq from_el2
    msr SPSR_EL1, x2
    msr ELR_EL1, x3
    eret
from_el2:
    msr SPSR_EL2, x2
    msr ELR_EL2, x3
    eret
from_el3:
    msr SPSR_EL3, x2
    msr ELR_EL3, x3
    eret
at_main:
    bl main
    svc #0x777 // EL0 may not ask for semihosting itself
    b .

// Ends the program by SYS_EXIT.
.global finish
finish:
    ldr x1, =exit_block
    mov w0, #0x18
    hlt #0xf000
    b .

.macro vector_table level
    .balign 2048
vectors\level:
    .rept 16
    .balign 128
    sub sp, sp, #16
    stp x0, x1, [sp]
    adr x0, .
    b note\level
    .endr
note\level:
    ldr x1, =taken
    and x0, x0, #0x780
    str x0, [x1, #40]
    mrs x0, ESR_EL\level
    str x0, [x1]
    mov x0, #\level
    str x0, [x1, #8]
    mrs x0, SPSR_EL\level
    str x0, [x1, #16]
    mrs x0, FAR_EL\level
    str x0, [x1, #24]
    mrs x0, ELR_EL\level
    str x0, [x1, #32]
    ldr x0, [x1]
    ldr x1, =0x56000777 // SVC #0x777
    cmp x0, x1
    b.eq finish
    ldr x1, =resume_at
    ldr x0, [x1]
    cbnz x0, 1f
    mrs x0, ELR_EL\level
    add x0, x0, #4
1:  msr ELR_EL\level, x0
    ldr x1, =resume_spsr
    ldr x0, [x1]
    cbz x0, 2f
    msr SPSR_EL\level, x0
2:  ldp x0, x1, [sp]
    add sp, sp, #16
    eret
    .ltorg
.endm

vector_table 1
vector_table 2
vector_table 3
.data
.balign 8
exit_block: .quad 0x20026, 0
.bss
.balign 16
.space 0x8000
stack_top:
