#include "runtime/system/exception_log.h"

#include <cstdio>
#include <string>

#include "runtime/debug/log.h"
#include "runtime/system/cpu_registers.h"
#include "runtime/system/exceptions.h"
#include "runtime/system/fields.h"

namespace ulna::system {

using enum SysReg;
namespace debug = runtime::debug;

namespace {

constexpr const char* name_of(ExceptionClass ec) {
    switch (ec) {
    case ExceptionClass::Unknown:
        return "undefined instruction";
    case ExceptionClass::WaitFor:
        return "trapped WFI or WFE";
    case ExceptionClass::FpAccess:
        return "trapped FP access";
    case ExceptionClass::Pauth:
        return "trapped pointer authentication";
    case ExceptionClass::BranchTarget:
        return "branch target";
    case ExceptionClass::IllegalState:
        return "illegal state";
    case ExceptionClass::Svc:
        return "SVC";
    case ExceptionClass::Hvc:
        return "HVC";
    case ExceptionClass::Smc:
        return "SMC";
    case ExceptionClass::SystemRegister:
        return "trapped system register";
    case ExceptionClass::PacFail:
        return "failed authentication";
    case ExceptionClass::InstructionAbort:
        return "instruction abort";
    case ExceptionClass::PcAlignment:
        return "PC alignment";
    case ExceptionClass::DataAbort:
        return "data abort";
    case ExceptionClass::SpAlignment:
        return "SP alignment";
    case ExceptionClass::MemoryCopySet:
        return "memory copy or set";
    case ExceptionClass::FpException:
        return "FP exception";
    case ExceptionClass::SError:
        return "SError";
    case ExceptionClass::Breakpoint:
        return "breakpoint";
    case ExceptionClass::SoftwareStep:
        return "software step";
    case ExceptionClass::Watchpoint:
        return "watchpoint";
    case ExceptionClass::Brk:
        return "BRK";
    }
    return "exception";
}

struct SavedState {
    u64 elr, spsr;
};
SavedState saved_at(const Cpu& cpu, u8 el) {
    switch (el) {
    case 1:
        return {cpu.reg(ELR_EL1), cpu.reg(SPSR_EL1)};
    case 2:
        return {cpu.reg(ELR_EL2), cpu.reg(SPSR_EL2)};
    default:
        return {cpu.reg(ELR_EL3), cpu.reg(SPSR_EL3)};
    }
}

using Ull = unsigned long long;

std::string described(const char* name, u64 value) {
    char text[48];
    std::snprintf(text, sizeof text, ", %s 0x%llx", name, static_cast<Ull>(value));
    return text;
}

void log_taken(const Cpu& cpu, const char* kind, u8 from_el, const std::string& more) {
    const SavedState saved = saved_at(cpu, cpu.pstate.el);
    if (debug::log_wants(saved.elr)) {
        debug::log_printf("cpu %u: %s: EL%u at 0x%llx to EL%u at 0x%llx, SPSR 0x%llx%s\n",
                          cpu.index, kind, from_el, static_cast<Ull>(saved.elr), cpu.pstate.el,
                          static_cast<Ull>(cpu.state->pc), static_cast<Ull>(saved.spsr),
                          more.c_str());
    }
}

} // namespace

void log_taken(const Cpu& cpu, const char* kind, u8 from_el) {
    if (debug::log_enabled(debug::Item::Int)) {
        log_taken(cpu, kind, from_el, "");
    }
}

void log_taken(const Cpu& cpu, const Exception& e, u64 esr, u8 from_el) {
    if (debug::log_enabled(debug::Item::Int)) {
        log_taken(cpu, name_of(e.ec), from_el,
                  described("ESR", esr) + (e.has_far ? described("FAR", e.far) : ""));
    }
}

void log_return(const Cpu& cpu, u8 from_el, u64 spsr) {
    if (debug::log_enabled(debug::Item::Int) && debug::log_wants(cpu.state->pc)) {
        debug::log_printf("cpu %u: return: EL%u to EL%u at 0x%llx, SPSR 0x%llx%s\n", cpu.index,
                          from_el, cpu.pstate.el, static_cast<Ull>(cpu.state->pc),
                          static_cast<Ull>(spsr), cpu.pstate.il ? " (illegal)" : "");
    }
}

void log_psci(const Cpu& cpu, const u64 (&argument)[4]) {
    if (debug::log_enabled(debug::Item::Int)) {
        debug::log_printf("cpu %u: PSCI call 0x%llx: 0x%llx, 0x%llx, 0x%llx\n", cpu.index,
                          static_cast<Ull>(argument[0]), static_cast<Ull>(argument[1]),
                          static_cast<Ull>(argument[2]), static_cast<Ull>(argument[3]));
    }
}

void log_no_memory(const Cpu& cpu, GuestAddr address, bool write, GuestAddr pc) {
    if (debug::log_enabled(debug::Item::InvalidMem) && debug::log_wants(pc)) {
        debug::log_printf("cpu %u: nothing at 0x%llx for the %s at 0x%llx\n", cpu.index,
                          static_cast<Ull>(address), write ? "write" : "read",
                          static_cast<Ull>(pc));
    }
}

void log_reset(Cpu& cpu) {
    if (debug::log_enabled(debug::Item::CpuReset)) {
        debug::log_text("cpu " + std::to_string(cpu.index) + ": reset\n" +
                        print_registers(cpu, false));
    }
}

} // namespace ulna::system
