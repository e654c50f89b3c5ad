// What the tests of the debugger debug: a CPU that counts, and another one.
.global _start
_start:
    mrs x10, mpidr_el1
    mov x20, #0
    ldr x0, =0xc4000003 // PSCI CPU_ON
    mov x1, #1
    adr x2, second
    mov x3, #0x77
    hvc #0
    adr x1, data
loop:
    add x20, x20, #1
    bl func
    str x20, [x1]
    ldr x21, [x1, #8]
    add x24, x1, #16
    ldadd x20, x22, [x24]
    b loop
func:
    add x23, x23, #1
    ret
second:
    mov x5, x0
sloop:
    add x6, x6, #1
    nop
    b sloop
.balign 64
data: .quad 0, 0, 0, 0
