// What a machine waits for: file descriptors, deadlines, and calls from other threads. One thread
// runs it; everything it calls, it calls with the machine's lock held. Devices use it from vCPUs,
// which hold that lock too, so nothing here has a lock of its own but `post`.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "ir/support/types.h"

namespace ulna::devices {

// Now, in nanoseconds of the host's monotonic clock.
[[nodiscard]] u64 monotonic_ns();

// What time it is in a machine whose time is not the host's.
class MachineClock {
  public:
    virtual ~MachineClock() = default;
    [[nodiscard]] virtual u64 now_ns() const = 0;
};

class EventLoop {
    static constexpr u64 kNever = ~u64{0};

  public:
    class Timer;
    // By deadline; those of one deadline in the order in which they were set.
    using TimerQueue = std::map<std::pair<u64, u64>, Timer*>;

    // Without a clock the machine's time is the host's. With one, whoever keeps it also calls
    // call_due_machine_timers().
    explicit EventLoop(std::mutex& machine_lock, const MachineClock* clock = nullptr);
    ~EventLoop(); // not while run() runs
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    // Waits and calls handlers until stop(), be it that one came before. Called without the lock.
    void run();
    // Once, and waits for something to do only if told so.
    void turn(bool waits);

    [[nodiscard]] u64 now_ns() const { return clock_ ? clock_->now_ns() : monotonic_ns(); }
    // The machine has a clock of its own: what it does must not depend on the host's.
    [[nodiscard]] bool has_clock() const { return clock_ != nullptr; }

    // --- from any thread, with the lock or without
    void stop();                           // run() returns after what it is doing
    void post(std::function<void()> call); // soon, in the loop's thread

    // --- with the lock held. Handlers may add, change and remove anything, themselves too.
    // `events` are EPOLLIN, EPOLLOUT; 0 watches nothing for now, not even errors and hang-ups,
    // which are else reported unasked. What epoll does not take (files, /dev/null) is always ready.
    // The descriptor stays the caller's, who removes it before closing it.
    using FdHandler = std::function<void(u32 events)>;
    void add_fd(int fd, u32 events, FdHandler handler);
    void change_fd(int fd, u32 events);
    void remove_fd(int fd);

    // Called each time before the loop waits: for libraries whose descriptors change all the time.
    void add_before_wait(std::function<void()> call);

    enum class Time : u8 { Machine /* now_ns() */, Host /* monotonic_ns() */ };
    // A deadline and what to do then; once for each time it is set. Its handler may set it again,
    // but not destroy it.
    class Timer {
      public:
        Timer(EventLoop& loop, std::function<void()> handler, Time time = Time::Machine);
        ~Timer();
        Timer(const Timer&) = delete;
        Timer& operator=(const Timer&) = delete;
        void set(u64 deadline_ns); // in place of the deadline it had; the past: at once
        void cancel();
        [[nodiscard]] bool is_set() const { return deadline_ != kNever; }
        [[nodiscard]] u64 deadline_ns() const { return deadline_; } // the largest value: not set

      private:
        friend class EventLoop;
        EventLoop& loop_;
        TimerQueue& queue_;
        std::function<void()> handler_;
        u64 deadline_ = kNever, order_ = 0;
    };
    [[nodiscard]] std::unique_ptr<Timer> add_timer(std::function<void()> handler,
                                                   Time time = Time::Machine);

    // --- of a machine with a clock, in the thread that keeps it
    [[nodiscard]] std::optional<u64> next_machine_deadline() const {
        return machine_timers_.empty() ? std::nullopt
                                       : std::optional{machine_timers_.begin()->first.first};
    }
    void call_due_machine_timers(); // with the lock held

  private:
    struct Watched {
        u32 events;
        u32 generation;    // tells an event of a descriptor from one of its predecessor's
        bool always_ready; // epoll does not take it
        std::shared_ptr<FdHandler> handler; // shared: it may remove itself while it runs
    };

    void watch(int fd, Watched& watched, u32 events);
    void call_fd(int fd, u32 generation, u32 events);
    void call_always_ready();
    static void call_due(TimerQueue& timers, u64 now);
    void call_posted();
    void set_alarm();
    [[nodiscard]] bool must_not_wait() const;

    std::mutex& lock_;
    const MachineClock* const clock_;
    int epoll_ = -1, alarm_ = -1, wake_ = -1;
    std::atomic<bool> stopped_ = false;
    std::map<int, Watched> watched_;
    u32 generation_ = 0;
    TimerQueue timers_, machine_timers_; // the latter of a machine with a clock
    u64 timers_set_ = 0;                 // so far
    u64 alarm_at_ = kNever; // when the timerfd goes off, at or before the first deadline
    std::vector<std::function<void()>> before_wait_;
    std::mutex posted_lock_;
    std::vector<std::function<void()>> posted_;
};

} // namespace ulna::devices
