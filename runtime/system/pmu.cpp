// Counters are added up lazily: Cpu::pmu_base has what each one's source stood at when the counter
// was last brought up to date.
#include "runtime/system/pmu.h"

#include <algorithm>

#include "ir/support/bits.h"
#include "runtime/system/fields.h"
#include "runtime/system/sysreg_behaviours.h"

namespace ulna::system {

using enum SysReg;

namespace {

constexpr unsigned kEventCounters = 6, kCycleCounter = kEventCounters; // index of PMCCNTR_EL0
constexpr unsigned kCounters = kEventCounters + 1, kCycleBit = 31;
constexpr u64 kCyclesPerTick = 16; // CpuHost::cycles

namespace pmcr {
constexpr u64 E = 1, P = 2, C = 4, LC = 64, kWritable = 0xf9;
constexpr unsigned kNumberShift = 11;
} // namespace pmcr
namespace filter { // PMEVTYPER<n>_EL0, PMCCFILTR_EL0
constexpr u64 P = u64{1} << 31, U = u64{1} << 30, NSK = u64{1} << 29, NSU = u64{1} << 28,
              NSH = u64{1} << 27, M = u64{1} << 26;
} // namespace filter
enum Event : u16 { kSwIncr = 0x00, kInstRetired = 0x08, kCpuCycles = 0x11 };

SysReg offset_register(SysReg first, unsigned n) {
    return static_cast<SysReg>(static_cast<unsigned>(first) + n);
}
SysReg counter_register(unsigned n) {
    return n == kCycleCounter ? PMCCNTR_EL0 : offset_register(PMEVCNTR0_EL0, n);
}
SysReg type_register(unsigned n) {
    return n == kCycleCounter ? PMCCFILTR_EL0 : offset_register(PMEVTYPER0_EL0, n);
}
unsigned enable_bit(unsigned n) { return n == kCycleCounter ? kCycleBit : n; }
std::optional<unsigned> index_of(SysReg reg) {
    for (unsigned n = 0; n < kCounters; ++n) {
        if (reg == counter_register(n) || reg == type_register(n)) {
            return n;
        }
    }
    return std::nullopt;
}

u16 event_of(const Cpu& cpu, unsigned n) {
    return n == kCycleCounter ? u16{kCpuCycles}
                              : static_cast<u16>(cpu.reg(type_register(n)) & 0xffff);
}

u64 source(Cpu& cpu, unsigned n) {
    switch (event_of(cpu, n)) {
    case kCpuCycles:
        return cpu.host->cycles(cpu);
    case kInstRetired:
        return cpu.host->instructions(cpu);
    default:
        return 0; // software increments come by PMSWINC_EL0; other events do not happen
    }
}

bool is_enabled(const Cpu& cpu, unsigned n) {
    return (cpu.reg(PMCR_EL0) & pmcr::E) != 0 && bit(cpu.reg(PMCNTENSET_EL0), enable_bit(n));
}

// CountEvents (D13.6): enabled, and not filtered out here.
bool counts_here(const Cpu& cpu, unsigned n) {
    if (!is_enabled(cpu, n)) {
        return false;
    }
    const u64 type = cpu.reg(type_register(n));
    const bool secure = is_secure(cpu);
    const auto set = [&](u64 field) { return (type & field) != 0; };
    switch (cpu.pstate.el) {
    case 0:
        return secure ? !set(filter::U) : set(filter::U) == set(filter::NSU);
    case 1:
        return secure ? !set(filter::P) : set(filter::P) == set(filter::NSK);
    case 2:
        return set(filter::NSH);
    default:
        return set(filter::P) == set(filter::M);
    }
}

unsigned counter_bits(const Cpu& cpu, unsigned n) {
    const bool is_long = n == kCycleCounter && (cpu.reg(PMCR_EL0) & pmcr::LC) != 0;
    return is_long ? 64 : 32;
}

void add(Cpu& cpu, unsigned n, u64 delta) {
    const u64 mask = ones(counter_bits(cpu, n));
    u64& value = cpu.reg(counter_register(n));
    const bool overflows = delta > mask - (value & mask);
    value += delta;
    if (n != kCycleCounter) {
        value &= mask;
    }
    if (overflows) {
        cpu.reg(PMOVSSET_EL0) |= u64{1} << enable_bit(n);
    }
}

void update_interrupt(Cpu& cpu) {
    const u64 due = cpu.reg(PMOVSSET_EL0) & cpu.reg(PMINTENSET_EL1);
    cpu.host->pmu_interrupt(cpu, (cpu.reg(PMCR_EL0) & pmcr::E) != 0 && due != 0);
}

} // namespace

bool pmu_counts(const Cpu& cpu) {
    return (cpu.reg(PMCR_EL0) & pmcr::E) != 0 && cpu.reg(PMCNTENSET_EL0) != 0;
}

void update_pmu(Cpu& cpu) {
    const u64 before = cpu.reg(PMOVSSET_EL0);
    for (unsigned n = 0; n < kCounters; ++n) {
        const u64 now = source(cpu, n);
        if (counts_here(cpu, n)) {
            add(cpu, n, now - cpu.pmu_base[n]);
        }
        cpu.pmu_base[n] = now;
    }
    if (cpu.reg(PMOVSSET_EL0) != before) {
        update_interrupt(cpu);
    }
}

std::optional<u64> pmu_deadline(const Cpu& cpu, u64 physical_count) {
    std::optional<u64> first;
    for (unsigned n = 0; n < kCounters; ++n) {
        // Where a counter counts is for update_pmu: until then it may be another EL.
        const u64 cycles_each = event_of(cpu, n) == kCpuCycles ? 1
                                : event_of(cpu, n) == kInstRetired
                                    ? cpu.host->cycles_per_instruction()
                                    : 0;
        if (!is_enabled(cpu, n) || cycles_each == 0 ||
            !bit(cpu.reg(PMINTENSET_EL1), enable_bit(n))) {
            continue;
        }
        const u64 mask = ones(counter_bits(cpu, n));
        const u64 left = mask - (cpu.reg(counter_register(n)) & mask) + 1; // 0: 2^64, never
        if (left != 0) {
            const u64 at = physical_count + left * cycles_each / kCyclesPerTick + 1;
            first = first ? std::min(*first, at) : at;
        }
    }
    return first;
}

// --- Registers

// N: how many event counters this EL has.
u64 read_pmcr(Cpu& cpu, SysReg reg) {
    const bool limited = cpu.pstate.el < 2 && el2_enabled(cpu);
    const u64 number =
        limited ? std::min<u64>(cpu.reg(MDCR_EL2) & mdcr2::HPMN, kEventCounters) : kEventCounters;
    return cpu.reg(reg) | number << pmcr::kNumberShift;
}

void write_pmcr(Cpu& cpu, SysReg reg, u64 value) {
    update_pmu(cpu);
    for (unsigned n = 0; n < kEventCounters && (value & pmcr::P) != 0; ++n) {
        cpu.reg(counter_register(n)) = 0;
    }
    if ((value & pmcr::C) != 0) {
        cpu.reg(PMCCNTR_EL0) = 0;
    }
    cpu.reg(reg) = value & pmcr::kWritable;
    update_interrupt(cpu);
    cpu.host->timer_changed(cpu);
}

// PMCNTENSET and CLR, PMINTENSET and CLR, PMOVSSET and CLR are one register each; its cell is that
// of SET.
namespace {
SysReg set_register(SysReg reg) {
    switch (reg) {
    case PMCNTENCLR_EL0:
        return PMCNTENSET_EL0;
    case PMINTENCLR_EL1:
        return PMINTENSET_EL1;
    case PMOVSCLR_EL0:
        return PMOVSSET_EL0;
    default:
        return reg;
    }
}
void change_bits(Cpu& cpu, SysReg reg, u64 to_set, u64 to_clear) {
    update_pmu(cpu);
    u64& cell = cpu.reg(set_register(reg));
    cell = (cell & ~to_clear) | to_set;
    update_interrupt(cpu);
    cpu.host->timer_changed(cpu);
}
} // namespace
u64 read_pm_set(Cpu& cpu, SysReg reg) {
    update_pmu(cpu);
    return cpu.reg(set_register(reg));
}
void write_pm_set(Cpu& cpu, SysReg reg, u64 value) {
    change_bits(cpu, reg, value & row_of(reg).writable, 0);
}
void write_pm_clear(Cpu& cpu, SysReg reg, u64 value) {
    change_bits(cpu, reg, 0, value & row_of(reg).writable);
}

void write_pm_swinc(Cpu& cpu, SysReg, u64 value) {
    update_pmu(cpu);
    for (unsigned n = 0; n < kEventCounters; ++n) {
        if (bit(value, n) && counts_here(cpu, n) && event_of(cpu, n) == kSwIncr) {
            add(cpu, n, 1);
        }
    }
    update_interrupt(cpu);
}

u64 read_pm_counter(Cpu& cpu, SysReg reg) {
    update_pmu(cpu);
    return cpu.reg(reg);
}
void write_pm_counter(Cpu& cpu, SysReg reg, u64 value) {
    update_pmu(cpu);
    write_cell(cpu, reg, value);
    cpu.host->timer_changed(cpu);
}
void write_pm_type(Cpu& cpu, SysReg reg, u64 value) {
    update_pmu(cpu);
    write_cell(cpu, reg, value);
    const unsigned n = *index_of(reg);
    cpu.pmu_base[n] = source(cpu, n);
    cpu.host->timer_changed(cpu);
}

// PMXEVCNTR_EL0 and PMXEVTYPER_EL0 are the register of the counter that PMSELR_EL0 selects.
namespace {
std::optional<SysReg> selected(const Cpu& cpu, SysReg reg) {
    constexpr u64 kSelectCycles = 31;
    const u64 n = cpu.reg(PMSELR_EL0);
    if (reg == PMXEVTYPER_EL0 && n == kSelectCycles) {
        return PMCCFILTR_EL0;
    }
    if (n >= kEventCounters) {
        return std::nullopt;
    }
    const auto index = static_cast<unsigned>(n);
    return reg == PMXEVTYPER_EL0 ? type_register(index) : counter_register(index);
}
} // namespace
u64 read_pm_selected(Cpu& cpu, SysReg reg) {
    const auto target = selected(cpu, reg);
    return target ? read_pm_counter(cpu, *target) : 0;
}
void write_pm_selected(Cpu& cpu, SysReg reg, u64 value) {
    const auto target = selected(cpu, reg);
    if (!target) {
        return;
    }
    if (reg == PMXEVTYPER_EL0) {
        write_pm_type(cpu, *target, value);
    } else {
        write_pm_counter(cpu, *target, value);
    }
}

} // namespace ulna::system
