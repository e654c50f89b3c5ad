// Guest-state slots: where a Get finds its value, and what a Set does to the values around it.
#include "backend/x64/emitter.h"
#include "backend/x64/pinned.h"
#include "backend/x64/raw.h"

namespace ulna::backend::x64 {

using ir::kNoValue;
using ir::Type;

void Emitter::get_slot(const Inst& inst) {
    const ValueId v = static_cast<ValueId>(&inst - insts_);
    const unsigned slot = static_cast<unsigned>(inst.imm);
    if (const u8 reg = kGprOfSlot[slot]; reg != kNoReg) {
        bind_gpr(v, reg);
    } else if (const u8 xmm = kXmmOfSlot[slot]; xmm != kNoReg) {
        bind_xmm(v, xmm);
    } else if (static_cast<ir::Slot>(slot) == ir::Slot::FPCR) { // helpers write it
        c.mov(def_gpr(inst), state(ir::slot_offset(ir::Slot::FPCR)));
    } else {
        values_[v].memory = static_cast<i32>(ir::slot_offset(static_cast<ir::Slot>(slot)));
        slot_owner_[slot] = v;
    }
}

// A pinned register is about to get new contents: a value still needed moves to a temporary.
void Emitter::preserve_before_overwrite(u8 reg, bool vector) {
    ValueId* owners = vector ? xmm_owner_ : gpr_owner_;
    const ValueId owner = owners[reg];
    if (owner == kNoValue) {
        return;
    }
    ValueState& value = values_[owner];
    owners[reg] = kNoValue;
    value.reg = kNoReg;
    if (dies_here(owner) || value.memory != kNoMemory) {
        return;
    }
    if (is_remade(owner)) {
        return;
    }
    if (vector) {
        const u8 to = alloc_xmm();
        c.vmovaps(Xmm(to), Xmm(reg));
        bind_xmm(owner, to);
    } else {
        const u8 to = alloc_gpr();
        move(Gpr(to), Gpr(reg));
        bind_gpr(owner, to);
    }
}

void Emitter::set_pinned(ValueId v, u8 reg, bool vector) {
    const ValueId r = rep(v);
    ValueState& value = values_[r];
    if (value.reg == reg) {
        return; // computed in place, or set to what it is
    }
    const u32 bit = 1u << reg;
    (vector ? xmm_locked_ : gpr_locked_) |= bit;
    preserve_before_overwrite(reg, vector);
    if (vector) {
        load_value(Xmm(reg), r);
    } else {
        load_value(Gpr(reg), r);
    }
    const bool elsewhere_pinned =
        value.reg != kNoReg && (vector ? is_pinned_xmm(value.reg) : is_pinned_gpr(value.reg));
    if (elsewhere_pinned) {
        return;
    }
    ValueId* owners = vector ? xmm_owner_ : gpr_owner_;
    if (value.reg != kNoReg) {
        owners[value.reg] = kNoValue;
    }
    owners[reg] = r;
    value.reg = reg;
}

void Emitter::set_slot(const Inst& inst) {
    const ValueId v = inst.args[0];
    const ValueId r = rep(v);
    const unsigned slot = static_cast<unsigned>(inst.imm);
    if (const u8 reg = kGprOfSlot[slot]; reg != kNoReg) {
        set_pinned(v, reg, false);
        return;
    }
    if (const u8 xmm = kXmmOfSlot[slot]; xmm != kNoReg) {
        set_pinned(v, xmm, true);
        return;
    }
    const i32 cell = static_cast<i32>(ir::slot_offset(static_cast<ir::Slot>(slot)));
    const ValueId owner = slot_owner_[slot];
    if (owner != kNoValue && values_[owner].memory == cell) {
        if (owner == r) {
            return; // writes back what is there
        }
        if (values_[owner].uses != kNoUse && !dies_here(owner) && values_[owner].reg == kNoReg) {
            if (values_[owner].flags & kVector) {
                (void)use_xmm(owner);
            } else {
                (void)use_gpr(owner);
            }
        }
        values_[owner].memory = kNoMemory;
    }
    slot_owner_[slot] = kNoValue;
    const ir::Type type = ir::slot_type(static_cast<ir::Slot>(slot));
    const unsigned bits = type == Type::Nzcv ? 32 : ir::bit_width(type);
    if (values_[r].flags & kVector) {
        raw::store_xmm(c, static_cast<std::size_t>(cell), use_xmm(v));
    } else if (is_const(r)) {
        store_value(RegMem::state_cell(static_cast<std::size_t>(cell), bits).state_memory(), v,
                    bits);
    } else if (bits == 64) {
        raw::store64(c, static_cast<std::size_t>(cell), use_gpr(v));
    } else {
        raw::store32(c, static_cast<std::size_t>(cell), use_gpr(v));
    }
    ValueState& value = values_[r];
    const bool whole =
        type_of(r) == type || type == Type::I64; // narrower ones are zero-extended in registers
    if (value.uses != kNoUse && whole && !is_remade(r) &&
        (value.memory == kNoMemory || value.spill != kNoReg)) {
        release_spill(value);
        value.memory = cell;
        slot_owner_[slot] = r;
    }
}

} // namespace ulna::backend::x64
