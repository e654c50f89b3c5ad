// What both GICs have in snapshots, and each of them. Which interrupts are offered to whom, and
// what CPUs hear, follows from that.
#include "runtime/devices/gicv2.h"
#include "runtime/devices/gicv3_frames.h"
#include "runtime/devices/gicv3_its.h"
#include "runtime/devices/state_visitor.h"

namespace ulna::devices {

void gic::InterruptWord::visit_state(StateVisitor& visit) {
    visit(group, modifier, enabled, latched, active, edge, line, priority);
}

void gic::Priorities::visit_state(StateVisitor& visit) {
    visit(mask, common_bpr, secure_common_bpr, eoi_drops_only, active);
    for (u8& point : bpr) {
        visit.bounded(point, kMaxBpr);
    }
}

void gic::VirtualInterface::visit_state(StateVisitor& visit) {
    visit(control, group_enabled, ack_control, fiq_enabled);
    for (u64& entry : list) {
        visit.masked(entry, list_register::kFields);
    }
    priorities.visit_state(visit);
}

void Gicv2::visit_state(StateVisitor& visit) {
    visit(group_forwarded_);
    for (SpiWord& word : spis_) {
        word.visit_state(visit);
        visit(word.targets);
    }
    for (Cpu& cpu : cpus_) {
        cpu.own.visit_state(visit);
        visit(cpu.sgi_sources, cpu.group_enabled, cpu.ack_control, cpu.fiq_enabled,
              cpu.nonsecure_eoi_drops_only);
        cpu.priorities.visit_state(visit);
        cpu.guest.visit_state(visit);
    }
    if (visit.loading()) {
        refresh_all();
        for (Cpu& cpu : cpus_) {
            update_virtual(cpu);
        }
    }
}

void Gicv3::visit_state(StateVisitor& visit) {
    visit(group_forwarded_);
    if (accesses_securely_ != nullptr) {
        visit(two_states_);
    }
    for (SpiWord& word : spis_) {
        word.visit_state(visit);
        visit(word.reach, word.route);
    }
    for (Cpu& cpu : cpus_) {
        cpu.own.visit_state(visit);
        visit(cpu.sgi_reach, cpu.secure_eoi_drops_only, cpu.el3_eoi_drops_only);
        visit(cpu.group_enabled, cpu.waker, cpu.control, cpu.property_base, cpu.pending_base);
        cpu.priorities.visit_state(visit);
        visit_lpis(cpu, visit);
        cpu.guest.visit_state(visit);
    }
    if (visit.loading()) {
        for (unsigned n = 0; n < spis_.size() * 32; ++n) {
            route_spi(n / 32, n % 32);
        }
        refresh_all();
        for (Cpu& cpu : cpus_) {
            update_virtual(cpu);
        }
    }
}

// Their configuration, too, as what the guest's table says now counts only when the ITS is told to
// look.
void Gicv3::visit_lpis(Cpu& cpu, StateVisitor& visit) {
    const u64 count = visit.count(cpu.pending_lpis.size(), u64{1} << gicv3::kInterruptIdBits);
    std::map<u32, u8> pending;
    auto next = cpu.pending_lpis.begin();
    for (u64 i = 0; i < count && !visit.failed(); ++i) {
        auto [intid, configuration] =
            visit.loading() ? std::pair<u32, u8>{} : std::pair<u32, u8>{*next++};
        visit(intid, configuration);
        if (!is_lpi(intid) || memory_ == nullptr) {
            return visit.fail("an LPI that does not exist");
        }
        pending.emplace(intid, configuration);
    }
    if (visit.loading()) {
        cpu.pending_lpis = std::move(pending);
        sort_lpis(cpu);
    }
}

void Gicv3Its::visit_state(StateVisitor& visit) {
    visit(enabled_);
    visit.masked(queue_base_, kQueueFields);
    visit.masked(queue_write_, kOffsetFields);
    visit.masked(queue_read_, kOffsetFields);
    for (u64& table : tables_) {
        visit.masked(table, kBaserFields);
    }
}

} // namespace ulna::devices
