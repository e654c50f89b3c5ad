// A thread that asks the guest's threads now and then where they are: it sets kPendingSample, and
// each answers at its next safe point. Not a timer's signal, which would interrupt system calls: a
// write to a pipe would be cut short. Not a counter in translated code, whose latency bounds small
// loops (fp_matmul took 1.6 times as long).
//
// The thread is made without the host's libc, which would install handlers of its own for signals
// that are the guest's.
#pragma once

#include <atomic>
#include <mutex>

#include "runtime/jit/engine_thread.h"

namespace ulna::runtime {

class Sampler {
  public:
    explicit Sampler(ThreadRegistry& registry) : registry_{registry} {}
    ~Sampler();
    Sampler(const Sampler&) = delete;
    Sampler& operator=(const Sampler&) = delete;

    // Starts it if it does not run. Without a thread to be had there are no samples.
    void start();
    // Ends it: what the guest does next takes a process of one thread.
    void stop();
    // Whether start() does so: not where another process looks at this one's threads.
    void allow(bool on);
    // Its id; 0: it does not run.
    [[nodiscard]] pid_t thread() const { return thread_.load(std::memory_order_relaxed); }
    // Some thread has answered: when all had been waiting, asking goes on.
    void note_answer() {
        if (command_.load(std::memory_order_relaxed) == kRest) {
            wake();
        }
    }
    // Its mutex is free in the child, where the thread is gone.
    void lock_for_fork() { mutex_.lock(); }
    void unlock_after_fork(bool in_child);

  private:
    enum Command : u32 { kAsk, kRest, kStop };

    static void main(void* self);
    void run();
    void wake();
    [[nodiscard]] bool allocate();
    [[nodiscard]] bool clone_thread(pid_t number);

    ThreadRegistry& registry_;
    std::mutex mutex_;
    u8* memory_ = nullptr; // its stack, and what the host's libc looks for in a thread
    bool allowed_ = true;
    std::atomic<u32> command_{kAsk}; // a futex
    std::atomic<pid_t> thread_{0};   // 0: there is none; the kernel clears it, and wakes
};

} // namespace ulna::runtime
