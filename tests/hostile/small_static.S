// The smallest program with text, data and bss: what elf_mutations damages.
    .text
    .globl _start
_start:
    adrp x9, counter
    add x9, x9, :lo12:counter
    ldr x10, [x9]
    add x10, x10, #1
    str x10, [x9]
    mov x0, #1
    adrp x1, text
    add x1, x1, :lo12:text
    mov x2, #3
    mov x8, #64 // write
    svc #0
    mov x0, #0
    mov x8, #93 // exit
    svc #0
    .data
text:
    .ascii "ok\n"
    .bss
    .balign 8
counter:
    .skip 9000
    .section .note.GNU-stack, "", %progbits
