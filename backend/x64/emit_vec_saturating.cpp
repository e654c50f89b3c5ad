// Saturating vector arithmetic. QC is found by comparing the saturated result with the wrapped one,
// or by an overflow test whose rare case is computed out of line.
#include "backend/x64/emit_vec.h"

namespace ulna::backend::x64 {

namespace {

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
    e.c.vpand(overflow, overflow, e.literal(splat(lane, lane_sign(lane))));
    finish(e, inst, d);
    evaluate_if_any(e, inst, overflow, {a.getIdx(), b.getIdx()}, d);
}

// A sum wrapped when it is less than an operand: max(sum, a) != sum. A difference saturates at
// max(a, b) - b = 0, when max(a, b) != a.
template <bool kSubtract> void emit_unsigned_word(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    if (kSubtract) {
        e.c.vpmaxud(t, a, b);
        e.c.vpsubd(d, t, b);
        e.c.vpxor(t, t, a);
        set_qc_if_any(e, t, inst.shape());
        finish(e, inst, d);
    } else {
        e.c.vpaddd(d, a, b);
        e.c.vpmaxud(t, d, a);
        e.c.vpxor(t, t, d);
        finish(e, inst, d);
        evaluate_if_any(e, inst, t, {a.getIdx(), b.getIdx()}, d);
    }
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
        return e.call_eval(inst);
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

template <bool kUnsignedSum> void emit_mixed_word(Emitter& e, const Inst& inst) {
    const V128 flip = splat(2, lane_sign(2));
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm overflow = e.scratch_xmm(), t = e.scratch_xmm();
    e.c.vpxor(t, a, e.literal(flip));
    e.c.vpaddd(d, t, b);
    if (kUnsignedSum) {
        e.c.vpmaxud(overflow, d, t);
        e.c.vpxor(overflow, overflow, d);
    } else {
        e.c.vpxor(overflow, d, t);
        e.c.vpxor(t, d, b);
        e.c.vpand(overflow, overflow, t);
        e.c.vpand(overflow, overflow, e.literal(flip));
    }
    e.c.vpxor(d, d, e.literal(flip));
    finish(e, inst, d);
    evaluate_if_any(e, inst, overflow, {a.getIdx(), b.getIdx()}, d);
}

template <const Lanes3& kSaturating, bool kUnsignedSum>
void emit_mixed(Emitter& e, const Inst& inst) {
    switch (inst.shape().lane_log2) {
    case 0:
    case 1:
        return emit_mixed_native<kSaturating>(e, inst);
    case 2:
        return emit_mixed_word<kUnsignedSum>(e, inst);
    default:
        return e.call_eval(inst);
    }
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
    // bits 63 and 62 of a sum differ when it does not fit
    const Xmm overflow = e.scratch_xmm();
    e.c.vpaddq(overflow, d, d);
    e.c.vpxor(overflow, overflow, d);
    e.c.vpsrlq(overflow, overflow, 63);
    e.c.vpaddq(t, odd, odd);
    e.c.vpxor(t, t, odd);
    e.c.vpand(t, t, e.literal(splat(3, lane_sign(3))));
    e.c.vpor(overflow, overflow, t);
    e.c.vpsrlq(d, d, 31);
    e.c.vpaddq(odd, odd, odd);
    e.c.vpblendd(d, d, odd, 0b1010);
    clear_past(e, d, inst.shape());
    evaluate_if_any(e, inst, overflow, {a.getIdx(), b.getIdx(), c.getIdx()}, d);
}

void emit_VSQRDMlAH(Emitter& e, const Inst& inst) {
    inst.shape().lane_log2 == 1 ? emit_halfword_multiply_add(e, inst)
                                : emit_word_multiply_add(e, inst);
}

// --- shifts by an immediate: a value saturates when shifting back does not restore it

template <bool kSignedBack> void emit_shift(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2, n = static_cast<unsigned>(inst.imm);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    const Xmm back = e.scratch_xmm();
    shift_left(e, d, a, lane, n);
    kSignedBack ? shift_right_arithmetic(e, back, d, lane, n)
                : shift_right_logical(e, back, d, lane, n);
    e.c.vpxor(back, back, a);
    finish(e, inst, d);
    evaluate_if_any(e, inst, back, {a.getIdx()}, d);
}

// Negative values saturate to zero as well: with a shift their top bit is lost, without one they
// are tested for.
void emit_VSQShlU(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    if (inst.imm != 0) {
        return emit_shift<false>(e, inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    const Xmm negative = e.scratch_xmm();
    e.c.vpand(negative, a, e.literal(splat(lane, lane_sign(lane))));
    e.move(d, a);
    finish(e, inst, d);
    evaluate_if_any(e, inst, negative, {a.getIdx()}, d);
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
    table.set(Opcode::VSQShlImm, emit_shift<true>);
    table.set(Opcode::VUQShlImm, emit_shift<false>);
    table.set(Opcode::VSQShlU, emit_VSQShlU);
}

} // namespace ulna::backend::x64
