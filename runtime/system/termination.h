// SIGTERM and its like end the machine as Ctrl-A X does, so that disks are flushed and translations
// kept. The process then dies of the signal all the same. A second one does what it did before.
#pragma once

#include <functional>
#include <optional>

#include "runtime/devices/event_loop.h"
#include "runtime/file_descriptor.h"

namespace ulna::system {

class Termination {
  public:
    // `stop` is called in the loop's thread. With the machine's lock held; once at a time.
    Termination(devices::EventLoop& loop, std::function<void()> stop);
    ~Termination(); // not while the loop runs
    Termination(const Termination&) = delete;
    Termination& operator=(const Termination&) = delete;

    // What has come.
    [[nodiscard]] static std::optional<int> signal();

  private:
    devices::EventLoop& loop_;
    runtime::FileDescriptor wake_;
};

} // namespace ulna::system
