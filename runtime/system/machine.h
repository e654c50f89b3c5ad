// A whole Arm machine, laid out as QEMU's `virt`: CPUs, memory, interrupt controller and devices,
// and what they have in common.
//
// One lock (`lock()`) is held whenever a device or the interrupt controller is used. A virtual CPU
// holds it for single accesses, the event loop while it calls handlers; none waits for a CPU with
// it held.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/devices/event_loop.h"
#include "runtime/devices/generic_timer.h"
#include "runtime/devices/physical_memory.h"
#include "runtime/devices/state_visitor.h"
#include "runtime/engine.h"
#include "runtime/system/interrupt_controller.h"
#include "runtime/system/machine_code.h"
#include "runtime/system/machine_event.h"
#include "runtime/system/round_robin.h"
#include "runtime/system/run_control.h"
#include "runtime/system/timers.h"

namespace ulna::system {

class MachineSemihosting;

struct MachineConfig {
    unsigned cpus = 1;
    u64 ram_bytes = u64{1} << 30;
    const frontend::CpuModel* model = &frontend::default_cpu();
    runtime::EngineKind engine = runtime::EngineKind::Jit;
    bool tier0 = false;       // EngineConfig::tier0
    u64 code_cache_bytes = 0; // 0: the engine's default
    bool has_el2 = false, has_el3 = false;
    GicVersion gic = GicVersion::V3;
    bool has_its = true;
    bool shares_ram = false;                         // with device back ends in other processes
    bool has_tags = false;                           // allocation tags, if the model has them
    std::string ram_file;                            // which has the RAM; empty: none
    bool stays_on = false;                           // -no-shutdown
    bool resets_end = false;                         // -no-reboot
    std::optional<InstructionTime> instruction_time; // the deterministic mode
    std::optional<u64> seed;                         // of the CPUs' random numbers
    std::string cache_directory; // of the persistent translation cache; empty: none
    u64 cache_identity = 0;      // of what runs here (PersistentCache::keep_machine)
    // EngineConfig's; it outlives the machine. Not in the deterministic mode.
    runtime::CompileService* tier2 = nullptr;
    runtime::TierTwoPolicy tier2_policy = runtime::TierTwoPolicy::Hot;
};

// What the machine's own firmware answers to: none where the guest brings firmware for EL3.
[[nodiscard]] PsciMethod psci_method(bool has_el2, bool has_el3, bool guest_has_el3);
[[nodiscard]] u64 cpu_affinity(GicVersion gic, unsigned index); // GICv2 has one cluster

class Machine {
  public:
    // Null, with a reason, when something cannot be had.
    [[nodiscard]] static std::unique_ptr<Machine> create(const MachineConfig& config,
                                                         std::string& why_not);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    [[nodiscard]] devices::PhysicalMemory& memory() { return memory_; }
    [[nodiscard]] InterruptController& gic() { return *gic_; }
    [[nodiscard]] std::mutex& lock() { return lock_; }
    [[nodiscard]] devices::EventLoop& loop() { return loop_; }
    // Runs until it is stopped; the first CPU starts at `entry` with X0 = `argument`, and so do the
    // others where no firmware of the machine's own could start them.
    struct End {
        int status = 0;
        bool reset = false; // it is to start again
        Cause cause = Cause::HostQuit;
    };
    [[nodiscard]] End run(GuestAddr entry, u64 argument, u8 el);
    [[nodiscard]] End run_loaded(); // as a snapshot left it
    // As after power on, to be loaded and run again. While nothing runs.
    void reset();

    // Told of each event, in the thread that makes it happen, with or without the lock: it only
    // takes it down. While nothing runs.
    void on_event(std::function<void(const MachineEvent&)> call);

    // --- from any thread
    void stop(int status, Cause cause);
    // It ends, or with `stays_on` stops.
    void power_off(Cause cause);
    void request_reset(Cause cause); // with `resets_end` it is switched off
    void tell(const MachineEvent& event) const;
    [[nodiscard]] bool stopping() const { return stopping_.load(std::memory_order_relaxed); }
    [[nodiscard]] u64 counter() const { // since the machine was made
        return counter_.count_at(loop_.now_ns());
    }
    [[nodiscard]] u64 counter_reached_at(u64 count) const { return counter_.reached_at(count); }
    [[nodiscard]] RoundRobin* round_robin() { return round_robin_.get(); } // or null
    [[nodiscard]] const RoundRobin* round_robin() const { return round_robin_.get(); }
    // What memory shows that is no RAM; with the lock held.
    void rom_changed(devices::PhysAddr base, u64 bytes);
    // Who answers HLT #0xf000; before run(). Null: nobody.
    void set_semihosting(MachineSemihosting* answers) { semihosting_ = answers; }
    [[nodiscard]] MachineSemihosting* semihosting() const { return semihosting_; }
    [[nodiscard]] std::string stats() const { return engine_->stats(); }
    // Writes new translations to the persistent cache; says what is wrong with it, if anything.
    [[nodiscard]] std::string save_translations();

    // --- for debuggers, without the lock
    [[nodiscard]] RunControl& run_control() { return run_control_; }
    [[nodiscard]] const std::vector<std::unique_ptr<Vcpu>>& cpus() const { return vcpus_; }
    [[nodiscard]] const DebuggerPoints& debugger_points() const { return debugger_points_; }
    void set_debugger_points(DebuggerPoints points); // while all CPUs are parked
    // As access(), and of ROM without a device's doing.
    [[nodiscard]] bool peek(devices::PhysAddr at, u8* bytes, u64 count);
    // As access(), and code that was there is forgotten.
    [[nodiscard]] bool poke(devices::PhysAddr at, u8* bytes, u64 count);

    // --- for snapshots: while all CPUs are parked, or before they run, with the lock held
    // Its clock, to be loaded first; and its other parts, to be loaded after those of devices,
    // which drive the interrupt controller's lines.
    void add_clock_state(std::vector<devices::StatePart>& parts);
    void add_state(std::vector<devices::StatePart>& parts);
    // Calls it with the lock, while no thread of the machine does anything; all CPUs are parked.
    // False: the machine ends.
    [[nodiscard]] bool call_exclusively(const std::function<void()>& call);
    // All state is another one now. Without the lock.
    void forget_past();

    // --- for virtual CPUs, in their threads, without the lock
    [[nodiscard]] frontend::CodeSource& code() { return code_; }
    [[nodiscard]] const frontend::TranslateOptions& translate_options() const { return translate_; }
    [[nodiscard]] Vcpu* find_cpu(u64 mpidr);
    void send_event();
    void yield(); // to other CPUs
    [[nodiscard]] StopPoints& stop_points() { return stop_points_; }
    // The addresses that a CPU has breakpoints at.
    void want_stops(unsigned owner, std::vector<GuestAddr> addresses);
    // In all other CPUs; and until they have.
    void request_forgetting(const Vcpu& caller, const Forgetting& what);
    void wait_until_forgotten(const Vcpu& caller) const;
    void update_timers(Vcpu& vcpu); // and when its PMU is to be looked at
    void set_pmu_interrupt(unsigned cpu, bool asserted);
    [[nodiscard]] GicAccess read_gic(Vcpu& vcpu, u16 encoding, u64& value);
    [[nodiscard]] GicAccess write_gic(Vcpu& vcpu, u16 encoding, u64 value);
    // Bytes of one page, of RAM or a device; false where there is neither, or the device has no
    // such access.
    [[nodiscard]] bool
    access(devices::PhysAddr at, devices::Space by, u8* bytes, u64 count, bool writes);

  private:
    explicit Machine(const MachineConfig& config);
    [[nodiscard]] bool build(std::string& why_not);
    void open_cache(const runtime::EngineConfig& engine);
    void connect_cpu(unsigned index);
    [[nodiscard]] End run_cpus();
    void end(const End& how);
    void visit_time(devices::StateVisitor& visit);
    void kick_cpus();

    // An interrupt of the controller, to a CPU.
    class CpuInput;

    MachineConfig config_;
    std::mutex lock_;
    const std::unique_ptr<RoundRobin> round_robin_; // of the deterministic mode; or null
    devices::EventLoop loop_{lock_, round_robin_.get()};
    devices::PhysicalMemory memory_;
    MachineCode code_;
    StopPoints stop_points_;
    StoppableCode stoppable_code_{code_, stop_points_};
    DebuggerPoints debugger_points_;
    frontend::CpuModel model_;
    frontend::TranslateOptions translate_;
    std::unique_ptr<runtime::PersistentCache> persistent_; // null: none
    std::unique_ptr<runtime::Engine> engine_;
    std::unique_ptr<InterruptController> gic_;
    std::vector<std::unique_ptr<CpuInput>> inputs_;
    std::vector<std::unique_ptr<Vcpu>> vcpus_;
    RunControl run_control_;
    devices::SystemCounter counter_; // changed by snapshots, while nobody looks
    std::unique_ptr<devices::GenericTimers> timers_;
    std::vector<std::unique_ptr<devices::EventLoop::Timer>> pmu_timers_; // of each CPU
    MachineSemihosting* semihosting_ = nullptr;
    std::atomic<bool> stopping_{false};
    End end_;
    std::function<void(const MachineEvent&)> on_event_;
};

} // namespace ulna::system
