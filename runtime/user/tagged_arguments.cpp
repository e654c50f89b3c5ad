// See tagged_arguments.h.
#include "runtime/user/tagged_arguments.h"

#include <cstring>

#include "runtime/user/guest_memory.h"

namespace ulna::user {

namespace {

static_assert(sizeof(iovec) == 16 && sizeof(msghdr) == 56 && sizeof(mmsghdr) == 64,
              "equal to arm64's");
constexpr u64 kMostVectors = 1024; // UIO_MAXIOV

// untagged_addr of the kernel: addresses of its half, and so small negative numbers, stay.
constexpr u64 without_tag(u64 address) {
    return address & static_cast<u64>(sign_extend(address, 56));
}
template <class T> T* without_tag(T* pointer) {
    return reinterpret_cast<T*>(without_tag(reinterpret_cast<u64>(pointer)));
}

bool is_pointer(char letter) { return letter != 0 && std::strchr("spTAwrvMNy", letter) != nullptr; }

// The host will look at its first byte, whatever else it does.
bool is_read(char letter, u64 next) { return letter == 's' || (letter == 'w' && next != 0); }

// An array of iovecs as the guest has it, empty when there is none to convert; true: it has tags.
bool read_vector(GuestAddr address, u64 count, std::vector<iovec>& vector) {
    if (count == 0 || count > kMostVectors) {
        return false; // the host says what it thinks of that
    }
    vector.resize(count);
    if (!copy_from_guest(vector.data(), address, count * sizeof(iovec))) {
        return false;
    }
    bool any = false;
    for (iovec& part : vector) {
        void* const plain = without_tag(part.iov_base);
        any = any || plain != part.iov_base;
        part.iov_base = plain;
    }
    return any;
}

// True: something in it had a tag.
bool untag_message(msghdr& message, std::vector<iovec>& vector) {
    const msghdr original = message;
    const bool any =
        read_vector(reinterpret_cast<u64>(message.msg_iov), message.msg_iovlen, vector);
    message.msg_name = without_tag(message.msg_name);
    message.msg_control = without_tag(message.msg_control);
    message.msg_iov = any ? vector.data() : without_tag(message.msg_iov);
    return std::memcmp(&original, &message, sizeof message) != 0;
}

} // namespace

UntaggedArguments::UntaggedArguments(GuestThread& thread, const SyscallRow& row, SyscallArgs& args)
    : thread_{thread} {
    const std::size_t count = std::strlen(row.args);
    for (std::size_t i = 0; i < count && i < std::size(args); ++i) {
        const char letter = row.args[i];
        if (!is_pointer(letter)) {
            continue;
        }
        const u64 next = i + 1 < std::size(args) ? args[i + 1] : 0;
        if (args[i] != without_tag(args[i])) {
            thread.tagged_arguments[i] = args[i];
            args[i] = without_tag(args[i]);
        }
        if (is_read(letter, next) && args[i] != 0) {
            faulted_ = faulted_ || !may_access(args[i], 1, ir::Access::Reads);
        } else if (letter == 'v') {
            untag_vector(args[i], next);
        } else if (letter == 'M' || letter == 'N') {
            untag_messages(args[i], letter == 'N' ? next : 1, letter == 'N');
        }
    }
}

UntaggedArguments::~UntaggedArguments() {
    thread_.tagged_arguments = {};
    if (messages_ != nullptr) {
        write_back();
    }
}

void UntaggedArguments::untag_vector(u64& address, u64 count) {
    if (read_vector(address, count, vector_)) {
        address = reinterpret_cast<u64>(vector_.data());
    }
}

void UntaggedArguments::untag_messages(u64& address, u64 count, bool many) {
    if (count == 0 || count > kMostVectors) {
        return;
    }
    auto messages = std::make_unique<Messages>(Messages{address, many, {}, {}, {}});
    messages->original.resize(count);
    if (!copy_from_guest(messages->original.data(), address,
                         many ? count * sizeof(mmsghdr) : sizeof(msghdr))) {
        return;
    }
    messages->host = messages->original;
    messages->vectors.resize(count);
    bool any = false;
    for (u64 i = 0; i < count; ++i) {
        any |= untag_message(messages->host[i].msg_hdr, messages->vectors[i]);
    }
    if (any) {
        address = reinterpret_cast<u64>(messages->host.data());
        messages_ = std::move(messages);
    }
}

// What recvmsg changes: lengths and flags.
void UntaggedArguments::write_back() const {
    for (std::size_t i = 0; i < messages_->host.size(); ++i) {
        const mmsghdr& host = messages_->host[i];
        mmsghdr result = messages_->original[i];
        result.msg_hdr.msg_namelen = host.msg_hdr.msg_namelen;
        result.msg_hdr.msg_controllen = host.msg_hdr.msg_controllen;
        result.msg_hdr.msg_flags = host.msg_hdr.msg_flags;
        result.msg_len = host.msg_len;
        const u64 bytes = messages_->many ? sizeof(mmsghdr) : sizeof(msghdr);
        if (std::memcmp(&result, &messages_->original[i], bytes) != 0) {
            [[maybe_unused]] const bool written =
                copy_to_guest(messages_->guest + i * sizeof(mmsghdr), &result, bytes);
        }
    }
}

} // namespace ulna::user
