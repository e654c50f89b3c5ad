// Saturating vector arithmetic. QC is found by comparing the saturated result with the wrapped one,
// or by the overflow test that selects the lanes to be replaced.
#include "backend/x64/emit_vec.h"

namespace ulna::backend::x64 {

namespace {

// --- what words and doublewords, which saturate by hand, share

// to = the greatest number where x is not negative, the least where it is; not in place.
void extreme(Emitter& e, unsigned lane, Xmm to, Xmm x) {
    sign_mask(e, lane, to, x);
    e.c.vpxor(to, to, e.literal(splat(lane, lane_sign(lane) - 1)));
}

// Lanes of d become those of `saturated` where the sign bit of `overflow` is set.
void saturate(Emitter& e, const Inst& inst, Xmm d, Xmm saturated, Xmm overflow) {
    const Shape shape = inst.shape();
    const bool dword = shape.lane_log2 == 3;
    dword ? e.c.vblendvpd(d, d, saturated, overflow) : e.c.vblendvps(d, d, saturated, overflow);
    if (shape.bytes() == 16) {
        dword ? e.c.vtestpd(overflow, overflow) : e.c.vtestps(overflow, overflow);
    } else {
        e.c.vptest(overflow, e.literal(top_bits(shape)));
    }
    set_qc_if(e, Cc::NE);
}

// --- addition and subtraction

// Bytes and halfwords saturate in hardware.
template <const Lanes3& kSaturating, const Lanes3& kWrapping>
void emit_native(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm wrapped = e.scratch_xmm();
    emit(e, kWrapping, lane, wrapped, a, b);
    emit(e, kSaturating, lane, d, a, b);
    e.c.vpxor(wrapped, wrapped, d);
    set_qc_if_any(e, wrapped, inst.shape());
    finish(e, inst, d);
}

// Words and doublewords: a sum overflows when its sign differs from both operands', a difference
// when the operands' signs differ and its sign differs from the first's.
template <bool kSubtract> void emit_signed_wide(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm overflow = e.scratch_xmm(), t = e.scratch_xmm();
    emit(e, kSubtract ? kVSub : kVAdd, lane, d, a, b);
    e.c.vpxor(overflow, a, d);
    e.c.vpxor(t, kSubtract ? a : d, b);
    e.c.vpand(overflow, overflow, t);
    extreme(e, lane, t, a);
    saturate(e, inst, d, t, overflow);
    finish(e, inst, d);
}

// a + min(b, ~a) does not wrap; max(a, b) - b does not either.
template <bool kSubtract> void emit_unsigned_word(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    if (kSubtract) {
        e.c.vpmaxud(t, a, b);
        e.c.vpsubd(d, t, b);
        e.c.vpxor(t, t, a);
    } else {
        e.c.vpcmpeqd(t, t, t);
        e.c.vpxor(t, t, a);
        e.c.vpminud(t, t, b);
        e.c.vpaddd(d, a, t);
        e.c.vpxor(t, t, b);
    }
    set_qc_if_any(e, t, inst.shape());
    finish(e, inst, d);
}

// A sum wrapped when it is less than an operand, a difference when it is greater than the first:
// compared as signed numbers with the signs flipped.
template <bool kSubtract> void emit_unsigned_doubleword(Emitter& e, const Inst& inst) {
    const V128 flip = splat(3, lane_sign(3));
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm wrapped = e.scratch_xmm(), t = e.scratch_xmm();
    e.c.vpxor(wrapped, a, e.literal(flip));
    emit(e, kSubtract ? kVSub : kVAdd, 3, d, a, b);
    e.c.vpxor(t, d, e.literal(flip));
    if (kSubtract) {
        e.c.vpcmpgtq(wrapped, t, wrapped);
        e.c.vpandn(d, wrapped, d);
    } else {
        e.c.vpcmpgtq(wrapped, wrapped, t);
        e.c.vpor(d, d, wrapped);
    }
    set_qc_if_any(e, wrapped, inst.shape());
    finish(e, inst, d);
}

constexpr Lanes3 kAddS{{&Assembler::vpaddsb, &Assembler::vpaddsw, nullptr, nullptr}};
constexpr Lanes3 kAddU{{&Assembler::vpaddusb, &Assembler::vpaddusw, nullptr, nullptr}};
constexpr Lanes3 kSubS{{&Assembler::vpsubsb, &Assembler::vpsubsw, nullptr, nullptr}};
constexpr Lanes3 kSubU{{&Assembler::vpsubusb, &Assembler::vpsubusw, nullptr, nullptr}};

template <const Lanes3& kSaturating, const Lanes3& kWrapping, bool kSubtract>
void emit_signed(Emitter& e, const Inst& inst) {
    inst.shape().lane_log2 < 2 ? emit_native<kSaturating, kWrapping>(e, inst)
                               : emit_signed_wide<kSubtract>(e, inst);
}
template <const Lanes3& kSaturating, const Lanes3& kWrapping, bool kSubtract>
void emit_unsigned(Emitter& e, const Inst& inst) {
    switch (inst.shape().lane_log2) {
    case 0:
    case 1:
        return emit_native<kSaturating, kWrapping>(e, inst);
    case 2:
        return emit_unsigned_word<kSubtract>(e, inst);
    default:
        return emit_unsigned_doubleword<kSubtract>(e, inst);
    }
}

// SUQADD and USQADD: with the sign of the first operand flipped, which moves its range by half, the
// sum saturates as that of two unsigned numbers, or of two signed ones.
template <const Lanes3& kSaturating> void emit_mixed_native(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    const V128 flip = splat(lane, lane_sign(lane));
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm wrapped = e.scratch_xmm();
    e.c.vpxor(d, a, e.literal(flip));
    emit(e, kVAdd, lane, wrapped, d, b);
    emit(e, kSaturating, lane, d, d, b);
    e.c.vpxor(wrapped, wrapped, d);
    set_qc_if_any(e, wrapped, inst.shape());
    e.c.vpxor(d, d, e.literal(flip));
    finish(e, inst, d);
}

// Words and doublewords. That an unsigned number is added to a signed one and wraps shows in a sum
// that is less than the first. A signed number added to an unsigned one, whose sign is flipped and
// back, wraps when the signs of the operands are equal and the sum's differs: when the sum's sign,
// flipped back, differs from the first's and equals the second's. Then it saturates by the sign of
// the second.
template <bool kUnsignedSum> void emit_mixed_wide(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm overflow = e.scratch_xmm(), t = e.scratch_xmm();
    emit(e, kVAdd, lane, d, a, b);
    if (kUnsignedSum) {
        emit(e, kVCmGt, lane, overflow, a, d);
        e.load_imm(t, splat(lane, lane_sign(lane) - 1));
    } else {
        e.c.vpxor(overflow, d, a);
        e.c.vpxor(t, d, b);
        e.c.vpandn(overflow, t, overflow);
        e.c.vpcmpeqd(t, t, t);
        emit(e, kVCmGt, lane, t, b, t);
    }
    saturate(e, inst, d, t, overflow);
    finish(e, inst, d);
}

template <const Lanes3& kSaturating, bool kUnsignedSum>
void emit_mixed(Emitter& e, const Inst& inst) {
    inst.shape().lane_log2 < 2 ? emit_mixed_native<kSaturating>(e, inst)
                               : emit_mixed_wide<kUnsignedSum>(e, inst);
}

// --- absolute value and negation: only MIN saturates

// |MIN| is MIN, which as an unsigned number exceeds MAX.
void emit_VSQAbs(Emitter& e, const Inst& inst) {
    constexpr Vex2 kAbs[3] = {&Assembler::vpabsb, &Assembler::vpabsw, &Assembler::vpabsd};
    const unsigned lane = inst.shape().lane_log2;
    if (lane == 3) {
        return e.call_eval(inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    (e.c.*kAbs[lane])(t, a);
    emit(e, kVUMin, lane, d, t, e.literal(splat(lane, lane_sign(lane) - 1)));
    e.c.vpxor(t, t, d);
    set_qc_if_any(e, t, inst.shape());
    finish(e, inst, d);
}

// 0 - MIN is MIN, the only lane equal to it: complementing makes it MAX.
void emit_VSQNeg(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    e.c.vpxor(d, d, d);
    emit(e, kVSub, lane, d, d, a);
    emit(e, kVCmEq, lane, t, d, e.literal(splat(lane, lane_sign(lane))));
    e.c.vpxor(d, d, t);
    set_qc_if_any(e, t, inst.shape());
    finish(e, inst, d);
}

// --- doubling products: only MIN * MIN saturates, and only it gives MIN before saturation

void saturate_min(Emitter& e, const Inst& inst, Xmm d) {
    const unsigned lane = inst.shape().lane_log2;
    const Xmm t = e.scratch_xmm();
    emit(e, kVCmEq, lane, t, d, e.literal(splat(lane, lane_sign(lane))));
    e.c.vpxor(d, d, t);
    set_qc_if_any(e, t, inst.shape());
}

void emit_halfword_doubling_high(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    if ((inst.imm & 1) != 0) {
        e.c.vpmulhrsw(d, a, b);
    } else {
        const Xmm low = e.scratch_xmm();
        e.c.vpmulhw(d, a, b);
        e.c.vpmullw(low, a, b);
        e.c.vpaddw(d, d, d);
        e.c.vpsrlw(low, low, 15);
        e.c.vpor(d, d, low);
    }
    saturate_min(e, inst, d);
    finish(e, inst, d);
}

void emit_word_doubling_high(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm odd = e.scratch_xmm(), t = e.scratch_xmm();
    e.c.vpsrlq(odd, a, 32);
    e.c.vpsrlq(t, b, 32);
    e.c.vpmuldq(odd, odd, t);
    e.c.vpmuldq(d, a, b);
    for (const Xmm& product : {odd, d}) {
        e.c.vpaddq(product, product, product);
        if ((inst.imm & 1) != 0) {
            e.c.vpaddq(product, product, e.literal(splat(3, u64{1} << 31)));
        }
    }
    e.c.vpsrlq(d, d, 32);
    e.c.vpblendd(d, d, odd, 0b1010);
    saturate_min(e, inst, d);
    finish(e, inst, d);
}

void emit_VSQDMulH(Emitter& e, const Inst& inst) {
    inst.shape().lane_log2 == 1 ? emit_halfword_doubling_high(e, inst)
                                : emit_word_doubling_high(e, inst);
}

void emit_VSQDMull(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    if (inst.shape().lane_log2 == 2) {
        e.c.vpmullw(t, a, b);
        e.c.vpmulhw(d, a, b);
        e.c.vpunpcklwd(d, t, d);
        e.c.vpaddd(d, d, d);
    } else {
        e.c.vpunpckldq(t, a, a);
        e.c.vpunpckldq(d, b, b);
        e.c.vpmuldq(d, d, t);
        e.c.vpaddq(d, d, d);
    }
    saturate_min(e, inst, d);
    clear_past(e, d, inst.shape()); // a scalar's narrow lanes past the first are products too
}

// --- SQRDMLAH and SQRDMLSH: (a * 2^15 +- b * c + 2^14) >> 15 fits a word, and with 31 a doubleword

void emit_halfword_multiply_add(Emitter& e, const Inst& inst) {
    const bool subtract = (inst.imm & 1) != 0, both = inst.shape().bytes() == 16;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm c = e.use_xmm(inst.args[2]);
    const Xmm d = e.def_xmm(inst);
    const Xmm high = e.scratch_xmm(), t = e.scratch_xmm();
    // `to` = words of half the lanes, before saturation, from the products' halves
    const auto half = [&](Xmm to, Xmm low_halves, Xmm high_halves, bool upper) {
        upper ? e.c.vpunpckhwd(to, low_halves, high_halves)
              : e.c.vpunpcklwd(to, low_halves, high_halves);
        e.c.vpxor(t, t, t);
        upper ? e.c.vpunpckhwd(t, t, a) : e.c.vpunpcklwd(t, t, a);
        e.c.vpsrad(t, t, 1);
        emit(e, subtract ? kVSub : kVAdd, 2, to, t, to);
        e.c.vpaddd(to, to, e.literal(splat(2, 1 << 14)));
        e.c.vpsrad(to, to, 15);
    };
    const Xmm low = e.scratch_xmm();
    e.c.vpmullw(low, b, c);
    e.c.vpmulhw(high, b, c);
    half(d, low, high, false);
    const V128 bias = splat(2, 0x8000); // halfwords are what this moves to 0 .. 0xffff
    if (both) {
        half(high, low, high, true);
        e.c.vpaddd(t, high, e.literal(bias));
        e.c.vpaddd(low, d, e.literal(bias));
        e.c.vpor(low, low, t);
        e.c.vpackssdw(d, d, high);
    } else {
        e.c.vpaddd(low, d, e.literal(bias));
        e.c.vpackssdw(d, d, d);
    }
    const bool scalar = inst.shape() == shape::H1;
    e.c.vptest(low, e.literal(scalar ? V128{0xffff'0000, 0} : splat(2, 0xffff'0000)));
    set_qc_if(e, Cc::NE);
    clear_past(e, d, inst.shape());
}

void emit_word_multiply_add(Emitter& e, const Inst& inst) {
    const bool subtract = (inst.imm & 1) != 0;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm c = e.use_xmm(inst.args[2]);
    const Xmm d = e.def_xmm(inst);
    const Xmm odd = e.scratch_xmm(), t = e.scratch_xmm();
    // sum = the sums of even lanes, from their products
    const auto add = [&](Xmm sum, Xmm addend) {
        e.c.vpmuldq(t, addend, e.literal(splat(3, u64{1} << 30)));
        e.c.vpaddq(t, t, t);
        emit(e, subtract ? kVSub : kVAdd, 3, sum, t, sum);
        e.c.vpaddq(sum, sum, e.literal(splat(3, u64{1} << 30)));
    };
    e.c.vpsrlq(odd, b, 32);
    e.c.vpsrlq(t, c, 32);
    e.c.vpmuldq(odd, odd, t);
    e.c.vpsrlq(d, a, 32);
    add(odd, d);
    e.c.vpmuldq(d, b, c);
    add(d, a);
    // The results are bits 62 to 31 of the sums, which do not fit where bits 63 and 62 differ.
    const Xmm high = e.scratch_xmm();
    e.c.vpsrlq(high, d, 32);
    e.c.vpblendd(high, high, odd, 0b1010);
    e.c.vpsrlq(d, d, 31);
    e.c.vpaddq(odd, odd, odd);
    e.c.vpblendd(d, d, odd, 0b1010);
    extreme(e, 2, t, high);
    e.c.vpxor(high, high, d);
    saturate(e, inst, d, t, high);
    clear_past(e, d, inst.shape());
}

void emit_VSQRDMlAH(Emitter& e, const Inst& inst) {
    inst.shape().lane_log2 == 1 ? emit_halfword_multiply_add(e, inst)
                                : emit_word_multiply_add(e, inst);
}

// --- shifts by an immediate: a value saturates when shifting back does not restore it. With
// SQSHLU that is so for negative ones, too, which become zero: their top bit is lost.

enum class ShiftedAs : u8 { Signed, Unsigned, SignedToUnsigned };

template <ShiftedAs kAs> void emit_shift(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2, n = static_cast<unsigned>(inst.imm);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    const Xmm fits = e.scratch_xmm(), saturated = e.scratch_xmm();
    shift_left(e, d, a, lane, n);
    kAs == ShiftedAs::Signed ? shift_right_arithmetic(e, fits, d, lane, n)
                             : shift_right_logical(e, fits, d, lane, n);
    emit(e, kVCmEq, lane, fits, fits, a);
    if (kAs == ShiftedAs::Unsigned) {
        e.c.vpcmpeqd(saturated, saturated, saturated);
    } else if (kAs == ShiftedAs::Signed) {
        extreme(e, lane, saturated, a);
    } else {
        e.c.vpcmpeqd(saturated, saturated, saturated);
        emit(e, kVCmGt, lane, saturated, a, saturated);
    }
    saturate_unless(e, inst, d, saturated, fits);
    finish(e, inst, d);
}

// Without a shift no top bit is lost.
void emit_VSQShlU(Emitter& e, const Inst& inst) {
    if (inst.imm != 0) {
        return emit_shift<ShiftedAs::SignedToUnsigned>(e, inst);
    }
    const unsigned lane = inst.shape().lane_log2;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    sign_mask(e, lane, t, a);
    e.c.vpandn(d, t, a);
    set_qc_if_any(e, t, inst.shape());
    finish(e, inst, d);
}

} // namespace

void add_vec_saturating_emitters(EmitTable& table) {
    table.set(Opcode::VSQAdd, emit_signed<kAddS, kVAdd, false>);
    table.set(Opcode::VSQSub, emit_signed<kSubS, kVSub, true>);
    table.set(Opcode::VUQAdd, emit_unsigned<kAddU, kVAdd, false>);
    table.set(Opcode::VUQSub, emit_unsigned<kSubU, kVSub, true>);
    table.set(Opcode::VSUQAdd, emit_mixed<kAddU, true>);
    table.set(Opcode::VUSQAdd, emit_mixed<kAddS, false>);
    table.set(Opcode::VSQRDMlAH, emit_VSQRDMlAH);
    table.set(Opcode::VSQAbs, emit_VSQAbs);
    table.set(Opcode::VSQNeg, emit_VSQNeg);
    table.set(Opcode::VSQDMulH, emit_VSQDMulH);
    table.set(Opcode::VSQDMull, emit_VSQDMull);
    table.set(Opcode::VSQShlImm, emit_shift<ShiftedAs::Signed>);
    table.set(Opcode::VUQShlImm, emit_shift<ShiftedAs::Unsigned>);
    table.set(Opcode::VSQShlU, emit_VSQShlU);
}

} // namespace ulna::backend::x64
