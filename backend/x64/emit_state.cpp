// Constants, guest-state slots, runtime helpers, and moves between the register files.
#include <bit>

#include "backend/x64/emitter.h"
#include "backend/x64/raw.h"

namespace ulna::backend::x64 {

using ir::Type;

namespace {

void emit_nothing(Emitter&, const Inst&) {} // constants appear where they are used
void emit_Get(Emitter& e, const Inst& inst) { e.get_slot(inst); }
void emit_Set(Emitter& e, const Inst& inst) { e.set_slot(inst); }
void emit_CallHelper(Emitter& e, const Inst& inst) {
    inst.imm == static_cast<u64>(ir::HelperId::CommitStore) ? e.commit_store()
                                                            : e.call_helper(inst);
}
void emit_ExitIf(Emitter& e, const Inst& inst) { e.emit_exit_if(inst); }
void emit_RaiseIf(Emitter& e, const Inst& inst) { e.emit_raise_if(inst); }

// Only the bits above the scalar have to become zero.
void make_whole(Emitter& e, const Inst& inst, ValueId a) {
    if (e.scalar_is_clean(a)) {
        e.define_as(inst, a);
        return;
    }
    const XmmMem from = e.use_xmm_mem(a);
    const Xmm to = e.def_xmm(inst, Overlap::Any);
    switch (e.type_of(a)) {
    case Type::F64:
        if (from.is_mem()) {
            e.c.vmovq(to, from.mem());
        } else {
            e.c.vmovq(to, Xmm(from.reg_index()));
        }
        break;
    case Type::F32:
        if (from.is_mem()) {
            e.c.vmovss(to, from.mem());
        } else {
            const Xmm source(from.reg_index());
            e.c.vinsertps(to, source, source, 0b1110); // zeroes lanes 1 to 3
        }
        break;
    default: {
        const Xmm zero = e.scratch_xmm();
        e.c.vpxor(zero, zero, zero);
        e.c.vpblendw(to, zero, from, 1);
        break;
    }
    }
}

// Scalar to whole register.
void emit_FToV(Emitter& e, const Inst& inst) {
    const ValueId a = inst.args[0];
    const u16 later = e.detach_later_uses(a);
    make_whole(e, inst, a);
    e.attach_uses(inst, a, later);
}

void emit_FToI(Emitter& e, const Inst& inst) {
    const ValueId a = inst.args[0];
    const Type type = e.type_of(a);
    if (e.is_const(a) ||
        e.is_vconst(a)) { // as memory it would be a literal, which has no register expression
        const u64 value =
            e.is_const(a) ? e.const_value(a) : e.vconst_value(a).lo & ones(ir::bit_width(type));
        e.load_imm(e.def_gpr(inst), value);
        return;
    }
    const XmmMem from = e.use_xmm_mem(a);
    const Gpr to = e.def_gpr(inst);
    if (from.is_mem()) {
        const Xbyak::RegExp address = from.mem().getRegExp(false);
        switch (type) {
        case Type::F64:
            e.c.mov(to, Address(64, false, address));
            break;
        case Type::F32:
            e.c.mov(to.cvt32(), Address(32, false, address));
            break;
        default:
            e.c.movzx(to.cvt32(), Address(16, false, address));
            break;
        }
        return;
    }
    const Xmm source(from.reg_index());
    switch (type) {
    case Type::F64:
        e.c.vmovq(to, source);
        break;
    case Type::F32:
        e.c.vmovd(to.cvt32(), source);
        break;
    default:
        e.c.vpextrw(to.cvt32(), source, 0);
        break;
    }
}

// A byte or a halfword, with zeros above.
bool is_narrow_load(const Inst& inst) {
    return inst.op == Opcode::Load && inst.mem().size_log2 <= 1 && !inst.mem().sign;
}

void emit_IToF(Emitter& e, const Inst& inst) {
    const ValueId a = inst.args[0];
    e.mark_clean(inst);
    switch (inst.type) {
    case Type::F64: {
        const Gpr from = e.use_gpr_zext(a);
        e.c.vmovq(e.def_xmm(inst), from);
        break;
    }
    case Type::F32: {
        const GprMem from = e.use_gpr_mem(a, 32);
        e.c.vmovd(e.def_xmm(inst), from);
        break;
    }
    default: {
        if (is_narrow_load(e.inst_of(a))) {
            const Gpr from = e.use_gpr(a);
            e.c.vmovd(e.def_xmm(inst), from.cvt32());
            break;
        }
        const Gpr from = e.use_gpr(a), low = e.scratch_gpr();
        e.c.movzx(low.cvt32(), from.cvt16());
        e.c.vmovd(e.def_xmm(inst), low.cvt32());
        break;
    }
    }
}

void emit_VFromPair(Emitter& e, const Inst& inst) {
    const GprMem low = e.use_gpr_mem(inst.args[0], 64);
    const GprMem high = e.use_gpr_mem(inst.args[1], 64);
    const Xmm to = e.def_xmm(inst);
    if (low.is_mem()) {
        e.c.vmovq(to, low.mem());
    } else {
        e.c.vmovq(to, Gpr(low.reg_index()));
    }
    e.c.vpinsrq(to, to, high, 1);
}

} // namespace

// The low `bits` of v, zero-extended, as the result.
void Emitter::zero_extend(const Inst& inst, ValueId v, unsigned bits) {
    const GprMem from = use_gpr_part(v, bits);
    const Gpr to = def_gpr(inst, Overlap::Any);
    if (bits == 32) {
        raw::mov(c, false, to, from);
    } else {
        c.movzx(to.cvt32(), from);
    }
}

// Value v to memory, its low `bits`.
void Emitter::store_value(const Mem& to, ValueId v, unsigned bits) {
    const ValueId r = rep(v);
    if (values_[r].flags & kVector) {
        const Xmm from = use_xmm(v);
        const Address cell = to.address(bits);
        switch (bits) {
        case 128:
            c.vmovups(cell, from);
            break;
        case 64:
            c.vmovq(cell, from);
            break;
        case 32:
            c.vmovd(cell, from);
            break;
        case 16:
            c.vpextrw(cell, from, 0);
            break;
        default:
            c.vpextrb(cell, from, 0);
            break;
        }
        return;
    }
    const auto size_log2 = static_cast<unsigned>(std::countr_zero(bits / 8));
    if (is_const(v)) {
        const u64 value = const_value(v);
        if (bits < 64 || fits_imm32(value)) {
            raw::store_imm(c, to, static_cast<u32>(value), size_log2);
            return;
        }
    }
    raw::store(c, to, use_gpr(v), size_log2);
}

void add_state_emitters(EmitTable& table) {
    table.set(Opcode::Const, emit_nothing, kKeepsFlags);
    table.set(Opcode::CodeAddress, emit_nothing, kKeepsFlags);
    table.set(Opcode::ConstVec, emit_nothing, kKeepsFlags);
    table.set(Opcode::Get, emit_Get, kKeepsFlags);
    table.set(Opcode::Set, emit_Set, kKeepsFlags);
    table.set(Opcode::CallHelper, emit_CallHelper);
    table.set(Opcode::ExitIf, emit_ExitIf);
    table.set(Opcode::RaiseIf, emit_RaiseIf);
    table.set(Opcode::FToV, emit_FToV, kKeepsFlags);
    table.set(Opcode::FToI, emit_FToI, kKeepsFlags);
    table.set(Opcode::IToF, emit_IToF, kKeepsFlags);
    table.set(Opcode::VFromPair, emit_VFromPair, kKeepsFlags);
}

} // namespace ulna::backend::x64
