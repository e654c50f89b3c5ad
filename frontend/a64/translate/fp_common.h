// What the FP handlers share: private to fp_*.cpp.
#pragma once

#include "frontend/a64/translator.h"

namespace ulna::frontend {

// The type of an `ftype` field for everything but FCVT: half precision needs FEAT_FP16.
[[nodiscard]] inline std::optional<Type> arithmetic_type(const Translator& t, Imm<2> ftype) {
    const auto type = fp_type(ftype);
    return type == Type::F16 && !t.cpu().features.has(Feature::FP16) ? std::nullopt : type;
}

// Parameter of Opcode::FRInt.
namespace frint {
inline constexpr u64 kToNearest = static_cast<u64>(Rounding::TieEven),
                     kToPlusInf = static_cast<u64>(Rounding::PlusInf),
                     kToMinusInf = static_cast<u64>(Rounding::MinusInf),
                     kToZero = static_cast<u64>(Rounding::Zero),
                     kToNearestAway = static_cast<u64>(Rounding::TieAway),
                     kCurrent = static_cast<u64>(Rounding::Current),
                     kCurrentExact = kCurrent | 1 << 8;
} // namespace frint
// Parameter of Opcode::FRIntN: FRINT<bits>Z and FRINT<bits>X.
namespace frintn {
inline constexpr u64 k32Z = frint::kToZero | 32 << 8, k32X = frint::kCurrent | 32 << 8,
                     k64Z = frint::kToZero | 64 << 8, k64X = frint::kCurrent | 64 << 8;
} // namespace frintn

// The lanes of a full register, whatever part of it the instruction uses: element indices reach it
// all.
[[nodiscard]] inline Shape full_shape(bool sz) { return sz ? shape::D2 : shape::S4; }

// The lanes of a half-precision vector instruction.
[[nodiscard]] inline Shape half_shape(bool Q) { return Q ? shape::H8 : shape::H4; }

// One element of a vector register as an FP scalar.
[[nodiscard]] inline Value element(Translator& t, bool sz, Vec vec, unsigned index) {
    const Value whole = t.V(vec);
    const Value lane =
        index == 0 ? whole : t.b.vec(Opcode::VDupLane, full_shape(sz), {whole}, index);
    return t.b.vtof(lane, fp_type(sz));
}

} // namespace ulna::frontend
