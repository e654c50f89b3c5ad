// A thread for work that must not keep the machine waiting: a device's reads and writes of files,
// commands that wait for CPUs.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "ir/support/types.h"

namespace ulna::devices::virtio {

class Worker {
  public:
    class Job {
      public:
        virtual ~Job() = default;
        virtual void work() = 0;   // in the thread, without the machine's lock
        virtual void finish() = 0; // then, in the thread, with it
    };

    // Where jobs are done. At once: for a machine that must not see how long they take.
    enum class Place : u8 { Thread, AtOnce };
    explicit Worker(std::mutex& machine_lock, Place place = Place::Thread);
    ~Worker(); // without the lock; jobs that wait are dropped
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // --- with the machine's lock held
    void add(std::unique_ptr<Job> job); // jobs are done in this order
    // Drops the jobs that wait, and waits for the one at work. That one may still be finished
    // later: it must know by itself that nobody wants it any more.
    void drop_all();
    // Until all jobs are done and finished. Without the machine's lock.
    void wait_until_idle();

  private:
    void run();

    std::mutex& machine_lock_;
    std::mutex lock_; // of what follows; never held while the machine's is taken
    std::condition_variable changed_;
    std::deque<std::unique_ptr<Job>> waiting_;
    bool working_ = false, finishing_ = false;
    bool ending_ = false;
    std::thread thread_; // last: it uses the others
};

} // namespace ulna::devices::virtio
