// Pointer authentication (DDI 0487 D8.10). Addresses have 48 bits, or 52. TCR_EL1 has TBI0 and not
// TBI1, as Linux sets it unless it tags its own memory: so the code is in bits 54:48 (54:52) of a
// pointer to the lower half, whose tag is left alone, and of one to the upper half in 63:56, too.
// FEAT_PAuth2 (the code is XORed into the pointer) and FEAT_FPACCOMBINED (failure raises an
// exception, also in combined instructions) are present.
#include "ir/pauth.h"
#include "frontend/a64/translate/branch.h"
#include "frontend/a64/translate/handlers_base.h"
#include "frontend/a64/translate/memory.h"

namespace ulna::frontend {

namespace {

// As the encodings number them; their halves are slots in this order.
enum class Key : u8 { IA, IB, DA, DB, GA };

u64 pac_field(Translator& t) { return ir::pac_field(t.mode().address_bits()); }
u64 upper_pac_field(Translator& t) { return ir::upper_pac_field(t.mode().address_bits()); }

Value mask(Translator& t, Value value, u64 bits) { return t.b.and_(value, t.b.c64(bits)); }

// Ones for pointers to the upper half, zeroes for others.
Value half_of(Translator& t, Value pointer) { return t.b.sar(t.b.shl(pointer, 8), 63); }

// The pointer as it was before a code was inserted: the code's bits equal bit 55.
Value strip(Translator& t, Value pointer) {
    const Value extension = mask(t, half_of(t, pointer), upper_pac_field(t));
    return t.b.or_(mask(t, pointer, ~pac_field(t)), extension);
}

// The IMPLEMENTATION DEFINED algorithm: two multiplications, whose best bits are the upper ones.
// Cheap, since every function's entry and exit does it; a detector of accidents, not a cipher.
Value multiply_hash(Translator& t, Value a, Value b, Key key) {
    const unsigned first = 2 * static_cast<unsigned>(key);
    const Value x = t.b.xor_(a, t.b.get(ir::pac_key_slot(first)));
    const Value y = t.b.xor_(b, t.b.get(ir::pac_key_slot(first + 1)));
    const Value mixed = t.b.xor_(t.b.mul(x, t.b.c64(0x9e37'79b9'7f4a'7c15)), y);
    return t.b.mul(mixed, t.b.c64(0xbf58'476d'1ce4'e5b9));
}

Value qarma(Translator& t, ir::PacAlgorithm algorithm, Value a, Value b, Key key) {
    const u64 selector = static_cast<u64>(key) | static_cast<u64>(algorithm) << 8;
    return t.b.call(ir::HelperId::ComputePac, {a, b, t.b.c64(selector)});
}

// ComputePAC.
Value compute(Translator& t, Value a, Value b, Key key) {
    if (t.cpu().features.has(Feature::PAuth_QARMA5)) {
        return qarma(t, ir::PacAlgorithm::Qarma5, a, b, key);
    }
    if (t.cpu().features.has(Feature::PAuth_QARMA3)) {
        return qarma(t, ir::PacAlgorithm::Qarma3, a, b, key);
    }
    return multiply_hash(t, a, b, key);
}
Value pointer_code(Translator& t, Value pointer, Value modifier, Key key) {
    if (t.cpu().features.has(Feature::PAuth_impdef)) {
        // The code's bits of the stripped pointer follow from bit 55: zeros do as well. And of this
        // code bits 63:56 are zeros.
        const Value plain = mask(t, pointer, ~pac_field(t));
        return mask(t, t.b.shr(multiply_hash(t, plain, modifier, key), 9), pac_field(t));
    }
    const Value code = compute(t, strip(t, pointer), modifier, key);
    const Value upper = mask(t, half_of(t, pointer), upper_pac_field(t));
    return t.b.and_(code, t.b.or_(upper, t.b.c64(pac_field(t))));
}

// SCTLR_EL1.EnIA and its like. Without prctl(PR_PAC_SET_ENABLED_KEYS) all are set.
Value is_enabled(Translator& t, Key key) {
    constexpr unsigned kEnableBit[] = {31, 30, 27, 13};
    return t.b.testbit(t.b.get(Slot::SCTLR_EL1), kEnableBit[static_cast<unsigned>(key)]);
}

// HCR_EL2.API and SCR_EL3.API.
Value is_trapped(Translator& t) {
    return t.b.testbit(t.b.get(Slot::SCTLR_EL1), ir::kPacTrappedBit);
}

// Raises an exception where a key's use is trapped; whether it is enabled.
Value ask_for(Translator& t, Key key) {
    const Value enabled = is_enabled(t, key);
    if (t.mode().system()) {
        t.b.raise_if(t.b.and_(enabled, is_trapped(t)), ir::ExitReason::PacTrap);
    }
    return enabled;
}

// AddPAC.
Value add_pac(Translator& t, Value pointer, Value modifier, Key key) {
    if (!t.mode().pac_restricted()) {
        return t.b.xor_(pointer, pointer_code(t, pointer, modifier, key));
    }
    const Value enabled = ask_for(t, key);
    const Value result = t.b.xor_(pointer, pointer_code(t, pointer, modifier, key));
    return t.b.select(enabled, result, pointer);
}

struct Authenticated {
    Value pointer, failed; // not all of the code's bits of the pointer equal bit 55
};
Authenticated without_code(Translator& t, Value pointer, Value modifier, Key key) {
    const Value result = t.b.xor_(pointer, pointer_code(t, pointer, modifier, key));
    const Value half = half_of(t, result);
    const unsigned bottom = t.mode().address_bits();
    const Value wrong = t.b.xor_(t.b.sar(result, bottom), half);
    const Value checked = t.b.or_(half, t.b.c64(ones(56 - bottom)));
    return {result, t.b.icmp(Cond::NE, t.b.and_(wrong, checked), t.b.c64(0))};
}

// Auth: raises an exception when it fails.
Value auth(Translator& t, Value pointer, Value modifier, Key key) {
    if (!t.mode().pac_restricted()) {
        const auto [result, failed] = without_code(t, pointer, modifier, key);
        t.b.raise_if(failed, ir::ExitReason::PacFail);
        return result;
    }
    const Value enabled = ask_for(t, key);
    const auto [result, failed] = without_code(t, pointer, modifier, key);
    t.b.raise_if(t.b.and_(failed, enabled), ir::ExitReason::PacFail);
    return t.b.select(enabled, result, pointer);
}

Key address_key(Imm<2> key) { return static_cast<Key>(key.v); }
Key instruction_key(bool B) { return B ? Key::IB : Key::IA; }
Value zero(Translator& t) { return t.b.c64(0); }
Value X(Translator& t, Reg reg) { return t.X(Type::I64, reg); }
Value SP(Translator& t, Reg reg) { return t.SP(Type::I64, reg); }
bool set(Translator& t, Reg Rd, Value value) {
    t.set_X(Rd, value);
    return true;
}

} // namespace

bool PAC_reg(Translator& t, Imm<2> key, Reg Rn, Reg Rd) {
    return set(t, Rd, add_pac(t, X(t, Rd), SP(t, Rn), address_key(key)));
}
bool AUT_reg(Translator& t, Imm<2> key, Reg Rn, Reg Rd) {
    return set(t, Rd, auth(t, X(t, Rd), SP(t, Rn), address_key(key)));
}
bool PAC_zero(Translator& t, Imm<2> key, Reg Rd) {
    return set(t, Rd, add_pac(t, X(t, Rd), zero(t), address_key(key)));
}
bool AUT_zero(Translator& t, Imm<2> key, Reg Rd) {
    return set(t, Rd, auth(t, X(t, Rd), zero(t), address_key(key)));
}
bool XPAC(Translator& t, Reg Rd) { return set(t, Rd, strip(t, X(t, Rd))); }
// Of the generic key, which is always enabled.
bool PACGA(Translator& t, Reg Rm, Reg Rn, Reg Rd) {
    if (t.mode().pac_restricted() && t.mode().system()) {
        t.b.raise_if(is_trapped(t), ir::ExitReason::PacTrap);
    }
    const Value code = compute(t, X(t, Rn), SP(t, Rm), Key::GA);
    return set(t, Rd, t.b.and_(code, t.b.c64(~u64{0} << 32)));
}

// --- In the hint space: NOPs for older CPUs

bool XPACLRI(Translator& t) { return set(t, Reg::LR, strip(t, X(t, Reg::LR))); }
bool PAC_1716(Translator& t, bool B) {
    return set(t, Reg{17}, add_pac(t, X(t, Reg{17}), X(t, Reg{16}), instruction_key(B)));
}
bool AUT_1716(Translator& t, bool B) {
    return set(t, Reg{17}, auth(t, X(t, Reg{17}), X(t, Reg{16}), instruction_key(B)));
}
bool PAC_LR(Translator& t, bool B, bool sp) {
    const Value modifier = sp ? SP(t, Reg::SP) : zero(t);
    return set(t, Reg::LR, add_pac(t, X(t, Reg::LR), modifier, instruction_key(B)));
}
bool AUT_LR(Translator& t, bool B, bool sp) {
    const Value modifier = sp ? SP(t, Reg::SP) : zero(t);
    return set(t, Reg::LR, auth(t, X(t, Reg::LR), modifier, instruction_key(B)));
}

// --- Combined with a branch or a load

bool BRA(Translator& t, bool M, Reg Rn, Reg Rm) {
    return branch_to(t, Rn, auth(t, X(t, Rn), SP(t, Rm), instruction_key(M)));
}
bool BRAZ(Translator& t, bool M, Reg Rn) {
    return branch_to(t, Rn, auth(t, X(t, Rn), zero(t), instruction_key(M)));
}
bool BLRA(Translator& t, bool M, Reg Rn, Reg Rm) {
    return call_to(t, auth(t, X(t, Rn), SP(t, Rm), instruction_key(M)));
}
bool BLRAZ(Translator& t, bool M, Reg Rn) {
    return call_to(t, auth(t, X(t, Rn), zero(t), instruction_key(M)));
}
bool RETA(Translator& t, bool M) {
    const Value target = auth(t, X(t, Reg::LR), SP(t, Reg::SP), instruction_key(M));
    return t.end(ir::ExitReturn{target.id});
}

bool LDRA(Translator& t, bool M, bool S, Imm<9> imm9, bool W, Reg Rn, Reg Rt) {
    const i64 offset = concat(S, imm9).sext() * 8;
    const Value base = auth(t, SP(t, Rn), zero(t), M ? Key::DB : Key::DA);
    const Address at{.base = base, .disp = offset, .tag_checked = W || Rn != Reg::SP};
    const Value data = load(t, Type::I64, at, {.size_log2 = 3});
    t.set_X(Rt, data);
    if (W && (Rt != Rn || Rn == Reg::SP)) {
        t.set_SP(Rn, t.b.add(base, t.b.c64(static_cast<u64>(offset))));
    }
    return true;
}

} // namespace ulna::frontend
