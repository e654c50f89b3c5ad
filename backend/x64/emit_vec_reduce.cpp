// Pairwise operations and reductions across lanes.
#include "backend/x64/emit_vec.h"

namespace ulna::backend::x64 {

namespace {

// --- pairwise

// Even lanes in the low half, odd lanes in the high half.
[[nodiscard]] V128 deinterleave_control(unsigned lane_log2) {
    const unsigned bytes = 1u << lane_log2;
    return shuffle_control([=](unsigned i) {
        const unsigned lane = i % 8 / bytes, odd = i / 8;
        return (2 * lane + odd) * bytes + i % bytes;
    });
}

struct EvenOdd {
    Xmm even, odd;
};
// Lanes of b:a. 8-byte shapes leave rubbish in the upper half.
[[nodiscard]] EvenOdd split_pairs(Emitter& e, Xmm a, Xmm b, Shape shape) {
    const Xmm even = e.scratch_xmm(), odd = e.scratch_xmm();
    if (shape.bytes() == 8) {
        e.c.vpunpcklqdq(even, a, b);
        e.c.vpshufb(even, even, e.literal(deinterleave_control(shape.lane_log2)));
        e.c.vpshufd(odd, even, 0b1110);
    } else if (shape.lane_log2 == 3) {
        e.c.vpunpcklqdq(even, a, b);
        e.c.vpunpckhqdq(odd, a, b);
    } else if (shape.lane_log2 == 2) {
        e.c.vshufps(even, a, b, 0b10001000);
        e.c.vshufps(odd, a, b, 0b11011101);
    } else {
        const Xmm t = e.scratch_xmm();
        e.c.vpshufb(odd, a, e.literal(deinterleave_control(shape.lane_log2)));
        e.c.vpshufb(t, b, e.literal(deinterleave_control(shape.lane_log2)));
        e.c.vpunpcklqdq(even, odd, t);
        e.c.vpunpckhqdq(odd, odd, t);
    }
    return {even, odd};
}

// Of one register twice: a pair's result in its even lane, then every result twice.
void pairs_of_one(Emitter& e, Vex3 op, Xmm d, Xmm a, Shape shape) {
    const unsigned bytes = shape.lane_bytes(), pairs = shape.lanes() / 2;
    shift_right_logical(e, d, a, shape.lane_log2 + 1u, 8 * bytes);
    emit(e, op, d, d, a);
    e.c.vpshufb(d, d, e.literal(shuffle_control([=](unsigned i) {
        return i >= shape.bytes() ? kZeroByte : i / bytes % pairs * 2 * bytes + i % bytes;
    })));
}

template <const Lanes3& kOps> void emit_pairwise(Emitter& e, const Inst& inst) {
    const Shape shape = inst.shape();
    if (kOps.op[shape.lane_log2] == nullptr) {
        return e.call_eval(inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    if (a.getIdx() == b.getIdx() && shape.lane_log2 < 2) {
        const Xmm d = e.def_xmm(inst, Overlap::None);
        return pairs_of_one(e, kOps.op[shape.lane_log2], d, a, shape);
    }
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const auto [even, odd] = split_pairs(e, a, b, shape);
    emit(e, kOps, shape.lane_log2, d, even, odd);
    clear_past(e, d, shape);
}

// SADDLP and UADDLP; `lane` is log2 of the argument's lane bytes. The host multiplies pairs by one
// and adds them for bytes (VPMADDUBSW: unsigned by signed) and signed halfwords.
void add_long_pairs(Emitter& e, Xmm d, Xmm a, unsigned lane, bool is_signed) {
    if (lane == 0 && !is_signed) {
        e.c.vpmaddubsw(d, a, e.literal(splat(0, 1)));
        return;
    }
    const Xmm t = e.scratch_xmm();
    if (lane == 0) {
        e.load_imm(t, splat(0, 1));
        e.c.vpmaddubsw(d, t, a);
    } else if (lane == 1 && is_signed) {
        e.c.vpmaddwd(d, a, e.literal(splat(1, 1)));
    } else if (!is_signed) {
        const unsigned half_bits = 8u << lane;
        shift_right_logical(e, t, a, lane + 1, half_bits);
        e.c.vpand(d, a, e.literal(splat(lane + 1, (u64{1} << half_bits) - 1)));
        emit(e, kVAdd, lane + 1, d, d, t);
    } else {
        e.c.vpshufd(t, a, 0b1000);
        e.c.vpmovsxdq(t, t);
        e.c.vpshufd(d, a, 0b1101);
        e.c.vpmovsxdq(d, d);
        e.c.vpaddq(d, d, t);
    }
}

// What no halfword of `v` exceeds: sums of extended bytes are small.
u32 most_in_halfwords(const Emitter& e, ValueId v, unsigned depth = 4) {
    const Inst& inst = e.inst_of(v);
    const auto argument = [&](unsigned n) { return most_in_halfwords(e, inst.args[n], depth - 1); };
    if (depth == 0 ||
        (inst.op != Opcode::VUxtl && inst.op != Opcode::VUAddlP && inst.op != Opcode::VAdd) ||
        inst.shape().lane_log2 != 1) {
        return 0xffff;
    }
    return inst.op == Opcode::VUxtl     ? 0xff
           : inst.op == Opcode::VUAddlP ? 2 * 0xff
                                        : argument(0) + argument(1);
}

template <bool kSigned> void emit_add_long_pairs(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2 - 1u;
    const bool fit_signed = lane == 1 && most_in_halfwords(e, inst.args[0]) < 0x8000;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    add_long_pairs(e, d, a, lane, kSigned || fit_signed);
    finish(e, inst, d);
}

// --- across: halves are combined until one lane is left

template <class F> void fold_halves(Emitter& e, Xmm d, Xmm a, Shape shape, F combine) {
    const Xmm t = e.scratch_xmm();
    Xmm from = a;
    const unsigned lane_bytes = shape.lane_bytes();
    for (unsigned bytes = shape.bytes() / 2; bytes >= lane_bytes; bytes /= 2) {
        switch (bytes) {
        case 8:
            e.c.vpshufd(t, from, 0b1110);
            break;
        case 4:
            e.c.vpshufd(t, from, 0b01);
            break;
        default:
            e.c.vpsrld(t, from, static_cast<u8>(8 * bytes));
            break;
        }
        combine(d, from, t);
        from = d;
    }
}
void fold(Emitter& e, Vex3 op, Xmm d, Xmm a, Shape shape) {
    fold_halves(e, d, a, shape, [&](Xmm to, Xmm x, Xmm y) { emit(e, op, to, x, y); });
}

template <const Lanes3& kOps> void emit_across(Emitter& e, const Inst& inst) {
    const Shape shape = inst.shape();
    if (kOps.op[shape.lane_log2] == nullptr) {
        return e.call_eval(inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    fold(e, kOps.op[shape.lane_log2], d, a, shape);
    clear_past(e, d, {shape.lane_log2, 0});
}

// VPSADBW against zero adds eight bytes into a doubleword.
void sum_bytes(Emitter& e, Xmm d, Xmm a, Shape shape) {
    const Xmm t = e.scratch_xmm();
    e.c.vpxor(t, t, t);
    e.c.vpsadbw(d, a, t);
    if (shape.bytes() == 16) {
        e.c.vpshufd(t, d, 0b1110);
        e.c.vpaddd(d, d, t);
    }
    e.c.vmovq(d, d);
}

// CNT and ADDV of eight bytes, which is how A64 counts the bits of an integer.
void emit_population_count(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const Gpr t = e.scratch_gpr();
    e.c.vmovq(t, a);
    e.c.popcnt(t, t);
    e.c.vmovd(d, t.cvt32());
}
[[nodiscard]] bool sums_population_count(const Emitter& e, const Inst& inst) {
    return inst.shape().lane_log2 == 0 && is_population_count(e, inst.args[0]);
}

void emit_VAddV(Emitter& e, const Inst& inst) {
    const Shape shape = inst.shape();
    if (sums_population_count(e, inst)) {
        return emit_population_count(e, inst);
    }
    if (shape.lane_log2 != 0) {
        return emit_across<kVAdd>(e, inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    sum_bytes(e, d, a, shape);
    clear_past(e, d, shape::B1);
}

// Signed bytes are summed as unsigned ones with the sign flipped, each 128 too large.
void emit_bytes_long_sum(Emitter& e, const Inst& inst, bool is_signed) {
    const Shape shape = inst.shape();
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    if (!is_signed) {
        sum_bytes(e, d, a, shape); // at most 16 * 255: a halfword
        return;
    }
    e.c.vpxor(d, a, e.literal(splat(0, 0x80)));
    sum_bytes(e, d, d, shape);
    e.c.vpsubw(d, d, e.literal({128 * shape.lanes(), 0}));
}

template <bool kSigned> void emit_long_sum(Emitter& e, const Inst& inst) {
    const Shape shape = inst.shape();
    const unsigned lane = shape.lane_log2;
    if (!kSigned && sums_population_count(e, inst)) {
        return emit_population_count(e, inst);
    }
    if (lane == 0) {
        return emit_bytes_long_sum(e, inst, kSigned);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const Shape wide{static_cast<u8>(lane + 1), static_cast<u8>(shape.count_log2 - 1)};
    add_long_pairs(e, d, a, lane, kSigned);
    fold(e, kVAdd.op[lane + 1], d, d, wide);
    clear_past(e, d, {static_cast<u8>(lane + 1), 0});
}

} // namespace

void add_vec_reduce_emitters(EmitTable& table) {
    table.set(Opcode::VAddP, emit_pairwise<kVAdd>);
    table.set(Opcode::VSMaxP, emit_pairwise<kVSMax>);
    table.set(Opcode::VSMinP, emit_pairwise<kVSMin>);
    table.set(Opcode::VUMaxP, emit_pairwise<kVUMax>);
    table.set(Opcode::VUMinP, emit_pairwise<kVUMin>);
    table.set(Opcode::VSAddlP, emit_add_long_pairs<true>, kKeepsFlags);
    table.set(Opcode::VUAddlP, emit_add_long_pairs<false>, kKeepsFlags);
    table.set(Opcode::VAddV, emit_VAddV);
    table.set(Opcode::VSAddlV, emit_long_sum<true>, kKeepsFlags);
    table.set(Opcode::VUAddlV, emit_long_sum<false>);
    table.set(Opcode::VSMaxV, emit_across<kVSMax>);
    table.set(Opcode::VSMinV, emit_across<kVSMin>);
    table.set(Opcode::VUMaxV, emit_across<kVUMax>);
    table.set(Opcode::VUMinV, emit_across<kVUMin>);
}

} // namespace ulna::backend::x64
