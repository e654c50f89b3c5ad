#include "runtime/user/guest_memory.h"

#include <algorithm>

#include <ucontext.h>

// The only code of the runtime that touches guest memory. A fault between the two labels makes the
// function return 0; nothing but RAX, RCX, RDX, RSI and RDI is in use there, so moving RIP
// suffices. Short copies avoid the start-up cost of REP MOVSB.
extern "C" {
[[nodiscard]] int ulna_guest_copy(void* to, const void* from, std::size_t bytes);
extern const char ulna_guest_copy_begin[];
extern const char ulna_guest_copy_end[];
extern const char ulna_guest_copy_failed[];
}

asm(R"(
    .text
    .p2align 4
    .globl ulna_guest_copy, ulna_guest_copy_begin, ulna_guest_copy_end, ulna_guest_copy_failed
    .hidden ulna_guest_copy, ulna_guest_copy_begin, ulna_guest_copy_end, ulna_guest_copy_failed
    .type ulna_guest_copy, @function
ulna_guest_copy:
ulna_guest_copy_begin:
    mov %rdx, %rcx
    cmp $64, %rdx
    ja 3f
    shr $3, %rcx
    jz 2f
1:  mov (%rsi), %rax
    mov %rax, (%rdi)
    add $8, %rsi
    add $8, %rdi
    dec %rcx
    jnz 1b
2:  mov %edx, %ecx
    and $7, %ecx
3:  rep movsb
ulna_guest_copy_end:
    mov $1, %eax
    ret
ulna_guest_copy_failed:
    xor %eax, %eax
    ret
    .size ulna_guest_copy, . - ulna_guest_copy
)");

namespace ulna::user {

bool copy_from_guest(void* to, GuestAddr from, u64 bytes) {
    return ulna_guest_copy(to, reinterpret_cast<const void*>(untag(from)), bytes) != 0;
}

bool copy_to_guest(GuestAddr to, const void* from, u64 bytes) {
    return ulna_guest_copy(reinterpret_cast<void*>(untag(to)), from, bytes) != 0;
}

std::optional<std::string> guest_string(GuestAddr from, u64 max_bytes) {
    constexpr u64 kChunk =
        256; // never crosses a page: the string may end just before an unmapped one
    std::string text;
    while (text.size() <= max_bytes) {
        char chunk[kChunk];
        const u64 bytes = kChunk - (from & (kChunk - 1));
        if (!copy_from_guest(chunk, from, bytes)) {
            return std::nullopt;
        }
        const char* const end = std::find(chunk, chunk + bytes, '\0');
        text.append(chunk, static_cast<std::size_t>(end - chunk));
        if (end != chunk + bytes) {
            return text.size() <= max_bytes ? std::optional(std::move(text)) : std::nullopt;
        }
        from += bytes;
    }
    return std::nullopt;
}

bool recover_guest_copy(void* ucontext) {
    greg_t& rip = static_cast<ucontext_t*>(ucontext)->uc_mcontext.gregs[REG_RIP];
    const auto address = [](const char* label) { return reinterpret_cast<greg_t>(label); };
    if (rip < address(ulna_guest_copy_begin) || rip >= address(ulna_guest_copy_end)) {
        return false;
    }
    rip = address(ulna_guest_copy_failed);
    return true;
}

} // namespace ulna::user
