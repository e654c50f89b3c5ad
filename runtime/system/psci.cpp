#include "runtime/system/psci.h"

#include "ir/support/bits.h"
#include "runtime/system/exception_log.h"

namespace ulna::system {

namespace {

enum Function : u32 {
    kSmcccVersion = 0x8000'0000,
    kVersion = 0x8400'0000,
    kCpuSuspend = 0x8400'0001,
    kCpuOff = 0x8400'0002,
    kCpuOn = 0x8400'0003,
    kAffinityInfo = 0x8400'0004,
    kMigrateInfoType = 0x8400'0006,
    kSystemOff = 0x8400'0008,
    kSystemReset = 0x8400'0009,
    kFeatures = 0x8400'000a,
};
constexpr u32 k64Bit = 0x4000'0000; // of a function that has both forms
constexpr i64 kPsci1_1 = 0x1'0001, kSmccc1_1 = 0x1'0001;
constexpr i64 kNoTrustedOs = 2; // MIGRATE_INFO_TYPE: nothing to migrate

constexpr i64 result(PsciResult value) { return static_cast<i32>(value); }

constexpr bool has_64_bit_form(u32 function) {
    return function == kCpuSuspend || function == kCpuOn || function == kAffinityInfo;
}
// The 32-bit ID of a function that is there.
std::optional<u32> known(u32 id) {
    const bool wide = (id & k64Bit) != 0;
    const u32 function = id & ~k64Bit;
    switch (function) {
    case kSmcccVersion:
    case kVersion:
    case kCpuSuspend:
    case kCpuOff:
    case kCpuOn:
    case kAffinityInfo:
    case kMigrateInfoType:
    case kSystemOff:
    case kSystemReset:
    case kFeatures:
        return !wide || has_64_bit_form(function) ? std::optional{function} : std::nullopt;
    default:
        return std::nullopt;
    }
}

i64 features(u64 id) {
    // No function has optional features: CPU_SUSPEND takes the original format of power states.
    return known(static_cast<u32>(id)) ? result(PsciResult::Success)
                                       : result(PsciResult::NotSupported);
}

i64 call(Cpu& cpu, u32 function, const u64 (&argument)[4]) {
    switch (function) {
    case kSmcccVersion:
        return kSmccc1_1;
    case kVersion:
        return kPsci1_1;
    case kCpuSuspend: // every state is a standby state: execution goes on behind the call
        cpu.host->wait_for_interrupt(cpu, std::nullopt);
        return result(PsciResult::Success);
    case kCpuOff:
        cpu.host->cpu_off(cpu);
        return result(PsciResult::Success); // unless the host returns, nobody sees it
    case kCpuOn:
        return result(cpu.host->cpu_on(cpu, argument[1], argument[2], argument[3]));
    case kAffinityInfo: // of a CPU only, not of a cluster
        return argument[2] == 0 ? cpu.host->affinity_info(cpu, argument[1])
                                : result(PsciResult::InvalidParameters);
    case kMigrateInfoType:
        return kNoTrustedOs;
    case kSystemOff:
        cpu.host->system_off(cpu);
        return result(PsciResult::Success);
    case kSystemReset:
        cpu.host->system_reset(cpu);
        return result(PsciResult::Success);
    case kFeatures:
        return features(argument[1]);
    default:
        return result(PsciResult::NotSupported);
    }
}

} // namespace

void call_psci(Cpu& cpu) {
    const auto id = static_cast<u32>(cpu.state->x[0]);
    const auto function = known(id);
    log_psci(cpu, {id, cpu.state->x[1], cpu.state->x[2], cpu.state->x[3]});
    if (!function) {
        cpu.state->x[0] = static_cast<u64>(result(PsciResult::NotSupported));
        return;
    }
    const u64 mask = (id & k64Bit) != 0 ? ~u64{0} : ones(32);
    const u64 argument[4] = {id, cpu.state->x[1] & mask, cpu.state->x[2] & mask,
                             cpu.state->x[3] & mask};
    // Before the call: CPU_ON of oneself or SYSTEM_RESET may set registers anew.
    cpu.state->x[0] = static_cast<u64>(result(PsciResult::Success));
    const i64 value = call(cpu, *function, argument);
    if (*function != kSystemReset && *function != kCpuOff && *function != kSystemOff) {
        cpu.state->x[0] = static_cast<u64>(value);
    }
}

} // namespace ulna::system
