#include "runtime/user/guest_memory.h"

#include <algorithm>

#include "runtime/fault_safe_copy.h"

namespace ulna::user {

bool copy_from_guest(void* to, GuestAddr from, u64 bytes) {
    return runtime::copy_or_fault(to, reinterpret_cast<const void*>(untag(from)), bytes);
}

bool copy_to_guest(GuestAddr to, const void* from, u64 bytes) {
    return runtime::copy_or_fault(reinterpret_cast<void*>(untag(to)), from, bytes);
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

} // namespace ulna::user
