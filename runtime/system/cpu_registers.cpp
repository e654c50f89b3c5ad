#include "runtime/system/cpu_registers.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include <cstring>

#include "ir/support/bits.h"
#include "runtime/debug/gdb_aarch64.h"
#include "runtime/system/sysregs.h"

namespace ulna::system {

using runtime::debug::GdbFeature;

namespace {

using N = runtime::debug::GdbNumber;

// FPCR and FPSR have numbers of their own, what is written only has no value, and who draws a
// random number changes PSTATE.
std::vector<SysReg> shown_system_registers() {
    std::vector<SysReg> shown;
    for (unsigned n = 0; n < kSysRegCount; ++n) {
        const auto reg = static_cast<SysReg>(n);
        const SysRegRow& row = row_of(reg);
        constexpr u8 kReads = 0x0f;
        if (reg != SysReg::FPCR && reg != SysReg::FPSR && (row.access & kReads) != 0 &&
            row.behaviour != Behaviour::Random) {
            shown.push_back(reg);
        }
    }
    return shown;
}
const std::vector<SysReg>& system_numbers() {
    static const std::vector<SysReg> numbers = shown_system_registers();
    return numbers;
}

std::vector<GdbFeature> make_features() {
    GdbFeature system{.name = "org.ulna.gdb.aarch64.system", .in_all = false};
    for (const SysReg reg : system_numbers()) {
        system.registers.push_back({.name = row_of(reg).name, .group = "system"});
    }
    return {runtime::debug::core_feature(), runtime::debug::fpu_feature(), system};
}

std::optional<SysReg> register_of(unsigned n) {
    return n == N::kFpsr   ? std::optional{SysReg::FPSR}
           : n == N::kFpcr ? std::optional{SysReg::FPCR}
           : n >= N::kOthers && n - N::kOthers < system_numbers().size()
               ? std::optional{system_numbers()[n - N::kOthers]}
               : std::nullopt;
}

// NZCV and DAIF; the EL and what goes with it is no debugger's to change.
void write_cpsr(Cpu& cpu, u64 value) {
    cpu.state->nzcv = static_cast<u32>(bits(value, 31, 28));
    cpu.set_daif(static_cast<u8>(bits(value, 9, 6)));
}

} // namespace

const std::vector<GdbFeature>& cpu_features() {
    static const std::vector<GdbFeature> features = make_features();
    return features;
}

bool read_numbered(Cpu& cpu, unsigned n, std::span<u8> to) {
    if (const auto cell = runtime::debug::cell_of(*cpu.state, n); !cell.empty()) {
        return to.size() == cell.size() &&
               std::memcpy(to.data(), cell.data(), cell.size()) != nullptr;
    }
    const auto reg = register_of(n);
    if ((n != N::kCpsr && !reg) || to.size() > sizeof(u64)) {
        return false;
    }
    const u64 value = reg ? read_register(cpu, *reg) : spsr_from_pstate(cpu);
    std::memcpy(to.data(), &value, to.size());
    return true;
}

bool write_numbered(Cpu& cpu, unsigned n, std::span<const u8> from) {
    if (const auto cell = runtime::debug::cell_of(*cpu.state, n); !cell.empty()) {
        return from.size() == cell.size() &&
               std::memcpy(cell.data(), from.data(), cell.size()) != nullptr;
    }
    const auto reg = register_of(n);
    if ((n != N::kCpsr && !reg) || from.size() > sizeof(u64)) {
        return false;
    }
    u64 value = 0;
    std::memcpy(&value, from.data(), from.size());
    reg ? write_register(cpu, *reg, value) : write_cpsr(cpu, value);
    return true;
}

// --- For people

namespace {

std::string print_pstate(const Cpu& cpu) {
    const u64 spsr = spsr_from_pstate(cpu);
    std::string text = fmt::format("PSTATE={:08x} ", spsr);
    for (unsigned i = 0; i < 4; ++i) {
        text += bit(spsr, 31 - i) ? "NZCV"[i] : '-';
    }
    text += ' ';
    for (unsigned i = 0; i < 4; ++i) {
        text += bit(spsr, 9 - i) ? "DAIF"[i] : '-';
    }
    return text + fmt::format(" EL{}{}\n", cpu.pstate.el, cpu.pstate.sp_sel ? 'h' : 't');
}

std::string print_vectors(const ir::CpuState& state) {
    std::string text;
    for (unsigned n = 0; n < 32; ++n) {
        text += fmt::format("V{:02}={:016x}{:016x}{}", n, state.v[n].hi, state.v[n].lo,
                            n % 2 == 1 ? '\n' : ' ');
    }
    return text;
}

std::string print_system(Cpu& cpu) {
    std::string text;
    for (const SysReg reg : system_numbers()) {
        text += fmt::format("{:<18} {:016x}\n", row_of(reg).name, read_register(cpu, reg));
    }
    return text;
}

} // namespace

std::string print_registers(Cpu& cpu, bool all) {
    const ir::CpuState& state = *cpu.state;
    std::string text = fmt::format(" PC={:016x}", state.pc);
    for (unsigned n = 0; n < 31; ++n) {
        text += fmt::format(" X{:02}={:016x}{}", n, state.x[n], n % 4 == 2 ? "\n" : "");
    }
    text += fmt::format("  SP={:016x}\n", state.sp) + print_pstate(cpu);
    return all ? text + print_vectors(state) + print_system(cpu) : text;
}

} // namespace ulna::system
