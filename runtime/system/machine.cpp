#include "runtime/system/machine.h"

#include <cstring>
#include <thread>

#include "ir/helpers.h"
#include "runtime/devices/virt_map.h"
#include "runtime/persist/configuration.h"
#include "runtime/persist/persistent_cache.h"
#include "runtime/system/host_signals.h"
#include "runtime/system/id_registers.h"
#include "runtime/system/pmu.h"

namespace ulna::system {

namespace virt = devices::virt;
using devices::PhysAddr;

class Machine::CpuInput final : public devices::InterruptLine {
  public:
    CpuInput(Vcpu& vcpu, u32 bit) : vcpu_{vcpu}, bit_{bit} {}
    void set(bool asserted) override { vcpu_.set_line(bit_, asserted); }

  private:
    Vcpu& vcpu_;
    u32 bit_;
};

// --- making one

PsciMethod psci_method(bool has_el2, bool has_el3, bool guest_has_el3) {
    if (has_el3 && guest_has_el3) {
        return PsciMethod::None;
    }
    return has_el2 || has_el3 ? PsciMethod::Smc : PsciMethod::Hvc;
}

u64 cpu_affinity(GicVersion gic, unsigned index) {
    return gic == GicVersion::V2 ? index : devices::gicv3_affinity(index);
}

Machine::Machine(const MachineConfig& config)
    : config_{config},
      round_robin_{config.instruction_time
                       ? std::make_unique<RoundRobin>(*this, config.cpus, *config.instruction_time)
                       : nullptr},
      model_{config.has_tags ? *config.model
                             : frontend::without(*config.model, {frontend::Feature::MTE})},
      run_control_{config.cpus, [this] { kick_cpus(); }},
      counter_{ir::kCounterFrequency, loop_.now_ns()} {}

Machine::~Machine() = default;

std::unique_ptr<Machine> Machine::create(const MachineConfig& config, std::string& why_not) {
    std::unique_ptr<Machine> machine{new Machine{config}};
    return machine->build(why_not) ? std::move(machine) : nullptr;
}

bool Machine::build(std::string& why_not) {
    using RamKind = devices::PhysicalMemory::RamKind;
    if (memory_.add_ram(virt::kRam, config_.ram_bytes, why_not,
                        config_.shares_ram || !config_.ram_file.empty() ? RamKind::Shared
                                                                        : RamKind::Private,
                        devices::Space::NonSecure, config_.ram_file) == nullptr) {
        return false;
    }
    if (config_.has_el3 && memory_.add_ram(virt::kSecureRam.base, virt::kSecureRam.bytes, why_not,
                                           RamKind::Private, devices::Space::Secure) == nullptr) {
        return false;
    }
    if (config_.has_tags && !memory_.add_tags(why_not)) {
        return false;
    }
    translate_.cpu = &model_;
    translate_.system = true;
    runtime::EngineConfig engine;
    engine.kind = config_.engine;
    engine.code = &stoppable_code_;
    engine.translate = translate_;
    // When code is translated must not depend on earlier runs, nor on the engine: code that changes
    // without maintenance of caches is seen as it was then.
    engine.tier0 = config_.tier0 && round_robin_ == nullptr;
    if (config_.code_cache_bytes != 0) {
        engine.code_cache_bytes = config_.code_cache_bytes;
    }
    if (round_robin_ == nullptr) {
        open_cache(engine);
        engine.tier2 = config_.tier2;
        engine.tier2_policy = config_.tier2_policy;
    }
    engine.persistent = persistent_.get();
    engine_ = runtime::Engine::create(engine, why_not);
    if (engine_ == nullptr) {
        return false;
    }
    engine_->add_mode(ir::BlockMode::kShared);
    if (config_.has_tags) { // by the host address of what has them
        const auto& ram = memory_.ram_ranges().front();
        engine_->set_tag_memory({.tags = reinterpret_cast<u8*>(reinterpret_cast<u64>(ram.tags) -
                                                               reinterpret_cast<u64>(ram.host) /
                                                                   ir::kTagGranuleBytes)});
    }
    handle_host_signals(*engine_);
    const std::lock_guard lock{lock_};
    gic_ = std::make_unique<InterruptController>(
        InterruptControllerConfig{.version = config_.gic,
                                  .has_its = config_.has_its,
                                  .has_security = config_.has_el3,
                                  .cpus = config_.cpus},
        memory_, [] {
            const Vcpu* const vcpu = Vcpu::current();
            return vcpu != nullptr ? vcpu->index() : 0;
        });
    timers_ = std::make_unique<devices::GenericTimers>(
        loop_, counter_, config_.cpus,
        [&](unsigned cpu, unsigned intid) -> devices::InterruptLine& {
            return gic_->ppi(cpu, intid);
        });
    for (unsigned i = 0; i < config_.cpus; ++i) {
        vcpus_.push_back(std::make_unique<Vcpu>(*this, *engine_, i));
        Vcpu& vcpu = *vcpus_.back();
        pmu_timers_.push_back(loop_.add_timer([&vcpu] { vcpu.request_pmu_update(); }));
        connect_cpu(i);
        system::reset(vcpu.cpu(), 1, 0); // what is off has a state, too
    }
    return true;
}

// That there is none is no reason to say anything: `ulna --cache stats` says why.
void Machine::open_cache(const runtime::EngineConfig& engine) {
    const std::optional<u64> configuration = runtime::translation_configuration(engine);
    if (config_.cache_directory.empty() || !configuration) {
        return;
    }
    std::string why_not;
    persistent_ = runtime::PersistentCache::open(config_.cache_directory, *configuration, why_not);
    if (persistent_ != nullptr) {
        persistent_->keep_machine(config_.cache_identity);
    }
}

std::string Machine::save_translations() {
    constexpr std::size_t kLeastBlocks = 100;
    if (persistent_ == nullptr) {
        return "";
    }
    const std::string damaged = persistent_->damaged_file();
    persistent_->save(kLeastBlocks);
    return damaged.empty() ? "" : damaged + ": damaged; what is whole in it was used";
}

void Machine::connect_cpu(unsigned index) {
    Vcpu& vcpu = *vcpus_[index];
    Cpu& cpu = vcpu.cpu();
    cpu.model = &model_;
    if (round_robin_ != nullptr) {
        cpu.state->mode_bits |= ir::BlockMode::kCounts;
    }
    if (config_.seed) {
        u64 seed = *config_.seed + index;
        cpu.state->random_state = ir::next_random(seed) | 1;
    }
    cpu.physical_address_bits = physical_address_bits(model_);
    cpu.affinity = cpu_affinity(config_.gic, index);
    cpu.has_el2 = config_.has_el2;
    cpu.has_el3 = config_.has_el3;
    cpu.has_gic_registers = gic_->has_registers();
    const auto input = [&](u32 bit) {
        inputs_.push_back(std::make_unique<CpuInput>(vcpu, bit));
        return inputs_.back().get();
    };
    gic_->connect(index, {.irq = input(line::kIrq),
                          .fiq = input(line::kFiq),
                          .virtual_irq = input(line::kVirtualIrq),
                          .virtual_fiq = input(line::kVirtualFiq),
                          .nonsecure_group1 = input(line::kNonsecureGroup1),
                          .secure_group1 = input(line::kSecureGroup1)});
}

// --- running

Machine::End Machine::run(GuestAddr entry, u64 argument, u8 el) {
    run_control_.restart();
    if (config_.has_el3 && el < 3) {
        const std::lock_guard lock{lock_};
        gic_->hand_to_nonsecure();
    }
    const PsciMethod psci = psci_method(config_.has_el2, config_.has_el3, el == 3);
    for (const auto& vcpu : vcpus_) {
        vcpu->cpu().psci = psci;
        // Where the guest's own firmware has EL3, nobody else could start the other CPUs.
        if (vcpu == vcpus_.front() || psci == PsciMethod::None) {
            static_cast<void>(vcpu->start(entry, argument, el));
        }
    }
    return run_cpus();
}

Machine::End Machine::run_loaded() {
    run_control_.restart();
    for (const auto& vcpu : vcpus_) {
        vcpu->is_on() ? run_control_.cpu_on(vcpu->index()) : run_control_.cpu_off(vcpu->index());
    }
    return run_cpus();
}

Machine::End Machine::run_cpus() {
    if (round_robin_ != nullptr) {
        use_signal_stack();
        round_robin_->run();
        return end_;
    }
    std::vector<std::thread> threads;
    for (const auto& vcpu : vcpus_) {
        threads.emplace_back([&vcpu] {
            use_signal_stack();
            vcpu->run();
        });
    }
    loop_.run();
    for (std::thread& thread : threads) {
        thread.join();
    }
    return end_;
}

void Machine::reset() {
    for (const auto& vcpu : vcpus_) {
        vcpu->turn_off();
    }
    {
        const std::lock_guard lock{lock_};
        memory_.reset();
        timers_->reset();
        for (const auto& timer : pmu_timers_) {
            timer->cancel();
        }
    }
    engine_->invalidate(0, ~u64{0});
    tell({MachineEvent::Kind::Reset, end_.cause});
    end_ = {};
    stopping_.store(false);
}

void Machine::on_event(std::function<void(const MachineEvent&)> call) {
    on_event_ = std::move(call);
    run_control_.on_change([this](bool stopped) {
        tell({stopped ? MachineEvent::Kind::Stop : MachineEvent::Kind::Resume});
    });
}

void Machine::tell(const MachineEvent& event) const {
    if (on_event_) {
        on_event_(event);
    }
}

void Machine::power_off(Cause cause) {
    if (!config_.stays_on) {
        stop(0, cause);
        return;
    }
    tell({MachineEvent::Kind::Shutdown, cause});
    run_control_.report({.reason = RunControl::Stop::Reason::PowerOff});
}

void Machine::stop(int status, Cause cause) { end({.status = status, .cause = cause}); }

// The first one to say so counts.
void Machine::end(const End& how) {
    if (stopping_.exchange(true)) {
        return;
    }
    end_ = how;
    if (!how.reset) {
        tell({MachineEvent::Kind::Shutdown, how.cause});
    }
    run_control_.end();
    kick_cpus();
    loop_.stop();
}

void Machine::kick_cpus() {
    for (const auto& vcpu : vcpus_) {
        engine_->request_safepoint(vcpu->state());
        vcpu->wake();
    }
    if (round_robin_ != nullptr) {
        loop_.post([] {}); // it may be waiting
    }
}

void Machine::request_reset(Cause cause) {
    config_.resets_end ? power_off(cause) : end({.reset = true, .cause = cause});
}

void Machine::rom_changed(PhysAddr base, u64 bytes) {
    engine_->invalidate(base, bytes);
    for (const auto& vcpu : vcpus_) {
        vcpu->request_forgetting({});
    }
}

// --- for snapshots

bool Machine::call_exclusively(const std::function<void()>& call) {
    if (round_robin_ != nullptr) {
        return round_robin_->call_between_turns(call);
    }
    const std::lock_guard lock{lock_};
    call();
    return true;
}

void Machine::add_clock_state(std::vector<devices::StatePart>& parts) {
    constexpr u32 kVersion = 1;
    if (round_robin_ != nullptr) {
        parts.push_back({"turns", kVersion, [this](devices::StateVisitor& visit) {
                             round_robin_->visit_state(visit);
                         }});
    }
}

void Machine::add_state(std::vector<devices::StatePart>& parts) {
    constexpr u32 kGicVersion = 2, kCpuVersion = 3, kTimeVersion = 1;
    parts.push_back({"interrupt controller", kGicVersion,
                     [this](devices::StateVisitor& visit) { gic_->visit_state(visit); }});
    parts.push_back(
        {"time", kTimeVersion, [this](devices::StateVisitor& visit) { visit_time(visit); }});
    for (const auto& vcpu : vcpus_) {
        parts.push_back({"cpu " + std::to_string(vcpu->index()), kCpuVersion,
                         [&vcpu](devices::StateVisitor& visit) { vcpu->visit_state(visit); }});
    }
}

// Goes on from where it was.
void Machine::visit_time(devices::StateVisitor& visit) {
    u64 passed_ns = loop_.now_ns() - counter_.start_ns;
    visit(passed_ns);
    if (visit.loading() && !visit.failed()) {
        counter_.start_ns = loop_.now_ns() - passed_ns;
    }
}

void Machine::forget_past() {
    engine_->invalidate(0, ~u64{0});
    for (const auto& vcpu : vcpus_) {
        vcpu->forget_past();
        update_timers(*vcpu);
        vcpu->request_pmu_update();
    }
}

// --- for debuggers

void Machine::set_debugger_points(DebuggerPoints points) {
    want_stops(config_.cpus, points.breakpoints); // the owner after the CPUs
    if (points.watched != debugger_points_.watched) {
        for (const auto& vcpu : vcpus_) {
            vcpu->request_forgetting({});
        }
    }
    debugger_points_ = std::move(points);
}

void Machine::want_stops(unsigned owner, std::vector<GuestAddr> addresses) {
    if (stop_points_.want(owner, std::move(addresses))) {
        engine_->invalidate(0, ~u64{0}); // the address may be in any page
    }
}

bool Machine::peek(PhysAddr at, u8* bytes, u64 count) {
    if (const u8* const host = memory_.readable(at, count)) {
        std::memcpy(bytes, host, count);
        return true;
    }
    return access(at, devices::Space::Secure, bytes, count, false);
}

bool Machine::poke(PhysAddr at, u8* bytes, u64 count) {
    const bool done = access(at, devices::Space::Secure, bytes, count, true);
    engine_->invalidate(at, count);
    return done;
}

// --- for virtual CPUs

Vcpu* Machine::find_cpu(u64 mpidr) {
    constexpr u64 kAffinity = 0xff'00ff'ffff;
    for (const auto& vcpu : vcpus_) {
        if (vcpu->cpu().affinity == (mpidr & kAffinity)) {
            return vcpu.get();
        }
    }
    return nullptr;
}

void Machine::send_event() {
    for (const auto& vcpu : vcpus_) {
        vcpu->cpu().event.store(true);
        vcpu->wake();
    }
}

void Machine::yield() {
    if (round_robin_ != nullptr) {
        round_robin_->end_turn();
    } else {
        std::this_thread::yield();
    }
}

void Machine::request_forgetting(const Vcpu& caller, const Forgetting& what) {
    for (const auto& vcpu : vcpus_) {
        if (vcpu.get() != &caller) {
            vcpu->request_forgetting(what);
        }
    }
}

void Machine::wait_until_forgotten(const Vcpu& caller) const {
    for (const auto& vcpu : vcpus_) {
        if (vcpu.get() != &caller) {
            vcpu->wait_until_forgotten();
        }
    }
}

// In the CPU's own thread, which alone uses the registers. When a deadline comes nothing has to be
// computed anew: the interrupt is due.
void Machine::update_timers(Vcpu& vcpu) {
    using Kind = devices::GenericTimers::Kind;
    static_assert(kTimerCount == devices::GenericTimers::kKinds);
    const u64 now = counter();
    const std::lock_guard lock{lock_};
    for (unsigned i = 0; i < kTimerCount; ++i) {
        const TimerOutput output = timer_output(vcpu.cpu(), static_cast<Timer>(i), now);
        timers_->set(vcpu.index(), static_cast<Kind>(i), output.asserted, output.deadline);
    }
    devices::EventLoop::Timer& pmu = *pmu_timers_[vcpu.index()];
    if (pmu_counts(vcpu.cpu()) || pmu.is_set()) {
        const auto deadline = pmu_deadline(vcpu.cpu(), now);
        deadline ? pmu.set(counter_.reached_at(*deadline)) : pmu.cancel();
    }
}

void Machine::set_pmu_interrupt(unsigned cpu, bool asserted) {
    const std::lock_guard lock{lock_};
    gic_->ppi(cpu, virt::ppi::kPmu).set(asserted);
}

GicAccess Machine::read_gic(Vcpu& vcpu, u16 encoding, u64& value) {
    const std::lock_guard lock{lock_};
    return gic_->read(vcpu.cpu(), encoding, value);
}

GicAccess Machine::write_gic(Vcpu& vcpu, u16 encoding, u64 value) {
    const std::lock_guard lock{lock_};
    return gic_->write(vcpu.cpu(), encoding, value);
}

bool Machine::access(PhysAddr at, devices::Space by, u8* bytes, u64 count, bool writes) {
    if (u8* const host = memory_.ram(at, count, by)) {
        writes ? std::memcpy(host, bytes, count) : std::memcpy(bytes, host, count);
        return true;
    }
    const std::lock_guard lock{lock_};
    while (count != 0) { // the largest aligned piece that is left
        u64 piece = 8;
        while (piece > count || at % piece != 0) {
            piece /= 2;
        }
        u64 value = 0;
        std::memcpy(&value, bytes, piece);
        const unsigned size = static_cast<unsigned>(piece);
        if (!(writes ? memory_.write(at, size, value, by) : memory_.read(at, size, value, by))) {
            return false;
        }
        std::memcpy(bytes, &value, piece);
        at += piece;
        bytes += piece;
        count -= piece;
    }
    return true;
}

} // namespace ulna::system
