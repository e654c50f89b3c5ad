// Says S when it starts, and does what the serial port tells it: o switches the machine off, r
// resets it, everything else is sent back.
.globl _start
_start:
    mov x20, #0x9000000 // the PL011
    mov w1, #'S'
send:
    str w1, [x20]
receive:
    ldr w2, [x20, #0x18] // FR
    tbnz w2, #4, receive // nothing there
    ldr w1, [x20]
    mov w0, #0x84000000 // PSCI
    cmp w1, #'o'
    b.eq off
    cmp w1, #'r'
    b.ne send
    add w0, w0, #1
off:
    add w0, w0, #8
    hvc #0
    b receive
