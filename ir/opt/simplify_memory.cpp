// Addressing modes: additions and shifts move into base + (index << shift) + displacement. Address
// arithmetic is modulo 2^64 on both sides, so this is exact for any address, tagged ones included.
#include "ir/opt/simplifier.h"

namespace ulna::ir::opt {

namespace {
constexpr unsigned kMaxIndexShift = 3; // what x86 scales by

bool fits_displacement(u64 value) {
    return static_cast<i64>(value) == static_cast<i32>(static_cast<u32>(value));
}
} // namespace

Outcome Simplifier::rule_address(Inst& inst) {
    MemInfo mem = inst.mem();
    const Inst& base = arg(inst, 0);
    // [constant] stays: it has nothing to fold into.
    if (base.op == Opcode::Add && single_use(inst.args[0])) {
        const u64 sum = is_const(base.args[1]) ? inst.imm + def(base.args[1]).imm : 0;
        // [x + c + d]  ->  [x + (c + d)]
        if (is_const(base.args[1]) && fits_displacement(sum)) {
            set_arg(inst, 0, base.args[0]);
            inst.imm = sum;
            return kChanged;
        }
        // [(x + y)]  ->  [x + y]; a shifted operand is the better index
        if (inst.args[1] == kNoValue && !is_const(base.args[1])) {
            const bool swap = is_op(base.args[0], Opcode::Shl);
            const ValueId x = base.args[swap ? 1 : 0], y = base.args[swap ? 0 : 1];
            set_arg(inst, 0, x);
            set_arg(inst, 1, y);
            return kChanged;
        }
    }
    // [addshl x, y, c]  ->  [x + y << c]
    if (base.op == Opcode::AddShl && single_use(inst.args[0]) && inst.args[1] == kNoValue) {
        mem.index_shift = static_cast<u8>(base.imm);
        inst.aux = mem.pack();
        const ValueId x = base.args[0], y = base.args[1];
        set_arg(inst, 0, x);
        set_arg(inst, 1, y);
        return kChanged;
    }
    if (inst.args[1] == kNoValue) {
        return kKeep;
    }
    const Inst& index = arg(inst, 1);
    // [x + (constant << s) + d]  ->  [x + (constant << s + d)]
    if (is_const(inst.args[1])) {
        const u64 sum = inst.imm + (index.imm << mem.index_shift);
        if (fits_displacement(sum)) {
            mem.index_shift = 0;
            inst.aux = mem.pack();
            set_arg(inst, 1, kNoValue);
            inst.imm = sum;
            return kChanged;
        }
        return kKeep;
    }
    // [x + (y << c)]  ->  [x + y << c]
    if (index.op == Opcode::Shl && is_const(index.args[1]) && single_use(inst.args[1]) &&
        mem.index_shift + def(index.args[1]).imm <= kMaxIndexShift) {
        mem.index_shift = static_cast<u8>(mem.index_shift + def(index.args[1]).imm);
        inst.aux = mem.pack();
        set_arg(inst, 1, index.args[0]);
        return kChanged;
    }
    // [x + (y + c) << s]  ->  [x + y << s + (c << s)]
    if (index.op == Opcode::Add && is_const(index.args[1]) && single_use(inst.args[1])) {
        const u64 sum = inst.imm + (def(index.args[1]).imm << mem.index_shift);
        if (fits_displacement(sum)) {
            set_arg(inst, 1, index.args[0]);
            inst.imm = sum;
            return kChanged;
        }
    }
    return kKeep;
}

Outcome Simplifier::rule_string(Inst& inst) {
    // memcopy x, y, 0; memset x, 0, y  ->  nothing
    return is_const(inst.args[inst.op == Opcode::MemCopy ? 2 : 1], 0) ? replaced(kNoValue) : kKeep;
}

} // namespace ulna::ir::opt
