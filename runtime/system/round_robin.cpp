#include "runtime/system/round_robin.h"

#include <algorithm>

#include "runtime/devices/state_visitor.h"
#include "runtime/system/machine.h"
#include "runtime/system/vcpu.h"

namespace ulna::system {

namespace {
// Long enough that a look at the host costs little, and short for who spins until another CPU has
// done something.
constexpr u64 kTurn = 100'000;
// Nobody waits for what is centuries ahead.
constexpr u64 kNever = u64{1} << 63;
} // namespace

// --- Time

u64 RoundRobin::instructions() const {
    return running_ == nullptr ? 0 : limit_ - running_->state().instructions_left;
}

u64 RoundRobin::instructions_of(const Vcpu& cpu) const {
    return executed_[cpu.index()] + (&cpu == running_ ? instructions() - turn_began_ : 0);
}

u64 RoundRobin::now_ns() const { return idle_ns_ + (instructions() << time_.shift); }

// The first instruction after which it has come; one at least.
u64 RoundRobin::instructions_to(u64 deadline_ns) const {
    const u64 now = now_ns();
    return deadline_ns <= now ? 1 : ((deadline_ns - now - 1) >> time_.shift) + 1;
}

void RoundRobin::call_due_timers() {
    const auto next = machine_.loop().next_machine_deadline();
    if (next && *next <= now_ns()) {
        const std::lock_guard lock{machine_.lock()};
        machine_.loop().call_due_machine_timers();
    }
}

// --- Turns

void RoundRobin::run() {
    const auto set_runs = [&](bool runs) {
        const std::lock_guard hold{calls_mutex_};
        runs_ = runs;
        called_.notify_all();
    };
    for (const auto& cpu : machine_.cpus()) {
        cpu->set_host_thread();
    }
    set_runs(true);
    take_turns();
    set_runs(false);
}

bool RoundRobin::call_between_turns(const std::function<void()>& call) {
    struct Call {
        bool done = false, given_up = false;
    };
    std::unique_lock hold{calls_mutex_};
    if (!runs_) {
        const std::lock_guard lock{machine_.lock()};
        call();
        return true;
    }
    const auto state = std::make_shared<Call>();
    machine_.loop().post([this, state, &call] {
        const std::lock_guard held{calls_mutex_};
        if (!state->given_up) {
            call();
            state->done = true;
            called_.notify_all();
        }
    });
    called_.wait(hold, [&] { return state->done || !runs_; });
    state->given_up = !state->done;
    return state->done;
}

// Whose turn it is, and how far each CPU and the time are.
void RoundRobin::visit_state(devices::StateVisitor& visit) {
    const auto& cpus = machine_.cpus();
    u64 count = instructions();
    std::vector<u64> executed;
    for (const auto& cpu : cpus) {
        executed.push_back(instructions_of(*cpu));
    }
    visit(count, idle_ns_);
    visit.bounded(turn_left_, kTurn);
    visit.bounded(current_, static_cast<unsigned>(cpus.size() - 1));
    for (u64& instructions : executed) {
        visit(instructions);
    }
    if (visit.loading()) {
        running_ = cpus[current_].get();
        running_->state().instructions_left = 0;
        limit_ = turn_began_ = count;
        executed_ = std::move(executed);
    }
}

void RoundRobin::take_turns() {
    parked_.assign(parked_.size(), false);
    alarm_ = machine_.loop().add_timer([] {}, devices::EventLoop::Time::Host);
    while (!machine_.stopping()) {
        machine_.loop().turn(/*waits=*/false);
        if (Vcpu* const cpu = next()) {
            take_turn(*cpu);
        } else {
            pass_time();
        }
    }
    machine_.loop().run(); // it has been told to stop
    const std::lock_guard lock{machine_.lock()};
    alarm_.reset();
}

// Whose turn it is. A turn ends early when its CPU cannot go on and another one can.
Vcpu* RoundRobin::next() {
    const auto& cpus = machine_.cpus();
    any_may_run_ = false;
    const unsigned first = turn_left_ != 0 ? current_ : current_ + 1;
    for (unsigned i = 0; i < cpus.size(); ++i) {
        const unsigned n = (first + i) % cpus.size();
        if (can_run(*cpus[n])) {
            if (turn_left_ == 0 || n != current_) {
                turn_left_ = kTurn;
                current_ = n;
            }
            return cpus[n].get();
        }
    }
    return nullptr;
}

bool RoundRobin::can_run(Vcpu& cpu) {
    if (!cpu.come_up()) {
        return false;
    }
    order_ = RunControl::Order::Run;
    const unsigned n = cpu.index();
    if (parked_[n] || machine_.run_control().wants(n)) {
        const auto order = machine_.run_control().admit(n);
        parked_[n] = !order;
        if (!order) {
            return false;
        }
        order_ = *order;
    }
    any_may_run_ = true;
    return order_ == RunControl::Order::Step || !cpu.waits();
}

void RoundRobin::take_turn(Vcpu& cpu) {
    set_running(&cpu);
    Vcpu::set_current(&cpu);
    do {
        call_due_timers();
        const u64 before = instructions();
        const auto deadline = machine_.loop().next_machine_deadline();
        run_at_most(deadline ? std::min(turn_left_, instructions_to(*deadline)) : turn_left_);
        turn_left_ -= std::min(turn_left_, instructions() - before);
    } while (turn_left_ != 0 && !machine_.stopping() && can_run(cpu));
    call_due_timers();
    Vcpu::set_current(nullptr);
    if (!cpu.is_on()) {
        machine_.run_control().cpu_off(cpu.index());
    }
}

void RoundRobin::set_running(Vcpu* cpu) {
    const u64 now = instructions();
    if (running_ != nullptr) {
        executed_[running_->index()] += now - turn_began_;
    }
    running_ = cpu;
    limit_ = now;
    cpu->state().instructions_left = 0;
    turn_began_ = now;
}

void RoundRobin::run_at_most(u64 instructions_left) {
    limit_ = instructions() + instructions_left;
    running_->state().instructions_left = instructions_left;
    running_->enter(order_);
}

// --- Nobody can run

std::optional<u64> RoundRobin::next_deadline() const {
    auto first = machine_.loop().next_machine_deadline();
    for (const auto& cpu : machine_.cpus()) {
        if (const auto until = cpu->waits_until()) {
            const u64 at = machine_.counter_reached_at(*until);
            first = first ? std::min(*first, at) : at;
        }
    }
    return first && *first < kNever ? first : std::nullopt;
}

void RoundRobin::pass_time() {
    const std::optional<u64> deadline = any_may_run_ ? next_deadline() : std::nullopt;
    if (!deadline) { // what comes next comes from outside
        machine_.loop().turn(/*waits=*/true);
        return;
    }
    const u64 left = *deadline - std::min(*deadline, now_ns());
    if (time_.sleeps && left != 0) {
        sleep(left);
    } else {
        idle_ns_ += left;
    }
    call_due_timers();
}

// Until the host has something, or the machine's time is due.
void RoundRobin::sleep(u64 ns) {
    const u64 start = devices::monotonic_ns();
    {
        const std::lock_guard lock{machine_.lock()};
        alarm_->set(start + ns);
    }
    machine_.loop().turn(/*waits=*/true);
    idle_ns_ += std::min(ns, devices::monotonic_ns() - start);
}

} // namespace ulna::system
