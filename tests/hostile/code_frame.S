// The frame around random instructions. random_code finds `marker` in the file and writes register
// values and the instructions behind it. A fault (or 1 ms without one) resumes at the next
// instruction that has not been started from, with fresh registers, so that all of them are reached.
// The layout of what is behind the marker is random_code's kFrame.
#define WORDS 256
#define SYS(number) mov x8, number; svc 0

    .text
    .globl _start
_start:
    adrp x19, alternate
    add x19, x19, :lo12:alternate
    mov x0, x19
    mov x1, #0
    SYS(132) // sigaltstack
    adr x20, signals
0:  ldrb w0, [x20], #1
    cbz w0, 1f
    adrp x1, action
    add x1, x1, :lo12:action
    mov x2, #0
    mov x3, #8
    SYS(134) // rt_sigaction
    b 0b
1:  mov x0, #0
    adrp x1, interval
    add x1, x1, :lo12:interval
    mov x2, #0
    SYS(103) // setitimer
    brk #0   // to the handler, and from there to the first instruction

finish:
    mov x0, #0
    SYS(94) // exit_group

handler: // (signal, siginfo, ucontext)
    adrp x9, next
    add x9, x9, :lo12:next
    ldr w10, [x9]
    cmp w10, #WORDS
    b.ge finish
    add w11, w10, #1
    str w11, [x9]
    adr x12, words
    add x12, x12, x10, lsl #2
    str x12, [x2, #440] // pc
    add x9, x2, #184    // x0...x30, sp
    adr x10, registers
    mov w11, #32
2:  ldr x12, [x10], #8
    str x12, [x9], #8
    subs w11, w11, #1
    b.ne 2b
    ret

signals:
    .byte 4, 5, 7, 8, 11, 14, 0 // ILL TRAP BUS FPE SEGV ALRM
    .balign 4096
    .ascii "ULNA-CODE-MARKER"
registers:
    .skip 32 * 8
words:
    .skip WORDS * 4
    b finish
    .balign 4096

    .data
    .balign 16
alternate:
    .quad stack, 0, 65536
action:
    .quad handler, 0x08000004, 0, -1 // SA_ONSTACK | SA_SIGINFO, all signals blocked
interval:
    .quad 0, 1000, 0, 1000
next:
    .quad 0
    .bss
    .balign 4096
stack:
    .skip 65536
    // Pointers of random code lead into the middle of this; the linker's map is not needed, because
    // random_code reads the symbol.
    .balign 65536
    .globl arena
arena:
    .skip 262144
    .section .note.GNU-stack, "", %progbits
