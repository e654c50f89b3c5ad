#include "runtime/system/interrupt_controller.h"

#include <vector>

#include "runtime/devices/pci/message_targets.h"
#include "runtime/devices/virt_map.h"
#include "runtime/system/fields.h"

namespace ulna::system {

namespace virt = devices::virt;
using devices::Gicv3;

namespace {
Gicv3::Accessor accessor(const Cpu& cpu) {
    const u64 scr = cpu.has_el3 ? cpu.reg(SysReg::SCR_EL3) : 0;
    return {.secure = is_secure(cpu),
            .el3 = cpu.pstate.el == 3,
            .secure_bank = is_secure_below_el3(cpu),
            .fiq_to_el3 = (scr & scr::FIQ) != 0,
            .irq_to_el3 = (scr & scr::IRQ) != 0};
}
} // namespace

InterruptController::InterruptController(const InterruptControllerConfig& config,
                                         devices::PhysicalMemory& memory,
                                         std::function<unsigned()> accessing_cpu) {
    const unsigned cpus = config.cpus;
    devices::gic::AccessesSecurely accesses_securely;
    if (config.has_security) {
        accesses_securely = [&memory] { return memory.accessed_by() == devices::Space::Secure; };
    }
    const auto add = [&](virt::Range range, devices::Device& device) {
        memory.add_device(range.base, range.bytes, device);
    };
    if (config.version == GicVersion::V2) {
        v2_ = std::make_unique<devices::Gicv2>(cpus, virt::kSpis, std::move(accessing_cpu),
                                               std::move(accesses_securely));
        add(virt::kGicDistributor, v2_->distributor());
        add(virt::kGicCpuInterface, v2_->cpu_interface());
        add(virt::kGicHypervisor, v2_->hypervisor_interface());
        add(virt::kGicVirtualCpu, v2_->virtual_interface());
        if (config.has_its) {
            std::vector<devices::InterruptLine*> lines;
            for (unsigned n = 0; n < virt::spi::kV2mMessages; ++n) {
                lines.push_back(&v2_->spi(virt::spi::kV2m + n));
            }
            v2m_ = std::make_unique<devices::Gicv2m>(virt::kFirstSpi + virt::spi::kV2m,
                                                     std::move(lines));
            add(virt::kGicV2m, *v2m_);
            messages_ = std::make_unique<devices::pci::V2mMessages>(*v2m_, virt::kGicV2m.base);
        }
        return;
    }
    v3_ = std::make_unique<Gicv3>(cpus, virt::kSpis, std::move(accesses_securely));
    add(virt::kGicDistributor, v3_->distributor());
    add({virt::kGicRedistributors.base, virt::kGicRedistributorBytes * cpus},
        v3_->redistributors());
    if (config.has_its) {
        its_ = std::make_unique<devices::Gicv3Its>(*v3_, memory);
        add(virt::kGicIts, *its_);
        messages_ = std::make_unique<devices::pci::ItsMessages>(*its_, virt::kGicIts.base);
    }
}

devices::InterruptLine& InterruptController::spi(unsigned n) {
    return v2_ != nullptr ? v2_->spi(n) : v3_->spi(n);
}

devices::InterruptLine& InterruptController::ppi(unsigned cpu, unsigned intid) {
    return v2_ != nullptr ? v2_->ppi(cpu, intid) : v3_->ppi(cpu, intid);
}

void InterruptController::connect(unsigned cpu, const devices::gic::Outputs& outputs) {
    if (v2_ != nullptr) {
        v2_->connect(cpu, outputs);
    } else {
        v3_->connect(cpu, outputs);
    }
}

void InterruptController::hand_to_nonsecure() {
    v2_ != nullptr ? v2_->hand_to_nonsecure() : v3_->hand_to_nonsecure();
}

void InterruptController::visit_state(devices::StateVisitor& visit) {
    v2_ != nullptr ? v2_->visit_state(visit) : v3_->visit_state(visit);
    if (its_ != nullptr) {
        its_->visit_state(visit);
    }
}

InterruptController::Route InterruptController::route_of(const Cpu& cpu, u16 encoding) const {
    if (cpu.pstate.el != 1 || !el2_enabled(cpu)) {
        return Route::Physical;
    }
    const u64 hcr = effective_hcr(cpu);
    const bool imo = (hcr & hcr::IMO) != 0, fmo = (hcr & hcr::FMO) != 0;
    if (v3_->traps_to_el2(cpu.index, encoding, imo, fmo)) {
        return Route::TrapToEl2;
    }
    return Gicv3::is_virtual(encoding, imo, fmo) ? Route::Virtual : Route::Physical;
}

template <typename Physical, typename InGuest>
GicAccess InterruptController::access(const Cpu& cpu,
                                      u16 encoding,
                                      Physical physical,
                                      InGuest in_guest) const {
    if (v3_ == nullptr) {
        return GicAccess::Undefined;
    }
    const Route route = route_of(cpu, encoding);
    if (route == Route::TrapToEl2) {
        return GicAccess::TrapToEl2;
    }
    const bool done = route == Route::Virtual ? in_guest() : physical();
    return done ? GicAccess::Done : GicAccess::Undefined;
}

GicAccess InterruptController::read(const Cpu& cpu, u16 encoding, u64& value) {
    return access(
        cpu, encoding,
        [&] { return v3_->read_register(cpu.index, encoding, value, accessor(cpu)); },
        [&] { return v3_->read_virtual_register(cpu.index, encoding, value); });
}

GicAccess InterruptController::write(const Cpu& cpu, u16 encoding, u64 value) {
    return access(
        cpu, encoding,
        [&] { return v3_->write_register(cpu.index, encoding, value, accessor(cpu)); },
        [&] { return v3_->write_virtual_register(cpu.index, encoding, value); });
}

} // namespace ulna::system
