// The deterministic mode (-icount): one thread runs all CPUs in turns, and time is the number of
// instructions that they have executed. So what a machine does follows from what it was given: CPUs
// change and timers go off between the same two instructions each time, whatever the host does.
//
// What comes from outside - bytes, frames, answers of other programs - is asked for between two
// turns only (EventLoop::turn). While all CPUs wait, time goes on to the next deadline.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/devices/event_loop.h"
#include "runtime/system/run_control.h"

namespace ulna::devices {
class StateVisitor;
}

namespace ulna::system {

class Machine;
class Vcpu;

struct InstructionTime {
    unsigned shift = 0; // an instruction takes 2^shift nanoseconds
    bool sleeps = true; // while all CPUs wait, time is the host's; else it jumps
    static constexpr unsigned kMostShift = 10;
    static constexpr unsigned kAutomaticShift = 0; // about the pace of a host that is not idle
};

class RoundRobin final : public devices::MachineClock {
  public:
    RoundRobin(Machine& machine, unsigned cpus, InstructionTime time)
        : machine_{machine}, time_{time}, parked_(cpus, false), executed_(cpus, 0) {}

    // Until the machine stops.
    void run();

    [[nodiscard]] u64 now_ns() const override;
    [[nodiscard]] u64 instructions() const; // of all CPUs so far
    [[nodiscard]] u64 instructions_of(const Vcpu& cpu) const;
    [[nodiscard]] const InstructionTime& time() const { return time_; }
    // Of the CPU that runs. A turn ends even if no instruction of its handlers can be executed.
    void note_exception() { turn_left_ -= turn_left_ != 0; }
    void end_turn() { turn_left_ = 0; } // of the CPU that runs: it has nothing to do

    // --- for snapshots, from any thread but run()'s, without the lock
    // Calls it between two turns, in run()'s thread, with the machine's lock held. While nothing
    // runs, at once. False: the machine has ended, and it was not called.
    [[nodiscard]] bool call_between_turns(const std::function<void()>& call);
    void visit_state(devices::StateVisitor& visit); // from such a call

  private:
    void take_turns();
    [[nodiscard]] Vcpu* next();
    [[nodiscard]] bool can_run(Vcpu& cpu);
    void take_turn(Vcpu& cpu);
    void set_running(Vcpu* cpu);
    void run_at_most(u64 instructions);
    [[nodiscard]] u64 instructions_to(u64 deadline_ns) const;
    void call_due_timers();
    void pass_time();
    [[nodiscard]] std::optional<u64> next_deadline() const;
    void sleep(u64 ns);

    Machine& machine_;
    const InstructionTime time_;
    Vcpu* running_ = nullptr; // or the last one that did
    u64 limit_ = 0;           // instructions() when running_ has none left
    u64 idle_ns_ = 0;         // time that passed while all CPUs waited
    u64 turn_left_ = 0;       // of the turn of CPU current_
    unsigned current_ = 0;
    bool any_may_run_ = false; // some CPU is on, and no debugger has stopped it
    RunControl::Order order_ = RunControl::Order::Run; // of the CPU that can_run() was asked about
    std::vector<bool> parked_;
    std::vector<u64> executed_;                        // by each CPU before its current turn
    u64 turn_began_ = 0;                               // instructions()
    std::unique_ptr<devices::EventLoop::Timer> alarm_; // of sleep()
    std::mutex calls_mutex_;                           // of what follows
    std::condition_variable called_;
    bool runs_ = false;
};

} // namespace ulna::system
