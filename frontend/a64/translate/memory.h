// Address forms that all loads and stores share.
#pragma once

#include "frontend/a64/translator.h"

namespace ulna::frontend {

// How an immediate offset acts on the base register.
enum class Wback : u8 { None, Pre, Post };

// base + (index << shift) + disp, the operands of Builder::load and store.
struct Address {
    Value base;
    i64 disp = 0;
    Value index = {};
    u8 index_shift = 0;
    bool tag_checked = true; // AccessDescriptor.tagchecked
    bool resolved = false;   // what resolve() gives

    [[nodiscard]] Address plus(i64 bytes) const {
        Address result = *this;
        result.disp += bytes;
        return result;
    }
};

// Where an access goes, unless it meets a watchpoint: its address without a tag that had to be
// checked (AArch64.CheckTag), or in a whole machine that of its bytes in host memory. What covers
// two accesses of an instruction (MemInfo::pair) saves asking for each.
inline Address resolve(Translator& t, const Address& at, MemInfo mem, Access access) {
    const bool in_machine = t.mode().system();
    const bool checks_tag = !in_machine && at.tag_checked && t.checks_tags();
    const bool watches = !in_machine && t.mode().watches();
    if (at.resolved || (!in_machine && !checks_tag && !watches)) {
        return at;
    }
    mem.access = access;
    mem.order = MemOrder::Plain;
    mem.sign = false;
    const Value base =
        at.index.valid() ? t.b.add(at.base, t.b.shl(at.index, at.index_shift)) : at.base;
    if (in_machine) {
        mem.unprivileged = !t.mode().uao() && t.is_unprivileged_access();
        mem.tag_unchecked = !at.tag_checked && t.cpu().features.has(Feature::MTE);
        return {.base = t.b.host_address(base, mem, at.disp), .resolved = true};
    }
    mem.pair = false;
    if (watches) {
        t.b.watch(base, {.size_log2 = mem.size_log2, .access = access}, at.disp);
    }
    if (!checks_tag) {
        return {.base = base, .disp = at.disp, .resolved = true};
    }
    return {.base = t.b.check_tag(base, mem, at.disp), .resolved = true};
}

[[nodiscard]] inline Value load(Translator& t, Type type, const Address& address, MemInfo mem) {
    const Address at = resolve(t, address, mem, Access::Reads);
    mem.index_shift = at.index_shift;
    return t.b.load(type, at.base, mem, at.disp, at.index);
}
// After the stores of a resolved address.
inline void commit_store(Translator& t) {
    if (t.mode().no_ranges()) {
        t.b.call(ir::HelperId::CommitStore);
    }
}
inline void store(Translator& t, const Address& address, Value value, MemInfo mem) {
    const Address at = resolve(t, address, mem, Access::Writes);
    mem.index_shift = at.index_shift;
    t.b.store(at.base, value, mem, at.disp, at.index);
    if (!address.resolved) {
        commit_store(t);
    }
}
// [Rn|SP], the only form of exclusives and atomics; without a check when it is SP.
[[nodiscard]] inline Address base_only(Translator& t, Reg Rn) {
    return {.base = t.SP(Type::I64, Rn), .tag_checked = Rn != Reg::SP};
}

// Two registers as one value of twice the width, the first in the low half (sz: two doublewords).
[[nodiscard]] inline Value join(Translator& t, bool sz, Reg first, Reg second) {
    if (sz) {
        return t.b.vpair(t.X(Type::I64, first), t.X(Type::I64, second));
    }
    const Value low = t.b.zext(t.X(Type::I32, first), Type::I64);
    const Value high = t.b.zext(t.X(Type::I32, second), Type::I64);
    return t.b.or_(low, t.b.shl(high, 32));
}
inline void split(Translator& t, bool sz, Value pair, Reg first, Reg second) {
    if (sz) {
        const Value low = t.b.vget(pair, shape::D2, 0, Type::I64);
        const Value high = t.b.vget(pair, shape::D2, 1, Type::I64);
        t.set_X(first, low);
        t.set_X(second, high);
    } else {
        const Value high = t.b.shr(pair, 32);
        t.set_X(first, t.b.trunc(pair, Type::I32));
        t.set_X(second, high);
    }
}

// An access at [Rn|SP, #offset] with its writeback, which the instruction performs last.
class ImmediateAccess {
  public:
    ImmediateAccess(Translator& t, Reg Rn, i64 offset, Wback wback)
        : t_{t}, Rn_{Rn}, offset_{offset}, wback_{wback}, base_{t.SP(Type::I64, Rn)} {}

    // Accesses with base SP and an immediate offset are Tag Unchecked (DDI 0487 D10.7.1).
    [[nodiscard]] Address address() const {
        return {.base = base_,
                .disp = wback_ == Wback::Post ? 0 : offset_,
                .tag_checked = wback_ != Wback::None || Rn_ != Reg::SP};
    }
    void write_back() const {
        if (wback_ != Wback::None) {
            t_.set_SP(Rn_, t_.b.add(base_, t_.b.c64(static_cast<u64>(offset_))));
        }
    }
    // Loads into the base register: the loaded value stays (Constraint_WBSUPPRESS).
    void write_back_unless(bool loaded_base) const {
        if (!loaded_base) {
            write_back();
        }
    }
    // Whether `reg`, a transfer register (31 is ZR), is the base.
    [[nodiscard]] bool is_base(Reg reg) const { return reg == Rn_ && reg != Reg::ZR; }

  private:
    Translator& t_;
    Reg Rn_;
    i64 offset_;
    Wback wback_;
    Value base_;
};

// [Rn|SP, Rm, extend #shift]; option<1> has been checked (sub-word extensions are unallocated).
[[nodiscard]] inline Address
register_offset(Translator& t, Reg Rn, Reg Rm, Imm<3> option, unsigned shift) {
    Value index;
    switch (option.v) {
    case 2:
        index = t.b.zext(t.X(Type::I32, Rm), Type::I64);
        break; // UXTW
    case 6:
        index = t.b.sext(t.X(Type::I32, Rm), Type::I64);
        break; // SXTW
    default:
        index = t.X(Type::I64, Rm);
        break; // LSL, SXTX
    }
    return {t.SP(Type::I64, Rn), 0, index, static_cast<u8>(shift)};
}

} // namespace ulna::frontend
