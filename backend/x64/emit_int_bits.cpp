// Multiplication, division, bit counting and reversal, CRC.
#include "backend/x64/emitter.h"

namespace ulna::backend::x64 {

using ir::Type;

namespace {

bool is_wide(const Inst& inst) { return inst.type == Type::I64; }
unsigned width_of(const Inst& inst) { return is_wide(inst) ? 64 : 32; }
Xbyak::Reg part(const Inst& inst, Gpr reg) {
    return is_wide(inst) ? static_cast<Xbyak::Reg>(reg) : static_cast<Xbyak::Reg>(reg.cvt32());
}

void emit_Mul(Emitter& e, const Inst& inst) {
    ValueId a = inst.args[0], b = inst.args[1];
    if (e.is_const(a) || (!e.is_const(b) && e.hint_is_register_of(inst, b))) {
        std::swap(a, b);
    }
    if (e.is_const(b)) {
        const u64 factor = e.const_value(b);
        if (!is_wide(inst) || Emitter::fits_imm32(factor)) {
            const GprMem from = e.use_gpr_mem(a, width_of(inst));
            const Gpr to = e.def_gpr(inst, Overlap::Any);
            e.c.imul(part(inst, to), from, static_cast<int>(factor));
            return;
        }
    }
    const GprMem right = e.use_gpr_mem(b, width_of(inst));
    e.c.imul(part(inst, e.def_gpr_from(inst, a)), right);
}

// mulx multiplies by RDX and takes any two destinations; the same one twice receives the high half.
void emit_UMulH(Emitter& e, const Inst& inst) {
    e.use_gpr_in(inst.args[0], HostReg::RDX);
    const GprMem right = e.use_gpr_mem(inst.args[1], 64);
    const Gpr to = e.def_gpr(inst, Overlap::None);
    e.c.mulx(to, to, right);
}

// imul: RDX:RAX = RAX * operand
void emit_SMulH(Emitter& e, const Inst& inst) {
    e.take_gpr(HostReg::RDX);
    e.use_gpr_in(inst.args[0], HostReg::RAX);
    const GprMem right = e.use_gpr_mem(inst.args[1], 64);
    e.c.imul(right);
    e.define(inst, e.c.rdx);
}

// Division by zero and MIN / -1 trap on x86: those operands go the cold way.
void emit_UDiv(Emitter& e, const Inst& inst) {
    e.take_gpr(HostReg::RDX);
    e.use_gpr_in(inst.args[0], HostReg::RAX);
    const Gpr divisor = e.use_gpr(inst.args[1]);
    const bool guarded = !e.is_const(inst.args[1]) || e.const_value(inst.args[1]) == 0;
    Jump zero;
    if (guarded) {
        e.c.test(part(inst, divisor), part(inst, divisor));
        zero = e.jcc(Cc::E);
    }
    e.c.xor_(e.c.edx, e.c.edx);
    e.c.div(part(inst, divisor));
    if (guarded) {
        e.cold(zero, [](Emitter& cold) { cold.c.xor_(cold.c.eax, cold.c.eax); });
    }
    e.define(inst, e.c.rax);
}

void emit_SDiv(Emitter& e, const Inst& inst) {
    e.take_gpr(HostReg::RDX);
    e.use_gpr_in(inst.args[0], HostReg::RAX);
    const Gpr divisor = e.use_gpr(inst.args[1]);
    // divisor + 1 <= 1 unsigned: 0 or -1
    e.c.lea(part(inst, e.c.rdx), e.c.ptr[divisor + 1]);
    e.c.cmp(part(inst, e.c.rdx), 1);
    const Jump special = e.jcc(Cc::BE);
    if (is_wide(inst)) {
        e.c.cqo();
    } else {
        e.c.cdq();
    }
    e.c.idiv(part(inst, divisor));
    const bool wide = is_wide(inst);
    e.cold(special, [=](Emitter& cold) {
        // a / -1 = -a, MIN included; a / 0 = 0: either way (-a) & divisor
        if (wide) {
            cold.c.neg(cold.c.rax);
            cold.c.and_(cold.c.rax, divisor);
        } else {
            cold.c.neg(cold.c.eax);
            cold.c.and_(cold.c.eax, divisor.cvt32());
        }
    });
    e.define(inst, e.c.rax);
}

void emit_Clz(Emitter& e, const Inst& inst) {
    const GprMem from = e.use_gpr_mem(inst.args[0], width_of(inst));
    e.c.lzcnt(part(inst, e.def_gpr(inst, Overlap::Any)), from);
}

void emit_Ctz(Emitter& e, const Inst& inst) {
    const GprMem from = e.use_gpr_mem(inst.args[0], width_of(inst));
    e.c.tzcnt(part(inst, e.def_gpr(inst, Overlap::Any)), from);
}

void emit_Popcnt(Emitter& e, const Inst& inst) {
    const GprMem from = e.use_gpr_mem(inst.args[0], width_of(inst));
    e.c.popcnt(part(inst, e.def_gpr(inst, Overlap::Any)), from);
}

// Leading zeros of a ^ (a's sign everywhere), less the sign bit itself.
void emit_Cls(Emitter& e, const Inst& inst) {
    const Gpr from = e.use_gpr(inst.args[0]);
    const Gpr to = e.def_gpr(inst, Overlap::None);
    e.c.mov(part(inst, to), part(inst, from));
    e.c.sar(part(inst, to), width_of(inst) - 1);
    e.c.xor_(part(inst, to), part(inst, from));
    e.c.lzcnt(part(inst, to), part(inst, to));
    e.c.sub(part(inst, to), 1);
}

// to = (to & mask) << shift | (to >> shift) & mask
void swap_groups(
    Emitter& e, const Inst& inst, Gpr to, Gpr mask, Gpr other, u64 pattern, unsigned shift) {
    e.load_imm(mask, is_wide(inst) ? pattern : static_cast<u32>(pattern));
    e.c.mov(part(inst, other), part(inst, to));
    e.c.shr(part(inst, other), shift);
    e.c.and_(part(inst, to), part(inst, mask));
    e.c.and_(part(inst, other), part(inst, mask));
    e.c.shl(part(inst, to), shift);
    e.c.or_(part(inst, to), part(inst, other));
}

void bswap(Emitter& e, const Inst& inst, Gpr reg) {
    is_wide(inst) ? e.c.bswap(reg) : e.c.bswap(reg.cvt32());
}

void emit_Rbit(Emitter& e, const Inst& inst) {
    const Gpr to = e.def_gpr_from(inst, inst.args[0]);
    const Gpr mask = e.scratch_gpr(), other = e.scratch_gpr();
    bswap(e, inst, to);
    swap_groups(e, inst, to, mask, other, 0x0f0f'0f0f'0f0f'0f0f, 4);
    swap_groups(e, inst, to, mask, other, 0x3333'3333'3333'3333, 2);
    swap_groups(e, inst, to, mask, other, 0x5555'5555'5555'5555, 1);
}

void emit_Rev(Emitter& e, const Inst& inst) { bswap(e, inst, e.def_gpr_from(inst, inst.args[0])); }

void emit_Rev16(Emitter& e, const Inst& inst) {
    const Gpr to = e.def_gpr_from(inst, inst.args[0]);
    if (!is_wide(inst)) {
        e.c.bswap(to.cvt32());
        e.c.ror(to.cvt32(), 16);
        return;
    }
    const Gpr mask = e.scratch_gpr(), other = e.scratch_gpr();
    swap_groups(e, inst, to, mask, other, 0x00ff'00ff'00ff'00ff, 8);
}

void emit_Rev32(Emitter& e, const Inst& inst) {
    const Gpr to = e.def_gpr_from(inst, inst.args[0]);
    e.c.bswap(to);
    e.c.ror(to, 32);
}

void emit_Crc32C(Emitter& e, const Inst& inst) {
    const unsigned bits = ir::bit_width(e.type_of(inst.args[1]));
    const GprMem data = e.use_gpr_part(inst.args[1], bits);
    const Gpr to = e.def_gpr_from(inst, inst.args[0]);
    if (bits == 64) {
        e.c.mov(to.cvt32(), to.cvt32()); // the accumulator's upper half counts in the 64-bit form
        e.c.crc32(to, data);
    } else {
        e.c.crc32(to.cvt32(), data);
    }
}

} // namespace

void add_int_bits_emitters(EmitTable& table) {
    table.set(Opcode::Mul, emit_Mul);
    table.set(Opcode::UMulH, emit_UMulH, kKeepsFlags);
    table.set(Opcode::SMulH, emit_SMulH);
    table.set(Opcode::UDiv, emit_UDiv);
    table.set(Opcode::SDiv, emit_SDiv);
    table.set(Opcode::Clz, emit_Clz);
    table.set(Opcode::Ctz, emit_Ctz);
    table.set(Opcode::Popcnt, emit_Popcnt);
    table.set(Opcode::Cls, emit_Cls);
    table.set(Opcode::Rbit, emit_Rbit);
    table.set(Opcode::Rev, emit_Rev, kKeepsFlags);
    table.set(Opcode::Rev16, emit_Rev16);
    table.set(Opcode::Rev32, emit_Rev32);
    table.set(Opcode::Crc32C, emit_Crc32C, kKeepsFlags);
}

} // namespace ulna::backend::x64
