// Which of a program's threads may run: a debugger stops them all, and lets all or some of them go
// on. (A machine's CPUs have runtime/system/run_control.h. Threads come and go, wait in system
// calls, and have signals.)
//
// A thread comes by before it runs guest code, and waits here for as long as it may not. One in a
// system call counts as waiting, since its registers stay as they are: it is not disturbed, and
// waits when the call returns. While all wait, the debugger's thread may look at them.
#pragma once

#include <condition_variable>
#include <csignal>
#include <functional>
#include <map>
#include <mutex>
#include <optional>

#include "ir/watchpoints.h"
#include "runtime/debug/gdb_target.h"
#include "runtime/user/guest_thread.h"

namespace ulna::user {

class ThreadControl {
  public:
    using Order = runtime::debug::GdbOrder;
    using Stop = runtime::debug::GdbStop; // with Linux's signals
    // How a thread goes on, and the resumption by which it does.
    struct Turn {
        Order order = Order::Run;
        u64 resumption = 0;
    };

    // At first all threads stay. `on_stop` is called with each stop, with the lock.
    explicit ThreadControl(std::function<void()> on_stop) : on_stop_{std::move(on_stop)} {}

    // --- for threads, each for itself
    void add(GuestThread& thread); // again: nothing
    void remove(GuestThread& thread);
    [[nodiscard]] Turn wait(const GuestThread& thread);
    // CallEntry, CallReturn: comes back when the thread may go on from that stop, if it is one.
    void stop_at_call(const GuestThread& thread, Stop::Kind kind, u64 number);
    void enter_call(const GuestThread& thread);
    void leave_call(const GuestThread& thread);
    // Stops all threads, this one as soon as it waits. Only the first stop since resume() counts.
    void report(const Stop& stop);
    void report_step(const GuestThread& thread, const Turn& turn);
    // Stops all threads before this one takes a signal. What it is to take, 0 for none.
    [[nodiscard]] int report_signal(const GuestThread& thread, const siginfo_t& info);
    // The thread is about to end the process: nothing is reported any more.
    void end(const GuestThread& thread);

    // --- for the debugger
    void attach(); // all stop; signals are reported from now on
    void detach(); // and all go on
    void pass_silently(u64 signals) { passed_ = signals; } // while stopped; bit n-1 is signal n
    struct Resumption {
        Order order = Order::Stay;
        int signal = 0;
    };
    void resume(const std::map<u64, Resumption>& threads); // by thread id
    void catch_calls(runtime::debug::CaughtCalls calls);   // while all wait
    // While all wait: accesses of these stop them all. Threads to come watch them, too.
    void watch(std::vector<ir::WatchedRange> ranges);
    [[nodiscard]] std::span<const ir::WatchedRange> watched() const { return watched_; }
    void interrupt();
    void wait_until_parked();
    // What stopped the threads since resume(), once.
    [[nodiscard]] std::optional<Stop> take_stop();
    [[nodiscard]] std::vector<u64> ids();
    // While the thread cannot go away. False: there is none of that id.
    struct View {
        GuestThread& thread;
        bool in_call;
        const siginfo_t& signal; // what it stopped for; si_signo 0: for none
    };
    template <class Use> bool with(u64 id, Use use) {
        const std::lock_guard lock{mutex_};
        const auto found = entries_.find(id);
        return found != entries_.end() &&
               use(View{*found->second.thread, found->second.in_call, found->second.info});
    }

    // Around a fork; the child has no debugger, and its thread watches nothing.
    void before_fork() { mutex_.lock(); }
    void after_fork(bool in_child);

  private:
    struct Entry {
        GuestThread* thread = nullptr;
        Order order = Order::Stay;
        bool away = false, in_call = false; // it does not use its registers
        bool reporting = false;             // a signal, whose fate `signal` is to say
        int signal = 0;
        siginfo_t info = {};
        u64 unreported = 0; // signals that the debugger itself has sent
    };
    using Lock = std::unique_lock<std::mutex>;

    [[nodiscard]] Entry& entry_of(const GuestThread& thread);
    void park(Lock& lock, Entry& entry);
    void stop_all(const Stop& stop); // with the lock

    const std::function<void()> on_stop_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<u64, Entry> entries_; // by thread id
    std::vector<ir::WatchedRange> watched_;
    runtime::debug::CaughtCalls caught_;
    bool attached_ = false;
    bool stopped_ = true;
    Order order_of_new_ = Order::Stay;
    u64 resumption_ = 0;
    u64 passed_ = 0;
    std::optional<Stop> stop_;
};

} // namespace ulna::user
