// std::shared_mutex for processes whose threads the C library does not know.
//
// glibc's knows who holds it by thread ids of its own, which are stale in a child that was made by
// the system call clone (fork.cpp): another thread may have the same number, in a new PID
// namespace most easily, and would be told that it has the lock already.
#pragma once

#include <atomic>
#include <mutex>

#include "ir/support/types.h"

namespace ulna::user {

// A waiting writer keeps new readers out: a reader must not lock again.
class SharedMutex {
  public:
    void lock() {
        entry_.lock();
        for (u32 readers; (readers = readers_.load()) != 0;) {
            readers_.wait(readers);
        }
    }
    void unlock() { entry_.unlock(); }
    void lock_shared() {
        const std::lock_guard guard(entry_);
        readers_.fetch_add(1);
    }
    void unlock_shared() {
        if (readers_.fetch_sub(1) == 1) {
            readers_.notify_all();
        }
    }

  private:
    std::mutex entry_;
    std::atomic<u32> readers_{0};
};

} // namespace ulna::user
