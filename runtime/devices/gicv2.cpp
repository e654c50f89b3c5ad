#include "runtime/devices/gicv2_frames.h"

#include "ir/support/check.h"

namespace ulna::devices {

using namespace gic;

namespace {
constexpr unsigned kFirstPpi = 16, kPpis = 16;
constexpr u32 kSgis = 0xffff;
} // namespace

class Gicv2::Line : public InterruptLine {
  public:
    Line(Gicv2& gic, Cpu* cpu, u32 intid) : gic_(gic), cpu_(cpu), intid_(intid) {}
    void set(bool asserted) override { gic_.set_line(cpu_, intid_, asserted); }

  private:
    Gicv2& gic_;
    Cpu* cpu_;
    u32 intid_;
};

Gicv2::Gicv2(unsigned cpus, unsigned spis, std::function<unsigned()> accessing_cpu)
    : accessing_cpu_(std::move(accessing_cpu)),
      spis_(spis / 32),
      cpus_(cpus),
      distributor_(
          std::make_unique<Frame>(*this, &Gicv2::read_distributor, &Gicv2::write_distributor)),
      cpu_interface_(
          std::make_unique<Frame>(*this, &Gicv2::read_cpu_interface, &Gicv2::write_cpu_interface)),
      hypervisor_(
          std::make_unique<Frame>(*this, &Gicv2::read_hypervisor, &Gicv2::write_hypervisor)),
      virtual_(std::make_unique<Frame>(
          *this, &Gicv2::read_virtual_interface, &Gicv2::write_virtual_interface)) {
    CHECK(cpus > 0 && cpus <= kMaxCpus && spis <= kMaxSpis && spis % 32 == 0);
    lines_.reserve(cpus * kPpis + spis);
    for (unsigned n = 0; n < cpus; ++n) {
        cpus_[n].number = n;
        for (unsigned ppi = 0; ppi < kPpis; ++ppi) {
            lines_.emplace_back(*this, &cpus_[n], kFirstPpi + ppi);
        }
    }
    for (unsigned n = 0; n < spis; ++n) {
        lines_.emplace_back(*this, nullptr, kFirstSpi + n);
    }
    reset();
}

Gicv2::~Gicv2() = default;

void Gicv2::reset() {
    group_forwarded_[0] = group_forwarded_[1] = false;
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
        cpu.ack_control = cpu.fiq_enabled = false;
        cpu.guest = {.fiq_enabled = false, .irq = cpu.guest.irq, .fiq = cpu.guest.fiq};
        look_for_best(cpu);
        update_virtual(cpu);
    }
}

void Gicv2::connect(unsigned cpu, const Outputs& outputs) {
    cpus_[cpu].outputs = outputs;
    cpus_[cpu].irq = cpus_[cpu].fiq = false;
    cpus_[cpu].guest.irq = cpus_[cpu].guest.fiq = false;
    update_outputs(cpus_[cpu]);
    update_virtual(cpus_[cpu]);
}

InterruptLine& Gicv2::spi(unsigned n) { return lines_.at(cpus_.size() * kPpis + n); }

InterruptLine& Gicv2::ppi(unsigned cpu, unsigned n) {
    CHECK(n >= kFirstPpi && n < kFirstSpi);
    return lines_.at(cpu * kPpis + n - kFirstPpi);
}

Device& Gicv2::distributor() { return *distributor_; }

Device& Gicv2::cpu_interface() { return *cpu_interface_; }

Device& Gicv2::hypervisor_interface() { return *hypervisor_; }

Device& Gicv2::virtual_interface() { return *virtual_; }

void Gicv2::set_line(Cpu* cpu, u32 intid, bool asserted) {
    InterruptWord& word = cpu != nullptr ? cpu->own : spis_[intid / 32 - 1];
    const u32 bit = 1u << intid % 32;
    if (((word.line & bit) != 0) == asserted) {
        return;
    }
    word.set_line(bit, asserted);
    if (cpu != nullptr) {
        refresh_own(*cpu);
    } else {
        refresh_spis(intid / 32 - 1);
    }
}

// --- which interrupts go where

void Gicv2::refresh_own(Cpu& cpu) {
    cpu.offered[0] = cpu.own.deliverable(group_forwarded_[0], group_forwarded_[1]);
    look_for_best(cpu);
}

// An SPI with several targets is offered to all of them; the first that acknowledges it has it.
void Gicv2::refresh_spis(unsigned word) {
    const SpiWord& spis = spis_[word];
    const u32 deliverable = spis.deliverable(group_forwarded_[0], group_forwarded_[1]);
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
    update_outputs(cpu);
}

bool Gicv2::signals(const Cpu& cpu) const {
    return cpu.best.exists() && cpu.priorities.passes(cpu.best);
}

void Gicv2::update_outputs(Cpu& cpu) {
    const bool signalled = signals(cpu);
    const bool is_fiq = cpu.best.group == 0 && cpu.fiq_enabled;
    drive_output(cpu.outputs.irq, cpu.irq, signalled && !is_fiq);
    drive_output(cpu.outputs.fiq, cpu.fiq, signalled && is_fiq);
}

InterruptWord* Gicv2::word_of(Cpu& cpu, u32 intid) {
    return intid < kFirstSpecial ? bank_at(cpu, intid / 32) : nullptr;
}

void Gicv2::refresh_word_of(Cpu& cpu, u32 intid) { refresh_bank(cpu, intid / 32); }

} // namespace ulna::devices
