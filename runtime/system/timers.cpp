#include "runtime/system/timers.h"

#include "ir/support/bits.h"
#include "runtime/system/fields.h"
#include "runtime/system/sysreg_behaviours.h"

namespace ulna::system {

using enum SysReg;

namespace {

struct TimerRegisters {
    SysReg control, compare, value;
};
constexpr TimerRegisters kTimers[kTimerCount] = {
    {CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTP_TVAL_EL0},
    {CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTV_TVAL_EL0},
    {CNTHP_CTL_EL2, CNTHP_CVAL_EL2, CNTHP_TVAL_EL2},
    {CNTHV_CTL_EL2, CNTHV_CVAL_EL2, CNTHV_TVAL_EL2},
    {CNTPS_CTL_EL1, CNTPS_CVAL_EL1, CNTPS_TVAL_EL1},
};

Timer timer_of(SysReg reg) {
    for (unsigned i = 0; i < kTimerCount; ++i) {
        if (reg == kTimers[i].control || reg == kTimers[i].compare || reg == kTimers[i].value) {
            return static_cast<Timer>(i);
        }
    }
    UNREACHABLE("a register of a timer");
}
const TimerRegisters& registers(Timer timer) { return kTimers[static_cast<unsigned>(timer)]; }

// Only CNTV counts from CNTVOFF_EL2; without EL2 that is a constant zero.
u64 offset_of(const Cpu& cpu, Timer timer) {
    return timer == Timer::Virtual && cpu.has_el2 ? cpu.reg(CNTVOFF_EL2) : 0;
}

bool condition_met(const Cpu& cpu, Timer timer, u64 physical_count) {
    return physical_count - offset_of(cpu, timer) >= cpu.reg(registers(timer).compare);
}

} // namespace

TimerOutput timer_output(const Cpu& cpu, Timer timer, u64 physical_count) {
    const u64 control = cpu.reg(registers(timer).control);
    if ((control & timer_ctl::ENABLE) == 0 || (control & timer_ctl::IMASK) != 0) {
        return {};
    }
    if (condition_met(cpu, timer, physical_count)) {
        return {.asserted = true, .deadline = std::nullopt};
    }
    // Counting is modulo 2^64: a compare value past the end of the physical count is never met.
    const u64 at = cpu.reg(registers(timer).compare) + offset_of(cpu, timer);
    return {.asserted = false, .deadline = at > physical_count ? std::optional{at} : std::nullopt};
}

// CNTVOFF_EL2 does not apply where EL2 and its host applications look (D12.2.2).
u64 virtual_offset(const Cpu& cpu) {
    const bool ignored = !cpu.has_el2 || (cpu.pstate.el == 2 && e2h(cpu)) ||
                         (cpu.pstate.el == 0 && el0_in_host(cpu));
    return ignored ? 0 : cpu.reg(CNTVOFF_EL2);
}

u64 physical_count_of(const Cpu& cpu, u64 virtual_count) {
    return virtual_count + virtual_offset(cpu);
}

u64 read_physical_count(Cpu& cpu, SysReg) { return cpu.host->counter(); }
u64 read_virtual_count(Cpu& cpu, SysReg) { return cpu.host->counter() - virtual_offset(cpu); }

u64 read_timer_control(Cpu& cpu, SysReg reg) {
    const u64 control = cpu.reg(reg);
    const bool status = (control & timer_ctl::ENABLE) != 0 &&
                        condition_met(cpu, timer_of(reg), cpu.host->counter());
    return control | (status ? timer_ctl::ISTATUS : 0);
}

void write_timer(Cpu& cpu, SysReg reg, u64 value) {
    write_cell(cpu, reg, value);
    cpu.host->timer_changed(cpu);
}

// TVAL is CVAL seen from now, as a signed 32-bit distance.
u64 read_timer_value(Cpu& cpu, SysReg reg) {
    const Timer timer = timer_of(reg);
    const u64 now = cpu.host->counter() - offset_of(cpu, timer);
    return bits(cpu.reg(registers(timer).compare) - now, 31, 0);
}
void write_timer_value(Cpu& cpu, SysReg reg, u64 value) {
    const Timer timer = timer_of(reg);
    const u64 now = cpu.host->counter() - offset_of(cpu, timer);
    write_timer(cpu, registers(timer).compare,
                now + static_cast<u64>(sign_extend(bits(value, 31, 0), 32)));
}

} // namespace ulna::system
