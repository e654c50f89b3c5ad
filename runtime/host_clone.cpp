#include "runtime/host_clone.h"

asm(R"(
    .text
    .globl ulna_clone_call
    .hidden ulna_clone_call
    .type ulna_clone_call, @function
ulna_clone_call:
    .cfi_startproc
    push %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    push %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    mov 24(%rsp), %r12
    mov 32(%rsp), %r13
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    syscall
    test %rax, %rax
    jz 1f
    pop %r13
    .cfi_remember_state
    .cfi_adjust_cfa_offset -8
    pop %r12
    .cfi_adjust_cfa_offset -8
    ret
1:  .cfi_restore_state
    .cfi_undefined rip
    xor %ebp, %ebp
    mov %r13, %rdi
    call *%r12
    ud2
    .cfi_endproc
    .size ulna_clone_call, .-ulna_clone_call
)");
