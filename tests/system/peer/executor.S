// Runs at EL2 of a bare machine: does the accesses that a file lists, and writes down what came of
// each. So a machine of the peer's and our device models can be asked the same (peer_machine.h). At
// EL1, if there is no EL2, accesses of memory only.
//
// A record is 32 bytes: kind (u32), instruction or size (u32), address, value, result.
    .equ KIND_READ, 1       // of size bytes at address
    .equ KIND_WRITE, 2      // of value
    .equ KIND_SYSREG, 3     // the instruction, MRS or MSR of X0; X0 is value before, result after
    .equ KIND_SYSREG_EL1, 4 // the same at EL1, with HCR_EL2.IMO and FMO
    // Results of an instruction that took an exception, or of one at EL1 that an interrupt, which
    // EL1 cannot mask, came before.
    .equ UNDEFINED, 0xdead
    .equ GOT_IRQ, 0x1111
    .equ GOT_FIQ, 0xf1f1

    .equ SYS_OPEN, 1
    .equ SYS_WRITE, 5
    .equ SYS_READ, 6
    .equ SYS_EXIT, 0x18
    .equ RECORDS_BYTES, 0x800000

    .macro semihost operation, block
    mov x0, #\operation
    adr x1, \block
    hlt #0xf000
    .endm

    .text
    .globl _start
_start:
    mrs x0, CurrentEL
    cmp x0, #1 << 2
    b.eq ready
    adr x0, vectors
    msr vbar_el2, x0
    adr x0, vectors_el1
    msr vbar_el1, x0
    mrs x0, id_aa64pfr0_el1
    tst x0, #0xf000000          // GIC
    b.eq no_gic_registers
    mov x0, #0xf
    msr S3_4_C12_C9_5, x0       // ICC_SRE_EL2: system registers, and EL1 may have them
    isb
    mov x0, #0xf
    msr S3_0_C12_C12_5, x0      // ICC_SRE_EL1
no_gic_registers:
    movz x0, #0x8000, lsl #16   // RW
    orr x0, x0, #0x18           // IMO, FMO
    msr hcr_el2, x0
    isb
ready:

    semihost SYS_OPEN, open_input
    adr x1, input_block
    str x0, [x1]
    semihost SYS_READ, input_block
    adrp x19, records
next:
    ldp w0, w1, [x19]
    ldp x2, x3, [x19, #8]
    cbz w0, done
    cmp w0, #KIND_READ
    b.eq read
    cmp w0, #KIND_WRITE
    b.eq write
    b sysreg
advance:
    str x0, [x19, #24]
    add x19, x19, #32
    b next

read:
    cmp w1, #1
    b.ne 1f
    ldrb w0, [x2]
    b advance
1:  cmp w1, #2
    b.ne 2f
    ldrh w0, [x2]
    b advance
2:  cmp w1, #4
    b.ne 3f
    ldr w0, [x2]
    b advance
3:  ldr x0, [x2]
    b advance

write:
    mov x0, xzr
    cmp w1, #1
    b.ne 1f
    strb w3, [x2]
    b advance
1:  cmp w1, #2
    b.ne 2f
    strh w3, [x2]
    b advance
2:  cmp w1, #4
    b.ne 3f
    str w3, [x2]
    b advance
3:  str x3, [x2]
    b advance

sysreg:
    adr x4, slot
    str w1, [x4]
    dc cvau, x4
    dsb ish
    ic ivau, x4
    dsb ish
    isb
    cmp w0, #KIND_SYSREG_EL1
    mov x0, x3
    b.eq at_el1
    bl slot
    isb
    b advance
at_el1:
    msr elr_el2, x4
    mov x5, #0x3c5              // EL1h, interrupts masked
    msr spsr_el2, x5
    adr x30, leave_el1
    isb
    eret
leave_el1:
    hvc #0
    .balign 64
slot:
    nop
    ret
    .balign 64

done:
    semihost SYS_OPEN, open_output
    adr x1, output_block
    str x0, [x1]
    adrp x2, records
    sub x3, x19, x2
    str x3, [x1, #16]
    semihost SYS_WRITE, output_block
    semihost SYS_EXIT, exit_block

    // An exception of EL2's: the instruction in the slot is UNDEFINED. Of EL1's: HVC, or a trap.
    .balign 2048
vectors:
    .org vectors + 0x200
    mov x0, #UNDEFINED
    b advance
    .org vectors + 0x400
    mrs x5, esr_el2
    lsr x5, x5, #26
    cmp x5, #0x16               // HVC
    b.eq advance
    mov x0, #UNDEFINED
    b advance
    .org vectors + 0x480
    mov x0, #GOT_IRQ
    b advance
    .org vectors + 0x500
    mov x0, #GOT_FIQ
    b advance
    .org vectors + 0x800
vectors_el1:
    .org vectors_el1 + 0x200
    mov x0, #UNDEFINED
    hvc #0
    .org vectors_el1 + 0x800

    .balign 8
open_input:
    .quad input_name, 1 /* rb */, 9
open_output:
    .quad output_name, 5 /* wb */, 10
input_block:
    .quad 0, records, RECORDS_BYTES
output_block:
    .quad 0, records, 0
exit_block:
    .quad 0x20026, 0            // ADP_Stopped_ApplicationExit
input_name:
    .asciz "input.bin"
output_name:
    .asciz "output.bin"

    .bss
    .balign 4096
records:
    .skip RECORDS_BYTES
