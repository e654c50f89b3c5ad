#include "runtime/system/machine.h"

#include <csignal>
#include <cstring>
#include <thread>

#include "runtime/devices/virt_map.h"
#include "runtime/system/host_signals.h"

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

Machine::Machine(const MachineConfig& config)
    : config_{config},
      model_{*config.model},
      gic_{config.cpus, virt::kSpis},
      started_ns_{devices::monotonic_ns()} {}

Machine::~Machine() = default;

std::unique_ptr<Machine> Machine::create(const MachineConfig& config, std::string& why_not) {
    std::unique_ptr<Machine> machine{new Machine{config}};
    return machine->build(why_not) ? std::move(machine) : nullptr;
}

// What the machine lacks though programs have it: allocation tags are not kept for physical memory,
// and the copying instructions would have to stop at each page.
bool Machine::build(std::string& why_not) {
    if (memory_.add_ram(virt::kRam, config_.ram_bytes, why_not) == nullptr) {
        return false;
    }
    translate_.cpu = &model_;
    translate_.system = true;
    runtime::EngineConfig engine;
    engine.kind = config_.engine;
    engine.code = &code_;
    engine.translate = translate_;
    engine.fp_trap_budget = 0;
    engine_ = runtime::Engine::create(engine, why_not);
    if (engine_ == nullptr) {
        return false;
    }
    engine_->add_mode(ir::BlockMode::kShared);
    handle_host_signals(*engine_);
    for (unsigned i = 0; i < config_.cpus; ++i) {
        vcpus_.push_back(std::make_unique<Vcpu>(*this, *engine_, i));
        connect_cpu(i);
    }
    const std::lock_guard lock{lock_};
    memory_.add_device(virt::kGicDistributor.base, virt::kGicDistributor.bytes, gic_.distributor());
    memory_.add_device(virt::kGicRedistributors.base, virt::kGicRedistributorBytes * config_.cpus,
                       gic_.redistributors());
    serial_ = devices::make_character_backend(config_.serial, loop_, why_not);
    if (serial_ == nullptr) {
        return false;
    }
    uart_ = std::make_unique<devices::Pl011>(*serial_, gic_.spi(virt::spi::kUart));
    memory_.add_device(virt::kUart.base, virt::kUart.bytes, *uart_);
    return true;
}

void Machine::connect_cpu(unsigned index) {
    Vcpu& vcpu = *vcpus_[index];
    Cpu& cpu = vcpu.cpu();
    cpu.model = &model_;
    cpu.affinity = affinity_of(index, 16);
    cpu.has_el2 = config_.has_el2;
    cpu.has_el3 = config_.has_el3;
    cpu.has_gic_registers = true;
    cpu.psci = config_.has_el2 ? PsciConduit::Smc : PsciConduit::Hvc;
    const auto input = [&](u32 bit) {
        inputs_.push_back(std::make_unique<CpuInput>(vcpu, bit));
        return inputs_.back().get();
    };
    gic_.connect(index, {.irq = input(line::kIrq),
                         .fiq = input(line::kFiq),
                         .virtual_irq = input(line::kVirtualIrq),
                         .virtual_fiq = input(line::kVirtualFiq)});
    timers_.push_back(loop_.add_timer([&vcpu] { vcpu.request_timer_update(); }));
}

bool Machine::add_virtio(std::unique_ptr<devices::virtio::VirtioDevice> device) {
    const unsigned slot = static_cast<unsigned>(virtio_slots_.size());
    if (slot == virt::kVirtioSlots) {
        return false;
    }
    const std::lock_guard lock{lock_};
    virtio_devices_.push_back(std::move(device));
    virtio_slots_.push_back(std::make_unique<devices::virtio::MmioTransport>(
        virtio_devices_.back().get(), memory_, gic_.spi(virt::spi::kVirtio + slot)));
    memory_.add_device(virt::virtio_slot(slot).base, virt::virtio_slot(slot).bytes,
                       *virtio_slots_.back());
    return true;
}

// --- running

Machine::End Machine::run(GuestAddr entry, u64 argument, u8 el) {
    while (add_virtio(nullptr)) { // drivers look at all slots
    }
    static_cast<void>(vcpus_.front()->start(entry, argument, el));
    std::vector<std::thread> threads;
    for (const auto& vcpu : vcpus_) {
        threads.emplace_back([this, &vcpu] {
            use_signal_stack();
            vcpu->run();
        });
    }
    loop_.run();
    for (std::thread& thread : threads) {
        thread.join();
    }
    const std::lock_guard lock{lock_};
    serial_->flush();
    return end_;
}

void Machine::stop(int status) {
    if (stopping_.exchange(true)) {
        return;
    }
    end_.status = status;
    for (const auto& vcpu : vcpus_) {
        engine_->request_safepoint(vcpu->state());
        vcpu->wake();
    }
    loop_.stop();
}

void Machine::request_reset() {
    end_.reset = true;
    stop(0);
}

u64 Machine::counter() const {
    constexpr u64 kNsPerTick = 1'000'000'000 / ir::kCounterFrequency;
    return (devices::monotonic_ns() - started_ns_) / kNsPerTick;
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
    }
}

void Machine::request_forgetting(const Vcpu& caller, std::optional<GuestAddr> page) {
    for (const auto& vcpu : vcpus_) {
        if (vcpu.get() != &caller) {
            vcpu->request_forgetting(page);
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

// In the CPU's own thread, which alone uses the registers.
void Machine::update_timers(Vcpu& vcpu) {
    static constexpr unsigned kPpis[kTimerCount] = {
        virt::ppi::kPhysicalTimer, virt::ppi::kVirtualTimer, virt::ppi::kHypervisorTimer,
        virt::ppi::kHypervisorVirtualTimer, virt::ppi::kSecurePhysicalTimer};
    constexpr u64 kNsPerTick = 1'000'000'000 / ir::kCounterFrequency;
    const u64 now = counter();
    std::optional<u64> next;
    const std::lock_guard lock{lock_};
    for (unsigned i = 0; i < kTimerCount; ++i) {
        const TimerOutput output = timer_output(vcpu.cpu(), static_cast<Timer>(i), now);
        gic_.ppi(vcpu.cpu().index, kPpis[i]).set(output.asserted);
        if (output.deadline && (!next || *output.deadline < *next)) {
            next = output.deadline;
        }
    }
    devices::EventLoop::Timer& timer = *timers_[vcpu.cpu().index];
    // A deadline far away might overflow: none is later than a year.
    constexpr u64 kYear = u64{365} * 86'400 * ir::kCounterFrequency;
    next ? timer.set(started_ns_ + std::min(*next, now + kYear) * kNsPerTick + kNsPerTick)
         : timer.cancel();
}

GicAccess Machine::read_gic(Vcpu& vcpu, u16 encoding, u64& value) {
    const u64 hcr = vcpu.cpu().pstate.el == 1 ? effective_hcr(vcpu.cpu()) : 0;
    const bool imo = bit(hcr, 4), fmo = bit(hcr, 3);
    const std::lock_guard lock{lock_};
    if (vcpu.cpu().pstate.el == 1 && el2_enabled(vcpu.cpu()) &&
        gic_.traps_to_el2(vcpu.cpu().index, encoding, imo, fmo)) {
        return GicAccess::TrapToEl2;
    }
    const bool found = devices::Gicv3::is_virtual(encoding, imo, fmo)
                           ? gic_.read_virtual_register(vcpu.cpu().index, encoding, value)
                           : gic_.read_register(vcpu.cpu().index, encoding, value);
    return found ? GicAccess::Done : GicAccess::Undefined;
}

GicAccess Machine::write_gic(Vcpu& vcpu, u16 encoding, u64 value) {
    const u64 hcr = vcpu.cpu().pstate.el == 1 ? effective_hcr(vcpu.cpu()) : 0;
    const bool imo = bit(hcr, 4), fmo = bit(hcr, 3);
    const std::lock_guard lock{lock_};
    if (vcpu.cpu().pstate.el == 1 && el2_enabled(vcpu.cpu()) &&
        gic_.traps_to_el2(vcpu.cpu().index, encoding, imo, fmo)) {
        return GicAccess::TrapToEl2;
    }
    const bool found = devices::Gicv3::is_virtual(encoding, imo, fmo)
                           ? gic_.write_virtual_register(vcpu.cpu().index, encoding, value)
                           : gic_.write_register(vcpu.cpu().index, encoding, value);
    return found ? GicAccess::Done : GicAccess::Undefined;
}

bool Machine::access(PhysAddr at, u8* bytes, u64 count, bool writes) {
    if (u8* const host = memory_.ram(at, count)) {
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
        if (!(writes ? memory_.write(at, size, value) : memory_.read(at, size, value))) {
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
