// Which operations make conditions, and which consume them.
#pragma once

#include "backend/x64/emitter.h"

namespace ulna::backend::x64 {

// The i1 argument that an operation consumes as a condition (index), or -1.
[[nodiscard]] inline int condition_argument(const Inst& inst) {
    switch (inst.op) {
    case Opcode::Select:
    case Opcode::NzcvSelect:
    case Opcode::ExitIf:
    case Opcode::RaiseIf:
        return 0;
    case Opcode::Adc:
    case Opcode::AdcFlags:
        return 2;
    default:
        return -1;
    }
}

// AL and NV look at nothing.
[[nodiscard]] inline bool is_always(const Inst& condition) {
    return condition.op == Opcode::TestCond &&
           (condition.cond() == ir::Cond::AL || condition.cond() == ir::Cond::NV);
}

[[nodiscard]] inline bool is_nzcv_access(const Inst& inst) {
    return (inst.op == Opcode::Get || inst.op == Opcode::Set) &&
           inst.imm == static_cast<u64>(ir::Slot::NZCV);
}

// How an operation uses its arguments, for the loops that run over every instruction.
enum class UseKind : u8 { Plain, Condition, Special };
inline constexpr auto kUseKind = [] {
    std::array<UseKind, ir::kOpcodeCount> table{};
    for (const Opcode op : {Opcode::ICmp, Opcode::TestBit, Opcode::TestCond}) {
        table[static_cast<unsigned>(op)] = UseKind::Condition;
    }
    for (const Opcode op : {Opcode::Select, Opcode::NzcvSelect, Opcode::ExitIf, Opcode::RaiseIf,
                            Opcode::Adc, Opcode::AdcFlags, Opcode::ZExt, Opcode::AddFlags,
                            Opcode::SubFlags, Opcode::LogicFlags, Opcode::FCmp}) {
        table[static_cast<unsigned>(op)] = UseKind::Special;
    }
    return table;
}();
[[nodiscard]] inline UseKind use_kind(Opcode op) { return kUseKind[static_cast<unsigned>(op)]; }

[[nodiscard]] inline bool is_condition_op(Opcode op) {
    return op == Opcode::ICmp || op == Opcode::TestBit || op == Opcode::TestCond;
}

} // namespace ulna::backend::x64
