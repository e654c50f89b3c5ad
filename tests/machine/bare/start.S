// The first instructions of every CPU, vectors for EL1 to EL3, and the way to lower ELs and back.
#define STACK_SHIFT 15

    .section .text.start, "ax"
    .global _start
_start:
    mov     x19, #0
    b       start_cpu

// Firmware begins here, on all CPUs.
    .section .text.firmware, "ax"
    mrs     x19, mpidr_el1
    and     x19, x19, #0xff
    b       start_cpu

    .text
// CPU_ON enters here with the CPU's number.
    .global secondary_start
secondary_start:
    mov     x19, x0

start_cpu:
    msr     daifset, #15
    mov     x0, #3 << 20 // CPACR_EL1.FPEN: no traps
    msr     cpacr_el1, x0
    msr     spsel, #1
    adr     x0, vectors_el1
    msr     vbar_el1, x0
    mrs     x0, currentel
    cmp     x0, #8
    b.lo    1f
    b.hi    4f
    adr     x0, vectors_el2
    msr     vbar_el2, x0
    b       1f
4:  adr     x0, vectors_el3
    msr     vbar_el3, x0
1:  isb
    adrp    x0, stacks
    add     x1, x19, #1
    add     x0, x0, x1, lsl #STACK_SHIFT
    mov     sp, x0
    cbnz    x19, 2f
    bl      main
    bl      power_off
2:  mov     x0, x19
    bl      secondary_main
3:  wfi
    b       3b

// Vectors: a frame (struct Frame of support.h) on the stack of the EL, and handle_exception().
    .macro save_and_call el, source, kind
    sub     sp, sp, #304
    stp     x0, x1, [sp]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    mov     x0, #\source
    mov     x1, #\kind
    b       save_rest_el\el
    .endm

    .macro vector el, source, kind
    .balign 0x80
    save_and_call \el, \source, \kind
    .endm

    .macro vector_table el
    .balign 0x800
vectors_el\el:
    .irp source, 0, 1, 2, 3
    vector  \el, \source, 0
    vector  \el, \source, 1
    vector  \el, \source, 2
    vector  \el, \source, 3
    .endr

save_rest_el\el:
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x2, elr_el\el
    stp     x30, x2, [sp, #240]
    mrs     x2, spsr_el\el
    mrs     x3, esr_el\el
    stp     x2, x3, [sp, #256]
    mrs     x2, far_el\el
    mov     w3, #\el
    orr     w0, w0, w1, lsl #8
    orr     w0, w0, w3, lsl #16
    stp     x2, x0, [sp, #272]
    mrs     x2, sp_el0
    str     x2, [sp, #288]
    mov     x0, sp
    bl      handle_exception
    ldr     x0, [sp, #248]
    ldr     x1, [sp, #256]
    msr     elr_el\el, x0
    msr     spsr_el\el, x1
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldr     x30, [sp, #240]
    ldp     x0, x1, [sp]
    add     sp, sp, #304
    eret
    .endm

    vector_table 1
    vector_table 2
    vector_table 3

// u64 run_lower(u64 entry, u64 spsr, u64 x0, u64 x1): ERET to a lower EL; comes back, with what is
// then X0, by leave_lower() below.
    .macro run_lower el
    .global run_lower_from_el\el
run_lower_from_el\el:
    stp     x29, x30, [sp, #-96]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    adrp    x9, lower_sp
    mov     x10, sp
    str     x10, [x9, #:lo12:lower_sp]
    msr     elr_el\el, x0
    msr     spsr_el\el, x1
    mov     x0, x2
    mov     x1, x3
    eret
    .endm
    run_lower 1
    run_lower 2
    run_lower 3

    .global leave_lower
leave_lower:
    adrp    x9, lower_sp
    ldr     x10, [x9, #:lo12:lower_sp]
    mov     sp, x10
    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #64]
    ldp     x27, x28, [sp, #80]
    ldp     x29, x30, [sp], #96
    ret

    .local lower_sp
    .comm lower_sp, 8, 8
