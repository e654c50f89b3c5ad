// What both tiers on x86-64 need of Xbyak's registers.
#pragma once

#include <xbyak/xbyak.h>

namespace ulna::backend {

// The low 1 << size_log2 bytes of a register.
[[nodiscard]] inline Xbyak::Reg sized(const Xbyak::Reg64& reg, unsigned size_log2) {
    switch (size_log2) {
    case 0:
        return reg.cvt8();
    case 1:
        return reg.cvt16();
    case 2:
        return reg.cvt32();
    default:
        return reg;
    }
}

} // namespace ulna::backend
