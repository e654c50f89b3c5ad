// Conditions and flags that must exist as values. Most do not: see condition.cpp and link_flags.
#include "backend/x64/emitter.h"

namespace ulna::backend::x64 {

using ir::Type;

namespace {

void emit_condition(Emitter& e, const Inst& inst) { e.condition_to_gpr(inst, e.id_of(inst)); }

void emit_AddFlags(Emitter& e, const Inst& inst) {
    e.take_gpr(HostReg::RAX);
    if (!e.has_flags()) {
        e.add_compare(inst.args[0], inst.args[1]);
    }
    e.flags_to_value(inst, false);
}

void emit_SubFlags(Emitter& e, const Inst& inst) {
    e.take_gpr(HostReg::RAX);
    if (!e.has_flags()) {
        e.compare(inst.args[0], inst.args[1]);
    }
    e.flags_to_value(inst, true);
}

// x86 logical operations clear CF and OF as Arm clears C and V.
void emit_LogicFlags(Emitter& e, const Inst& inst) {
    e.take_gpr(HostReg::RAX);
    if (!e.has_flags()) {
        e.compare_zero(inst.args[0]);
    }
    e.flags_to_value(inst, false);
}

void emit_AdcFlags(Emitter& e, const Inst& inst) {
    e.take_gpr(HostReg::RAX);
    const bool wide = e.type_of(inst.args[0]) == Type::I64;
    const GprMem right = e.use_gpr_mem(inst.args[1], wide ? 64 : 32);
    const Gpr sum = e.use_gpr_copy(inst.args[0]);
    e.carry_from(inst.args[2]);
    if (wide) {
        e.c.adc(sum, right);
    } else {
        e.c.adc(sum.cvt32(), right);
    }
    e.flags_to_value(inst, false);
}

void emit_NzcvPack(Emitter& e, const Inst& inst) {
    e.c.shr(e.def_gpr_from(inst, inst.args[0]).cvt32(), 28);
}
void emit_NzcvUnpack(Emitter& e, const Inst& inst) {
    e.c.shl(e.def_gpr_from(inst, inst.args[0]).cvt32(), 28);
}

// The compare for its FPSR bits alone, or with the flags: ZF PF CF select one of four nibbles.
void emit_FCmp(Emitter& e, const Inst& inst) {
    if (!e.is_fusable_flags(e.id_of(inst))) {
        e.call_eval(inst);
        return;
    }
    if (!e.is_used(inst)) {
        (void)e.compare_fp(inst, ir::Cond::GT);
        return;
    }
    constexpr u32 kZfPfCfOfLahf = 0x4500;
    constexpr u32 kNzcv =
        2u << 0 * 4 | 8u << 1 * 4 | 6u << 4 * 4 | 3u << 7 * 4; // greater less equal unordered
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr table = e.scratch_gpr();
    (void)e.compare_fp(inst, ir::Cond::GT);
    e.c.lahf();
    e.c.mov(table.cvt32(), kZfPfCfOfLahf);
    e.c.pext(rax.cvt32(), rax.cvt32(), table.cvt32());
    e.c.shl(rax.cvt32(), 2);
    e.c.mov(table.cvt32(), kNzcv);
    e.c.shrx(rax.cvt32(), table.cvt32(), rax.cvt32());
    e.c.and_(rax.cvt32(), 15);
    e.define(inst, rax);
}

} // namespace

// to = condition ? 1 : 0
void Emitter::condition_to_gpr(const Inst& inst, ValueId v) {
    const Condition held = condition(v);
    const Gpr to = def_gpr(inst, Overlap::None);
    const Gpr second = held.parity == Condition::Plain ? to : scratch_gpr();
    set_byte(to, held, second);
    c.movzx(to.cvt32(), to.cvt8());
}

void add_flag_emitters(EmitTable& table) {
    table.set(Opcode::ICmp, emit_condition);
    table.set(Opcode::TestBit, emit_condition);
    table.set(Opcode::TestCond, emit_condition);
    table.set(Opcode::AddFlags, emit_AddFlags);
    table.set(Opcode::SubFlags, emit_SubFlags);
    table.set(Opcode::LogicFlags, emit_LogicFlags);
    table.set(Opcode::AdcFlags, emit_AdcFlags);
    table.set(Opcode::NzcvPack, emit_NzcvPack);
    table.set(Opcode::NzcvUnpack, emit_NzcvUnpack);
    table.set(Opcode::FCmp, emit_FCmp);
}

} // namespace ulna::backend::x64
