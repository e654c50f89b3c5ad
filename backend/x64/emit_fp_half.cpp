// Half precision: sign operations, arithmetic, minimum and maximum, comparison.
#include "backend/x64/emit_fp_half.h"

namespace ulna::backend::x64 {

using ir::Rounding;

namespace {
using G = Xbyak::CodeGenerator;

constexpr u16 kMagnitude = 0x7fff, kInfinity = 0x7c00, kLeastNormal = 0x0400, kSignBit = 0x8000;

// `half` in every lane of the form, zero above.
[[nodiscard]] V128 in_lanes(Form form, u16 half) {
    const u64 four = half * u64{0x0001'0001'0001'0001};
    return form == Form::Full   ? V128{four, four}
           : form == Form::Half ? V128{four, 0}
                                : V128{half, 0};
}
[[nodiscard]] V128 in_all_lanes(u16 half) { return in_lanes(Form::Full, half); }

[[nodiscard]] Form form_of(const Inst& inst) { return half_form(inst.type, inst.aux); }
} // namespace

bool is_half_precision(const Inst& inst) {
    return inst.type == Type::F16 || (inst.type == Type::V128 && inst.shape().lane_bytes() == 2);
}

Form half_form(Type type, u16 aux) {
    if (type != Type::V128) {
        return Form::Scalar;
    }
    switch (Shape::unpack(aux).lanes()) {
    case 1:
        return Form::Lane;
    case 4:
        return Form::Half;
    default:
        return Form::Full;
    }
}

void widen(Emitter& e, Form form, Xmm to, const XmmMem& from) {
    if (form >= Form::Half) {
        e.c.vcvtph2ps(wide(form, to), from);
    } else { // lanes above would be converted too, and raise Invalid
        e.c.vpmovzxwq(to, from);
        e.c.vcvtph2ps(to, to);
    }
}

void narrow(Emitter& e, Form form, Xmm d, Xmm s) { e.c.vcvtps2ph(d, wide(form, s), kByMxcsr); }

void splat(Emitter& e, Form form, Xmm to, u32 lane) {
    e.c.vbroadcastss(wide(form, to), e.literal32(lane));
}

namespace {
void copy_zeroing_rest(Emitter& e, Form form, Xmm to, const XmmMem& from) {
    if (form == Form::Half) {
        from.is_mem() ? e.c.vmovq(to, from.mem()) : e.c.vmovq(to, Xmm(from.reg_index()));
    } else if (from.reg_index() != to.getIdx()) {
        e.c.vmovaps(to, from);
    }
}

// Arguments 0..N-1; load(work, source) fills each register from where the value is, which may be
// the register itself.
template <unsigned N, class Load>
std::array<HalfArg, N> take_args(Emitter& e, const Inst& inst, Cold cold, Load load) {
    constexpr int kNone = 16; // no register yet
    const auto use = [&](unsigned k) -> HalfArg {
        const ir::ValueId v = inst.args[k];
        if (e.in_pinned_xmm(v) || e.in_memory_only(v)) {
            return {e.use_xmm_mem(v), Xmm(kNone)};
        }
        const Xmm work = e.use_xmm_copy(v);
        return {cold == Cold::Yes ? park(e, k, work) : XmmMem(work), work};
    };
    std::array<HalfArg, N> args = [&]() -> std::array<HalfArg, N> {
        if constexpr (N == 1) {
            return {use(0)};
        } else if constexpr (N == 2) {
            const HalfArg first = use(0);
            return {first, use(1)};
        } else {
            const HalfArg first = use(0), second = use(1);
            return {first, second, use(2)};
        }
    }();
    for (HalfArg& arg : args) {
        const bool empty = arg.work.getIdx() == kNone;
        if (empty) {
            arg.work = e.scratch_xmm();
        }
        load(arg.work, empty ? arg.original : XmmMem(arg.work));
    }
    return args;
}
template <unsigned N> std::array<HalfArg, N> half_args(Emitter& e, const Inst& inst, Cold cold) {
    return take_args<N>(e, inst, cold, [&](Xmm work, const XmmMem& source) {
        copy_zeroing_rest(e, Form::Full, work, source);
    });
}
} // namespace

template <unsigned N>
std::array<HalfArg, N> wide_args(Emitter& e, const Inst& inst, Form form, Cold cold) {
    return take_args<N>(e, inst, cold,
                        [&](Xmm work, const XmmMem& source) { widen(e, form, work, source); });
}
template std::array<HalfArg, 1> wide_args<1>(Emitter&, const Inst&, Form, Cold);

void define_half(Emitter& e, const Inst& inst, Xmm d) {
    e.define(inst, d);
    if (inst.type == Type::F16) {
        e.mark_clean(inst);
    }
}

namespace {

// --- sign bits: exact in every mode
void emit_FNeg(Emitter& e, const Inst& inst) {
    const Form form = form_of(inst);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vpxor(d, a, e.literal(in_lanes(form, kSignBit)));
    if (form == Form::Half) {
        e.c.vmovq(d, d);
    } else if (form == Form::Lane) {
        e.c.vpand(d, d, e.literal({0xffff, 0}));
    } else if (form == Form::Scalar && e.scalar_is_clean(inst.args[0])) {
        e.mark_clean(inst);
    }
}
void emit_FAbs(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vpand(d, a, e.literal(in_lanes(form_of(inst), kMagnitude)));
    if (inst.type == Type::F16) {
        e.mark_clean(inst);
    }
}

// --- arithmetic

// Jumps when a lane of the single-precision result is a NaN. `u` is clobbered.
Jump jump_if_nan(Emitter& e, Form form, Xmm s, Xmm u) {
    return jump_if_unordered(e, single_lanes(form), wide(form, s), wide(form, s), wide(form, u));
}
// Jumps when a lane of the half-precision result is a NaN, or the least normal number, which may
// have been tiny. `u` and `w` are clobbered.
Jump jump_if_nan_or_least_normal(Emitter& e, Xmm d, Xmm u, Xmm w) {
    e.c.vpand(u, d, e.literal(in_all_lanes(kMagnitude)));
    e.c.vpcmpeqw(w, u, e.literal(in_all_lanes(kLeastNormal)));
    e.c.vpcmpgtw(u, u, e.literal(in_all_lanes(kInfinity)));
    e.c.vpor(u, u, w);
    e.c.vptest(u, u);
    return e.jcc(Cc::NE);
}

// x = op(x, y), narrowed. y, u are clobbered.
Jump compute(Emitter& e, Form form, const Widths& op, Check check, Xmm x, Xmm y, Xmm u) {
    op(e, single_lanes(form), wide(form, x), wide(form, x), wide(form, y));
    if (check == Check::NaN) {
        const Jump jump = jump_if_nan(e, form, x, u);
        narrow(e, form, x, x);
        return jump;
    }
    narrow(e, form, x, x);
    return jump_if_nan_or_least_normal(e, x, u, y);
}

void binary(Emitter& e, const Inst& inst, const Widths& op, Check check) {
    const Form form = form_of(inst);
    const auto [a, b] = wide_args<2>(e, inst, form, Cold::Yes);
    const Xmm u = e.scratch_xmm();
    const Jump jump = compute(e, form, op, check, a.work, b.work, u);
    if (inst.op == Opcode::FAbd) { // after rounding: its direction depends on the sign
        e.c.vpand(a.work, a.work, e.literal(in_all_lanes(kMagnitude)));
    }
    cold_exact(e, jump, inst, {a.original, b.original}, a.work, {b.work});
    define_half(e, inst, a.work);
}
void emit_FAdd(Emitter& e, const Inst& inst) { binary(e, inst, kAdd, Check::NaN); }
void emit_FSub(Emitter& e, const Inst& inst) { binary(e, inst, kSub, Check::NaN); }
void emit_FMul(Emitter& e, const Inst& inst) { binary(e, inst, kMul, Check::NaNOrTiny); }
void emit_FDiv(Emitter& e, const Inst& inst) { binary(e, inst, kDiv, Check::NaNOrTiny); }

void emit_FSqrt(Emitter& e, const Inst& inst) {
    const Form form = form_of(inst);
    const auto [a] = wide_args<1>(e, inst, form, Cold::Yes);
    const Xmm d = a.work, u = e.scratch_xmm();
    if (form >= Form::Half) {
        e.c.vsqrtps(wide(form, d), wide(form, d));
    } else {
        e.c.vsqrtss(d, d, d);
    }
    const Jump jump = jump_if_nan(e, form, d, u);
    narrow(e, form, d, d);
    cold_exact(e, jump, inst, {a.original}, d, {});
    define_half(e, inst, d);
}

// d = +-d +- a * b
void fma231(Emitter& e, Form form, u64 negate, Xmm d, Xmm a, Xmm b) {
    using Fma = void (G::*)(const Xmm&, const Xmm&, const Xbyak::Operand&);
    static constexpr Fma kForms[2][4] = {
        // by fmuladd bits: none, factor, addend, both
        {&G::vfmadd231ss, &G::vfnmadd231ss, &G::vfmsub231ss, &G::vfnmsub231ss},
        {&G::vfmadd231ps, &G::vfnmadd231ps, &G::vfmsub231ps, &G::vfnmsub231ps},
    };
    (e.c.*kForms[form >= Form::Half][negate & 3])(wide(form, d), wide(form, a), wide(form, b));
}

// Jumps when the sum s, in single precision, may not be rounded again as if it were exact: it is a
// NaN; or not zero and at most 2^-14, the least normal half, so that the half's last bit is further
// up and Underflow depends on the exact value; or a midpoint of two halves, which the exact value
// may only be next to. x, y, u are clobbered.
Jump jump_if_not_final(Emitter& e, Form form, Xmm s, Xmm x, Xmm y, Xmm u) {
    const Lanes lanes{Form::Full, false};
    const auto w = [&](Xmm reg) { return wide(form, reg); };
    splat(e, form, u, 0x7fff'ffff);
    splat(e, form, x, 0x3880'0000); // 2^-14
    e.c.vandps(w(u), w(u), w(s));
    vcmp(e, lanes, w(u), w(u), w(x), kNotGreater);
    e.c.vxorps(x, x, x);
    e.c.vcmpps(w(x), w(x), w(s), kNotEqual);
    e.c.vandps(w(u), w(u), w(x));
    if (e.mode().rounding() == Rounding::TieEven) {
        // of the 13 bits that narrowing drops only the first is set: 1 << 31 is its own magnitude
        e.c.vpslld(w(y), w(s), 32 - 13);
        e.c.vpabsd(w(y), w(y));
        e.c.vorps(w(u), w(u), w(y));
    }
    return jump_if_any(e, w(u));
}

void emit_FMulAdd(Emitter& e, const Inst& inst) {
    const Form form = form_of(inst);
    const auto [addend, op1, op2] = wide_args<3>(e, inst, form, Cold::Yes);
    const Xmm d = addend.work, x = op1.work, y = op2.work;
    const Xmm u = e.scratch_xmm();
    fma231(e, form, inst.imm, d, x, y);
    const Jump jump = jump_if_not_final(e, form, d, x, y, u);
    narrow(e, form, d, d);
    cold_exact(e, jump, inst, {addend.original, op1.original, op2.original}, d, {x, y});
    define_half(e, inst, d);
}

// 2 - a * b and (3 - a * b) / 2, halved exactly between the roundings. Zero times infinity is a
// number here and raises nothing, so the tests for zeroes come first.
void emit_step(Emitter& e, const Inst& inst, bool square_root) {
    const Form form = form_of(inst);
    const auto [a, b] = wide_args<2>(e, inst, form, Cold::Yes);
    const Xmm x = a.work, y = b.work, d = e.scratch_xmm(), u = e.scratch_xmm();
    const auto w = [&](Xmm reg) { return wide(form, reg); };
    const u32 minuend = square_root ? 0x4040'0000 : 0x4000'0000;
    e.c.vxorps(d, d, d);
    if (form >= Form::Half) {
        e.c.vcmpps(w(u), w(x), w(d), kEqual);
        e.c.vcmpps(w(d), w(y), w(d), kEqual);
    } else {
        e.c.vcmpss(u, x, d, kEqual);
        e.c.vcmpss(d, y, d, kEqual);
    }
    e.c.vorps(w(u), w(u), w(d));
    const Jump zero = jump_if_any(e, w(u));
    if (form >= Form::Half) {
        splat(e, form, d, minuend);
    } else { // zeroes above
        e.c.vmovss(d, e.literal32(minuend));
    }
    fma231(e, form, ir::fmuladd::kNegateFactor, d, x, y);
    if (square_root) {
        splat(e, form, u, 0x3f00'0000);
        e.c.vmulps(w(d), w(d), w(u));
    }
    const Jump jump = jump_if_not_final(e, form, d, x, y, u);
    narrow(e, form, d, d);
    cold_exact(e, zero, inst, {a.original, b.original}, d, {x});
    cold_exact(e, jump, inst, {a.original, b.original}, d, {x});
    define_half(e, inst, d);
}
void emit_FRecpS(Emitter& e, const Inst& inst) { emit_step(e, inst, false); }
void emit_FRSqrtS(Emitter& e, const Inst& inst) { emit_step(e, inst, true); }

// Single-precision sums of products of halves: those are exact, so the host's fused operation
// rounds as Arm's. The rules are those of single precision, but for flushing, which is left to the
// exact evaluation. Zeroes stand above the lanes.
void emit_FMulAddL(Emitter& e, const Inst& inst) {
    if (e.mode().fz()) {
        e.call_eval(inst);
        return;
    }
    const bool half = inst.shape().bytes() == 8;
    bool first = true;
    const auto load = [&](Xmm work, const XmmMem& source) {
        if (first) { // the addend
            first = false;
            copy_zeroing_rest(e, half ? Form::Half : Form::Full, work, source);
        } else if (half) {
            e.c.vpmovzxdq(work, source);
            e.c.vcvtph2ps(work, work);
        } else {
            e.c.vcvtph2ps(work, source);
        }
    };
    const auto [addend, op1, op2] = take_args<3>(e, inst, Cold::Yes, load);
    const Xmm d = addend.work, x = op1.work, y = op2.work;
    const Xmm u = e.scratch_xmm();
    fma231(e, Form::Half, inst.imm, d, x, y);
    const Jump jump = check_result(e, {Form::Full, false}, Check::NaNOrTiny, d, u);
    if (half) { // a negated product of zeroes may have left -0 there
        e.c.vmovq(d, d);
    }
    cold_exact(e, jump, inst, {addend.original, op1.original, op2.original}, d, {x, y});
    e.define(inst, d);
}

// --- pairs

// The lanes of (y:x) with even numbers to x, those with odd numbers to y. `u` is clobbered.
void unzip(Emitter& e, Form form, Xmm x, Xmm y, Xmm u) {
    const V128 kEvenThenOdd{0x0d0c'0908'0504'0100, 0x0f0e'0b0a'0706'0302};
    if (form == Form::Half) {
        e.c.vpunpcklqdq(x, x, y);
        e.c.vpshufb(x, x, e.literal(kEvenThenOdd));
        e.c.vpsrldq(y, x, 8);
    } else {
        e.c.vpshufb(u, x, e.literal(kEvenThenOdd));
        e.c.vpshufb(y, y, e.literal(kEvenThenOdd));
        e.c.vpunpcklqdq(x, u, y);
        e.c.vpunpckhqdq(y, u, y);
    }
}

void emit_FAddP(Emitter& e, const Inst& inst) {
    const Form form = form_of(inst);
    const auto [a, b] = half_args<2>(e, inst, Cold::Yes);
    const Xmm x = a.work, y = b.work, u = e.scratch_xmm();
    unzip(e, form, x, y, u);
    widen(e, form, x, x);
    widen(e, form, y, y);
    const Jump jump = compute(e, form, kAdd, Check::NaN, x, y, u);
    cold_exact(e, jump, inst, {a.original, b.original}, x, {y});
    define_half(e, inst, x);
}

// --- minimum and maximum, as integers of the same order: negative halves with their magnitude
// inverted. So -0 is below +0, as it must be. The mapping is its own inverse.
void to_order(Emitter& e, Xmm x, Xmm u) {
    e.c.vpsraw(u, x, 15);
    e.c.vpsrlw(u, u, 1);
    e.c.vpxor(x, x, u);
}

// Jumps when the magnitude of a lane of x, or of y, is above `most`; raises nothing. u and w are
// clobbered.
Jump jump_if_above(Emitter& e, Form form, Xmm x, Xmm y, Xmm u, Xmm w, u16 most) {
    e.c.vpand(u, x, e.literal(in_lanes(form, kMagnitude)));
    if (x.getIdx() != y.getIdx()) {
        e.c.vpand(w, y, e.literal(in_lanes(form, kMagnitude)));
        e.c.vpmaxsw(u, u, w);
    }
    e.c.vpcmpgtw(u, u, e.literal(in_all_lanes(most)));
    e.c.vptest(u, u);
    return e.jcc(Cc::NE);
}
Jump jump_if_nan_operand(Emitter& e, Form form, Xmm x, Xmm y, Xmm u, Xmm w) {
    return jump_if_above(e, form, x, y, u, w, kInfinity);
}

// FPMulX differs for 0 * infinity only, which raises Invalid on the host: infinities, and NaNs, are
// left to the exact evaluation.
void emit_FMulX(Emitter& e, const Inst& inst) {
    const Form form = form_of(inst);
    const auto [a, b] = half_args<2>(e, inst, Cold::Yes);
    const Xmm x = a.work, y = b.work, u = e.scratch_xmm(), w = e.scratch_xmm();
    const Jump special = jump_if_above(e, form, x, y, u, w, kInfinity - 1);
    widen(e, form, x, x);
    widen(e, form, y, y);
    const Jump tiny = compute(e, form, kMul, Check::NaNOrTiny, x, y, u);
    for (const Jump jump : {special, tiny}) {
        cold_exact(e, jump, inst, {a.original, b.original}, x, {y});
    }
    define_half(e, inst, x);
}

void clear_past_lanes(Emitter& e, Form form, Xmm d) {
    if (form == Form::Half) {
        e.c.vmovq(d, d);
    } else if (form != Form::Full) {
        e.c.vpand(d, d, e.literal({0xffff, 0}));
    }
}

enum class Pairs : bool { No, Yes };

void min_max(Emitter& e, const Inst& inst, bool maximum, Pairs pairs) {
    const Form form = form_of(inst);
    const auto [a, b] = half_args<2>(e, inst, Cold::Yes);
    const Xmm x = a.work, y = b.work, u = e.scratch_xmm(), w = e.scratch_xmm();
    if (pairs == Pairs::Yes) {
        unzip(e, form, x, y, u);
    }
    const Jump jump = jump_if_nan_operand(e, form, x, y, u, w);
    to_order(e, x, u);
    to_order(e, y, u);
    maximum ? e.c.vpmaxsw(x, x, y) : e.c.vpminsw(x, x, y);
    to_order(e, x, u);
    clear_past_lanes(e, form, x);
    cold_exact(e, jump, inst, {a.original, b.original}, x, {y});
    define_half(e, inst, x);
}
void emit_max(Emitter& e, const Inst& inst) { min_max(e, inst, true, Pairs::No); }
void emit_min(Emitter& e, const Inst& inst) { min_max(e, inst, false, Pairs::No); }
void emit_max_pairs(Emitter& e, const Inst& inst) { min_max(e, inst, true, Pairs::Yes); }
void emit_min_pairs(Emitter& e, const Inst& inst) { min_max(e, inst, false, Pairs::Yes); }

// The host has the minimum of eight unsigned halfwords.
void min_max_across(Emitter& e, const Inst& inst, bool maximum) {
    const Form form = form_of(inst);
    const auto [a] = half_args<1>(e, inst, Cold::Yes);
    const Xmm x = a.work, u = e.scratch_xmm();
    const Jump jump = jump_if_nan_operand(e, form, x, x, u, u);
    if (form == Form::Half) {
        e.c.vpunpcklqdq(x, x, x);
    }
    to_order(e, x, u);
    const V128 key = in_all_lanes(maximum ? 0x7fff : 0x8000);
    e.c.vpxor(x, x, e.literal(key));
    e.c.vphminposuw(x, x);
    e.c.vpxor(x, x, e.literal(key));
    e.c.vpand(x, x, e.literal({0xffff, 0})); // without the index
    to_order(e, x, u);
    cold_exact(e, jump, inst, {a.original}, x, {});
    define_half(e, inst, x);
}
void emit_max_across(Emitter& e, const Inst& inst) { min_max_across(e, inst, true); }
void emit_min_across(Emitter& e, const Inst& inst) { min_max_across(e, inst, false); }

// --- comparison to masks: widening raises Invalid for signaling NaNs, the host's predicates what
// remains
void compare_mask(Emitter& e, const Inst& inst, u8 predicate) {
    const Form form = form_of(inst);
    const auto [a, b] = wide_args<2>(e, inst, form, Cold::No);
    const Xmm x = a.work, y = b.work;
    const Xmm wide_x = wide(form, x), wide_y = wide(form, y);
    if (inst.imm == 1) { // of absolute values
        const Xmm u = e.scratch_xmm();
        splat(e, form, u, 0x7fff'ffff);
        e.c.vandps(wide_x, wide_x, wide(form, u));
        e.c.vandps(wide_y, wide_y, wide(form, u));
    }
    if (form >= Form::Half) {
        e.c.vcmpps(wide_x, wide_x, wide_y, predicate);
    } else {
        e.c.vcmpss(x, x, y, predicate);
    }
    if (form == Form::Full) {
        e.c.vextracti128(y, Xbyak::Ymm(x.getIdx()), 1);
        e.c.vpackssdw(x, x, y);
    } else {
        e.c.vpackssdw(x, x, x);
        e.c.vmovq(x, x);
    }
    define_half(e, inst, x);
}
void emit_FCmEq(Emitter& e, const Inst& inst) { compare_mask(e, inst, kEqual); }
void emit_FCmGe(Emitter& e, const Inst& inst) { compare_mask(e, inst, kGreaterEqual); }
void emit_FCmGt(Emitter& e, const Inst& inst) { compare_mask(e, inst, kGreater); }

// FRecpX: out of line
[[nodiscard]] EmitTable half_table() {
    EmitTable table;
    table.set(Opcode::FAdd, emit_FAdd);
    table.set(Opcode::FSub, emit_FSub);
    table.set(Opcode::FAbd, emit_FSub);
    table.set(Opcode::FMul, emit_FMul);
    table.set(Opcode::FDiv, emit_FDiv);
    table.set(Opcode::FMulX, emit_FMulX);
    table.set(Opcode::FSqrt, emit_FSqrt);
    table.set(Opcode::FMulAdd, emit_FMulAdd);
    table.set(Opcode::FMulAddL, emit_FMulAddL);
    table.set(Opcode::FRecpE, half_reciprocal_estimate);
    table.set(Opcode::FRSqrtE, half_reciprocal_root_estimate);
    table.set(Opcode::FRecpS, emit_FRecpS);
    table.set(Opcode::FRSqrtS, emit_FRSqrtS);
    table.set(Opcode::FAddP, emit_FAddP);
    table.set(Opcode::FMax, emit_max);
    table.set(Opcode::FMin, emit_min);
    table.set(Opcode::FMaxNm, emit_max); // they differ for NaNs only
    table.set(Opcode::FMinNm, emit_min);
    table.set(Opcode::FMaxP, emit_max_pairs);
    table.set(Opcode::FMinP, emit_min_pairs);
    table.set(Opcode::FMaxNmP, emit_max_pairs);
    table.set(Opcode::FMinNmP, emit_min_pairs);
    table.set(Opcode::FMaxV, emit_max_across);
    table.set(Opcode::FMinV, emit_min_across);
    table.set(Opcode::FMaxNmV, emit_max_across);
    table.set(Opcode::FMinNmV, emit_min_across);
    table.set(Opcode::FCmEq, emit_FCmEq);
    table.set(Opcode::FCmGe, emit_FCmGe);
    table.set(Opcode::FCmGt, emit_FCmGt);
    table.set(Opcode::FRInt, half_round_to_integral);
    table.set(Opcode::FCvtToInt, half_to_int);
    table.set(Opcode::FCvtFromInt, half_from_int);
    table.set(Opcode::VFCvtToInt, half_lanes_to_int);
    table.set(Opcode::VFCvtFromInt, half_lanes_from_int);
    return table;
}

} // namespace

void emit_half_precision(Emitter& e, const Inst& inst) {
    static const EmitTable table = half_table();
    if (e.mode().ah()) {
        e.call_eval(inst);
    } else if (inst.op == Opcode::FNeg) {
        emit_FNeg(e, inst);
    } else if (inst.op == Opcode::FAbs) {
        emit_FAbs(e, inst);
    } else if (table[inst.op].fn == nullptr || e.mode().fz16()) {
        e.call_eval(inst);
    } else {
        table[inst.op].fn(e, inst);
    }
}

} // namespace ulna::backend::x64
