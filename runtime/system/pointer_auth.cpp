#include "runtime/system/pointer_auth.h"

#include "ir/pauth.h"
#include "ir/support/bits.h"
#include "runtime/system/fields.h"

namespace ulna::system {

using frontend::Feature;

namespace {

constexpr u64 kPacField = u64{0x7f} << 48, kUpperPacField = u64{0xff} << 56 | kPacField;

u64 half_of(u64 pointer) { return bit(pointer, 55) ? ~u64{0} : 0; }
u64 strip(u64 pointer) { return (pointer & ~kPacField) | (half_of(pointer) & kUpperPacField); }

u64 multiply_hash(u64 a, u64 b, const u64* key) {
    const u64 mixed = (a ^ key[0]) * 0x9e37'79b9'7f4a'7c15 ^ (b ^ key[1]);
    return mixed * 0xbf58'476d'1ce4'e5b9;
}

u64 pointer_code(const Cpu& cpu, u64 pointer, u64 modifier, const u64* key) {
    if (cpu.has(Feature::PAuth_impdef)) {
        return multiply_hash(pointer & ~kPacField, modifier, key) >> 9 & kPacField;
    }
    const auto variant = cpu.has(Feature::PAuth_QARMA3) ? ir::kQarma3 : ir::kQarma5;
    const u64 code = ir::qarma64(variant, strip(pointer), modifier, key[1], key[0]);
    return code & ((half_of(pointer) & kUpperPacField) | kPacField);
}

} // namespace

u8 key_trap_target(const Cpu& cpu) {
    if (!cpu.has(Feature::PAuth)) {
        return 0;
    }
    const bool guest = cpu.pstate.el == 1 || (cpu.pstate.el == 0 && !el0_in_host(cpu));
    if (guest && el2_enabled(cpu) && (effective_hcr(cpu) & hcr::API) == 0) {
        return 2;
    }
    return cpu.has_el3 && cpu.pstate.el < 3 && (cpu.reg(SysReg::SCR_EL3) & scr::API) == 0 ? 3 : 0;
}

bool instruction_key_enabled(const Cpu& cpu, bool b) {
    return (sctlr_of(cpu, current_regime(cpu)) & (b ? sctlr::EnIB : sctlr::EnIA)) != 0;
}

std::optional<u64>
authenticate_instruction_pointer(const Cpu& cpu, u64 pointer, u64 modifier, bool b) {
    const u64 result =
        pointer ^ pointer_code(cpu, pointer, modifier, &cpu.state->pac_keys[b ? 2 : 0]);
    const u64 half = half_of(result), checked = half | 0xff;
    const u64 upper = static_cast<u64>(static_cast<i64>(result) >> 48);
    return ((upper ^ half) & checked) != 0 ? std::nullopt : std::optional{result};
}

} // namespace ulna::system
