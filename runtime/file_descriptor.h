// A file descriptor that is closed with its owner.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace ulna::runtime {

class FileDescriptor {
  public:
    FileDescriptor() = default;
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~FileDescriptor() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }

    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

// Out of the way of the guest's own descriptors, which count from 3.
inline constexpr int kLowestOwnDescriptor = 900;

// The same with a number that is at least `lowest`. What cannot be moved stays.
[[nodiscard]] inline FileDescriptor renumbered(FileDescriptor fd, int lowest) {
    FileDescriptor moved{fd && fd.get() < lowest ? fcntl(fd.get(), F_DUPFD_CLOEXEC, lowest) : -1};
    return moved ? std::move(moved) : std::move(fd);
}

} // namespace ulna::runtime
