#include "runtime/devices/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "ir/support/check.h"

namespace ulna::devices {

namespace {
constexpr u64 kNsPerSecond = 1'000'000'000;

u64 event_data(int fd, u32 generation) { return u64{generation} << 32 | static_cast<u32>(fd); }

void drain(int fd) {
    u64 count;
    [[maybe_unused]] const auto got = read(fd, &count, sizeof count); // both kinds do not block
}
} // namespace

u64 monotonic_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<u64>(now.tv_sec) * kNsPerSecond + static_cast<u64>(now.tv_nsec);
}

EventLoop::EventLoop(std::mutex& machine_lock, const MachineClock* clock)
    : lock_(machine_lock),
      clock_(clock),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      alarm_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (epoll_ < 0 || alarm_ < 0 || wake_ < 0) {
        out_of_memory("the event loop's descriptors");
    }
    add_fd(wake_, EPOLLIN, [this](u32) { drain(wake_); });
    add_fd(alarm_, EPOLLIN, [this](u32) {
        drain(alarm_);
        alarm_at_ = kNever;
    });
}

EventLoop::~EventLoop() {
    close(wake_);
    close(alarm_);
    close(epoll_);
}

void EventLoop::run() {
    while (!stopped_) {
        turn(/*waits=*/true);
    }
    stopped_ = false;
}

void EventLoop::turn(bool waits) {
    std::array<epoll_event, 16> events;
    std::unique_lock hold(lock_);
    for (const auto& call : before_wait_) {
        call();
    }
    set_alarm();
    const int timeout = !waits || must_not_wait() ? 0 : -1;
    hold.unlock();
    const int count = epoll_wait(epoll_, events.data(), events.size(), timeout);
    hold.lock();
    for (int i = 0; i < count; ++i) {
        const u64 data = events[i].data.u64;
        call_fd(static_cast<int>(static_cast<u32>(data)), static_cast<u32>(data >> 32),
                events[i].events);
    }
    call_always_ready();
    if (!timers_.empty()) {
        call_due(timers_, monotonic_ns());
    }
    call_posted();
}

void EventLoop::stop() {
    stopped_ = true;
    const u64 one = 1;
    [[maybe_unused]] const auto put = write(wake_, &one, sizeof one);
}

void EventLoop::post(std::function<void()> call) {
    {
        const std::lock_guard hold(posted_lock_);
        posted_.push_back(std::move(call));
    }
    const u64 one = 1;
    [[maybe_unused]] const auto put = write(wake_, &one, sizeof one);
}

void EventLoop::call_posted() {
    std::vector<std::function<void()>> calls;
    {
        const std::lock_guard hold(posted_lock_);
        calls.swap(posted_);
    }
    for (const auto& call : calls) {
        call();
    }
}

// --- descriptors

void EventLoop::add_fd(int fd, u32 events, FdHandler handler) {
    Watched watched{0, ++generation_, false, std::make_shared<FdHandler>(std::move(handler))};
    watch(fd, watched, events);
    const bool is_new = watched_.emplace(fd, std::move(watched)).second;
    CHECK(is_new);
}

void EventLoop::change_fd(int fd, u32 events) {
    const auto found = watched_.find(fd);
    if (found != watched_.end()) {
        watch(fd, found->second, events);
    }
}

void EventLoop::remove_fd(int fd) {
    change_fd(fd, 0);
    watched_.erase(fd);
}

// Unwatched descriptors are out of the epoll set, where they could still report a hang-up for ever.
void EventLoop::watch(int fd, Watched& watched, u32 events) {
    const u32 had = watched.events;
    watched.events = events;
    if (had == events) {
        return;
    }
    if (watched.always_ready) {
        post([] {}); // the loop may be waiting
        return;
    }
    epoll_event event{.events = events, .data = {.u64 = event_data(fd, watched.generation)}};
    const int operation = events == 0 ? EPOLL_CTL_DEL : had == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(epoll_, operation, fd, &event) != 0 && operation == EPOLL_CTL_ADD) {
        // A closed descriptor is ready as well: its reader learns by EBADF.
        watched.always_ready = true;
        post([] {});
    }
}

void EventLoop::call_fd(int fd, u32 generation, u32 events) {
    const auto found = watched_.find(fd);
    if (found == watched_.end() || found->second.generation != generation ||
        found->second.events == 0) {
        return; // removed, replaced or silenced by an earlier handler of this round
    }
    const auto handler = found->second.handler;
    (*handler)(events);
}

void EventLoop::call_always_ready() {
    std::vector<std::pair<int, u32>> ready;
    for (const auto& [fd, watched] : watched_) {
        if (watched.always_ready && watched.events != 0) {
            ready.emplace_back(fd, watched.generation);
        }
    }
    for (const auto& [fd, generation] : ready) {
        const auto found = watched_.find(fd);
        call_fd(fd, generation, found == watched_.end() ? 0 : found->second.events);
    }
}

bool EventLoop::must_not_wait() const {
    return std::any_of(watched_.begin(), watched_.end(), [](const auto& entry) {
        return entry.second.always_ready && entry.second.events != 0;
    });
}

void EventLoop::add_before_wait(std::function<void()> call) {
    before_wait_.push_back(std::move(call));
}

// --- timers

EventLoop::Timer::Timer(EventLoop& loop, std::function<void()> handler, Time time)
    : loop_(loop),
      queue_(time == Time::Machine && loop.has_clock() ? loop.machine_timers_ : loop.timers_),
      handler_(std::move(handler)) {}

EventLoop::Timer::~Timer() { cancel(); }

void EventLoop::Timer::set(u64 deadline_ns) {
    cancel();
    deadline_ = std::min(deadline_ns, kNever - 1);
    order_ = ++loop_.timers_set_;
    queue_.emplace(std::pair{deadline_, order_}, this);
    loop_.set_alarm();
}

void EventLoop::Timer::cancel() {
    if (is_set()) {
        queue_.erase({deadline_, order_});
        deadline_ = kNever;
    }
}

std::unique_ptr<EventLoop::Timer> EventLoop::add_timer(std::function<void()> handler, Time time) {
    return std::make_unique<Timer>(*this, std::move(handler), time);
}

// Only ever brings the alarm forward: one that goes off too early costs a turn of the loop, which
// is rarer than timers that are put off (each tick of a guest).
void EventLoop::set_alarm() {
    if (timers_.empty() || timers_.begin()->first.first >= alarm_at_) {
        return;
    }
    alarm_at_ = timers_.begin()->first.first;
    const u64 at = std::max<u64>(alarm_at_, 1); // 0 would disarm it
    const itimerspec when{.it_interval = {},
                          .it_value = {.tv_sec = static_cast<time_t>(at / kNsPerSecond),
                                       .tv_nsec = static_cast<long>(at % kNsPerSecond)}};
    // Centuries ahead the kernel may refuse; nobody waits for that.
    timerfd_settime(alarm_, TFD_TIMER_ABSTIME, &when, nullptr);
}

void EventLoop::call_due_machine_timers() { call_due(machine_timers_, clock_->now_ns()); }

void EventLoop::call_due(TimerQueue& timers, u64 now) {
    // A bound, because handlers may set timers to the past: descriptors must have their turn.
    for (std::size_t calls = timers.size(); calls > 0; --calls) {
        const auto first = timers.begin();
        if (first == timers.end() || first->first.first > now) {
            break;
        }
        Timer& timer = *first->second;
        timer.cancel();
        timer.handler_();
    }
}

} // namespace ulna::devices
