// Vector shifts, by immediate and by register.
#include "backend/x64/emit_vec.h"
#include "ir/support/bits.h"

namespace ulna::backend::x64 {

namespace {

// --- by immediate

void emit_VShl(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    shift_left(e, d, a, inst.shape().lane_log2, static_cast<unsigned>(inst.imm));
    finish(e, inst, d);
}
void emit_VUShr(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    shift_right_logical(e, d, a, inst.shape().lane_log2, static_cast<unsigned>(inst.imm));
    finish(e, inst, d);
}
void emit_VSShr(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    shift_right_arithmetic(e, d, a, inst.shape().lane_log2, static_cast<unsigned>(inst.imm));
    finish(e, inst, d);
}
template <bool kSigned> void emit_rounding_right(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    shift_right_rounding(e, d, a, inst.shape().lane_log2, static_cast<unsigned>(inst.imm), kSigned);
    finish(e, inst, d);
}

// The shifted lanes have zeros where the first argument's bits are kept.
void emit_insert(Emitter& e, const Inst& inst, Xmm a, Xmm shifted, Xmm d, u64 kept) {
    const Xmm t = e.scratch_xmm();
    e.c.vpand(t, a, e.literal(splat(inst.shape().lane_log2, kept)));
    e.c.vpor(d, shifted, t);
    finish(e, inst, d);
}
void emit_VSli(Emitter& e, const Inst& inst) {
    const unsigned n = static_cast<unsigned>(inst.imm);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    shift_left(e, d, b, inst.shape().lane_log2, n);
    emit_insert(e, inst, a, d, d, ones(n));
}
void emit_VSri(Emitter& e, const Inst& inst) {
    const unsigned n = static_cast<unsigned>(inst.imm);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    shift_right_logical(e, d, b, inst.shape().lane_log2, n);
    emit_insert(e, inst, a, d, d, ~ones(inst.shape().lane_bits() - n));
}

// --- by register. The host's variable shifts take the amount from the whole lane and give zero (or
// the sign) for amounts past it: so the low byte of the guest's amount shifts left, the low byte of
// its negation right, and the amount's sign selects.

struct RegisterShift {
    bool is_signed, rounding;
};
// What the sequences below clobber.
struct ShiftTemps {
    Xmm right, t;
};

// d = words of a shifted by the low bytes of b's words; d is neither. Rounding adds the last bit
// shifted out. Left shifts go no further than `most_left`.
void shift_words(Emitter& e,
                 const RegisterShift& kind,
                 Xmm d,
                 Xmm a,
                 Xmm b,
                 const ShiftTemps& temps,
                 unsigned most_left = 255) {
    const Xmm right = temps.right, t = temps.t;
    const V128 low_byte = splat(2, 0xff);
    const auto shift_right = [&](Xmm to, Xmm amount) {
        kind.is_signed ? e.c.vpsravd(to, a, amount) : e.c.vpsrlvd(to, a, amount);
    };
    e.c.vpxor(t, t, t);
    e.c.vpsubd(t, t, b);
    e.c.vpand(t, t, e.literal(low_byte));
    shift_right(right, t);
    if (kind.rounding) {
        e.c.vpaddd(t, t, e.literal(splat(2, ~u64{0})));
        shift_right(t, t);
        e.c.vpand(t, t, e.literal(splat(2, 1)));
        e.c.vpaddd(right, right, t);
    }
    e.c.vpand(t, b, e.literal(low_byte));
    if (most_left < 255) {
        e.c.vpminud(t, t, e.literal(splat(2, most_left)));
    }
    e.c.vpsllvd(d, a, t);
    e.c.vpslld(t, b, 24);
    e.c.vblendvps(d, d, right, t);
}

// The same for doublewords. There is no arithmetic form: negative lanes are complemented before the
// logical shift and after it.
void shift_doublewords(
    Emitter& e, const RegisterShift& kind, Xmm d, Xmm a, Xmm b, const ShiftTemps& temps) {
    const Xmm right = temps.right, t = temps.t;
    const Xmm sign = kind.is_signed ? e.scratch_xmm() : t, positive = kind.is_signed ? d : a;
    const V128 low_byte = splat(3, 0xff);
    const auto shift_right = [&](Xmm to, Xmm amount) {
        e.c.vpsrlvq(to, positive, amount);
        if (kind.is_signed) {
            e.c.vpxor(to, to, sign);
        }
    };
    if (kind.is_signed) {
        e.c.vpxor(sign, sign, sign);
        e.c.vpcmpgtq(sign, sign, a);
        e.c.vpxor(positive, a, sign);
    }
    e.c.vpxor(t, t, t);
    e.c.vpsubq(t, t, b);
    e.c.vpand(t, t, e.literal(low_byte));
    shift_right(right, t);
    if (kind.rounding) {
        e.c.vpaddq(t, t, e.literal(splat(3, ~u64{0})));
        shift_right(t, t);
        e.c.vpand(t, t, e.literal(splat(3, 1)));
        e.c.vpaddq(right, right, t);
    }
    e.c.vpand(t, b, e.literal(low_byte));
    e.c.vpsllvq(d, a, t);
    e.c.vpsllq(t, b, 56);
    e.c.vblendvpd(d, d, right, t);
}

// Even or odd halfwords as words.
void even_halfwords(Emitter& e, bool is_signed, Xmm d, Xmm a) {
    if (is_signed) {
        e.c.vpslld(d, a, 16);
        e.c.vpsrad(d, d, 16);
    } else {
        e.c.vpand(d, a, e.literal(splat(2, 0xffff)));
    }
}
void odd_halfwords(Emitter& e, bool is_signed, Xmm d, Xmm a) {
    is_signed ? e.c.vpsrad(d, a, 16) : e.c.vpsrld(d, a, 16);
}
void shift_halfwords(
    Emitter& e, const RegisterShift& kind, Xmm d, Xmm a, Xmm b, const ShiftTemps& temps) {
    const Xmm half = e.scratch_xmm(), amount = e.scratch_xmm(), odd = e.scratch_xmm();
    even_halfwords(e, kind.is_signed, half, a);
    shift_words(e, kind, d, half, b, temps);
    odd_halfwords(e, kind.is_signed, half, a);
    e.c.vpsrld(amount, b, 16);
    shift_words(e, kind, odd, half, amount, temps);
    e.c.vpslld(odd, odd, 16);
    e.c.vpblendw(d, d, odd, 0b10101010);
}

// Bytes as halfwords, shifted by products: of 2^n to the left by n < 8, of 2^(8 - n) and eight bits
// to the right. The power is looked up with the amount: one past 15, or negative, finds zero, and
// so one of a lane's two products is zero.
void powers(Emitter& e, Xmm d, Xmm amount, bool right) {
    e.c.vpaddusb(d, amount, e.literal(splat(0, 0x70)));
    const V128 table = shuffle_control([=](unsigned n) -> unsigned {
        return right ? (n >= 1 && n <= 8 ? 1u << (8 - n) : 0) : n < 8 ? 1u << n : 0;
    });
    const Xmm t = e.scratch_xmm();
    e.load_imm(t, table);
    e.c.vpshufb(d, t, d);
}
void shift_bytes(
    Emitter& e, const RegisterShift& kind, Xmm d, Xmm a, Xmm b, const ShiftTemps& temps) {
    const Xmm right = temps.right, t = temps.t;
    const Xmm left = e.scratch_xmm(), odd = e.scratch_xmm();
    const V128 low_byte = splat(1, 0xff);
    powers(e, left, b, false);
    e.c.vpxor(right, right, right);
    if (kind.is_signed && !kind.rounding) { // eight leaves the sign, and so do more
        e.c.vpcmpgtb(t, right, b);
        e.c.vpsubb(right, right, b);
        e.c.vpminub(right, right, e.literal(splat(0, 8)));
        e.c.vpand(right, right, t);
    } else {
        e.c.vpsubb(right, right, b);
    }
    powers(e, right, right, true);
    // `to` = the halfwords of `value` shifted; clobbers value
    const auto shift = [&](Xmm to, Xmm value, Xmm left_power, Xmm right_power) {
        e.c.vpmullw(to, value, left_power);
        e.c.vpmullw(value, value, right_power);
        if (kind.rounding) {
            e.c.vpaddw(value, value, e.literal(splat(1, 0x80)));
        }
        kind.is_signed ? e.c.vpsraw(value, value, 8) : e.c.vpsrlw(value, value, 8);
        e.c.vpor(to, to, value);
    };
    kind.is_signed ? e.c.vpsraw(t, a, 8) : e.c.vpsrlw(t, a, 8);
    const Xmm power = e.scratch_xmm();
    e.c.vpsrlw(power, left, 8);
    e.c.vpsrlw(d, right, 8);
    shift(odd, t, power, d);
    if (kind.is_signed) {
        e.c.vpsllw(t, a, 8);
        e.c.vpsraw(t, t, 8);
    } else {
        e.c.vpand(t, a, e.literal(low_byte));
    }
    e.c.vpand(left, left, e.literal(low_byte));
    e.c.vpand(right, right, e.literal(low_byte));
    shift(d, t, left, right);
    e.c.vpand(d, d, e.literal(low_byte));
    e.c.vpsllw(odd, odd, 8);
    e.c.vpor(d, d, odd);
}

void shift_by_register(
    Emitter& e, const RegisterShift& kind, unsigned lane, Xmm d, Xmm a, Xmm b, ShiftTemps temps) {
    switch (lane) {
    case 0:
        return shift_bytes(e, kind, d, a, b, temps);
    case 1:
        return shift_halfwords(e, kind, d, a, b, temps);
    case 2:
        return shift_words(e, kind, d, a, b, temps);
    default:
        return shift_doublewords(e, kind, d, a, b, temps);
    }
}

template <bool kSigned> void emit_shift_by_register(Emitter& e, const Inst& inst) {
    const RegisterShift kind{kSigned, (inst.imm & 1) != 0};
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const ShiftTemps temps{e.scratch_xmm(), e.scratch_xmm()};
    shift_by_register(e, kind, inst.shape().lane_log2, d, a, b, temps);
    finish(e, inst, d);
}

// --- the same, saturating. Only shifts to the left saturate.

// As words, a halfword shifted by up to 16 does not overflow, and by 16 it saturates unless it is
// zero.
void emit_saturating_halfwords(Emitter& e, const Inst& inst, const RegisterShift& kind) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const ShiftTemps temps{e.scratch_xmm(), e.scratch_xmm()};
    const Xmm half = e.scratch_xmm(), odd = e.scratch_xmm(), changed = e.scratch_xmm();
    const auto saturate = [&](Xmm words) {
        if (kind.is_signed) {
            e.c.vpmaxsd(temps.t, words, e.literal(splat(2, 0xffff'8000)));
            e.c.vpminsd(temps.t, temps.t, e.literal(splat(2, 0x7fff)));
        } else {
            e.c.vpminud(temps.t, words, e.literal(splat(2, 0xffff)));
        }
        e.c.vpxor(temps.right, words, temps.t);
        e.move(words, temps.t);
    };
    odd_halfwords(e, kind.is_signed, half, a);
    e.c.vpsrld(changed, b, 16);
    shift_words(e, kind, odd, half, changed, temps, 16);
    saturate(odd);
    e.move(changed, temps.right);
    even_halfwords(e, kind.is_signed, half, a);
    shift_words(e, kind, d, half, b, temps, 16);
    saturate(d);
    if (inst.shape().lanes() == 1) {
        e.move(changed, temps.right);
    } else {
        e.c.vpor(changed, changed, temps.right);
    }
    e.c.vpslld(odd, odd, 16);
    e.c.vpblendw(d, d, odd, 0b10101010);
    finish(e, inst, d);
    const unsigned lanes = inst.shape().lanes();
    set_qc_if_any(e, changed, lanes == 1 ? shape::S1 : lanes == 4 ? shape::S2 : shape::S4);
}

// Words and doublewords: a lane saturates when shifting it back does not restore it.
void emit_saturating_wide(Emitter& e, const Inst& inst, const RegisterShift& kind) {
    const unsigned lane = inst.shape().lane_log2;
    const bool dword = lane == 3;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const ShiftTemps temps{e.scratch_xmm(), e.scratch_xmm()};
    const Xmm back = temps.right, t = temps.t;
    shift_by_register(e, kind, lane, d, a, b, temps);
    e.c.vpand(t, b, e.literal(splat(lane, 0xff)));
    if (!dword) {
        kind.is_signed ? e.c.vpsravd(back, d, t) : e.c.vpsrlvd(back, d, t);
    } else if (kind.is_signed) {
        const Xmm sign = e.scratch_xmm();
        e.c.vpxor(sign, sign, sign);
        e.c.vpcmpgtq(sign, sign, d);
        e.c.vpxor(back, d, sign);
        e.c.vpsrlvq(back, back, t);
        e.c.vpxor(back, back, sign);
    } else {
        e.c.vpsrlvq(back, d, t);
    }
    // What is shifted to the right fits.
    emit(e, kVCmEq, lane, back, back, a);
    if (dword) {
        e.c.vpsllq(t, b, 56);
        e.c.vpshufd(t, t, 0b11110101);
    } else {
        e.c.vpslld(t, b, 24);
    }
    e.c.vpsrad(t, t, 31);
    e.c.vpor(back, back, t);
    if (kind.is_signed) {
        sign_mask(e, lane, t, a);
        e.c.vpxor(t, t, e.literal(splat(lane, lane_sign(lane) - 1)));
    } else {
        e.c.vpcmpeqd(t, t, t);
    }
    saturate_unless(e, inst, d, t, back);
    finish(e, inst, d);
}

template <bool kSigned> void emit_saturating_shift(Emitter& e, const Inst& inst) {
    const RegisterShift kind{kSigned, (inst.imm & 1) != 0};
    switch (inst.shape().lane_log2) {
    case 0:
        return e.call_eval(inst);
    case 1:
        return emit_saturating_halfwords(e, inst, kind);
    default:
        return emit_saturating_wide(e, inst, kind);
    }
}

} // namespace

void add_vec_shift_emitters(EmitTable& table) {
    table.set(Opcode::VShl, emit_VShl, kKeepsFlags);
    table.set(Opcode::VUShr, emit_VUShr, kKeepsFlags);
    table.set(Opcode::VSShr, emit_VSShr, kKeepsFlags);
    table.set(Opcode::VURShr, emit_rounding_right<false>, kKeepsFlags);
    table.set(Opcode::VSRShr, emit_rounding_right<true>, kKeepsFlags);
    table.set(Opcode::VSli, emit_VSli, kKeepsFlags);
    table.set(Opcode::VSri, emit_VSri, kKeepsFlags);
    table.set(Opcode::VUShlReg, emit_shift_by_register<false>);
    table.set(Opcode::VSShlReg, emit_shift_by_register<true>);
    table.set(Opcode::VUQShlReg, emit_saturating_shift<false>);
    table.set(Opcode::VSQShlReg, emit_saturating_shift<true>);
}

} // namespace ulna::backend::x64
