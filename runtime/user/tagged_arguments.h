// The tagged-address ABI (the kernel's tagged-address-abi.rst): pointers of a system call lose
// their tags on the way to the host, as the letters in syscalls.def say, and so do those in iovecs
// and message headers. Own handlers see arguments without tags; what they copy is checked all the
// same (GuestThread::tagged_arguments). What the host copies itself is not, but for the first byte
// of names and of data to write.
#pragma once

#include <memory>
#include <vector>

#include <sys/socket.h>
#include <sys/uio.h>

#include "runtime/user/syscall_table.h"

namespace ulna::user {

class UntaggedArguments {
  public:
    // Of a call by a thread with PR_TAGGED_ADDR_ENABLE.
    UntaggedArguments(GuestThread& thread, const SyscallRow& row, SyscallArgs& args);
    // The guest sees what the host has written into copies of its message headers.
    ~UntaggedArguments();
    UntaggedArguments(const UntaggedArguments&) = delete;

    [[nodiscard]] bool faulted() const { return faulted_; } // EFAULT

  private:
    // A copy of mmsghdrs whose pointers have no tags, with the vectors they name.
    struct Messages {
        GuestAddr guest;
        bool many; // mmsghdr; else one msghdr, of which the first member is a copy
        std::vector<mmsghdr> original, host;
        std::vector<std::vector<iovec>> vectors;
    };
    void untag_vector(u64& address, u64 count);
    void untag_messages(u64& address, u64 count, bool many);
    void write_back() const;

    GuestThread& thread_;
    bool faulted_ = false;
    std::vector<iovec> vector_;
    std::unique_ptr<Messages> messages_;
};

} // namespace ulna::user
