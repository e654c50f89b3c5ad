#include "runtime/system/pointer_auth.h"

#include "ir/pauth.h"
#include "ir/support/bits.h"
#include "runtime/system/fields.h"

namespace ulna::system {

using frontend::Feature;

namespace {

u64 half_of(u64 pointer) { return bit(pointer, 55) ? ~u64{0} : 0; }
unsigned address_bits(const Cpu& cpu) { return ir::BlockMode{cpu.state->mode_bits}.address_bits(); }

u64 multiply_hash(u64 a, u64 b, const u64* key) {
    const u64 mixed = (a ^ key[0]) * 0x9e37'79b9'7f4a'7c15 ^ (b ^ key[1]);
    return mixed * 0xbf58'476d'1ce4'e5b9;
}

u64 pointer_code(const Cpu& cpu, u64 pointer, u64 modifier, const u64* key) {
    const u64 field = ir::pac_field(address_bits(cpu)),
              upper = half_of(pointer) & ir::upper_pac_field(address_bits(cpu));
    if (cpu.has(Feature::PAuth_impdef)) {
        return multiply_hash(pointer & ~field, modifier, key) >> 9 & field;
    }
    const auto variant = cpu.has(Feature::PAuth_QARMA3) ? ir::kQarma3 : ir::kQarma5;
    const u64 stripped = (pointer & ~field) | upper;
    return ir::qarma64(variant, stripped, modifier, key[1], key[0]) & (upper | field);
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
    const unsigned bottom = address_bits(cpu);
    const u64 half = half_of(result), checked = half | ones(56 - bottom);
    const u64 upper = static_cast<u64>(static_cast<i64>(result) >> bottom);
    return ((upper ^ half) & checked) != 0 ? std::nullopt : std::optional{result};
}

} // namespace ulna::system
