// Memory accesses of the low 1..16 bytes of a vector register.
#pragma once

#include "frontend/a64/translate/memory.h"

namespace ulna::frontend {

// Zero-extended into a whole register.
[[nodiscard]] inline Value load_vector(Translator& t, const Address& at, unsigned scale) {
    const MemInfo mem{.size_log2 = static_cast<u8>(scale)};
    switch (scale) {
    case 0:
        return t.b.ftov(t.b.emit(Opcode::IToF, Type::F16, {load(t, Type::I32, at, mem)}));
    case 1:
        return t.b.ftov(load(t, Type::F16, at, mem));
    case 2:
        return t.b.ftov(load(t, Type::F32, at, mem));
    case 3:
        return t.b.ftov(load(t, Type::F64, at, mem));
    default:
        return load(t, Type::V128, at, mem);
    }
}

inline void store_vector(Translator& t, const Address& at, unsigned scale, Value value) {
    const MemInfo mem{.size_log2 = static_cast<u8>(scale)};
    switch (scale) {
    case 0:
        return store(t, at, t.b.vget(value, shape::B16, 0, Type::I32), mem);
    case 1:
        return store(t, at, t.b.vtof(value, Type::F16), mem);
    case 2:
        return store(t, at, t.b.vtof(value, Type::F32), mem);
    case 3:
        return store(t, at, t.b.vtof(value, Type::F64), mem);
    default:
        return store(t, at, value, mem);
    }
}

} // namespace ulna::frontend
