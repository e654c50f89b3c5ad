// Moves between vector and integer registers, between halves, and of lanes.
#include "backend/x64/emit_vec.h"

namespace ulna::backend::x64 {

namespace {

using ir::Type;

void emit_VLow(Emitter& e, const Inst& inst) {
    const XmmMem a = e.use_xmm_mem(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    a.is_mem() ? e.c.vmovq(d, a.mem()) : e.c.vmovq(d, Xmm(a.reg().getIdx()));
}

void emit_VHigh(Emitter& e, const Inst& inst) {
    if (is_interleaved_half(e, static_cast<ValueId>(&inst - e.block().insts.data()))) {
        return;
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vpsrldq(d, a, 8);
}

void emit_VConcat(Emitter& e, const Inst& inst) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vpunpcklqdq(d, a, b);
}

void emit_VDup(Emitter& e, const Inst& inst) {
    const Shape shape = inst.shape();
    if (e.is_const(inst.args[0])) {
        V128 value = splat(shape.lane_log2, e.const_value(inst.args[0]));
        const V128 mask = shape_mask(shape);
        value = {value.lo & mask.lo, value.hi & mask.hi};
        e.load_imm(e.def_xmm(inst), value);
        return;
    }
    const Gpr a = e.use_gpr(inst.args[0]);
    const Xmm d = e.def_xmm(inst);
    if (shape.lane_log2 == 3) {
        e.c.vmovq(d, a);
    } else {
        e.c.vmovd(d, a.cvt32());
    }
    switch (shape.lane_log2) {
    case 0:
        e.c.vpbroadcastb(d, d);
        break;
    case 1:
        e.c.vpbroadcastw(d, d);
        break;
    case 2:
        e.c.vpshufd(d, d, 0);
        break;
    default:
        e.c.vpunpcklqdq(d, d, d);
        break;
    }
    clear_past(e, d, shape);
}

// --- lanes

void extend_sign(Emitter& e, Gpr d, unsigned lane, bool wide) {
    switch (lane) {
    case 0:
        wide ? e.c.movsx(d, d.cvt8()) : e.c.movsx(d.cvt32(), d.cvt8());
        break;
    case 1:
        wide ? e.c.movsx(d, d.cvt16()) : e.c.movsx(d.cvt32(), d.cvt16());
        break;
    case 2:
        if (wide) {
            e.c.movsxd(d, d.cvt32());
        }
        break;
    default:
        break;
    }
}

void emit_VGetLane(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    const u8 index = static_cast<u8>(inst.imm);
    const Xmm a = e.use_xmm(inst.args[0]);
    const Gpr d = e.def_gpr(inst, Overlap::Any);
    switch (lane) {
    case 0:
        e.c.vpextrb(d.cvt32(), a, index);
        break;
    case 1:
        e.c.vpextrw(d.cvt32(), a, index);
        break;
    case 2:
        index == 0 ? e.c.vmovd(d.cvt32(), a) : e.c.vpextrd(d.cvt32(), a, index);
        break;
    default:
        index == 0 ? e.c.vmovq(d, a) : e.c.vpextrq(d, a, index);
        break;
    }
    if ((inst.imm >> 8 & 1) != 0) {
        extend_sign(e, d, lane, inst.type == Type::I64);
    }
}

void emit_VSetLane(Emitter& e, const Inst& inst) {
    const u8 index = static_cast<u8>(inst.imm);
    const Xmm a = e.use_xmm(inst.args[0]);
    const GprMem b = e.use_gpr_mem(inst.args[1], inst.shape().lane_log2 == 3 ? 64 : 32);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    switch (inst.shape().lane_log2) {
    case 0:
        e.c.vpinsrb(d, a, b, index);
        break;
    case 1:
        e.c.vpinsrw(d, a, b, index);
        break;
    case 2:
        e.c.vpinsrd(d, a, b, index);
        break;
    default:
        e.c.vpinsrq(d, a, b, index);
        break;
    }
}

} // namespace

void add_vec_move_emitters(EmitTable& table) {
    table.set(Opcode::VLow, emit_VLow, kKeepsFlags);
    table.set(Opcode::VHigh, emit_VHigh, kKeepsFlags);
    table.set(Opcode::VConcat, emit_VConcat, kKeepsFlags);
    table.set(Opcode::VDup, emit_VDup, kKeepsFlags);
    table.set(Opcode::VGetLane, emit_VGetLane, kKeepsFlags);
    table.set(Opcode::VSetLane, emit_VSetLane, kKeepsFlags);
}

} // namespace ulna::backend::x64
