#include "runtime/devices/output_queue.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace ulna::devices {

OutputQueue::OutputQueue(EventLoop& loop, int fd, std::function<void()> resumed)
    : fd_(fd),
      waits_(loop.has_clock()),
      resumed_(std::move(resumed)),
      gather_(
          loop, [this] { drain(); }, EventLoop::Time::Host) {
    signal(SIGPIPE, SIG_IGN);
}

void OutputQueue::write(std::span<const u8> bytes) {
    if (broken_) {
        return;
    }
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
    while (waits_ && congested()) {
        flush();
    }
    was_congested_ |= congested();
    if (!gather_.is_set()) {
        gather_.set(monotonic_ns() + kGatherNs);
    }
}

// The descriptor may be shared with other programs, so it stays in blocking mode. When poll() says
// that it can be written, a pipe takes a page and a terminal does not block for long.
bool OutputQueue::write_some() {
    constexpr std::size_t kMostAtOnce = 4096;
    pollfd state{.fd = fd_, .events = POLLOUT, .revents = 0};
    if (poll(&state, 1, 0) <= 0) {
        return false;
    }
    const ssize_t count =
        ::write(fd_, waiting_.data() + written_, std::min(waiting_.size() - written_, kMostAtOnce));
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
        broken_ = true;
        waiting_.clear();
        written_ = 0;
        return true;
    }
    written_ += count > 0 ? static_cast<std::size_t>(count) : 0;
    return count > 0;
}

void OutputQueue::drain() {
    bool takes_more = true;
    while (takes_more && written_ < waiting_.size()) {
        takes_more = write_some();
    }
    if (written_ == waiting_.size()) {
        waiting_.clear();
        written_ = 0;
    }
    // A reader that is slow is looked at again soon, one that has stopped less and less often.
    retry_ns_ = takes_more ? kGatherNs : std::min(2 * retry_ns_, kMaxRetryNs);
    if (!takes_more) {
        gather_.set(monotonic_ns() + retry_ns_);
    }
    if (was_congested_ && !congested()) {
        was_congested_ = false;
        resumed_();
    }
}

void OutputQueue::flush() {
    pollfd state{.fd = fd_, .events = POLLOUT, .revents = 0};
    while (written_ < waiting_.size() && poll(&state, 1, kFlushMs) > 0 && write_some()) {
    }
    drain();
}

} // namespace ulna::devices
