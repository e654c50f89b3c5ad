#include "runtime/devices/gicv3_frames.h"

#include <algorithm>

#include "ir/support/check.h"

namespace ulna::devices {

using gic::Candidate;
using gic::InterruptWord;
using gic::kFirstSpi;

namespace {
constexpr u64 kRouteToAny = u64{1} << 31; // GICD_IROUTER.Interrupt_Routing_Mode
} // namespace

Gicv3::Gicv3(unsigned cpus, unsigned spis, gic::AccessesSecurely accesses_securely)
    : accesses_securely_(std::move(accesses_securely)),
      spis_(spis / 32),
      cpus_(cpus),
      inputs_(cpus,
              spis,
              [this](unsigned cpu, u32 intid, bool asserted) {
                  set_line(cpus_[cpu], intid, asserted);
              }),
      distributor_(std::make_unique<Distributor>(*this)),
      redistributors_(std::make_unique<Redistributors>(*this)) {
    CHECK(cpus > 0 && spis <= kMaxSpis && spis % 32 == 0);
    for (unsigned n = 0; n < cpus; ++n) {
        cpus_[n].number = n;
    }
    reset();
}

Gicv3::~Gicv3() = default;

void Gicv3::reset() {
    two_states_ = accesses_securely_ != nullptr;
    group_forwarded_ = {};
    for (SpiWord& word : spis_) {
        word.reset();
        word.reach = {};
        word.route = {};
        word.cpu = {};
    }
    for (Cpu& cpu : cpus_) {
        cpu.own.reset();
        cpu.own.edge = gic::kSgis;
        cpu.sgi_reach = 0;
        cpu.offered.assign(1 + spis_.size(), 0);
        cpu.priorities = {};
        cpu.secure_eoi_drops_only = cpu.el3_eoi_drops_only = false;
        cpu.group_enabled = {};
        cpu.waker = gicv3::kProcessorSleep | gicv3::kChildrenAsleep;
        cpu.control = 0;
        cpu.property_base = cpu.pending_base = 0;
        cpu.pending_lpis.clear();
        cpu.lpis.clear();
        cpu.guest = {};
        look_for_best(cpu);
        update_virtual(cpu);
    }
}

void Gicv3::hand_to_nonsecure() {
    for (SpiWord& word : spis_) {
        word.group = ~u32{0};
    }
    for (Cpu& cpu : cpus_) {
        cpu.own.group = ~u32{0};
        cpu.waker = 0;
    }
}

// Secure group 1 is gone, and nothing is Secure any more. It does not come back but by a reset.
void Gicv3::leave_two_states() {
    two_states_ = false;
    group_forwarded_[gic::kSecureGroup1] = false;
    for (SpiWord& word : spis_) {
        word.modifier = 0;
    }
    for (Cpu& cpu : cpus_) {
        cpu.own.modifier = 0;
        sort_lpis(cpu);
    }
}

void Gicv3::connect(unsigned cpu, const gic::Outputs& outputs) {
    cpus_[cpu].output = {outputs.irq, outputs.fiq};
    cpus_[cpu].group1_output = {outputs.nonsecure_group1, outputs.secure_group1};
    cpus_[cpu].virtual_output = {outputs.virtual_irq, outputs.virtual_fiq};
    update_output(cpus_[cpu]);
    update_virtual(cpus_[cpu]);
}

Device& Gicv3::distributor() { return *distributor_; }

Device& Gicv3::redistributors() { return *redistributors_; }

void Gicv3::set_line(Cpu& cpu, u32 intid, bool asserted) {
    if (word_of(cpu, intid)->set_line(1u << intid % 32, asserted)) {
        refresh_word_of(cpu, intid);
    }
}

// --- which interrupts go where

void Gicv3::refresh_own(Cpu& cpu) {
    cpu.offered[0] = cpu.own.deliverable(group_forwarded_);
    look_for_best(cpu);
}

void Gicv3::refresh_spis(unsigned word) {
    const SpiWord& spis = spis_[word];
    const u32 deliverable = spis.deliverable(group_forwarded_);
    for (Cpu& cpu : cpus_) {
        u32 mine = 0;
        for (u32 rest = deliverable; rest != 0; rest &= rest - 1) {
            const unsigned bit = static_cast<unsigned>(std::countr_zero(rest));
            mine |= spis.cpu[bit] == cpu.number ? 1u << bit : 0;
        }
        // Also when the bits are the same: priorities may have changed.
        if ((mine | cpu.offered[1 + word]) != 0) {
            cpu.offered[1 + word] = mine;
            look_for_best(cpu);
        }
    }
}

void Gicv3::refresh_all() {
    for (Cpu& cpu : cpus_) {
        refresh_own(cpu);
    }
    for (unsigned word = 0; word < spis_.size(); ++word) {
        refresh_spis(word);
    }
}

void Gicv3::look_for_best(Cpu& cpu) {
    Candidate best;
    for (unsigned index = 0; index < cpu.offered.size(); ++index) {
        const InterruptWord& word = index == 0 ? cpu.own : spis_[index - 1];
        best.consider(word, cpu.offered[index], index * 32, cpu.group_enabled);
    }
    if (!cpu.lpis.empty() && cpu.group_enabled[1] && group_forwarded_[1]) {
        const auto [priority, intid] = *cpu.lpis.begin();
        if (priority < best.priority) {
            best = {priority, intid, 1};
        }
    }
    cpu.best = best;
    update_output(cpu);
}

// Group 0 is FIQ. Group 1 is IRQ with one Security state; with two the CPU knows which it is (IHI
// 0069 4.6.2).
void Gicv3::update_output(Cpu& cpu) {
    const bool signalled = signals(cpu);
    const bool by_state = two_states_ && cpu.best.group != gic::kGroup0;
    cpu.output.drive(signalled && !by_state, cpu.best.group == gic::kGroup0);
    cpu.group1_output.drive(signalled && by_state, cpu.best.group == gic::kSecureGroup1);
}

Gicv3::Cpu* Gicv3::find_cpu(u64 affinity) {
    constexpr u64 kAffinityFields = 0xff'00ff'ffff;
    const auto found = std::find_if(cpus_.begin(), cpus_.end(), [&](const Cpu& cpu) {
        return gicv3_affinity(cpu.number) == (affinity & kAffinityFields);
    });
    return found == cpus_.end() ? nullptr : &*found;
}

void Gicv3::route_spi(unsigned word, unsigned bit) {
    SpiWord& spis = spis_[word];
    const u64 route = spis.route[bit];
    const Cpu* target = nullptr;
    if ((route & kRouteToAny) == 0) {
        target = find_cpu(route);
    } else {
        const unsigned group = spis.group_of(bit);
        for (const Cpu& cpu : cpus_) {
            if (cpu.group_enabled[group] && (cpu.waker & gicv3::kProcessorSleep) == 0) {
                target = &cpu;
                break;
            }
        }
    }
    spis.cpu[bit] = target != nullptr ? target->number : kNobody;
}

void Gicv3::route_again() {
    for (unsigned word = 0; word < spis_.size(); ++word) {
        bool any = false;
        for (unsigned bit = 0; bit < 32; ++bit) {
            if ((spis_[word].route[bit] & kRouteToAny) != 0) {
                route_spi(word, bit);
                any = true;
            }
        }
        if (any) {
            refresh_spis(word);
        }
    }
}

// Null for LPIs, which have no active state, and for INTIDs that do not exist.
InterruptWord* Gicv3::word_of(Cpu& cpu, u32 intid) {
    if (intid < kFirstSpi) {
        return &cpu.own;
    }
    return intid / 32 - 1 < spis_.size() ? &spis_[intid / 32 - 1] : nullptr;
}

void Gicv3::refresh_word_of(Cpu& cpu, u32 intid) {
    if (intid < kFirstSpi) {
        refresh_own(cpu);
    } else {
        refresh_spis(intid / 32 - 1);
    }
}

} // namespace ulna::devices
