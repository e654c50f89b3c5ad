// The operation enum and its metadata, generated from opcodes.def.
#pragma once

#include "ir/types.h"

namespace ulna::ir {

enum class Opcode : u16 {
#define OP(name, text, result, args, param, effects, meaning) name,
#include "ir/opcodes.def"
#undef OP
};

#define OP(...) +1
inline constexpr unsigned kOpcodeCount = 0
#include "ir/opcodes.def"
    ;
#undef OP

enum class Param : u8 { None, Imm, Slot, Cond, Mem, Shape, Conv, Flag };
enum class Effects : u8 {
    Pure,
    Sticky,
    ReadState,
    WriteState,
    Load,
    Store,
    Barrier,
    Hint,
    Exit,
    Raise,
    Call
};

struct OpInfo {
    const char* text;
    const char* args; // letters of opcodes.def, with '?' marks
    char result;
    Param param;
    Effects effects;
};

inline constexpr OpInfo kOpInfo[kOpcodeCount] = {
#define OP(name, text, result, args, param, effects, meaning)                                      \
    {text, args, #result[0], Param::param, Effects::effects},
#include "ir/opcodes.def"
#undef OP
};

[[nodiscard]] constexpr const OpInfo& info(Opcode op) { return kOpInfo[static_cast<unsigned>(op)]; }

// The effects column alone, one byte a row: what passes and back ends test for every instruction.
inline constexpr Effects kEffects[kOpcodeCount] = {
#define OP(name, text, result, args, param, effects, meaning) Effects::effects,
#include "ir/opcodes.def"
#undef OP
};
[[nodiscard]] constexpr Effects effects_of(Opcode op) {
    return kEffects[static_cast<unsigned>(op)];
}
template <class... E> [[nodiscard]] constexpr bool has_effect(Opcode op, E... any_of) {
    return ((1u << static_cast<unsigned>(effects_of(op))) &
            ((1u << static_cast<unsigned>(any_of)) | ...)) != 0;
}

[[nodiscard]] constexpr bool accesses_memory(Opcode op) {
    return has_effect(op, Effects::Load, Effects::Store);
}
// Its address is base + (index << shift) + displacement: arguments 0 and 1, the second maybe
// missing.
[[nodiscard]] constexpr bool is_indexed(Opcode op) {
    return op == Opcode::Load || op == Opcode::Store || op == Opcode::Prefetch ||
           op == Opcode::HostAddress || op == Opcode::HostRange;
}
// They come before the access that MemInfo describes, at argument 0 + displacement.
[[nodiscard]] constexpr bool is_check(Opcode op) {
    return op == Opcode::CheckTag || op == Opcode::Watch;
}
// Can raise a synchronous guest exception: guest state must be exact before them.
[[nodiscard]] constexpr bool may_fault(Opcode op) {
    return has_effect(op, Effects::Load, Effects::Store, Effects::Raise);
}
// Equal operations may be merged (value numbering).
[[nodiscard]] constexpr bool is_mergeable(Opcode op) {
    return has_effect(op, Effects::Pure, Effects::Sticky);
}
// Unused results may be deleted.
[[nodiscard]] constexpr bool is_removable(Opcode op) {
    return has_effect(op, Effects::Pure, Effects::ReadState);
}

} // namespace ulna::ir
