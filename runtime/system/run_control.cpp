#include "runtime/system/run_control.h"

#include <algorithm>
#include <utility>

namespace ulna::system {

RunControl::RunControl(unsigned cpus, std::function<void()> kick)
    : kick_{std::move(kick)},
      orders_(cpus, Order::Run),
      active_(cpus, false),
      wanted_{std::make_unique<std::atomic<bool>[]>(cpus)} {}

bool RunControl::may_run(unsigned cpu) const {
    return ended_ || (pauses_ == 0 && orders_[cpu] != Order::Stay);
}

void RunControl::update_wanted() {
    for (unsigned cpu = 0; cpu < orders_.size(); ++cpu) {
        wanted_[cpu].store(!ended_ && (pauses_ != 0 || orders_[cpu] != Order::Run));
    }
}

void RunControl::set_orders(const std::vector<Order>& orders) {
    const bool stayed = all_stay();
    orders_ = orders;
    update_wanted();
    if (on_change_ && all_stay() != stayed) {
        on_change_(!stayed);
    }
}

// --- CPUs

RunControl::Order RunControl::wait(unsigned cpu) {
    if (!wants(cpu)) {
        return Order::Run;
    }
    std::unique_lock lock{mutex_};
    while (!may_run(cpu)) {
        active_[cpu] = false;
        changed_.notify_all();
        changed_.wait(lock);
    }
    active_[cpu] = true;
    return orders_[cpu];
}

std::optional<RunControl::Order> RunControl::admit(unsigned cpu) {
    const std::lock_guard lock{mutex_};
    active_[cpu] = may_run(cpu);
    if (!active_[cpu]) {
        changed_.notify_all();
        return std::nullopt;
    }
    return orders_[cpu];
}

void RunControl::cpu_on(unsigned cpu) {
    const std::lock_guard lock{mutex_};
    active_[cpu] = true;
}

void RunControl::cpu_off(unsigned cpu) {
    const std::lock_guard lock{mutex_};
    active_[cpu] = false;
    changed_.notify_all();
}

void RunControl::report(const Stop& stop) {
    std::function<void()> call;
    {
        const std::lock_guard lock{mutex_};
        if (!all_stay() || stop.reason == Stop::Reason::PowerOff) {
            why_ = stop.reason;
        }
        set_orders(std::vector<Order>(orders_.size(), Order::Stay));
        if (!stop_) {
            stop_ = stop;
        }
        call = on_stop_;
    }
    kick_();
    if (call) {
        call();
    }
}

// --- Debuggers

void RunControl::resume(const std::vector<Order>& orders) {
    {
        const std::lock_guard lock{mutex_};
        stop_.reset();
        set_orders(orders);
        changed_.notify_all();
    }
    kick_();
}

bool RunControl::all_stay() const {
    return std::ranges::all_of(orders_, [](Order order) { return order == Order::Stay; });
}

bool RunControl::is_stopped() const {
    const std::lock_guard lock{mutex_};
    return all_stay();
}

std::optional<RunControl::Stop::Reason> RunControl::why_stopped() const {
    const std::lock_guard lock{mutex_};
    return all_stay() ? std::optional{why_} : std::nullopt;
}

std::optional<RunControl::Stop> RunControl::take_stop() {
    const std::lock_guard lock{mutex_};
    return std::exchange(stop_, std::nullopt);
}

bool RunControl::none_active() const { return std::ranges::count(active_, true) == 0; }

bool RunControl::wait_until_parked() {
    std::unique_lock lock{mutex_};
    const auto is_over = [&] { return ended_ || finished_; };
    changed_.wait(lock, [&] { return is_over() || none_active(); });
    return !is_over();
}

void RunControl::on_stop(std::function<void()> call) {
    const std::lock_guard lock{mutex_};
    on_stop_ = std::move(call);
}

void RunControl::on_change(std::function<void(bool stopped)> call) {
    const std::lock_guard lock{mutex_};
    on_change_ = std::move(call);
}

void RunControl::pause() {
    {
        const std::lock_guard lock{mutex_};
        ++pauses_;
        update_wanted();
    }
    kick_();
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return finished_ || (!ended_ && none_active()); });
}

void RunControl::unpause() {
    {
        const std::lock_guard lock{mutex_};
        --pauses_;
        update_wanted();
        changed_.notify_all();
    }
    kick_();
}

void RunControl::end() {
    const std::lock_guard lock{mutex_};
    ended_ = true;
    update_wanted();
    changed_.notify_all();
}

void RunControl::restart() {
    std::function<void()> call;
    {
        const std::lock_guard lock{mutex_};
        ended_ = false;
        active_.assign(active_.size(), false);
        active_.front() = true;
        if (!all_stay()) {
            std::ranges::fill(orders_, Order::Run);
            stop_.reset();
        } else {
            why_ = Stop::Reason::Start;
            if (stop_) { // who asked may have looked for it in vain
                call = on_stop_;
            }
        }
        update_wanted();
        changed_.notify_all();
    }
    if (call) {
        call();
    }
}

void RunControl::finish() {
    const std::lock_guard lock{mutex_};
    finished_ = true;
    changed_.notify_all();
}

bool RunControl::wait_until_restarted() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return finished_ || !ended_; });
    return !finished_;
}

} // namespace ulna::system
