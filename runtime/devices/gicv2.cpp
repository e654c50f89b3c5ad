#include "runtime/devices/gicv2_frames.h"

#include "ir/support/check.h"

namespace ulna::devices {

using namespace gic;

Gicv2::Gicv2(unsigned cpus,
             unsigned spis,
             std::function<unsigned()> accessing_cpu,
             gic::AccessesSecurely accesses_securely)
    : accessing_cpu_(std::move(accessing_cpu)),
      accesses_securely_(std::move(accesses_securely)),
      spis_(spis / 32),
      cpus_(cpus),
      inputs_(cpus,
              spis,
              [this](unsigned cpu, u32 intid, bool asserted) {
                  set_line(cpus_[cpu], intid, asserted);
              }),
      distributor_(
          std::make_unique<Frame>(*this, &Gicv2::read_distributor, &Gicv2::write_distributor)),
      cpu_interface_(
          std::make_unique<Frame>(*this, &Gicv2::read_cpu_interface, &Gicv2::write_cpu_interface)),
      hypervisor_(
          std::make_unique<Frame>(*this, &Gicv2::read_hypervisor, &Gicv2::write_hypervisor)),
      virtual_(std::make_unique<Frame>(
          *this, &Gicv2::read_virtual_interface, &Gicv2::write_virtual_interface)) {
    CHECK(cpus > 0 && cpus <= kMaxCpus && spis <= kMaxSpis && spis % 32 == 0);
    for (unsigned n = 0; n < cpus; ++n) {
        cpus_[n].number = n;
    }
    reset();
}

Gicv2::~Gicv2() = default;

void Gicv2::reset() {
    group_forwarded_ = {};
    for (SpiWord& word : spis_) {
        word.reset();
        // With one CPU ITARGETSR is not there, and all SPIs go to it.
        word.targets.fill(cpus_.size() == 1 ? 1 : 0);
    }
    for (Cpu& cpu : cpus_) {
        cpu.own.reset();
        cpu.own.edge = cpu.own.enabled = kSgis;
        cpu.sgi_sources = {};
        cpu.offered.assign(1 + spis_.size(), 0);
        cpu.priorities = {};
        cpu.group_enabled = {};
        cpu.ack_control = cpu.fiq_enabled = cpu.nonsecure_eoi_drops_only = false;
        cpu.guest = {.fiq_enabled = false};
        look_for_best(cpu);
        update_virtual(cpu);
    }
}

void Gicv2::hand_to_nonsecure() {
    const auto give = [](InterruptWord& word) {
        word.group = ~u32{0};
        word.priority.fill(Priorities::kNonsecureHalf);
    };
    for (SpiWord& word : spis_) {
        give(word);
    }
    for (Cpu& cpu : cpus_) {
        give(cpu.own);
        cpu.priorities.mask = Priorities::kNonsecureHalf;
    }
}

void Gicv2::connect(unsigned cpu, const gic::Outputs& outputs) {
    cpus_[cpu].output = {outputs.irq, outputs.fiq};
    cpus_[cpu].virtual_output = {outputs.virtual_irq, outputs.virtual_fiq};
    update_output(cpus_[cpu]);
    update_virtual(cpus_[cpu]);
}

Device& Gicv2::distributor() { return *distributor_; }

Device& Gicv2::cpu_interface() { return *cpu_interface_; }

Device& Gicv2::hypervisor_interface() { return *hypervisor_; }

Device& Gicv2::virtual_interface() { return *virtual_; }

void Gicv2::set_line(Cpu& cpu, u32 intid, bool asserted) {
    if (word_of(cpu, intid)->set_line(1u << intid % 32, asserted)) {
        refresh_word_of(cpu, intid);
    }
}

// --- which interrupts go where

void Gicv2::refresh_own(Cpu& cpu) {
    cpu.offered[0] = cpu.own.deliverable(group_forwarded_);
    look_for_best(cpu);
}

// An SPI with several targets is offered to all of them; the first that acknowledges it has it.
void Gicv2::refresh_spis(unsigned word) {
    const SpiWord& spis = spis_[word];
    const u32 deliverable = spis.deliverable(group_forwarded_);
    for (Cpu& cpu : cpus_) {
        u32 mine = 0;
        for (u32 rest = deliverable; rest != 0; rest &= rest - 1) {
            const unsigned bit = static_cast<unsigned>(std::countr_zero(rest));
            mine |= (spis.targets[bit] >> cpu.number & 1u) << bit;
        }
        if ((mine | cpu.offered[1 + word]) != 0) { // also when the same: priorities change
            cpu.offered[1 + word] = mine;
            look_for_best(cpu);
        }
    }
}

void Gicv2::refresh_all() {
    for (Cpu& cpu : cpus_) {
        refresh_own(cpu);
    }
    for (unsigned word = 0; word < spis_.size(); ++word) {
        refresh_spis(word);
    }
}

void Gicv2::look_for_best(Cpu& cpu) {
    cpu.best = {};
    for (unsigned index = 0; index < cpu.offered.size(); ++index) {
        const InterruptWord& word = index == 0 ? cpu.own : spis_[index - 1];
        cpu.best.consider(word, cpu.offered[index], index * 32, cpu.group_enabled);
    }
    update_output(cpu);
}

bool Gicv2::signals(const Cpu& cpu) const {
    return cpu.best.exists() && cpu.priorities.passes(cpu.best);
}

void Gicv2::update_output(Cpu& cpu) {
    cpu.output.drive(signals(cpu), cpu.best.group == 0 && cpu.fiq_enabled);
}

InterruptWord* Gicv2::word_of(Cpu& cpu, u32 intid) {
    return intid < kFirstSpecial ? bank_at(cpu, intid / 32) : nullptr;
}

void Gicv2::refresh_word_of(Cpu& cpu, u32 intid) { refresh_bank(cpu, intid / 32); }

} // namespace ulna::devices
