// Conditions: from an i1 value, or what it is computed from, to EFLAGS and an x86 condition code.
#include "backend/x64/emitter.h"
#include "backend/x64/fp_trap.h"
#include "backend/x64/raw.h"

namespace ulna::backend::x64 {

using ir::Cond;
using ir::CpuState;
using ir::Type;

namespace {

// After `cmp a, b` (C = no borrow is x86's CF inverted).
constexpr Cc kAfterSub[16] = {Cc::E, Cc::NE, Cc::AE, Cc::B, Cc::S, Cc::NS, Cc::O, Cc::NO,
                              Cc::A, Cc::BE, Cc::GE, Cc::L, Cc::G, Cc::LE, Cc::O, Cc::NO};
// After `add`, whose CF is Arm's C. HI and LS follow a cmc, which makes them as after Sub.
constexpr Cc kAfterAdd[16] = {Cc::E, Cc::NE, Cc::B,  Cc::AE, Cc::S, Cc::NS, Cc::O, Cc::NO,
                              Cc::A, Cc::BE, Cc::GE, Cc::L,  Cc::G, Cc::LE, Cc::O, Cc::NO};
// After `test a, a` or a logical operation: CF = OF = 0, as C and V. HI never holds, LS always.
constexpr Cc kAfterLogic[16] = {Cc::E, Cc::NE, Cc::B,  Cc::AE, Cc::S, Cc::NS, Cc::O, Cc::NO,
                                Cc::B, Cc::AE, Cc::GE, Cc::L,  Cc::G, Cc::LE, Cc::O, Cc::NO};

// After ucomis: less CF; equal ZF; unordered ZF PF CF; greater none. Arm: less N; equal Z C;
// greater C; unordered C V. Some conditions come out in one code only with the operands exchanged.
struct FpCondition {
    bool exchange;
    Emitter::Condition condition;
};
using Parity = Emitter::Condition;
constexpr FpCondition kAfterFCmp[16] = {
    /* EQ */ {false, {Cc::E, Parity::AndNoParity}},
    /* NE */ {false, {Cc::NE, Parity::OrParity}},
    /* HS equal, greater, unordered */ {true, {Cc::BE}},
    /* LO less */ {true, {Cc::A}},
    /* MI less */ {true, {Cc::A}},
    /* PL */ {true, {Cc::BE}},
    /* VS */ {false, {Cc::P}},
    /* VC */ {false, {Cc::NP}},
    /* HI greater, unordered */ {true, {Cc::B}},
    /* LS less, equal */ {true, {Cc::AE}},
    /* GE greater, equal */ {false, {Cc::AE}},
    /* LT less, unordered */ {false, {Cc::B}},
    /* GT */ {false, {Cc::A}},
    /* LE */ {false, {Cc::BE}},
    /* AL, NV are handled before */ {false, {Cc::O}},
    {false, {Cc::NO}},
};

// The bit of an nzcv value that decides a condition alone; 0: several do.
constexpr u8 kDecidingBit[16] = {4, 4, 2, 2, 8, 8, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0};

constexpr unsigned kCmpFrom = 0x39; // cmp r/m, register

bool always(Cond cond) { return cond == Cond::AL || cond == Cond::NV; }

} // namespace

// EFLAGS of value - 0.
void Emitter::test_against_zero(const GprMem& value, bool wide) {
    if (value.is_reg()) {
        raw::emit(c, raw::Op::Test, wide, value.reg(), value);
    } else {
        raw::alu_imm(c, raw::Alu::Cmp, wide, value, 0);
    }
}

// EFLAGS of a - b, i32 or i64.
void Emitter::compare(ValueId a, ValueId b) {
    const unsigned bits = type_of(a) == Type::I64 ? 64 : 32;
    if (is_const(b)) {
        const u64 value = const_value(b);
        const u64 extended =
            bits == 64 ? value : static_cast<u64>(static_cast<i64>(static_cast<i32>(value)));
        if (fits_imm32(extended)) {
            const GprMem left = use_gpr_mem(a, bits);
            condition_start_ = c.position();
            if (extended == 0 && left.is_reg()) {
                raw::emit(c, raw::Op::Test, bits == 64, left.reg(), left);
            } else {
                raw::alu_imm(c, raw::Alu::Cmp, bits == 64, left, static_cast<u32>(extended));
            }
            return;
        }
    }
    const ValueState& right = state_of(b);
    if (right.reg == kNoReg && right.memory != kNoMemory) {
        const Gpr left = use_gpr(a);
        const GprMem other = use_gpr_mem(b, bits);
        condition_start_ = c.position();
        raw::alu(c, raw::Alu::Cmp, bits == 64, left, other);
        return;
    }
    const Gpr other = use_gpr(b);
    const GprMem left = use_gpr_mem(a, bits);
    condition_start_ = c.position();
    raw::reg_rm(c, kCmpFrom, bits == 64, other, left);
}

// EFLAGS of a + b.
void Emitter::add_compare(ValueId a, ValueId b) {
    const bool wide = type_of(a) == Type::I64;
    const Gpr sum = use_gpr_copy(a);
    if (is_const(b)) {
        const u64 value = const_value(b);
        const u64 extended =
            wide ? value : static_cast<u64>(static_cast<i64>(static_cast<i32>(value)));
        if (fits_imm32(extended)) {
            raw::alu_imm(c, raw::Alu::Add, wide, sum, static_cast<u32>(extended));
            return;
        }
    }
    const GprMem other = use_gpr_mem(b, wide ? 64 : 32);
    raw::alu(c, raw::Alu::Add, wide, sum, other);
}

void Emitter::compare_zero(ValueId a) {
    const unsigned bits = type_of(a) == Type::I64 ? 64 : 32;
    const GprMem value = use_gpr_mem(a, bits);
    condition_start_ = c.position();
    test_against_zero(value, bits == 64);
}

Emitter::Condition Emitter::test_bit(const Inst& inst) {
    const auto bit = static_cast<unsigned>(inst.imm & ir::testbit::kNumber);
    const auto set = [&](Cc cc) -> Condition {
        return {(inst.imm & ir::testbit::kClear) != 0 ? ulna::backend::x64::negate(cc) : cc};
    };
    const ValueId v = inst.args[0];
    const ValueState& value = state_of(v);
    if (value.reg == kNoReg && value.memory != kNoMemory && dies_here(rep(v))) {
        condition_start_ = c.position();
        c.test(state(static_cast<std::size_t>(value.memory) + bit / 8, 8), 1u << bit % 8);
        return set(Cc::NE);
    }
    const Gpr reg = use_gpr(v);
    condition_start_ = c.position();
    if (bit < 8) {
        c.test(reg.cvt8(), 1u << bit);
        return set(Cc::NE);
    }
    if (bit < 31) {
        raw::test_imm(c, false, reg, 1u << bit);
        return set(Cc::NE);
    }
    if (bit == 31 || bit == 63) {
        test_against_zero(reg, bit == 63);
        return set(Cc::S);
    }
    c.bt(reg, static_cast<u8>(bit));
    return set(Cc::B);
}

// A condition on a materialised or stored nzcv value.
Emitter::Condition Emitter::test_flags_value(ValueId flags, Cond cond) {
    const bool inverted = static_cast<u8>(cond) & 1;
    if (const u8 bit = kDecidingBit[static_cast<u8>(cond)]; bit != 0) {
        const ValueState& value = state_of(flags);
        if (value.reg == kNoReg && value.memory != kNoMemory) {
            condition_start_ = c.position();
            c.test(state(static_cast<std::size_t>(value.memory), 8), bit);
        } else {
            const Gpr reg = use_gpr(flags);
            condition_start_ = c.position();
            c.test(reg.cvt8(), bit);
        }
        return {inverted ? Cc::E : Cc::NE};
    }
    const Gpr reg = use_gpr(flags);
    const Gpr table = scratch_gpr();
    c.mov(table.cvt32(), ir::cond_truth_table(cond));
    condition_start_ = c.position();
    c.bt(table.cvt32(), reg.cvt32());
    return {Cc::B};
}

Emitter::Condition Emitter::compare_fp(const Inst& inst, Cond cond) {
    const FpCondition& row = kAfterFCmp[static_cast<u8>(cond)];
    const ValueId left = inst.args[row.exchange ? 1 : 0], right = inst.args[row.exchange ? 0 : 1];
    if (type_of(left) == Type::F16) { // in single precision
        const Xmm half_a = use_xmm(left), half_b = use_xmm(right);
        const Xmm a = scratch_xmm(), b = scratch_xmm();
        c.vpmovzxwq(a, half_a);
        c.vcvtph2ps(a, a);
        c.vpmovzxwq(b, half_b);
        c.vcvtph2ps(b, b);
        condition_start_ = c.position();
        inst.imm & 1 ? c.vcomiss(a, b) : c.vucomiss(a, b);
        return row.condition;
    }
    const Xmm a = use_xmm(left);
    const XmmMem b = use_xmm_mem(right);
    condition_start_ = c.position();
    const bool signals = (inst.imm & 1) != 0;
    if (!signals && mode().traps_flushes()) {
        c.db(kQuietPrefix);
    }
    const bool raises = signals || mode().traps_flushes();
    if (type_of(left) == Type::F64) {
        raises ? c.vcomisd(a, b) : c.vucomisd(a, b);
    } else {
        raises ? c.vcomiss(a, b) : c.vucomiss(a, b);
    }
    return row.condition;
}

Emitter::Condition Emitter::condition(ValueId v) {
    v = rep(v);
    condition_start_ = condition_end_ = 0;
    const Condition result = evaluate_condition(v);
    condition_end_ = c.position();
    flags_held_ = true;
    return result;
}

Emitter::Condition Emitter::evaluate_condition(ValueId v) {
    const Inst& inst = insts_[v];
    const bool linked = has_flags();
    if (!linked && (values_[v].flags & kNeedsValue) && v != index_) {
        const GprMem value = use_gpr_mem(v, 32);
        condition_start_ = c.position();
        test_against_zero(value, false);
        return {Cc::NE};
    }
    const unsigned cond = inst.aux;
    switch (inst.op) {
    case Opcode::ICmp:
        if (!linked) {
            compare(inst.args[0], inst.args[1]);
        }
        return {kAfterSub[cond]};
    case Opcode::TestBit:
        return test_bit(inst);
    case Opcode::TestCond:
        break;
    default: { // any other i1 value
        const GprMem value = use_gpr_mem(v, 32);
        condition_start_ = c.position();
        test_against_zero(value, false);
        return {Cc::NE};
    }
    }
    if (always(inst.cond())) {
        c.test(c.esp, c.esp); // never zero
        return {Cc::NE};
    }
    const ValueId flags = rep(inst.args[0]);
    const Inst& source = insts_[flags];
    if (!linked && (!is_fusable_flags(flags) || (values_[flags].flags & kNeedsValue))) {
        return test_flags_value(flags, inst.cond());
    }
    switch (source.op) {
    case Opcode::SubFlags:
        if (!linked) {
            compare(source.args[0], source.args[1]);
        }
        return {kAfterSub[cond]};
    case Opcode::AddFlags:
        if (!linked) {
            add_compare(source.args[0], source.args[1]);
            if (inst.cond() == Cond::HI || inst.cond() == Cond::LS) {
                c.cmc();
            }
        }
        return {kAfterAdd[cond]};
    case Opcode::LogicFlags:
        if (!linked) {
            compare_zero(source.args[0]);
        }
        return {kAfterLogic[cond]};
    default:
        return compare_fp(source, inst.cond());
    }
}

// 0 or 1 into the low byte.
void Emitter::set_byte(Gpr to, Condition condition, Gpr scratch) {
    const auto setcc = [&](Cc cc, Gpr reg) {
        // SETcc r/m8, with REX so that every register has its low byte.
        c.db(0x40 | (reg.getIdx() >= 8 ? 1 : 0)), c.db(0x0f), c.db(0x90 | static_cast<int>(cc));
        c.db(0xc0 | (reg.getIdx() & 7));
    };
    setcc(condition.cc, to);
    if (condition.parity == Condition::AndNoParity) {
        setcc(Cc::NP, scratch);
        c.and_(to.cvt8(), scratch.cvt8());
    } else if (condition.parity == Condition::OrParity) {
        setcc(Cc::P, scratch);
        c.or_(to.cvt8(), scratch.cvt8());
    }
}

void Emitter::cmov(Cc cc, bool wide, Gpr to, const GprMem& from) {
    raw::reg_rm(c, static_cast<unsigned>(raw::Op::Cmov) | static_cast<unsigned>(cc), wide, to,
                from);
}

// CF = condition.
void Emitter::carry_from(ValueId v) {
    v = rep(v);
    const Inst& inst = insts_[v];
    if (is_const(v)) {
        const_value(v) & 1 ? c.stc() : c.clc();
        return;
    }
    if (!has_flags() && inst.op == Opcode::TestCond && inst.cond() == Cond::HS &&
        !(values_[v].flags & kNeedsValue)) {
        const ValueId flags = rep(inst.args[0]);
        if (!is_fusable_flags(flags) || (values_[flags].flags & kNeedsValue)) {
            const GprMem value = use_gpr_mem(flags, 32);
            c.bt(value, 1); // C
            return;
        }
    }
    const Condition held = condition(v);
    if (held.parity == Condition::Plain && held.cc == Cc::B) {
        return;
    }
    if (held.parity == Condition::Plain && held.cc == Cc::AE) {
        c.cmc();
        return;
    }
    const Gpr byte = scratch_gpr();
    const Gpr second = held.parity == Condition::Plain ? byte : scratch_gpr();
    set_byte(byte, held, second);
    c.bt(byte.cvt32(), 0);
}

// EFLAGS -> the four bits of an nzcv value, in RAX, which the caller has taken. With invert_carry
// CF is a borrow. lahf gives SF ZF - AF - PF 1 CF in AH; with OF in AL, one pext collects N Z C V
// in order (kNzcvOfLahf). EFLAGS survive when a later condition relies on them.
void Emitter::flags_to_value(const Inst& inst, bool invert_carry) {
    const Gpr rax = c.rax;
    flags_held_ = true;
    if (invert_carry) {
        c.cmc();
    }
    c.lahf();
    c.seto(c.al);
    if (invert_carry && (plan_[index_] & (kSetsFlags | kFlagsReserved))) {
        c.cmc();
    }
    raw::pext_eax(c, offsetof(CpuState, host_flags));
    define(inst, rax);
}

// The same in a cold path at the end of the block, where all temporaries are free: EAX = flags.
void Emitter::emit_flags_bits(bool invert_carry) {
    if (invert_carry) {
        c.cmc();
    }
    c.lahf();
    c.seto(c.al);
    raw::pext_eax(c, offsetof(CpuState, host_flags));
}

} // namespace ulna::backend::x64
