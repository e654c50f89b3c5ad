#include "runtime/system/machine_report.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include "ir/support/bits.h"
#include "runtime/devices/virt_map.h"

namespace ulna::system {

namespace virt = devices::virt;
using devices::PhysAddr;

const char* run_state(const RunControl& control) {
    using Reason = RunControl::Stop::Reason;
    const auto why_stopped = control.why_stopped();
    if (!why_stopped) {
        return "running";
    }
    switch (*why_stopped) {
    case Reason::Start:
        return "prelaunch";
    case Reason::Requested:
        return "paused";
    case Reason::PowerOff:
        return "shutdown";
    case Reason::Step:
    case Reason::Breakpoint:
    case Reason::Watchpoint:
        return "debug";
    }
    UNREACHABLE("a reason to stop");
}

std::string report_cpus(const Machine& machine, unsigned chosen) {
    std::string text;
    for (const auto& vcpu : machine.cpus()) {
        text += fmt::format("{} CPU#{}: {}, EL{}, PC={:016x}\n",
                            vcpu->index() == chosen ? '*' : ' ', vcpu->index(),
                            vcpu->is_on() ? "on" : "off", vcpu->cpu().pstate.el, vcpu->state().pc);
    }
    return text;
}

std::string report_count(const Machine& machine) {
    const RoundRobin* const turns = machine.round_robin();
    if (turns == nullptr) {
        return "instructions are not counted, and time is the host's (-icount)\n";
    }
    constexpr u64 kNsPerSecond = 1'000'000'000;
    const u64 now = turns->now_ns();
    std::string text =
        fmt::format("{} instructions of {} ns, time {}.{:09} s, sleep {}\n", turns->instructions(),
                    u64{1} << turns->time().shift, now / kNsPerSecond, now % kNsPerSecond,
                    turns->time().sleeps ? "on" : "off");
    for (const auto& vcpu : machine.cpus()) {
        text += fmt::format("  CPU#{}: {}\n", vcpu->index(), turns->instructions_of(*vcpu));
    }
    return text;
}

// --- TLB

namespace {

std::string describe(const Translation& page, bool privileged) {
    const bool read = privileged ? page.readable_el1 : page.readable_el0;
    const bool write = privileged ? page.writable_el1 : page.writable_el0;
    const bool execute = privileged ? page.executable_el1 : page.executable_el0;
    return fmt::format("{:012x} {}{}{} {} {}", page.page, read ? 'r' : '-', write ? 'w' : '-',
                       execute ? 'x' : '-', page.normal ? "normal" : "device",
                       page.global ? "global" : "local");
}

} // namespace

std::string report_tlb(Vcpu& vcpu) {
    std::string text;
    for (const bool privileged : {false, true}) {
        const ir::Tlb& tlb = *vcpu.state().tlb[privileged];
        for (std::size_t i = 0; i < ir::kTlbEntries; ++i) {
            const u64 none = ir::no_tlb_page(i);
            const u64 known = tlb.read[i] != none ? tlb.read[i] : tlb.write[i];
            if (known == none) {
                continue;
            }
            const GuestAddr page = ir::tlb_page(known);
            const TranslationResult result = vcpu.look_up(page);
            const auto* const now = std::get_if<Translation>(&result);
            text +=
                fmt::format("{:016x}: {} {}\n", page, privileged ? "EL1+" : "EL0 ",
                            now != nullptr ? describe(*now, privileged) : "not mapped any more");
        }
    }
    return text.empty() ? "empty\n" : text;
}

// --- Memory

namespace {

struct Named {
    virt::Range range;
    const char* name;
};
constexpr Named kNames[] = {
    {virt::kFlash, "flash"},
    {virt::kGicDistributor, "GIC distributor"},
    {virt::kGicCpuInterface, "GIC CPU interface"},
    {virt::kGicV2m, "GICv2m"},
    {virt::kGicHypervisor, "GIC virtual interface control"},
    {virt::kGicVirtualCpu, "GIC virtual CPU interface"},
    {virt::kGicIts, "GIC ITS"},
    {virt::kGicRedistributors, "GIC redistributors"},
    {virt::kUart, "PL011"},
    {virt::kRtc, "PL031"},
    {virt::kFwCfg, "fw_cfg"},
    {virt::kGpio, "PL061"},
    {virt::kVirtioMmio, "virtio-mmio"},
    {virt::kPcieMmio, "PCI memory"},
    {virt::kPciePio, "PCI I/O"},
    {virt::kPcieEcamLow, "PCI configuration"},
    {virt::kPcieEcam, "PCI configuration"},
    {virt::kPcieMmioHigh, "PCI memory, high"},
};

const char* name_of(PhysAddr base) {
    for (const Named& named : kNames) {
        if (base - named.range.base < named.range.bytes) {
            return named.name;
        }
    }
    return "device";
}

} // namespace

std::string report_memory(Machine& machine) {
    const std::lock_guard lock{machine.lock()};
    std::string text;
    for (const devices::PhysicalMemory::Region& region : machine.memory().regions()) {
        text += fmt::format("{:016x}-{:016x} {}\n", region.base, region.base + (region.bytes - 1),
                            region.is_ram ? "RAM" : name_of(region.base));
    }
    return text;
}

// --- Interrupts

namespace {

// Registers of the distributor with a bit for each interrupt (IHI 0069 12.9), which redistributors
// have at the same offsets.
constexpr u64 kEnabled = 0x100, kPending = 0x200, kActive = 0x300;

std::string report_word(Machine& machine, PhysAddr frame, unsigned word, const char* owner) {
    const auto read = [&](u64 offset) {
        u64 value = 0;
        static_cast<void>(machine.memory().read(frame + offset + word * 4, 4, value));
        return value;
    };
    const u64 enabled = read(kEnabled), pending = read(kPending), active = read(kActive);
    std::string text;
    for (unsigned i = 0; i < 32; ++i) {
        if (bit(pending, i) || bit(active, i)) {
            text += fmt::format("{}{}:{}{}{}\n", owner, word * 32 + i,
                                bit(pending, i) ? " pending" : "", bit(active, i) ? " active" : "",
                                bit(enabled, i) ? "" : " disabled");
        }
    }
    return text;
}

std::string report_inputs(const Vcpu& vcpu, u32 lines, u8 masks) {
    static constexpr const char* kInputs[] = {"IRQ", "FIQ", "SError", "vIRQ", "vFIQ"};
    std::string text = fmt::format("CPU#{}:", vcpu.index());
    for (unsigned i = 0; i < std::size(kInputs); ++i) {
        text += bit(lines, i) ? fmt::format(" {}", kInputs[i]) : "";
    }
    return text + fmt::format("{}, DAIF {:04b}\n", lines == 0 ? " no interrupt" : "", masks);
}

} // namespace

std::string report_interrupts(Machine& machine) {
    const std::lock_guard lock{machine.lock()};
    constexpr u64 kSgiFrame = 0x1'0000; // of a redistributor
    const bool v3 = machine.gic().has_registers();
    std::string text;
    for (const auto& vcpu : machine.cpus()) {
        text += report_inputs(*vcpu, signalled_lines(vcpu->cpu()), vcpu->cpu().daif());
        if (v3) {
            const PhysAddr frame = virt::kGicRedistributors.base +
                                   vcpu->index() * virt::kGicRedistributorBytes + kSgiFrame;
            text += report_word(machine, frame, 0, "  private ");
        }
    }
    if (!v3) { // the banked registers are those of the first CPU
        text += report_word(machine, virt::kGicDistributor.base, 0, "CPU#0's private ");
    }
    for (unsigned word = 1; word <= virt::kSpis / 32; ++word) {
        text += report_word(machine, virt::kGicDistributor.base, word, "interrupt ");
    }
    return text;
}

} // namespace ulna::system
