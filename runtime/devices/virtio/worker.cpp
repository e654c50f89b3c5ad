#include "runtime/devices/virtio/worker.h"

#include <utility>

namespace ulna::devices::virtio {

Worker::Worker(std::mutex& machine_lock, Place place)
    : machine_lock_(machine_lock),
      thread_(place == Place::Thread ? std::thread{[this] { run(); }} : std::thread{}) {}

Worker::~Worker() {
    {
        const std::lock_guard held(lock_);
        ending_ = true;
        waiting_.clear();
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Worker::add(std::unique_ptr<Job> job) {
    if (!thread_.joinable()) {
        job->work();
        job->finish();
        return;
    }
    {
        const std::lock_guard held(lock_);
        waiting_.push_back(std::move(job));
    }
    changed_.notify_all();
}

void Worker::drop_all() {
    std::unique_lock held(lock_);
    waiting_.clear();
    changed_.wait(held, [this] { return !working_; });
}

void Worker::wait_until_idle() {
    std::unique_lock held(lock_);
    changed_.wait(held, [this] { return waiting_.empty() && !working_ && !finishing_; });
}

void Worker::run() {
    std::unique_lock held(lock_);
    while (true) {
        changed_.wait(held, [this] { return ending_ || !waiting_.empty(); });
        if (ending_) {
            return;
        }
        const std::unique_ptr<Job> job = std::move(waiting_.front());
        waiting_.pop_front();
        working_ = true;
        held.unlock();
        job->work();
        held.lock();
        working_ = false;
        finishing_ = true;
        changed_.notify_all();
        held.unlock();
        {
            const std::lock_guard machine(machine_lock_);
            job->finish();
        }
        held.lock();
        finishing_ = false;
        changed_.notify_all();
    }
}

} // namespace ulna::devices::virtio
