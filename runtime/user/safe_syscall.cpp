// See safe_syscall.h. Also the plain host system call, which keeps errno out of the picture.
#include "runtime/user/safe_syscall.h"

#include <ucontext.h>

#include "runtime/user/signals_state.h"
#include "runtime/user/syscall.h"

// The registers that the window needs to survive the call are callee-saved, so that the way out is
// the same whether the call was made or not. RAX of the interrupted path is kRestartNoIntr.
asm(R"(
    .text
    .globl ulna_safe_syscall, ulna_safe_syscall_start, ulna_safe_syscall_end, ulna_safe_syscall_interrupted
    .type ulna_safe_syscall, @function
ulna_safe_syscall:
    .cfi_startproc
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    mov %rdi, %rbx
    mov %rsi, %rax
    mov %rdx, %r11
    mov (%r11), %rdi
    mov 8(%r11), %rsi
    mov 16(%r11), %rdx
    mov 24(%r11), %r10
    mov 32(%r11), %r8
    mov 40(%r11), %r9
ulna_safe_syscall_start:
    cmpl $0, (%rbx)
    jne ulna_safe_syscall_interrupted
    syscall
ulna_safe_syscall_end:
    pop %rbx
    .cfi_remember_state
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    ret
ulna_safe_syscall_interrupted:
    .cfi_restore_state
    mov $-513, %rax
    jmp ulna_safe_syscall_end
    .cfi_endproc
    .size ulna_safe_syscall, .-ulna_safe_syscall
)");

extern "C" const char ulna_safe_syscall_start[], ulna_safe_syscall_end[],
    ulna_safe_syscall_interrupted[];

namespace ulna::user {

static_assert(kRestartNoIntr == -513, "the interrupted path returns it");

void leave_safe_syscall_window(void* ucontext) {
    greg_t& pc = static_cast<ucontext_t*>(ucontext)->uc_mcontext.gregs[REG_RIP];
    // The end label is after SYSCALL: a context there has the call's result and must keep it.
    if (pc >= reinterpret_cast<greg_t>(ulna_safe_syscall_start) &&
        pc < reinterpret_cast<greg_t>(ulna_safe_syscall_end)) {
        pc = reinterpret_cast<greg_t>(ulna_safe_syscall_interrupted);
    }
}

i64 host_syscall(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
    i64 result;
    register u64 r10 asm("r10") = d;
    register u64 r8 asm("r8") = e;
    register u64 r9 asm("r9") = f;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

i64 blocking_syscall(long number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
    const GuestThread* thread = current_thread();
    if (thread == nullptr) {
        return host_syscall(number, a, b, c, d, e, f);
    }
    const u64 arguments[6] = {a, b, c, d, e, f};
    return ulna_safe_syscall(&thread->signals->interrupted, number, arguments);
}

} // namespace ulna::user
