// Which of a machine's CPUs may run: a debugger or the monitor stops them all, and lets all or some
// of them go on.
//
// A CPU comes by before it enters translated code, and waits here for as long as it may not run
// ("parked"). While all are parked, or off, another thread may look at them and change them. Who
// waits for that holds no lock of the machine: a CPU may need it on its way here.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "ir/support/types.h"

namespace ulna::system {

class RunControl {
  public:
    enum class Order : u8 { Run, Step /* one instruction */, Stay };
    struct Stop {
        enum class Reason : u8 {
            Start, // it has not run yet, or not since a reset
            Requested,
            PowerOff,
            Step,
            Breakpoint,
            Watchpoint
        };
        unsigned cpu = 0;
        Reason reason = Reason::Requested;
        GuestAddr address = 0; // Watchpoint: of the access
    };

    // `kick` gets every CPU to come by soon, or to see that it may go on. It is called without a
    // lock.
    RunControl(unsigned cpus, std::function<void()> kick);

    // --- for CPUs
    // Waits until this CPU may run. Never Stay, unless the machine ends.
    [[nodiscard]] Order wait(unsigned cpu);
    // The same where one thread runs all CPUs: nothing while this one may not run.
    [[nodiscard]] std::optional<Order> admit(unsigned cpu);
    // It should come by: there is something else to do than to run.
    [[nodiscard]] bool wants(unsigned cpu) const { return wanted_[cpu].load(); }
    // Of being on: in whoever's thread that turns it on, and in its own.
    void cpu_on(unsigned cpu);
    void cpu_off(unsigned cpu);
    // All CPUs stop; the first one to say so since resume() is taken down.
    void report(const Stop& stop);

    // --- for debuggers
    void stop() { report({}); } // soon: wait_until_parked()
    void resume() { resume(std::vector<Order>(orders_.size(), Order::Run)); }
    void resume(const std::vector<Order>& orders); // by CPU
    [[nodiscard]] bool is_stopped() const;         // by report() or stop()
    // Nothing while it is not stopped. The first reason counts, or that it was switched off.
    [[nodiscard]] std::optional<Stop::Reason> why_stopped() const;
    // What stopped the CPUs since resume(), once.
    [[nodiscard]] std::optional<Stop> take_stop();
    // False: the machine ends.
    [[nodiscard]] bool wait_until_parked();
    // Called in the thread that reports; replaces the one there was.
    void on_stop(std::function<void()> call);
    // Called when is_stopped() changes, in whoever's thread that makes it: it must not come back.
    void on_change(std::function<void(bool stopped)> call);

    void end(); // nobody waits any longer
    // The first CPU is about to be turned on, the others are off. Who was stopped stays stopped.
    void restart();
    void finish(); // after end(): there is no restart
    // False: there will be none.
    [[nodiscard]] bool wait_until_restarted();

  private:
    friend class Pause;
    void pause();
    void unpause();
    [[nodiscard]] bool may_run(unsigned cpu) const;
    [[nodiscard]] bool all_stay() const;
    [[nodiscard]] bool none_active() const;
    void update_wanted(); // after each change of orders_ and pauses_
    void set_orders(const std::vector<Order>& orders);

    const std::function<void()> kick_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Order> orders_;
    std::vector<bool> active_; // on, and not parked
    unsigned pauses_ = 0;
    bool ended_ = false, finished_ = false;
    std::optional<Stop> stop_;
    Stop::Reason why_ = Stop::Reason::Start;
    std::function<void()> on_stop_;
    std::function<void(bool stopped)> on_change_;
    const std::unique_ptr<std::atomic<bool>[]> wanted_;
};

// All CPUs are parked as long as this lives, be they stopped otherwise or not. A machine that is
// about to be reset is waited for, until its first CPU is where it starts.
class Pause {
  public:
    explicit Pause(RunControl& control) : control_{control} { control_.pause(); }
    ~Pause() { control_.unpause(); }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

  private:
    RunControl& control_;
};

} // namespace ulna::system
