// The letters of types in the rows of opcodes.def and helpers.def.
#pragma once

#include "ir/types.h"

namespace ulna::ir {

// The one type that a letter stands for; Void for those that stand for several, or none.
[[nodiscard]] constexpr Type type_of_letter(char letter) {
    switch (letter) {
    case '1':
        return Type::I1;
    case 'w':
        return Type::I32;
    case 'x':
        return Type::I64;
    case 'V':
        return Type::V128;
    case 'n':
        return Type::Nzcv;
    default:
        return Type::Void;
    }
}

} // namespace ulna::ir
