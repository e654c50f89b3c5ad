// A mutex between threads of which the host's C library may know only one. Its own mutexes take a
// process without pthread_create for single-threaded: they are then locked by plain stores, and
// wake nobody when they are unlocked, so that a thread made by clone (the sampler's) and the first
// one could both hold one, or wait for one that is free.
#pragma once

#include <atomic>

#include "ir/support/types.h"

namespace ulna::runtime {

class RawMutex {
  public:
    void lock() {
        while (taken_.exchange(1, std::memory_order_acquire) != 0) {
            taken_.wait(1, std::memory_order_relaxed);
        }
    }
    void unlock() {
        taken_.store(0); // before notify_one() looks whether anybody waits
        taken_.notify_one();
    }

  private:
    std::atomic<u32> taken_{0};
};

} // namespace ulna::runtime
