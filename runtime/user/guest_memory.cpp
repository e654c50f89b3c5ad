#include "runtime/user/guest_memory.h"

#include <algorithm>

#include "ir/block_key.h"
#include "runtime/fault_safe_copy.h"
#include "runtime/user/guest_thread.h"
#include "runtime/user/tag_storage.h"

namespace ulna::user {

namespace {

// The pointer as the guest gave it: arguments of system calls have lost their tags
// (dispatch_syscall), and so have places behind them, whose tag nobody knows.
std::optional<GuestAddr> as_given(const GuestThread& thread, GuestAddr address) {
    bool any = false;
    for (const GuestAddr given : thread.tagged_arguments) {
        if (given != 0 && untag(given) == address) {
            return given;
        }
        any |= given != 0;
    }
    return any && address == untag(address) ? std::nullopt : std::optional(address);
}

} // namespace

// The kernel sees tag checks of its own accesses fail in synchronous mode.
bool may_access(GuestAddr address, u64 bytes, ir::Access access) {
    const GuestThread* const thread = current_thread();
    if (thread == nullptr || bytes == 0) {
        return true;
    }
    if (address != untag(address) && !thread->tagged_addresses) {
        return false;
    }
    const ir::BlockMode mode{thread->cpu->mode_bits};
    if (tag_memory().tags == nullptr || !ir::raises(mode.tag_check(), access)) {
        return true;
    }
    const auto given = as_given(*thread, address);
    return !given || !ir::tag_mismatch(tag_memory(), *given, bytes);
}

bool copy_from_guest_unchecked(void* to, GuestAddr from, u64 bytes) {
    return runtime::copy_or_fault(to, reinterpret_cast<const void*>(untag(from)), bytes);
}

bool copy_from_guest(void* to, GuestAddr from, u64 bytes) {
    return may_access(from, bytes, ir::Access::Reads) && copy_from_guest_unchecked(to, from, bytes);
}

bool copy_to_guest(GuestAddr to, const void* from, u64 bytes) {
    return may_access(to, bytes, ir::Access::Writes) &&
           runtime::copy_or_fault(reinterpret_cast<void*>(untag(to)), from, bytes);
}

std::optional<std::string> guest_string(GuestAddr from, u64 max_bytes) {
    constexpr u64 kChunk =
        256; // never crosses a page: the string may end just before an unmapped one
    const GuestAddr start = from;
    std::string text;
    while (text.size() <= max_bytes) {
        char chunk[kChunk];
        const u64 bytes = kChunk - (from & (kChunk - 1));
        if (!copy_from_guest_unchecked(chunk, from, bytes)) {
            return std::nullopt;
        }
        const char* const end = std::find(chunk, chunk + bytes, '\0');
        text.append(chunk, static_cast<std::size_t>(end - chunk));
        if (end != chunk + bytes) {
            const bool valid =
                text.size() <= max_bytes && may_access(start, text.size() + 1, ir::Access::Reads);
            return valid ? std::optional(std::move(text)) : std::nullopt;
        }
        from += bytes;
    }
    return std::nullopt;
}

} // namespace ulna::user
