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

// d = words of a shifted by the low bytes of b's words; d is neither. Rounding adds the last bit
// shifted out.
void shift_words(Emitter& e, const RegisterShift& kind, Xmm d, Xmm a, Xmm b) {
    const Xmm right = e.scratch_xmm(), t = e.scratch_xmm();
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
    e.c.vpsllvd(d, a, t);
    e.c.vpslld(t, b, 24);
    e.c.vblendvps(d, d, right, t);
}

// The same for doublewords. There is no arithmetic form: negative lanes are complemented before the
// logical shift and after it.
void shift_doublewords(Emitter& e, const RegisterShift& kind, Xmm d, Xmm a, Xmm b) {
    const Xmm right = e.scratch_xmm(), t = e.scratch_xmm();
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

// Even and odd halfwords as words.
void shift_halfwords(Emitter& e, const RegisterShift& kind, Xmm d, Xmm a, Xmm b) {
    const Xmm half = e.scratch_xmm(), amount = e.scratch_xmm(), odd = e.scratch_xmm();
    if (kind.is_signed) {
        e.c.vpslld(half, a, 16);
        e.c.vpsrad(half, half, 16);
    } else {
        e.c.vpand(half, a, e.literal(splat(2, 0xffff)));
    }
    shift_words(e, kind, d, half, b);
    kind.is_signed ? e.c.vpsrad(half, a, 16) : e.c.vpsrld(half, a, 16);
    e.c.vpsrld(amount, b, 16);
    shift_words(e, kind, odd, half, amount);
    e.c.vpslld(odd, odd, 16);
    e.c.vpblendw(d, d, odd, 0b10101010);
}

template <bool kSigned> void emit_shift_by_register(Emitter& e, const Inst& inst) {
    const RegisterShift kind{kSigned, (inst.imm & 1) != 0};
    if (inst.shape().lane_log2 == 0) {
        return e.call_eval(inst); // four times the words' sequence: not worth it
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst);
    switch (inst.shape().lane_log2) {
    case 1:
        shift_halfwords(e, kind, d, a, b);
        break;
    case 2:
        shift_words(e, kind, d, a, b);
        break;
    default:
        shift_doublewords(e, kind, d, a, b);
        break;
    }
    finish(e, inst, d);
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
}

} // namespace ulna::backend::x64
