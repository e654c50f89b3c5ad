// Vector operations whose result lanes are half or twice as wide as their arguments'.
#include "backend/x64/emit_vec.h"

namespace ulna::backend::x64 {

namespace {

// --- narrowing. `lane` is log2 of the result's lane bytes; arguments have lanes of lane + 1.

// Takes bytes [offset, offset + lane bytes) of every wide lane of a into the low half, the rest
// zero. When the result has one lane, only that one.
[[nodiscard]] V128 narrow_control(Shape result, unsigned offset) {
    const unsigned bytes = result.lane_bytes();
    return shuffle_control([=](unsigned i) {
        return i >= result.bytes() ? kZeroByte : i / bytes * 2 * bytes + i % bytes + offset;
    });
}
void take_low_halves(Emitter& e, Xmm d, Xmm a, Shape result) {
    e.c.vpshufb(d, a, e.literal(narrow_control(result, 0)));
}
void take_high_halves(Emitter& e, Xmm d, Xmm a, Shape result) {
    e.c.vpshufb(d, a, e.literal(narrow_control(result, result.lane_bytes())));
}

void emit_VXtn(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    take_low_halves(e, d, a, inst.shape());
}

struct NarrowShift {
    unsigned amount;
    bool rounding;
};
[[nodiscard]] NarrowShift narrow_shift(const Inst& inst) {
    return {static_cast<unsigned>(inst.imm & 0xff), (inst.imm >> 8 & 1) != 0};
}

// Whole bytes are dropped by the shuffle itself. Rounding carries out of the wide lane are never
// kept.
void emit_VShrn(Emitter& e, const Inst& inst) {
    const auto [n, rounding] = narrow_shift(inst);
    const Shape shape = inst.shape();
    const unsigned wide = shape.lane_log2 + 1u;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    Xmm t = a;
    if (rounding) {
        emit(e, kVAdd, wide, d, t, e.literal(splat(wide, u64{1} << (n - 1))));
        t = d;
    }
    if (n % 8 == 0 && n <= shape.lane_bits()) {
        e.c.vpshufb(d, t, e.literal(narrow_control(shape, n / 8)));
        return;
    }
    shift_right_logical(e, d, t, wide, n);
    take_low_halves(e, d, d, shape);
}

// The saturations. Bytes and halfwords have pack instructions; VPACKU takes its argument as signed.
enum class Saturation { SignedToSigned, UnsignedToUnsigned, SignedToUnsigned };

constexpr Vex3 kPackSigned[2] = {&Assembler::vpacksswb, &Assembler::vpackssdw};
constexpr Vex3 kPackUnsigned[2] = {&Assembler::vpackuswb, &Assembler::vpackusdw};
constexpr Vex2 kSignExtend[3] = {&Assembler::vpmovsxbw, &Assembler::vpmovsxwd,
                                 &Assembler::vpmovsxdq};
constexpr Vex2 kZeroExtend[3] = {&Assembler::vpmovzxbw, &Assembler::vpmovzxwd,
                                 &Assembler::vpmovzxdq};

// d = saturated lanes of a, which differ from a, extended again, where QC is set.
void saturate_narrow(Emitter& e, const Inst& inst, Saturation saturation, Xmm d, Xmm a) {
    const Shape shape = inst.shape();
    const unsigned lane = shape.lane_log2;
    const Shape wide{static_cast<u8>(lane + 1), shape.count_log2};
    const Xmm t = e.scratch_xmm();
    switch (saturation) {
    case Saturation::SignedToSigned:
        emit(e, kPackSigned[lane], d, a, a);
        (e.c.*kSignExtend[lane])(t, d);
        break;
    case Saturation::UnsignedToUnsigned:
        emit(e, kVUMin, lane + 1, t, a, e.literal(splat(lane + 1, (u64{1} << (8u << lane)) - 1)));
        emit(e, kPackUnsigned[lane], d, t, t);
        break;
    case Saturation::SignedToUnsigned:
        emit(e, kPackUnsigned[lane], d, a, a);
        (e.c.*kZeroExtend[lane])(t, d);
        break;
    }
    e.c.vpxor(t, t, a);
    set_qc_if_any(e, t, wide);
    clear_past(e, d, shape);
}

// Words from doublewords: the low halves, unless one, extended again, differs.
void saturate_narrow_doublewords(
    Emitter& e, const Inst& inst, Saturation saturation, Xmm d, Xmm a, Xmm original) {
    const Shape shape = inst.shape();
    const Shape wide{3, shape.count_log2};
    const Xmm t = e.scratch_xmm();
    take_low_halves(e, d, a, shape);
    (e.c.*(saturation == Saturation::SignedToSigned ? kSignExtend : kZeroExtend)[2])(t, d);
    e.c.vpxor(t, t, a);
    e.c.vptest(t, e.literal(shape_mask(wide)));
    const ColdEval exact = e.cold_eval_of(inst, {original.getIdx()}, d.getIdx());
    e.cold(e.jcc(Cc::NE), [=](Emitter& e) { e.emit_cold_eval(exact); });
}

template <Saturation kSaturation> void emit_narrow(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    inst.shape().lane_log2 < 2 ? saturate_narrow(e, inst, kSaturation, d, a)
                               : saturate_narrow_doublewords(e, inst, kSaturation, d, a, a);
}

template <Saturation kSaturation> void emit_shift_narrow(Emitter& e, const Inst& inst) {
    const auto [n, rounding] = narrow_shift(inst);
    const unsigned wide = inst.shape().lane_log2 + 1u;
    const bool is_signed = kSaturation != Saturation::UnsignedToUnsigned;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    if (rounding) {
        shift_right_rounding(e, t, a, wide, n, is_signed);
    } else if (is_signed) {
        shift_right_arithmetic(e, t, a, wide, n);
    } else {
        shift_right_logical(e, t, a, wide, n);
    }
    wide < 3 ? saturate_narrow(e, inst, kSaturation, d, t)
             : saturate_narrow_doublewords(e, inst, kSaturation, d, t, a);
}

// ADDHN and SUBHN.
template <const Lanes3& kOp> void emit_high_narrow(Emitter& e, const Inst& inst) {
    const unsigned wide = inst.shape().lane_log2 + 1u;
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    emit(e, kOp, wide, d, a, b);
    if ((inst.imm & 1) != 0) {
        emit(e, kVAdd, wide, d, d,
             e.literal(splat(wide, u64{1} << (inst.shape().lane_bits() - 1))));
    }
    take_high_halves(e, d, d, inst.shape());
}

// --- widening: `lane` is log2 of the arguments' lane bytes

[[nodiscard]] unsigned narrow_lane(const Inst& inst) { return inst.shape().lane_log2 - 1u; }

template <const Vex2 (&kExtend)[3]> void emit_extend(Emitter& e, const Inst& inst) {
    const XmmMem a = e.use_xmm_mem(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    (e.c.*kExtend[narrow_lane(inst)])(d, a);
    clear_past(e, d, inst.shape());
}

// Bytes are extended; halfwords interleave low and high halves of products; words use even lanes.
template <bool kSigned> void emit_multiply_long(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    switch (narrow_lane(inst)) {
    case 0:
        (e.c.*(kSigned ? kSignExtend : kZeroExtend)[0])(t, a);
        (e.c.*(kSigned ? kSignExtend : kZeroExtend)[0])(d, b);
        e.c.vpmullw(d, d, t);
        break;
    case 1:
        e.c.vpmullw(t, a, b);
        kSigned ? e.c.vpmulhw(d, a, b) : e.c.vpmulhuw(d, a, b);
        e.c.vpunpcklwd(d, t, d);
        break;
    default:
        e.c.vpunpckldq(t, a, a);
        e.c.vpunpckldq(d, b, b);
        kSigned ? e.c.vpmuldq(d, d, t) : e.c.vpmuludq(d, d, t);
        break;
    }
    clear_past(e, d, inst.shape());
}

} // namespace

void add_vec_resize_emitters(EmitTable& table) {
    table.set(Opcode::VXtn, emit_VXtn, kKeepsFlags);
    table.set(Opcode::VShrn, emit_VShrn, kKeepsFlags);
    table.set(Opcode::VSQXtn, emit_narrow<Saturation::SignedToSigned>);
    table.set(Opcode::VUQXtn, emit_narrow<Saturation::UnsignedToUnsigned>);
    table.set(Opcode::VSQXtun, emit_narrow<Saturation::SignedToUnsigned>);
    table.set(Opcode::VSQShrn, emit_shift_narrow<Saturation::SignedToSigned>);
    table.set(Opcode::VUQShrn, emit_shift_narrow<Saturation::UnsignedToUnsigned>);
    table.set(Opcode::VSQShrun, emit_shift_narrow<Saturation::SignedToUnsigned>);
    table.set(Opcode::VAddHn, emit_high_narrow<kVAdd>, kKeepsFlags);
    table.set(Opcode::VSubHn, emit_high_narrow<kVSub>, kKeepsFlags);
    table.set(Opcode::VSxtl, emit_extend<kSignExtend>, kKeepsFlags);
    table.set(Opcode::VUxtl, emit_extend<kZeroExtend>, kKeepsFlags);
    table.set(Opcode::VSMull, emit_multiply_long<true>, kKeepsFlags);
    table.set(Opcode::VUMull, emit_multiply_long<false>, kKeepsFlags);
}

} // namespace ulna::backend::x64
