#include "runtime/fault_safe_copy.h"

#include <ucontext.h>

#include "ir/support/types.h"

// The only code of the runtime that touches memory which others may take away. A fault between the
// two labels makes the function return 0; nothing but RAX, RCX, RDX, RSI, RDI and XMM0 is in use
// there, so moving RIP suffices. Short copies avoid the start-up cost of REP MOVSB.
extern "C" {
[[nodiscard]] int ulna_copy(void* to, const void* from, std::size_t bytes);
extern const char ulna_copy_begin[];
extern const char ulna_copy_end[];
extern const char ulna_copy_failed[];
}

asm(R"(
    .text
    .p2align 4
    .globl ulna_copy, ulna_copy_begin, ulna_copy_end, ulna_copy_failed
    .hidden ulna_copy, ulna_copy_begin, ulna_copy_end, ulna_copy_failed
    .type ulna_copy, @function
ulna_copy:
ulna_copy_begin:
    mov %rdx, %rcx
    cmp $1024, %rdx
    ja 3f
    shr $4, %rcx
    jz 2f
1:  movups (%rsi), %xmm0
    movups %xmm0, (%rdi)
    add $16, %rsi
    add $16, %rdi
    dec %rcx
    jnz 1b
2:  mov %edx, %ecx
    and $15, %ecx
    jz ulna_copy_end
    cmp $8, %ecx
    jb 3f
    mov (%rsi), %rax
    mov %rax, (%rdi)
    add $8, %rsi
    add $8, %rdi
    sub $8, %ecx
3:  rep movsb
ulna_copy_end:
    mov $1, %eax
    ret
ulna_copy_failed:
    xor %eax, %eax
    ret
    .size ulna_copy, . - ulna_copy
)");

namespace ulna::runtime {

bool copy_or_fault(void* to, const void* from, std::size_t bytes) {
    return ulna_copy(to, from, bytes) != 0;
}

bool recover_copy(void* ucontext) {
    greg_t& rip = static_cast<ucontext_t*>(ucontext)->uc_mcontext.gregs[REG_RIP];
    const auto address = [](const char* label) { return reinterpret_cast<greg_t>(label); };
    if (rip < address(ulna_copy_begin) || rip >= address(ulna_copy_end)) {
        return false;
    }
    rip = address(ulna_copy_failed);
    return true;
}

} // namespace ulna::runtime
