// Data processing -- immediate.
#include "frontend/a64/translate/arithmetic.h"
#include "frontend/a64/translate/handlers_base.h"

namespace ulna::frontend {

// --- PC-rel. addressing

bool ADR(Translator& t, Imm<2> immlo, Imm<19> immhi, Reg Rd) {
    t.set_X(Rd, t.b.code_address(t.pc() + static_cast<u64>(concat(immhi, immlo).sext())));
    return true;
}

bool ADRP(Translator& t, Imm<2> immlo, Imm<19> immhi, Reg Rd) {
    const u64 page = align_down(t.pc(), 4096);
    t.set_X(Rd, t.b.code_address(page + (static_cast<u64>(concat(immhi, immlo).sext()) << 12)));
    return true;
}

// --- Add/subtract (immediate): Rn is SP; Rd is SP unless flags are set

namespace {
bool add_sub_imm(
    Translator& t, bool sf, AddSub op, SetFlags flags, bool sh, Imm<12> imm12, Reg Rn, Reg Rd) {
    const Type type = gpr(sf);
    const Value operand1 = t.SP(type, Rn);
    const Value operand2 = t.imm(type, imm12.zext() << (sh ? 12 : 0));
    if (flags == SetFlags::Yes) {
        add_sub_setting_flags(t, op, operand1, operand2, Rd);
    } else if (imm12.v == 0) {
        t.set_SP(Rd, operand1); // MOV (to/from SP)
    } else {
        t.set_SP(Rd, add_sub(t, op, operand1, operand2));
    }
    return true;
}
} // namespace

bool ADD_imm(Translator& t, bool sf, bool sh, Imm<12> imm12, Reg Rn, Reg Rd) {
    return add_sub_imm(t, sf, AddSub::Add, SetFlags::No, sh, imm12, Rn, Rd);
}
bool ADDS_imm(Translator& t, bool sf, bool sh, Imm<12> imm12, Reg Rn, Reg Rd) {
    return add_sub_imm(t, sf, AddSub::Add, SetFlags::Yes, sh, imm12, Rn, Rd);
}
bool SUB_imm(Translator& t, bool sf, bool sh, Imm<12> imm12, Reg Rn, Reg Rd) {
    return add_sub_imm(t, sf, AddSub::Sub, SetFlags::No, sh, imm12, Rn, Rd);
}
bool SUBS_imm(Translator& t, bool sf, bool sh, Imm<12> imm12, Reg Rn, Reg Rd) {
    return add_sub_imm(t, sf, AddSub::Sub, SetFlags::Yes, sh, imm12, Rn, Rd);
}

// --- Logical (immediate): Rd is SP unless flags are set

namespace {
std::optional<u64> logical_mask(bool sf, bool N, Imm<6> immr, Imm<6> imms) {
    if (!sf && N) {
        return std::nullopt;
    }
    const auto masks = decode_bit_masks(N, imms, immr, true, sf ? 64 : 32);
    return masks ? std::optional{masks->wmask} : std::nullopt;
}

bool logical_imm(
    Translator& t, Opcode op, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd) {
    const auto mask = logical_mask(sf, N, immr, imms);
    if (!mask) {
        return t.reserved();
    }
    const Type type = gpr(sf);
    if (op == Opcode::Or && Rn == Reg::ZR) {
        t.set_SP(Rd, t.b.c64(*mask)); // MOV (bitmask immediate)
        return true;
    }
    t.set_SP(Rd, t.b.binary(op, t.X(type, Rn), t.imm(type, *mask)));
    return true;
}
} // namespace

bool AND_imm(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd) {
    return logical_imm(t, Opcode::And, sf, N, immr, imms, Rn, Rd);
}
bool ORR_imm(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd) {
    return logical_imm(t, Opcode::Or, sf, N, immr, imms, Rn, Rd);
}
bool EOR_imm(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd) {
    return logical_imm(t, Opcode::Xor, sf, N, immr, imms, Rn, Rd);
}
bool ANDS_imm(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd) {
    const auto mask = logical_mask(sf, N, immr, imms);
    if (!mask) {
        return t.reserved();
    }
    const Type type = gpr(sf);
    const Value result = t.b.and_(t.X(type, Rn), t.imm(type, *mask));
    t.set_nzcv(t.b.logic_flags(result));
    t.set_X(Rd, result);
    return true;
}

// --- Move wide (immediate)

bool MOVN(Translator& t, bool sf, Imm<2> hw, Imm<16> imm16, Reg Rd) {
    if (!sf && hw.bit(1)) {
        return t.unallocated();
    }
    t.set_X(Rd, t.b.c64(~(imm16.zext() << (16 * hw.v)) & ones(sf ? 64 : 32)));
    return true;
}
bool MOVZ(Translator& t, bool sf, Imm<2> hw, Imm<16> imm16, Reg Rd) {
    if (!sf && hw.bit(1)) {
        return t.unallocated();
    }
    t.set_X(Rd, t.b.c64(imm16.zext() << (16 * hw.v)));
    return true;
}
bool MOVK(Translator& t, bool sf, Imm<2> hw, Imm<16> imm16, Reg Rd) {
    if (!sf && hw.bit(1)) {
        return t.unallocated();
    }
    const Type type = gpr(sf);
    const unsigned pos = 16 * hw.v;
    const Value rest = t.b.and_(t.X(type, Rd), t.imm(type, ~(u64{0xffff} << pos)));
    t.set_X(Rd, t.b.or_(rest, t.imm(type, imm16.zext() << pos)));
    return true;
}

// --- Bitfield. R = immr, S = imms. S >= R extracts <S:R>; S < R inserts <S:0> at datasize - R.

namespace {
bool bitfield_is_unallocated(bool sf, bool N, Imm<6> immr, Imm<6> imms) {
    return N != sf || (!sf && (immr.bit(5) || imms.bit(5)));
}

Value sign_extend_low(Translator& t, Value x, unsigned from_bits, Type type) {
    const Type from = from_bits == 8 ? Type::I8 : from_bits == 16 ? Type::I16 : Type::I32;
    return t.b.sext(t.b.trunc(x, from), type);
}
} // namespace

bool SBFM(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd) {
    if (bitfield_is_unallocated(sf, N, immr, imms)) {
        return t.unallocated();
    }
    const Type type = gpr(sf);
    const unsigned datasize = sf ? 64 : 32;
    const unsigned R = immr.v, S = imms.v;
    const Value x = t.X(type, Rn);
    if (S == datasize - 1) { // ASR
        t.set_X(Rd, R == 0 ? x : t.b.sar(x, R));
    } else if (R == 0 && (S == 7 || S == 15 || S == 31)) { // SXTB SXTH SXTW
        t.set_X(Rd, sign_extend_low(t, x, S + 1, type));
    } else {
        const unsigned up = datasize - 1 - S; // bit S to the top
        const unsigned down = S >= R ? up + R : R - S - 1;
        const Value top = t.b.shl(x, up);
        t.set_X(Rd, down == 0 ? top : t.b.sar(top, down));
    }
    return true;
}

bool BFM(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd) {
    if (bitfield_is_unallocated(sf, N, immr, imms)) {
        return t.unallocated();
    }
    const Type type = gpr(sf);
    const unsigned datasize = sf ? 64 : 32;
    const unsigned R = immr.v, S = imms.v;
    const bool extracts = S >= R;
    const u64 field = ones(extracts ? S - R + 1 : S + 1);
    const unsigned position = extracts ? 0 : datasize - R;

    Value source = t.X(type, Rn);
    if (extracts && R != 0) {
        source = t.b.shr(source, R);
    }
    source = t.b.and_(source, t.imm(type, field));
    if (position != 0) {
        source = t.b.shl(source, position);
    }
    const Value kept = t.b.and_(t.X(type, Rd), t.imm(type, ~(field << position)));
    t.set_X(Rd, t.b.or_(kept, source));
    return true;
}

bool UBFM(Translator& t, bool sf, bool N, Imm<6> immr, Imm<6> imms, Reg Rn, Reg Rd) {
    if (bitfield_is_unallocated(sf, N, immr, imms)) {
        return t.unallocated();
    }
    const Type type = gpr(sf);
    const unsigned datasize = sf ? 64 : 32;
    const unsigned R = immr.v, S = imms.v;
    const Value x = t.X(type, Rn);
    if (S == datasize - 1) { // LSR
        t.set_X(Rd, R == 0 ? x : t.b.shr(x, R));
    } else if (S + 1 == R) { // LSL
        t.set_X(Rd, t.b.shl(x, datasize - R));
    } else if (S >= R) { // UBFX
        const Value low = R == 0 ? x : t.b.shr(x, R);
        t.set_X(Rd, t.b.and_(low, t.imm(type, ones(S - R + 1))));
    } else { // UBFIZ
        t.set_X(Rd, t.b.shl(t.b.and_(x, t.imm(type, ones(S + 1))), datasize - R));
    }
    return true;
}

// --- Extract

bool EXTR(Translator& t, bool sf, bool N, Reg Rm, Imm<6> imms, Reg Rn, Reg Rd) {
    if (N != sf || (!sf && imms.bit(5))) {
        return t.unallocated();
    }
    const Type type = gpr(sf);
    const unsigned lsb = imms.v;
    if (lsb == 0) {
        t.set_X(Rd, t.X(type, Rm));
    } else if (Rn == Rm) { // ROR (immediate)
        t.set_X(Rd, t.b.ror(t.X(type, Rn), t.imm(type, lsb)));
    } else {
        t.set_X(Rd, t.b.extr(t.X(type, Rn), t.X(type, Rm), lsb));
    }
    return true;
}

} // namespace ulna::frontend
