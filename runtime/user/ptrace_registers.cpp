#include "runtime/user/ptrace_registers.h"

#include <elf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/user/guest_cpu.h"
#include "runtime/user/ptrace_hardware.h"
#include "runtime/user/signal_frame.h"

namespace ulna::user {

namespace {

using frontend::Feature;

// Register sets that the headers of Debian 12 lack.
constexpr u64 kPacEnabledKeys = 0x40a;
static_assert(NT_ARM_TAGGED_ADDR_CTRL == 0x409);

bool has(Feature feature) { return process().options.cpu_model.features.has(feature); }

struct UserRegisters { // user_pt_regs
    u64 x[31], sp, pc, pstate;
};
struct UserFpsimd { // user_fpsimd_state
    V128 v[32];
    u32 fpsr, fpcr, reserved[2];
};
struct UserHardwareDebug { // user_hwdebug_state
    u32 info, padding;
    struct {
        u64 address;
        u32 control, padding;
    } registers[16];
};
struct UserPacMask {
    u64 data, code;
};
static_assert(sizeof(UserRegisters) == 272 && sizeof(UserFpsimd) == 528 &&
              sizeof(UserHardwareDebug) == 264);

// ID_AA64DFR0_EL1.DebugVer of Armv8.0, and how many there are.
constexpr u32 debug_info(unsigned slots) { return 6 << 8 | slots; }
// Bits 54 to 48, of user addresses (ptrauth_user_pac_mask).
constexpr UserPacMask kPacMask = {u64{0x7f} << 48, u64{0x7f} << 48};

UserRegisters general(const TraceRegisters& from) {
    UserRegisters to = {.x = {}, .sp = from.sp, .pc = from.pc, .pstate = from.pstate};
    std::copy(std::begin(from.x), std::end(from.x), to.x);
    return to;
}

UserFpsimd floating_point(const TraceRegisters& from) {
    UserFpsimd to = {.v = {}, .fpsr = from.fpsr, .fpcr = from.fpcr, .reserved = {}};
    std::copy(std::begin(from.v), std::end(from.v), to.v);
    return to;
}

template <class Set> i64 give(const Set& set, std::span<u8> to) {
    const std::size_t bytes = std::min(to.size(), sizeof set);
    std::memcpy(to.data(), &set, bytes);
    return static_cast<i64>(bytes);
}

// What is given of `set` takes the place of what is there.
template <class Set> i64 take(Set& set, std::span<const u8> from) {
    const std::size_t bytes = std::min(from.size(), sizeof set);
    std::memcpy(&set, from.data(), bytes);
    return static_cast<i64>(bytes);
}

i64 set_general(TraceRegisters& registers, std::span<const u8> from) {
    constexpr u64 kNotUser = 0x3df; // M[4:0], F, I, A, D: valid_user_regs
    UserRegisters set = general(registers);
    const i64 bytes = take(set, from);
    if ((set.pstate & kNotUser) != 0) {
        return -EINVAL;
    }
    std::copy(std::begin(set.x), std::end(set.x), registers.x);
    registers.sp = set.sp;
    registers.pc = set.pc;
    registers.pstate = set.pstate;
    return bytes;
}

i64 set_floating_point(TraceRegisters& registers, std::span<const u8> from) {
    UserFpsimd set = floating_point(registers);
    const i64 bytes = take(set, from);
    std::copy(std::begin(set.v), std::end(set.v), registers.v);
    registers.fpsr = set.fpsr;
    registers.fpcr = set.fpcr;
    return bytes;
}

i64 set_tag_control(TraceRegisters& registers, std::span<const u8> from) {
    u64 control = registers.tag_control;
    const i64 bytes = take(control, from);
    if (!is_tagged_address_control(control)) {
        return -EINVAL;
    }
    registers.tag_control = control;
    return bytes;
}

i64 set_enabled_keys(TraceRegisters& registers, std::span<const u8> from) {
    u64 keys = registers.enabled_keys;
    const i64 bytes = take(keys, from);
    if ((keys & ~kAddressKeys) != 0) {
        return -EINVAL;
    }
    registers.enabled_keys = keys;
    return bytes;
}

template <std::size_t kPoints>
UserHardwareDebug hardware_debug(const std::array<HardwarePoint, kPoints>& points) {
    UserHardwareDebug to = {.info = debug_info(kPoints), .padding = 0, .registers = {}};
    for (std::size_t n = 0; n < kPoints; ++n) {
        to.registers[n] = {points[n].address, points[n].control, 0};
    }
    return to;
}

// ptrace_hbp_set: the head is skipped; those before one that is refused are set.
template <std::size_t kPoints>
i64 set_hardware(std::array<HardwarePoint, kPoints>& points,
                 i64 (*set_one)(HardwarePoint& to, u64 address, u32 control),
                 std::span<const u8> from) {
    constexpr std::size_t kHead = offsetof(UserHardwareDebug, registers);
    UserHardwareDebug set = hardware_debug(points);
    const std::size_t each = sizeof set.registers[0];
    static_cast<void>(take(set, from));
    for (std::size_t n = 0; kHead + n * each < from.size(); ++n) {
        if (n >= kPoints) {
            return -ENOSPC;
        }
        const i64 error = set_one(points[n], set.registers[n].address, set.registers[n].control);
        if (error != 0) {
            return error;
        }
    }
    return static_cast<i64>(from.size());
}

// The size of a set's registers: only whole ones are asked for.
u64 unit_of(u64 set) {
    const bool of_words = set == NT_PRFPREG || set == NT_ARM_SYSTEM_CALL ||
                          set == NT_ARM_HW_BREAK || set == NT_ARM_HW_WATCH;
    return of_words ? sizeof(u32) : sizeof(u64);
}

} // namespace

void save_registers(const GuestThread& thread, TraceRegisters& to) {
    const ir::CpuState& cpu = *thread.cpu;
    std::copy(std::begin(cpu.x), std::end(cpu.x), to.x);
    std::copy(std::begin(cpu.v), std::end(cpu.v), to.v);
    to.sp = cpu.sp;
    to.pc = cpu.pc;
    to.pstate = pstate_of(cpu);
    to.tls = cpu.tpidr_el0;
    to.tag_control = static_cast<u64>(tagged_address_control(thread));
    to.enabled_keys = static_cast<u64>(enabled_pac_keys(cpu));
    to.fpsr = cpu.fpsr;
    to.fpcr = static_cast<u32>(cpu.fpcr);
    to.breakpoints = thread.trace.breakpoints;
    to.watchpoints = thread.trace.watchpoints;
}

void load_registers(GuestThread& thread, const TraceRegisters& from) {
    constexpr u32 kFpsrBits = 0x0800'009f; // QC and the cumulative flags
    ir::CpuState& cpu = *thread.cpu;
    std::copy(std::begin(from.x), std::end(from.x), cpu.x);
    std::copy(std::begin(from.v), std::end(from.v), cpu.v);
    cpu.sp = from.sp;
    cpu.pc = from.pc;
    set_pstate(cpu, from.pstate);
    cpu.tpidr_el0 = from.tls;
    cpu.fpsr = from.fpsr & kFpsrBits;
    cpu.fpcr = from.fpcr & frontend::fpcr_mask(process().options.cpu_model.features);
    use_breakpoints(thread, from.breakpoints);
    if (from.watchpoints != thread.trace.watchpoints) {
        use_watchpoints(thread, from.watchpoints);
    }
    if (from.tag_control != static_cast<u64>(tagged_address_control(thread))) {
        [[maybe_unused]] const i64 checked = set_tagged_address_control(thread, from.tag_control);
    }
    if (from.enabled_keys != static_cast<u64>(enabled_pac_keys(cpu))) {
        [[maybe_unused]] const i64 checked =
            set_enabled_pac_keys(cpu, kAddressKeys, from.enabled_keys);
    }
}

i64 read_register_set(const TraceRegisters& registers, u64 set, std::span<u8> to) {
    if (to.size() % unit_of(set) != 0) {
        return -EINVAL;
    }
    switch (set) {
    case NT_PRSTATUS:
        return give(general(registers), to);
    case NT_PRFPREG:
        return give(floating_point(registers), to);
    case NT_ARM_TLS:
        return give(registers.tls, to);
    case NT_ARM_SYSTEM_CALL:
        return give(registers.syscall, to);
    case NT_ARM_HW_BREAK:
        return give(hardware_debug(registers.breakpoints), to);
    case NT_ARM_HW_WATCH:
        return give(hardware_debug(registers.watchpoints), to);
    case NT_ARM_TAGGED_ADDR_CTRL:
        return give(registers.tag_control, to);
    case NT_ARM_PAC_MASK:
        return has(Feature::PAuth) ? give(kPacMask, to) : -EINVAL;
    case kPacEnabledKeys:
        return has(Feature::PAuth) ? give(registers.enabled_keys, to) : -EINVAL;
    default:
        return -EINVAL;
    }
}

i64 write_register_set(TraceRegisters& registers, u64 set, std::span<const u8> from) {
    if (from.size() % unit_of(set) != 0) {
        return -EINVAL;
    }
    switch (set) {
    case NT_PRSTATUS:
        return set_general(registers, from);
    case NT_PRFPREG:
        return set_floating_point(registers, from);
    case NT_ARM_TLS:
        return take(registers.tls, from);
    case NT_ARM_SYSTEM_CALL:
        return take(registers.syscall, from);
    case NT_ARM_TAGGED_ADDR_CTRL:
        return set_tag_control(registers, from);
    case kPacEnabledKeys:
        return has(Feature::PAuth) ? set_enabled_keys(registers, from) : -EINVAL;
    case NT_ARM_HW_WATCH:
        return set_hardware(registers.watchpoints, set_trace_watchpoint, from);
    case NT_ARM_HW_BREAK:
        return set_hardware(registers.breakpoints, set_trace_breakpoint, from);
    case NT_ARM_PAC_MASK:
        return has(Feature::PAuth) ? -EOPNOTSUPP : -EINVAL;
    default:
        return -EINVAL;
    }
}

} // namespace ulna::user
