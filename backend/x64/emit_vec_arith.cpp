// Vector logic, arithmetic, comparison, minimum and maximum, halving, and bit counts.
#include "backend/x64/emit_vec.h"

namespace ulna::backend::x64 {

namespace {

// --- one instruction

// A single three-operand instruction on the whole register.
template <Vex3 kOp> void emit_three(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    emit(e, kOp, d, a, b);
    finish(e, inst, d);
}

// One that depends on the lane size; sizes the host lacks are evaluated out of line.
template <const Lanes3& kOps> void emit_lanes3(Emitter& e, const Inst& inst) {
    const Vex3 op = kOps.op[inst.shape().lane_log2];
    if (op == nullptr) {
        e.call_eval(inst);
        return;
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    emit(e, op, d, a, b);
    finish(e, inst, d);
}

// --- logic

// a & ~b is ANDN with the operands the other way around.
void emit_VBic(Emitter& e, const Inst& inst) {
    const Xmm b = e.use_xmm(inst.args[1]);
    const XmmMem a = e.use_xmm_mem(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vpandn(d, b, a);
    finish(e, inst, d);
}

void emit_VNot(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vpxor(d, a, e.literal(splat(3, ~u64{0})));
    clear_past(e, d, inst.shape());
}

void emit_VOrn(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const Xmm t = e.scratch_xmm();
    e.c.vpxor(t, b, e.literal(splat(3, ~u64{0})));
    e.c.vpor(d, a, t);
    clear_past(e, d, inst.shape());
}

// Every byte of the value is all ones or all zeros.
bool is_byte_mask(const Inst& inst) {
    switch (inst.op) {
    case Opcode::VCmEq:
    case Opcode::VCmGt:
    case Opcode::VCmGe:
    case Opcode::VCmHi:
    case Opcode::VCmHs:
    case Opcode::VCmTst:
    case Opcode::FCmEq:
    case Opcode::FCmGe:
    case Opcode::FCmGt:
        return true;
    default:
        return false;
    }
}

// ((b ^ c) & a) ^ c needs no second temporary; a known mask makes it one blend.
void emit_VBsl(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    if (is_byte_mask(e.inst_of(inst.args[0]))) {
        const XmmMem b = e.use_xmm_mem(inst.args[1]);
        const Xmm c = e.use_xmm(inst.args[2]);
        const Xmm d = e.def_xmm(inst, Overlap::Any);
        e.c.vpblendvb(d, c, b, a);
        finish(e, inst, d);
        return;
    }
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm c = e.use_xmm(inst.args[2]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const Xmm t = e.scratch_xmm();
    e.c.vpxor(t, c, b);
    e.c.vpand(t, t, a);
    e.c.vpxor(d, t, c);
    finish(e, inst, d);
}

// --- arithmetic

// Products of even bytes as halfwords; odd bytes are moved so that their products' low bytes land
// in the high bytes.
void emit_byte_multiply(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const Xmm odd = e.scratch_xmm(), t = e.scratch_xmm();
    e.c.vpsrlw(odd, a, 8);
    e.c.vpand(t, b, e.literal(splat(1, 0xff00)));
    e.c.vpmullw(odd, odd, t);
    e.c.vpmullw(d, a, b);
    e.c.vpand(d, d, e.literal(splat(1, 0x00ff)));
    e.c.vpor(d, d, odd);
    finish(e, inst, d);
}
void emit_VMul(Emitter& e, const Inst& inst) {
    switch (inst.shape().lane_log2) {
    case 0:
        return emit_byte_multiply(e, inst);
    case 1:
        return emit_three<&Assembler::vpmullw>(e, inst);
    case 2:
        return emit_three<&Assembler::vpmulld>(e, inst);
    default:
        return e.call_eval(inst); // no A64 instruction makes it
    }
}

void emit_VXor(Emitter& e, const Inst& inst) {
    if (const ValueId sum = sum_made_by_aes_round(e, inst); sum != ir::kNoValue) {
        return e.define_as(inst, sum);
    }
    emit_three<&Assembler::vpxor>(e, inst);
}

void emit_VNeg(Emitter& e, const Inst& inst) {
    const XmmMem a = e.use_xmm_mem(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    e.c.vpxor(d, d, d);
    emit(e, kVSub, inst.shape().lane_log2, d, d, a);
    finish(e, inst, d);
}

void emit_VAbs(Emitter& e, const Inst& inst) {
    constexpr Vex2 kAbs[3] = {&Assembler::vpabsb, &Assembler::vpabsw, &Assembler::vpabsd};
    const Xmm a = e.use_xmm(inst.args[0]);
    if (inst.shape().lane_log2 < 3) {
        const Xmm d = e.def_xmm(inst, Overlap::Any);
        (e.c.*kAbs[inst.shape().lane_log2])(d, a);
        finish(e, inst, d);
        return;
    }
    const Xmm d = e.def_xmm(inst);
    e.c.vpxor(d, d, d);
    e.c.vpsubq(d, d, a);
    e.c.vblendvpd(d, a, d, a);
    finish(e, inst, d);
}

// --- comparison

// Flips doublewords' signs, so that a signed compare orders them as unsigned.
void emit_unsigned_greater_d(Emitter& e, Xmm d, Xmm a, Xmm b) {
    const Xmm t = e.scratch_xmm(), sign = e.scratch_xmm();
    e.load_imm(sign, splat(3, lane_sign(3)));
    e.c.vpxor(t, a, sign);
    e.c.vpxor(sign, b, sign);
    e.c.vpcmpgtq(d, t, sign);
}

void invert(Emitter& e, Xmm d) { e.c.vpxor(d, d, e.literal(splat(3, ~u64{0}))); }

// a >= b: max(a, b) == a. Doublewords have no maximum: not (b > a).
template <const Lanes3& kMax, bool kSigned> void emit_greater_equal(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    if (lane < 3) {
        emit(e, kMax, lane, d, a, b);
        emit(e, kVCmEq, lane, d, d, a);
    } else {
        if (kSigned) {
            e.c.vpcmpgtq(d, b, a);
        } else {
            emit_unsigned_greater_d(e, d, b, a);
        }
        invert(e, d);
    }
    clear_past(e, d, inst.shape());
}

// Unsigned a > b: not (min(a, b) == a).
void emit_VCmHi(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    if (lane < 3) {
        emit(e, kVUMin, lane, d, a, b);
        emit(e, kVCmEq, lane, d, d, a);
        invert(e, d);
    } else {
        emit_unsigned_greater_d(e, d, a, b);
    }
    clear_past(e, d, inst.shape());
}

// Equal lanes past the shape compare true.
void emit_VCmEq(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    emit(e, kVCmEq, inst.shape().lane_log2, d, a, b);
    clear_past(e, d, inst.shape());
}

void emit_VCmTst(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const Xmm zero = e.scratch_xmm();
    e.c.vpand(d, a, b);
    e.c.vpxor(zero, zero, zero);
    emit(e, kVCmEq, inst.shape().lane_log2, d, d, zero);
    invert(e, d);
    clear_past(e, d, inst.shape());
}

// --- differences and halves

// max - min. Doublewords (only widened operands of SABDL): (a - b ^ m) - m with m = b > a.
template <const Lanes3& kMax, const Lanes3& kMin, bool kSigned>
void emit_absolute_difference(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, lane < 3 ? Overlap::Any : Overlap::None);
    const Xmm t = e.scratch_xmm();
    if (lane < 3) {
        emit(e, kMax, lane, t, a, b);
        emit(e, kMin, lane, d, a, b);
        emit(e, kVSub, lane, d, t, d);
    } else {
        if (kSigned) {
            e.c.vpcmpgtq(t, b, a);
        } else {
            emit_unsigned_greater_d(e, t, b, a);
        }
        e.c.vpsubq(d, a, b);
        e.c.vpxor(d, d, t);
        e.c.vpsubq(d, d, t);
    }
    finish(e, inst, d);
}

constexpr Lanes3 kAverage{{&Assembler::vpavgb, &Assembler::vpavgw, nullptr, nullptr}};

// The host's average rounds up and is unsigned. Complemented operands and result make it round
// down, flipped signs make it signed.
template <bool kSigned> void emit_halving_add(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    const bool rounding = (inst.imm & 1) != 0;
    if (lane == 3) {
        return e.call_eval(inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    if (lane < 2) {
        const u64 flip = (rounding ? 0 : ~u64{0}) ^ (kSigned ? lane_sign(lane) : 0);
        if (flip == 0) {
            emit(e, kAverage, lane, d, a, b);
        } else {
            const Xmm mask = e.scratch_xmm();
            e.load_imm(mask, splat(lane, flip));
            e.c.vpxor(d, a, mask);
            e.c.vpxor(t, b, mask);
            emit(e, kAverage, lane, d, d, t);
            e.c.vpxor(d, d, mask);
        }
        clear_past(e, d, inst.shape());
        return;
    }
    // (a & b) + ((a ^ b) >> 1), rounding: (a | b) - ((a ^ b) >> 1)
    e.c.vpxor(t, a, b);
    kSigned ? e.c.vpsrad(t, t, 1) : e.c.vpsrld(t, t, 1);
    if (rounding) {
        e.c.vpor(d, a, b);
        e.c.vpsubd(d, d, t);
    } else {
        e.c.vpand(d, a, b);
        e.c.vpaddd(d, d, t);
    }
    finish(e, inst, d);
}

// a - average(a, b) is (a - b) >> 1. Words: ((a ^ b) >> 1) - (~a & b).
template <bool kSigned> void emit_halving_sub(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    if (lane == 3) {
        return e.call_eval(inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    const Xmm t = e.scratch_xmm();
    if (lane == 2) {
        e.c.vpxor(d, a, b);
        kSigned ? e.c.vpsrad(d, d, 1) : e.c.vpsrld(d, d, 1);
        e.c.vpandn(t, a, b);
        e.c.vpsubd(d, d, t);
    } else if (kSigned) {
        const Xmm sign = e.scratch_xmm();
        e.load_imm(sign, splat(lane, lane_sign(lane)));
        e.c.vpxor(t, a, sign);
        e.c.vpxor(sign, b, sign);
        emit(e, kAverage, lane, d, t, sign);
        emit(e, kVSub, lane, d, t, d);
    } else {
        emit(e, kAverage, lane, t, a, b);
        emit(e, kVSub, lane, d, a, t);
    }
    finish(e, inst, d);
}

// --- bit counts: a 16-entry table in a register, looked up by VPSHUFB for each half of a byte

struct NibbleTables {
    V128 low, high;
};

// d = low[byte & 15] combined with high[byte >> 4]; d may be a.
void emit_nibble_lookup(Emitter& e, Xmm d, Xmm a, const NibbleTables& tables, Vex3 combine) {
    const Xmm low = e.scratch_xmm(), high = e.scratch_xmm(), table = e.scratch_xmm();
    const V128 mask = splat(0, 0x0f);
    e.c.vpand(low, a, e.literal(mask));
    e.c.vpsrlw(high, a, 4);
    e.c.vpand(high, high, e.literal(mask));
    e.load_imm(table, tables.low);
    e.c.vpshufb(low, table, low);
    if (tables.high != tables.low) {
        e.load_imm(table, tables.high);
    }
    e.c.vpshufb(high, table, high);
    emit(e, combine, d, low, high);
}

void emit_VCnt(Emitter& e, const Inst& inst) {
    if (is_population_count(e, static_cast<ValueId>(&inst - e.block().insts.data()))) {
        return e.define_as(inst, inst.args[0]);
    }
    const V128 counts = {0x0302020102010100, 0x0403030203020201};
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    emit_nibble_lookup(e, d, a, {counts, counts}, &Assembler::vpaddb);
    finish(e, inst, d);
}

void emit_VRbit(Emitter& e, const Inst& inst) {
    NibbleTables tables;
    for (unsigned i = 0; i < 16; ++i) {
        const unsigned reversed = (i & 1) << 3 | (i & 2) << 1 | (i & 4) >> 1 | (i & 8) >> 3;
        tables.low.set_lane<u8>(i, static_cast<u8>(reversed << 4));
        tables.high.set_lane<u8>(i, static_cast<u8>(reversed));
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    emit_nibble_lookup(e, d, a, tables, &Assembler::vpor);
    finish(e, inst, d);
}

// From the leading zeros of each half of a lane to those of the lane: the upper half's count, and
// when the upper half is zero also the lower half's.
void emit_join_leading_zeros(Emitter& e, Xmm d, unsigned lane_log2) {
    const unsigned half_bits = 4u << lane_log2;
    const Xmm upper = e.scratch_xmm(), empty = e.scratch_xmm();
    shift_right_logical(e, upper, d, lane_log2, half_bits);
    emit(e, kVCmEq, lane_log2, empty, upper, e.literal(splat(lane_log2, half_bits)));
    e.c.vpand(d, d, e.literal(splat(lane_log2, (u64{1} << half_bits) - 1)));
    e.c.vpand(d, d, empty);
    emit(e, kVAdd, lane_log2, d, d, upper);
}

// Bytes: the high nibble's count when it is not zero, else 4 + the low nibble's. With 4 + clz4
// (4..8) in the low table and clz4, or 8 for zero, in the high one, that is their minimum.
void emit_leading_zeros(Emitter& e, Xmm d, Xmm a, unsigned lane_log2) {
    const NibbleTables tables{{0x0505050506060708, 0x0404040404040404}, {0x0101010102020308, 0}};
    emit_nibble_lookup(e, d, a, tables, &Assembler::vpminub);
    for (unsigned lane = 1; lane <= lane_log2; ++lane) {
        emit_join_leading_zeros(e, d, lane);
    }
}

void emit_VClz(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    emit_leading_zeros(e, d, a, inst.shape().lane_log2);
    clear_past(e, d, inst.shape());
}

// CLS(a) = CLZ(a ^ (a >> 1)) - 1, with an arithmetic shift.
void emit_VCls(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    shift_right_arithmetic(e, d, a, lane, 1);
    e.c.vpxor(d, d, a);
    emit_leading_zeros(e, d, d, lane);
    emit(e, kVAdd, lane, d, d, e.literal(splat(lane, ~u64{0})));
    clear_past(e, d, inst.shape());
}

} // namespace

void add_vec_logic_emitters(EmitTable& table) {
    table.set(Opcode::VAnd, emit_three<&Assembler::vpand>, kKeepsFlags);
    table.set(Opcode::VOr, emit_three<&Assembler::vpor>, kKeepsFlags);
    table.set(Opcode::VXor, emit_VXor, kKeepsFlags);
    table.set(Opcode::VBic, emit_VBic, kKeepsFlags);
    table.set(Opcode::VOrn, emit_VOrn, kKeepsFlags);
    table.set(Opcode::VNot, emit_VNot, kKeepsFlags);
    table.set(Opcode::VBsl, emit_VBsl, kKeepsFlags);
}

void add_vec_arithmetic_emitters(EmitTable& table) {
    table.set(Opcode::VAdd, emit_lanes3<kVAdd>, kKeepsFlags);
    table.set(Opcode::VSub, emit_lanes3<kVSub>, kKeepsFlags);
    table.set(Opcode::VMul, emit_VMul);
    table.set(Opcode::VNeg, emit_VNeg, kKeepsFlags);
    table.set(Opcode::VAbs, emit_VAbs, kKeepsFlags);
    table.set(Opcode::VCmEq, emit_VCmEq, kKeepsFlags);
    table.set(Opcode::VCmGt, emit_lanes3<kVCmGt>, kKeepsFlags);
    table.set(Opcode::VCmGe, emit_greater_equal<kVSMax, true>, kKeepsFlags);
    table.set(Opcode::VCmHi, emit_VCmHi, kKeepsFlags);
    table.set(Opcode::VCmHs, emit_greater_equal<kVUMax, false>, kKeepsFlags);
    table.set(Opcode::VCmTst, emit_VCmTst, kKeepsFlags);
    table.set(Opcode::VSMax, emit_lanes3<kVSMax>);
    table.set(Opcode::VSMin, emit_lanes3<kVSMin>);
    table.set(Opcode::VUMax, emit_lanes3<kVUMax>);
    table.set(Opcode::VUMin, emit_lanes3<kVUMin>);
    table.set(Opcode::VSAbd, emit_absolute_difference<kVSMax, kVSMin, true>, kKeepsFlags);
    table.set(Opcode::VUAbd, emit_absolute_difference<kVUMax, kVUMin, false>, kKeepsFlags);
    table.set(Opcode::VSHAdd, emit_halving_add<true>);
    table.set(Opcode::VUHAdd, emit_halving_add<false>);
    table.set(Opcode::VSHSub, emit_halving_sub<true>);
    table.set(Opcode::VUHSub, emit_halving_sub<false>);
    table.set(Opcode::VCnt, emit_VCnt, kKeepsFlags);
    table.set(Opcode::VRbit, emit_VRbit, kKeepsFlags);
    table.set(Opcode::VClz, emit_VClz, kKeepsFlags);
    table.set(Opcode::VCls, emit_VCls, kKeepsFlags);
}

} // namespace ulna::backend::x64
