// Registration of the vector integer emitters, and what they share.
#include "backend/x64/emit_vec.h"

namespace ulna::backend::x64 {

bool upper_half_is_zero(const Emitter& e, ValueId v) {
    const Inst& inst = e.inst_of(v);
    switch (inst.op) {
    case Opcode::FToV:
    case Opcode::VLow:
    case Opcode::VHigh:
        return true;
    case Opcode::ConstVec:
        return e.vconst_value(v).hi == 0;
    // Their Shape is the argument's, the result one lane.
    case Opcode::VSAddlV:
    case Opcode::VUAddlV:
        return true;
    default:
        break;
    }
    return inst.type == ir::Type::V128 && ir::info(inst.op).param == ir::Param::Shape &&
           inst.shape().bytes() <= 8;
}

bool is_population_count(const Emitter& e, ValueId count) {
    const Inst& inst = e.inst_of(count);
    return inst.op == Opcode::VCnt && inst.shape() == shape::B8 &&
           all_uses(e, count, [](const Inst& use) {
               return (use.op == Opcode::VAddV || use.op == Opcode::VUAddlV) &&
                      use.shape().lane_log2 == 0;
           });
}

bool is_interleaved_half(const Emitter& e, ValueId high) {
    const Inst& inst = e.inst_of(high);
    return inst.op == Opcode::VHigh && all_uses(e, high, [&](const Inst& use) {
               return use.op == Opcode::VZip1 && use.shape().bytes() == 16 &&
                      use.args[0] == inst.args[0] && use.args[1] == high;
           });
}

void clear_past(Emitter& e, Xmm d, Shape shape) {
    switch (shape.bytes()) {
    case 16:
        break;
    case 8:
        e.c.vmovq(d, d);
        break;
    default:
        e.c.vpand(d, d, e.literal(shape_mask(shape)));
        break;
    }
}

void finish(Emitter& e, const Inst& inst, Xmm d) {
    const Shape shape = inst.shape();
    if (shape.bytes() == 8) {
        bool zero = true;
        for (unsigned i = 0; i < inst.arg_count; ++i) {
            zero &= upper_half_is_zero(e, inst.args[i]);
        }
        if (zero) {
            return;
        }
    }
    clear_past(e, d, shape);
}

void set_qc_if(Emitter& e, Cc cc) {
    e.cold(e.jcc(cc),
           [](Emitter& e) { e.c.or_(e.state(offsetof(ir::CpuState, fpsr), 32), ir::fpsr::kQC); });
}

void set_qc_if_any(Emitter& e, Xmm difference, Shape shape) {
    if (shape.bytes() == 16) {
        e.c.vptest(difference, difference);
    } else {
        e.c.vptest(difference, e.literal(shape_mask(shape)));
    }
    set_qc_if(e, Cc::NE);
}

void saturate_unless(Emitter& e, const Inst& inst, Xmm d, Xmm saturated, Xmm fits) {
    e.c.vpand(d, d, fits);
    e.c.vpandn(saturated, fits, saturated);
    e.c.vpor(d, d, saturated);
    e.c.vptest(fits, e.literal(shape_mask(inst.shape())));
    set_qc_if(e, Cc::AE); // CF: the mask has no bit that `fits` does not have
}

void sign_mask(Emitter& e, unsigned lane_log2, Xmm to, Xmm x) {
    if (lane_log2 == 1 || lane_log2 == 2) {
        shift_right_arithmetic(e, to, x, lane_log2, 8u << lane_log2);
    } else {
        e.c.vpxor(to, to, to);
        emit(e, kVCmGt, lane_log2, to, to, x);
    }
}

namespace {

constexpr VexShift kShiftLeft[4] = {nullptr, &Assembler::vpsllw, &Assembler::vpslld,
                                    &Assembler::vpsllq};
constexpr VexShift kShiftRight[4] = {nullptr, &Assembler::vpsrlw, &Assembler::vpsrld,
                                     &Assembler::vpsrlq};
constexpr VexShift kShiftSigned[4] = {nullptr, &Assembler::vpsraw, &Assembler::vpsrad, nullptr};

void shift(Emitter& e, VexShift op, Xmm d, Xmm a, unsigned n) {
    (e.c.*op)(d, a, static_cast<u8>(n));
}

} // namespace

// Bytes are shifted as halfwords, and the bits that crossed over are masked off.
void shift_left(Emitter& e, Xmm d, Xmm a, unsigned lane_log2, unsigned n) {
    if (n == 0) {
        e.move(d, a);
    } else if (lane_log2 != 0) {
        shift(e, kShiftLeft[lane_log2], d, a, n);
    } else if (n == 1) {
        e.c.vpaddb(d, a, a);
    } else {
        shift(e, kShiftLeft[1], d, a, n);
        e.c.vpand(d, d, e.literal(splat(0, 0xffu << n)));
    }
}

void shift_right_logical(Emitter& e, Xmm d, Xmm a, unsigned lane_log2, unsigned n) {
    if (n == 0) {
        e.move(d, a);
    } else if (n == 8u << lane_log2) {
        e.c.vpxor(d, d, d);
    } else if (lane_log2 != 0) {
        shift(e, kShiftRight[lane_log2], d, a, n);
    } else {
        shift(e, kShiftRight[1], d, a, n);
        e.c.vpand(d, d, e.literal(splat(0, 0xffu >> n)));
    }
}

void shift_right_arithmetic(Emitter& e, Xmm d, Xmm a, unsigned lane_log2, unsigned n) {
    const unsigned bits = 8u << lane_log2;
    if (n == 0) {
        e.move(d, a);
    } else if (lane_log2 == 1 || lane_log2 == 2) {
        shift(e, kShiftSigned[lane_log2], d, a, n < bits ? n : bits - 1);
    } else if (n >= bits - 1) {
        // All sign bits: 0 > a.
        const Xmm zero = e.scratch_xmm();
        e.c.vpxor(zero, zero, zero);
        emit(e, kVCmGt, lane_log2, d, zero, a);
    } else if (lane_log2 == 0) {
        // Sign extension of the 8 - n bits left: (x ^ s) - s, where s is their sign bit.
        shift_right_logical(e, d, a, 0, n);
        const Xmm s = e.scratch_xmm();
        e.load_imm(s, splat(0, 0x80u >> n));
        e.c.vpxor(d, d, s);
        e.c.vpsubb(d, d, s);
    } else {
        // Complemented when negative, shifted logically, complemented back.
        const Xmm sign = e.scratch_xmm();
        e.c.vpxor(sign, sign, sign);
        e.c.vpcmpgtq(sign, sign, a);
        e.c.vpxor(d, a, sign);
        e.c.vpsrlq(d, d, static_cast<u8>(n));
        e.c.vpxor(d, d, sign);
    }
}

// With t = a >> (n - 1): (t + 1) >> 1, which cannot overflow when n > 1; for n = 1, (t >> 1) + (t &
// 1).
void shift_right_rounding(
    Emitter& e, Xmm d, Xmm a, unsigned lane_log2, unsigned n, bool is_signed) {
    const auto shift_right = [&](Xmm to, Xmm from, unsigned amount) {
        is_signed ? shift_right_arithmetic(e, to, from, lane_log2, amount)
                  : shift_right_logical(e, to, from, lane_log2, amount);
    };
    const Xmm t = e.scratch_xmm();
    if (!is_signed && lane_log2 < 2) {
        // Averaging with zero is (t + 1) >> 1 in more bits than the lane.
        shift_right_logical(e, d, a, lane_log2, n - 1);
        e.c.vpxor(t, t, t);
        emit(e, lane_log2 == 0 ? Vex3{&Assembler::vpavgb} : Vex3{&Assembler::vpavgw}, d, d, t);
    } else if (n > 1) {
        shift_right(t, a, n - 1);
        emit(e, kVSub, lane_log2, t, t, e.literal(splat(lane_log2, ~u64{0})));
        shift_right(d, t, 1);
    } else {
        e.c.vpand(t, a, e.literal(splat(lane_log2, 1)));
        shift_right(d, a, 1);
        emit(e, kVAdd, lane_log2, d, d, t);
    }
}

void add_vec_emitters(EmitTable& table) {
    add_vec_logic_emitters(table);
    add_vec_arithmetic_emitters(table);
    add_vec_saturating_emitters(table);
    add_vec_shift_emitters(table);
    add_vec_resize_emitters(table);
    add_vec_reduce_emitters(table);
    add_vec_dot_emitters(table);
    add_vec_permute_emitters(table);
    add_vec_move_emitters(table);
}

} // namespace ulna::backend::x64
