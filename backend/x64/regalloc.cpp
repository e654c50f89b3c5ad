// Registers within a block, handed out going forward. A value is in at most one register, and
// possibly in memory: the cell of the guest-state slot it came from or was stored to, or a spill
// cell. When temporaries run out, the value whose next use is farthest gives way, at no cost if
// memory has it.
#include <bit>

#include "backend/x64/emitter.h"
#include "backend/x64/pinned.h"
#include "backend/x64/raw.h"

namespace ulna::backend::x64 {

using ir::kNoValue;
using ir::Type;

namespace {
// Registers that need no REX prefix first; RAX last, because fixed-register instructions want it.
constexpr u8 kGprOrder[] = {3, 5, 10, 11, 0};

constexpr u32 bit_of(unsigned reg) { return 1u << reg; }

constexpr i32 spill_offset(unsigned cell) {
    return static_cast<i32>(offsetof(ir::CpuState, spill) + cell * 8);
}
constexpr i32 vspill_offset(unsigned cell) {
    return static_cast<i32>(offsetof(ir::CpuState, vspill) + cell * 16);
}
} // namespace

Address Emitter::state(std::size_t offset, unsigned bits) {
    const int disp = static_cast<int>(offset) - ir::kStateBias;
    return Address(bits, false, Xbyak::RegExp(c.r15) + disp);
}

// --- uses ahead

u16 Emitter::next_use(ValueId rep) const {
    u16 use = values_[rep].uses;
    while (uses_[use].at <= index_) {
        use = uses_[use].next;
    }
    return uses_[use].at;
}
bool Emitter::dies_here(ValueId rep) const { return next_use(rep) == kNever; }

// --- ownership

void Emitter::bind_gpr(ValueId rep, u8 reg) {
    gpr_owner_[reg] = rep;
    values_[rep].reg = reg;
}
void Emitter::bind_xmm(ValueId rep, u8 reg) {
    xmm_owner_[reg] = rep;
    values_[rep].reg = reg;
}

void Emitter::release_spill(ValueState& value) {
    if (value.spill == kNoReg) {
        return;
    }
    if (value.flags & kVector) {
        free_vspills_ |= 1u << value.spill;
    } else {
        free_spills_ |= u64{1} << value.spill;
    }
    value.spill = kNoReg;
    value.memory = kNoMemory;
}

// Makes sure that memory or a constant can give the value back.
void Emitter::store_to_spill(ValueId rep) {
    ValueState& value = values_[rep];
    if (value.memory != kNoMemory || is_remade(rep)) {
        return;
    }
    if (value.flags & kVector) {
        CHECK(free_vspills_ != 0);
        value.spill = static_cast<u8>(std::countr_zero(free_vspills_));
        free_vspills_ &= free_vspills_ - 1;
        value.memory = vspill_offset(value.spill);
        raw::store_xmm(c, static_cast<std::size_t>(value.memory), value.reg);
    } else {
        CHECK(free_spills_ != 0);
        value.spill = static_cast<u8>(std::countr_zero(free_spills_));
        free_spills_ &= free_spills_ - 1;
        value.memory = spill_offset(value.spill);
        raw::store64(c, static_cast<std::size_t>(value.memory), value.reg);
    }
}

void Emitter::evict_gpr(u8 reg) {
    const ValueId owner = gpr_owner_[reg];
    if (owner == kNoValue) {
        return;
    }
    if (values_[owner].uses != kNoUse) {
        store_to_spill(owner);
    }
    values_[owner].reg = kNoReg;
    gpr_owner_[reg] = kNoValue;
}
void Emitter::evict_xmm(u8 reg) {
    const ValueId owner = xmm_owner_[reg];
    if (owner == kNoValue) {
        return;
    }
    if (values_[owner].uses != kNoUse) {
        store_to_spill(owner);
    }
    values_[owner].reg = kNoReg;
    xmm_owner_[reg] = kNoValue;
}

// The register among candidates that is cheapest to empty.
u8 Emitter::find_victim(const ValueId* owners, u32 candidates) const {
    u8 best = kNoReg;
    unsigned best_score = 0;
    for (u32 left = candidates; left != 0; left &= left - 1) {
        const u8 reg = static_cast<u8>(std::countr_zero(left));
        const ValueId owner = owners[reg];
        if (owner == kNoValue) {
            return reg;
        }
        const ValueState& value = values_[owner];
        const bool backed = value.memory != kNoMemory || is_remade(owner);
        // Distance decides; being in memory already is worth a few instructions of distance.
        const unsigned score = 1 + (next_use(owner) - index_) + (backed ? 8 : 0);
        if (score > best_score) {
            best_score = score;
            best = reg;
        }
    }
    return best;
}

u8 Emitter::alloc_gpr() {
    for (const u8 reg : kGprOrder) {
        if (gpr_owner_[reg] == kNoValue && !(gpr_locked_ & bit_of(reg))) {
            return reg;
        }
    }
    const u8 victim = find_victim(gpr_owner_, kTempGprMask & ~gpr_locked_);
    if (victim != kNoReg) {
        evict_gpr(victim);
        return victim;
    }
    const u32 pinned = kPinnedGprMask & ~gpr_locked_;
    CHECK(pinned != 0);
    const u8 reg = static_cast<u8>(31 - std::countl_zero(pinned));
    borrow_gpr(reg);
    return reg;
}

u8 Emitter::alloc_xmm() {
    for (u8 reg = kFirstTempVec; reg <= kLastTempVec; ++reg) {
        if (xmm_owner_[reg] == kNoValue && !(xmm_locked_ & bit_of(reg))) {
            return reg;
        }
    }
    const u8 victim = find_victim(xmm_owner_, kTempXmmMask & ~xmm_locked_);
    if (victim != kNoReg) {
        evict_xmm(victim);
        return victim;
    }
    const u32 pinned = kPinnedXmmMask & ~xmm_locked_;
    CHECK(pinned != 0);
    const u8 reg = static_cast<u8>(31 - std::countl_zero(pinned));
    borrow_xmm(reg);
    return reg;
}

// --- pinned registers as scratch, within one operation: contents wait in the slot's own cell

void Emitter::borrow_gpr(u8 reg) {
    const ValueId owner = gpr_owner_[reg];
    c.mov(state(static_cast<std::size_t>(kGprHome[reg])), Gpr(reg));
    const bool lend_memory = owner != kNoValue && values_[owner].memory == kNoMemory;
    if (owner != kNoValue) {
        values_[owner].reg = kNoReg;
        if (lend_memory) {
            values_[owner].memory = kGprHome[reg];
        }
    }
    gpr_owner_[reg] = kNoValue;
    gpr_locked_ |= bit_of(reg);
    borrowed_.push_back({reg, false, lend_memory, owner});
}

void Emitter::borrow_xmm(u8 reg) {
    const ValueId owner = xmm_owner_[reg];
    c.vmovaps(state(static_cast<std::size_t>(kXmmHome[reg]), 128), Xmm(reg));
    const bool lend_memory = owner != kNoValue && values_[owner].memory == kNoMemory;
    if (owner != kNoValue) {
        values_[owner].reg = kNoReg;
        if (lend_memory) {
            values_[owner].memory = kXmmHome[reg];
        }
    }
    xmm_owner_[reg] = kNoValue;
    xmm_locked_ |= bit_of(reg);
    borrowed_.push_back({reg, true, lend_memory, owner});
}

void Emitter::return_borrowed() {
    while (!borrowed_.empty()) {
        const Borrowed lent = borrowed_.back();
        borrowed_.pop_back();
        ValueId* owners = lent.vector ? xmm_owner_ : gpr_owner_;
        if (const ValueId squatter = owners[lent.reg]; squatter != kNoValue) {
            // A value was read into the borrowed register meanwhile: it must not stay.
            if (values_[squatter].uses != kNoUse) {
                store_to_spill(squatter);
            }
            values_[squatter].reg = kNoReg;
            owners[lent.reg] = kNoValue;
        }
        if (lent.vector) {
            c.vmovaps(Xmm(lent.reg), state(static_cast<std::size_t>(kXmmHome[lent.reg]), 128));
        } else {
            c.mov(Gpr(lent.reg), state(static_cast<std::size_t>(kGprHome[lent.reg])));
        }
        if (lent.owner == kNoValue) {
            continue;
        }
        ValueState& owner = values_[lent.owner];
        if (lent.gave_memory) {
            owner.memory = kNoMemory;
        }
        if (owner.uses == kNoUse) {
            continue;
        }
        if (owner.reg != kNoReg) { // loaded elsewhere for this operation: back home
            owners[owner.reg] = kNoValue;
        }
        owners[lent.reg] = lent.owner;
        owner.reg = lent.reg;
    }
}

// --- pinned registers as scratch over faulting accesses: save_pinned() knows

void Emitter::lend_gprs(u32 mask) {
    for (u32 left = mask; left != 0; left &= left - 1) {
        const auto reg = static_cast<unsigned>(std::countr_zero(left));
        raw::store64(c, static_cast<std::size_t>(kGprHome[reg]), reg);
    }
    c.mov(state(offsetof(ir::CpuState, borrowed_gprs), 32), mask);
}

void Emitter::return_gprs(u32 mask) {
    for (u32 left = mask; left != 0; left &= left - 1) {
        const auto reg = static_cast<unsigned>(std::countr_zero(left));
        raw::load64(c, reg, static_cast<std::size_t>(kGprHome[reg]));
    }
    c.mov(state(offsetof(ir::CpuState, borrowed_gprs), 32), 0);
}

// --- particular registers

Gpr Emitter::take_gpr(HostReg host) {
    const u8 reg = static_cast<u8>(host);
    CHECK(!(gpr_locked_ & bit_of(reg)));
    if (is_pinned_gpr(reg)) {
        borrow_gpr(reg);
        return Gpr(reg);
    }
    gpr_locked_ |= bit_of(reg);
    const ValueId owner = gpr_owner_[reg];
    if (owner == kNoValue) {
        return Gpr(reg);
    }
    for (const u8 other : kGprOrder) {
        if (gpr_owner_[other] == kNoValue && !(gpr_locked_ & bit_of(other))) {
            move(Gpr(other), Gpr(reg));
            gpr_owner_[reg] = kNoValue;
            bind_gpr(owner, other);
            return Gpr(reg);
        }
    }
    evict_gpr(reg);
    return Gpr(reg);
}

void Emitter::use_gpr_in(ValueId v, HostReg host) {
    const u8 reg = static_cast<u8>(host);
    const ValueId r = rep(v);
    ValueState& value = values_[r];
    CHECK(!(gpr_locked_ & bit_of(reg)));
    if (value.reg == reg && !is_pinned_gpr(reg) && may_consume(r)) {
        gpr_owner_[reg] = kNoValue;
        value.reg = kNoReg;
        gpr_locked_ |= bit_of(reg);
        return;
    }
    if (value.reg == reg && is_pinned_gpr(reg)) {
        borrow_gpr(reg); // still holds the value
        return;
    }
    take_gpr(host);
    load_value(Gpr(reg), r);
}

} // namespace ulna::backend::x64
