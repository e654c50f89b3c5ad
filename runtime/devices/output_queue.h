// Bytes on their way to a file descriptor. A vCPU that prints only appends; the event loop writes
// what has come together in a short time, so that a guest's single characters do not cost a system
// call each, and a reader that does not read stops nobody. But for a machine with a clock of its
// own, whose guest must not see how fast the reader is: it waits, and is never congested.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "runtime/devices/event_loop.h"

namespace ulna::devices {

class OutputQueue {
  public:
    // The descriptor stays the caller's, who calls flush() in the end. `resumed` is called when
    // congested() ends. Makes the program ignore SIGPIPE: a reader that has gone is an error of
    // write().
    OutputQueue(EventLoop& loop, int fd, std::function<void()> resumed);
    OutputQueue(const OutputQueue&) = delete;
    OutputQueue& operator=(const OutputQueue&) = delete;

    void write(std::span<const u8> bytes);
    [[nodiscard]] bool congested() const { return waiting_.size() - written_ > kCongested; }
    void flush();

  private:
    static constexpr std::size_t kCongested = 64 << 10;
    static constexpr u64 kGatherNs = 200'000, kMaxRetryNs = 50'000'000;
    static constexpr int kFlushMs = 1000;

    [[nodiscard]] bool write_some(); // false: the descriptor takes nothing now
    void drain();

    int fd_;
    const bool waits_;
    std::function<void()> resumed_;
    EventLoop::Timer gather_;
    u64 retry_ns_ = kGatherNs;
    std::vector<u8> waiting_;
    std::size_t written_ = 0; // of waiting_
    bool was_congested_ = false;
    bool broken_ = false; // the other side has gone
};

} // namespace ulna::devices
