// Operands of one operation: arguments into registers or memory operands, results, scratch.
#include "backend/x64/emitter.h"
#include "backend/x64/pinned.h"
#include "backend/x64/raw.h"

namespace ulna::backend::x64 {

using ir::kNoValue;
using ir::Type;

namespace {

constexpr u32 bit_of(unsigned reg) { return 1u << reg; }

// Integer values in memory: i64 fills 8 bytes, NZCV's cell 4; spill cells of narrower ones are 8
// bytes too.
unsigned memory_bits(Type type) { return type == Type::I64 ? 64 : 32; }

} // namespace

void Emitter::move(Gpr to, Gpr from) {
    if (to.getIdx() != from.getIdx()) {
        raw::mov(c, to, from);
    }
}
void Emitter::move(Xmm to, Xmm from) {
    if (to.getIdx() != from.getIdx()) {
        c.vmovaps(to, from);
    }
}

void Emitter::load_imm(Gpr reg, u64 value) {
    const bool keep = flags_held_ || (plan_[index_] & (kFlagsReserved | kHasFlags));
    if (value == 0 && !keep) {
        raw::alu(c, raw::Alu::Xor, false, reg, reg);
    } else {
        raw::mov_imm(c, reg, value);
    }
}

void Emitter::load_imm(Xmm reg, V128 value) {
    if (value == V128{}) {
        c.vpxor(reg, reg, reg);
    } else if (value == V128{~u64{0}, ~u64{0}}) {
        c.vpcmpeqd(reg, reg, reg);
    } else if (value.hi == 0) {
        c.vmovq(reg, literal(value));
    } else {
        c.vmovaps(reg, literal(value));
    }
}

void Emitter::load_value(Gpr to, ValueId v) {
    const ValueId r = rep(v);
    const ValueState& value = values_[r];
    if (value.reg != kNoReg) {
        move(to, Gpr(value.reg));
    } else if (is_const(r)) {
        load_imm(to, const_value(r));
    } else if (is_address(r)) {
        load_address(static_cast<unsigned>(to.getIdx()), insts_[r].imm);
    } else {
        DCHECK(value.memory != kNoMemory);
        const auto reg = static_cast<unsigned>(to.getIdx());
        if (memory_bits(type_of(r)) == 64) {
            raw::load64(c, reg, static_cast<std::size_t>(value.memory));
        } else {
            raw::load32(c, reg, static_cast<std::size_t>(value.memory));
        }
    }
}

void Emitter::load_value(Xmm to, ValueId v) {
    const ValueId r = rep(v);
    const ValueState& value = values_[r];
    if (value.reg != kNoReg) {
        move(to, Xmm(value.reg));
    } else if (is_const(r)) {
        load_imm(to, V128{const_value(r), 0});
    } else if (is_vconst(r)) {
        load_imm(to, vconst_value(r));
    } else {
        DCHECK(value.memory != kNoMemory);
        raw::load_xmm(c, to, static_cast<std::size_t>(value.memory));
    }
}

Gpr Emitter::use_gpr(ValueId v) {
    const ValueId r = rep(v);
    ValueState& value = values_[r];
    if (value.reg == kNoReg) {
        const u8 reg = alloc_gpr();
        load_value(Gpr(reg), r);
        bind_gpr(r, reg);
    }
    gpr_locked_ |= bit_of(value.reg);
    return Gpr(value.reg);
}

Gpr Emitter::use_gpr_zext(ValueId v) {
    const ValueId r = rep(v);
    const Type type = type_of(v), held = type_of(r);
    const bool narrow = type == Type::I8 || type == Type::I16;
    if (!narrow && (type == held || type == Type::I64 || type == Type::I1 || type == Type::Nzcv)) {
        return use_gpr(v);
    }
    if (is_address(r)) {
        static_cast<void>(use_gpr(v));
    }
    const u8 reg = alloc_gpr();
    const Gpr to(reg);
    const ValueState& value = values_[r];
    if (is_const(v)) {
        load_imm(to, const_value(v));
    } else if (value.reg != kNoReg) {
        const Gpr from(value.reg);
        if (type == Type::I32) {
            raw::mov(c, false, reg, from);
        } else if (type == Type::I16) {
            c.movzx(to.cvt32(), from.cvt16());
        } else {
            c.movzx(to.cvt32(), from.cvt8());
        }
    } else if (type == Type::I32) {
        raw::load32(c, reg, static_cast<std::size_t>(value.memory));
    } else {
        c.movzx(to.cvt32(), value_memory(r, type == Type::I16 ? 16 : 8));
    }
    gpr_locked_ |= bit_of(reg);
    return to;
}

// The current operation reads the value for the last time, and through one argument only.
bool Emitter::may_consume(ValueId r) const {
    if (!dies_here(r)) {
        return false;
    }
    if (index_ >= count_) {
        return !std::holds_alternative<ir::ExitCond>(block_->exit); // a condition may read it twice
    }
    const Inst& inst = insts_[index_];
    unsigned times = 0, others = 0;
    for (unsigned k = 0; k < inst.arg_count; ++k) {
        if (inst.args[k] == kNoValue) {
            continue;
        }
        times += rep(inst.args[k]) == r;
        others += type_of(inst.args[k]) == Type::I1; // a condition may read it too
    }
    return times == 1 && others == 0;
}

Gpr Emitter::use_gpr_copy(ValueId v) {
    const ValueId r = rep(v);
    ValueState& value = values_[r];
    if (value.reg != kNoReg && !is_pinned_gpr(value.reg) && may_consume(r) &&
        !(gpr_locked_ & bit_of(value.reg))) {
        const u8 reg = value.reg;
        gpr_owner_[reg] = kNoValue;
        // The value stays readable by the caller only through this register.
        value.reg = kNoReg;
        gpr_locked_ |= bit_of(reg);
        return Gpr(reg);
    }
    const u8 reg = alloc_gpr();
    load_value(Gpr(reg), r);
    gpr_locked_ |= bit_of(reg);
    return Gpr(reg);
}

GprMem Emitter::use_gpr_mem(ValueId v, unsigned bits) {
    const ValueId r = rep(v);
    const ValueState& value = values_[r];
    const bool in_memory = value.reg == kNoReg && value.memory != kNoMemory;
    // Worth a register when it is used again.
    if (in_memory && dies_here(r) && bits <= memory_bits(type_of(r))) {
        return value_memory(r, bits);
    }
    const Gpr reg = use_gpr(v);
    if (bits == 64) {
        return reg;
    }
    return reg.cvt32();
}

GprMem Emitter::use_gpr_part(ValueId v, unsigned bits) {
    const ValueId r = rep(v);
    if (in_memory_only(v) && bits <= memory_bits(type_of(r))) {
        return value_memory(r, bits);
    }
    const Gpr reg = use_gpr(v);
    switch (bits) {
    case 8:
        return reg.cvt8();
    case 16:
        return reg.cvt16();
    case 32:
        return reg.cvt32();
    default:
        return reg;
    }
}

bool Emitter::in_memory_only(ValueId v) const {
    const ValueId r = rep(v);
    return values_[r].reg == kNoReg && values_[r].memory != kNoMemory && dies_here(r);
}

bool Emitter::in_pinned_xmm(ValueId v) const {
    const u8 reg = state_of(v).reg;
    return reg != kNoReg && is_pinned_xmm(reg);
}

Xmm Emitter::use_xmm(ValueId v) {
    const ValueId r = rep(v);
    ValueState& value = values_[r];
    if (value.reg == kNoReg) {
        const u8 reg = alloc_xmm();
        load_value(Xmm(reg), r);
        bind_xmm(r, reg);
    }
    xmm_locked_ |= bit_of(value.reg);
    return Xmm(value.reg);
}

Xmm Emitter::use_xmm_copy(ValueId v) {
    const ValueId r = rep(v);
    ValueState& value = values_[r];
    if (value.reg != kNoReg && !is_pinned_xmm(value.reg) && may_consume(r) &&
        !(xmm_locked_ & bit_of(value.reg))) {
        const u8 reg = value.reg;
        xmm_owner_[reg] = kNoValue;
        value.reg = kNoReg;
        xmm_locked_ |= bit_of(reg);
        return Xmm(reg);
    }
    const u8 reg = alloc_xmm();
    load_value(Xmm(reg), r);
    xmm_locked_ |= bit_of(reg);
    return Xmm(reg);
}

XmmMem Emitter::use_xmm_mem(ValueId v) {
    const ValueId r = rep(v);
    const ValueState& value = values_[r];
    if (value.reg == kNoReg && dies_here(r)) {
        if (value.memory != kNoMemory) {
            return value_memory(r, 128);
        }
        const bool zero =
            (is_const(r) && const_value(r) == 0) || (is_vconst(r) && vconst_value(r) == V128{});
        if (!zero && is_const(r)) {
            return literal({const_value(r), 0});
        }
        if (!zero && is_vconst(r)) {
            return literal(vconst_value(r));
        }
    }
    return use_xmm(v);
}

bool Emitter::scalar_is_clean(ValueId v) const {
    const ValueId r = rep(v);
    if (insts_[r].op == Opcode::FToV) {
        return type_of(v) == type_of(insts_[r].args[0]);
    }
    return type_of(v) == type_of(r) && ((values_[r].flags & kClean) || is_const(r));
}
void Emitter::mark_clean(const Inst& inst) { values_[&inst - insts_].flags |= kClean; }

// --- results

u8 Emitter::try_hint(const Inst& inst, Overlap overlap, bool vector) {
    ValueState& value = values_[&inst - insts_];
    const u8 hint = value.hint;
    if (hint == kNoReg) {
        return kNoReg;
    }
    ValueId* owners = vector ? xmm_owner_ : gpr_owner_;
    const u32 locked = vector ? xmm_locked_ : gpr_locked_;
    for (const Borrowed& lent : borrowed_) {
        if (lent.reg == hint && lent.vector == vector) {
            return kNoReg;
        }
    }
    const ValueId owner = owners[hint];
    const bool pinned = vector ? is_pinned_xmm(hint) : is_pinned_gpr(hint);
    if (locked & bit_of(hint)) {
        // An argument is there: allowed if the emitter may overwrite it and nobody needs it later.
        const bool may =
            owner != kNoValue &&
            (overlap == Overlap::Any || (overlap == Overlap::First && owner == rep(inst.args[0]) &&
                                         !is_other_argument(inst, owner)));
        if (!may) {
            return kNoReg;
        }
    }
    if (owner != kNoValue) {
        ValueState& old = values_[owner];
        if (!dies_here(owner)) {
            if (!pinned || old.memory == kNoMemory) {
                return kNoReg;
            }
        }
        old.reg = kNoReg;
    }
    return hint;
}

// Does an argument besides the first name the same value?
bool Emitter::is_other_argument(const Inst& inst, ValueId r) const {
    for (unsigned k = 1; k < inst.arg_count; ++k) {
        if (inst.args[k] != kNoValue && rep(inst.args[k]) == r) {
            return true;
        }
    }
    return false;
}

// A temporary of a dying argument.
u8 Emitter::try_reuse(const Inst& inst, Overlap overlap, bool vector) {
    if (overlap == Overlap::None) {
        return kNoReg;
    }
    const unsigned last = overlap == Overlap::First ? 1 : inst.arg_count;
    for (unsigned k = 0; k < last && k < inst.arg_count; ++k) {
        if (inst.args[k] == kNoValue) {
            continue;
        }
        const ValueId r = rep(inst.args[k]);
        ValueState& value = values_[r];
        if (((value.flags & kVector) != 0) != vector || value.reg == kNoReg || !dies_here(r)) {
            continue;
        }
        const bool temp = vector ? !is_pinned_xmm(value.reg) : !is_pinned_gpr(value.reg);
        if (!temp || (overlap == Overlap::First && is_other_argument(inst, r))) {
            continue;
        }
        const u8 reg = value.reg;
        value.reg = kNoReg;
        return reg;
    }
    return kNoReg;
}

Gpr Emitter::def_gpr(const Inst& inst, Overlap overlap) {
    u8 reg = try_hint(inst, overlap, false);
    if (reg == kNoReg) {
        reg = try_reuse(inst, overlap, false);
    }
    if (reg == kNoReg) {
        reg = alloc_gpr();
    }
    bind_gpr(static_cast<ValueId>(&inst - insts_), reg);
    gpr_locked_ |= bit_of(reg);
    return Gpr(reg);
}

Xmm Emitter::def_xmm(const Inst& inst, Overlap overlap) {
    u8 reg = try_hint(inst, overlap, true);
    if (reg == kNoReg) {
        reg = try_reuse(inst, overlap, true);
    }
    if (reg == kNoReg) {
        reg = alloc_xmm();
    }
    bind_xmm(static_cast<ValueId>(&inst - insts_), reg);
    xmm_locked_ |= bit_of(reg);
    return Xmm(reg);
}

Gpr Emitter::def_gpr_from(const Inst& inst, ValueId a) {
    const ValueState& value = state_of(a);
    if (value.reg == kNoReg) {
        const Gpr to = def_gpr(inst, Overlap::None);
        load_value(to, a);
        return to;
    }
    const Gpr from = use_gpr(a);
    const bool first = inst.arg_count > 0 && rep(inst.args[0]) == rep(a);
    const Gpr to = def_gpr(inst, first ? Overlap::First : Overlap::None);
    if (to.getIdx() != from.getIdx()) {
        raw::mov(c, inst.type == Type::I64, to, from);
    }
    return to;
}

bool Emitter::hint_is_register_of(const Inst& inst, ValueId v) const {
    const u8 hint = values_[&inst - insts_].hint;
    return hint != kNoReg && state_of(v).reg == hint;
}

void Emitter::define(const Inst& inst, Gpr reg) {
    const u8 r = static_cast<u8>(reg.getIdx());
    const ValueId v = static_cast<ValueId>(&inst - insts_);
    if (is_pinned_gpr(r)) { // borrowed: goes back after this operation
        move(def_gpr(inst, Overlap::None), reg);
        return;
    }
    bind_gpr(v, r);
}
void Emitter::define(const Inst& inst, Xmm reg) {
    const u8 r = static_cast<u8>(reg.getIdx());
    const ValueId v = static_cast<ValueId>(&inst - insts_);
    if (is_pinned_xmm(r)) {
        move(def_xmm(inst, Overlap::None), reg);
        return;
    }
    bind_xmm(v, r);
}

void Emitter::define_as(const Inst& inst, ValueId same) {
    const ValueId v = static_cast<ValueId>(&inst - insts_);
    const ValueId from = rep(same);
    ValueState& source = values_[from];
    const bool vector = source.flags & kVector;
    const u8 reg = source.reg;
    if (reg != kNoReg && dies_here(from)) {
        source.reg = kNoReg;
        if (vector) {
            bind_xmm(v, reg);
        } else {
            bind_gpr(v, reg);
        }
        return;
    }
    if (vector) {
        load_value(def_xmm(inst, Overlap::None), from);
    } else {
        load_value(def_gpr(inst, Overlap::None), from);
    }
}

Gpr Emitter::scratch_gpr() {
    const u8 reg = alloc_gpr();
    gpr_locked_ |= bit_of(reg);
    return Gpr(reg);
}
Xmm Emitter::scratch_xmm() {
    const u8 reg = alloc_xmm();
    xmm_locked_ |= bit_of(reg);
    return Xmm(reg);
}

} // namespace ulna::backend::x64
