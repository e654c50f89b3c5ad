// Which shapes and immediates the operations with a Shape have: exactly the forms that A64 has,
// half precision included. Everything else is refused by the verifier, so that evaluators and
// emitters need not give a meaning to it.
#pragma once

#include <array>
#include <iterator>

#include "ir/opcodes.h"

namespace ulna::ir {

// What a vector operation's Shape and imm may be: the forms that A64 has, half precision included.
// imm is zero where it has no meaning.
enum class ImmRule : u8 {
    Zero,
    Option,         // 0 or 1
    Any,            //
    Negations,      // fmuladd bits
    Round,          // Rounding but Odd; bit 8 with Current only (FRINTX)
    RoundBits,      // Rounding but Odd, and 32 or 64 from bit 8
    MatrixOption,   // 0, or 1 with S4
    RoundNarrow,    // Current; Odd too when it narrows from doublewords
    Fixed,          // FixedInfo with a rounding, not Odd
    FixedCurrent,   // FixedInfo with the rounding Current
    LaneOf16,       // of a 16-byte register
    SignedLaneOf16, // and bit 8
    TwoLanes,       // two of them, the second from bit 8
    LeftShift,      // 0 .. lane bits - 1
    RightShift,     // 1 .. lane bits
    NarrowShift,    // 1 .. lane bits, and bit 8
    Byte,           // of the Shape
    Container,      // bytes: 2, 4 or 8, wider than a lane
    Tables,         // 1 or 2
};

inline constexpr Shape kShapes[] = {shape::B1, shape::B8, shape::B16, shape::H1,
                                    shape::H4, shape::H8, shape::S1,  shape::S2,
                                    shape::S4, shape::D1, shape::D2,  shape::Q1};
// The bit of a shape in a set of shapes; 0 for what is none.
[[nodiscard]] constexpr u16 bit_of(Shape shape) {
    for (unsigned i = 0; i < std::size(kShapes); ++i) {
        if (shape == kShapes[i]) {
            return static_cast<u16>(1u << i);
        }
    }
    return 0;
}
template <class... S> constexpr u16 bits_of(S... shapes) {
    return static_cast<u16>((bit_of(shapes) | ...));
}
// clang-format off
inline constexpr u16 kB = bits_of(shape::B8, shape::B16), kH = bits_of(shape::H4, shape::H8),
              kS = bits_of(shape::S2, shape::S4), kD = bits_of(shape::D2), // lanes of whole registers
              kB1 = bits_of(shape::B1), kH1 = bits_of(shape::H1), kS1 = bits_of(shape::S1),
              kD1 = bits_of(shape::D1), // scalars; D1 is an 8-byte shape too
              k16 = bits_of(shape::B16, shape::H8, shape::S4, shape::D2),
              kNarrow = bits_of(shape::B8, shape::H4, shape::S2),
              kWide = bits_of(shape::H8, shape::S4, shape::D2),
              kAcross = kB | kH | bits_of(shape::S4);

struct ShapeRule {
    Opcode first, last; // a range of opcodes.def
    u16 shapes;
    ImmRule imm;
};
inline constexpr ShapeRule kShapeRules[] = {
    {Opcode::ConstVec,     Opcode::ConstVec,     kB | kH | kS | kD | kD1,                         ImmRule::Any},
    {Opcode::FAdd,         Opcode::FAbs,         kH | kS | kD,                                    ImmRule::Zero},
    {Opcode::FMulAdd,      Opcode::FMulAdd,      kH | kS | kD,                                    ImmRule::Negations},
    {Opcode::FMulAddBf,    Opcode::FMulAddBf,    bits_of(shape::S4),                              ImmRule::Zero},
    {Opcode::FMulAddL,     Opcode::FMulAddL,     kS,                                              ImmRule::Option}, // kNegateFactor
    {Opcode::FRecpE,       Opcode::FRSqrtE,      kH | kS | kD,                                    ImmRule::Option}, // special() has more
    {Opcode::FRecpS,       Opcode::FRSqrtS,      kH | kS | kD,                                    ImmRule::Zero},
    {Opcode::FRecpX,       Opcode::FRecpX,       0,                                               ImmRule::Zero},
    {Opcode::FRInt,        Opcode::FRInt,        kH | kS | kD,                                    ImmRule::Round},
    {Opcode::FRIntN,       Opcode::FRIntN,       kS | kD,                                         ImmRule::RoundBits},
    {Opcode::FCmEq,        Opcode::FCmEq,        kH | kS | kD | kH1 | kS1 | kD1,                  ImmRule::Zero},
    {Opcode::FCmGe,        Opcode::FCmGt,        kH | kS | kD | kH1 | kS1 | kD1,                  ImmRule::Option},
    {Opcode::FAddP,        Opcode::FMinNmP,      kH | kS | kD,                                    ImmRule::Zero},
    {Opcode::FMaxV,        Opcode::FMinNmV,      kH | bits_of(shape::S4),                         ImmRule::Zero},
    {Opcode::VFCvtToInt,   Opcode::VFCvtToInt,   kH | kS | kD | kH1 | kS1 | kD1,                  ImmRule::Fixed},
    {Opcode::VFCvtFromInt, Opcode::VFCvtFromInt, kH | kS | kD | kH1 | kS1 | kD1,                  ImmRule::FixedCurrent},
    {Opcode::VFCvtL,       Opcode::VFCvtL,       bits_of(shape::S4, shape::D2),                   ImmRule::Zero},
    {Opcode::VFCvtN,       Opcode::VFCvtN,       bits_of(shape::H4, shape::S2),                   ImmRule::RoundNarrow},
    {Opcode::VFCvtBf,      Opcode::VFCvtBf,      bits_of(shape::H4) | kH1,                        ImmRule::Zero},
    {Opcode::VDup,         Opcode::VDup,         kB | kH | kS | kD | kD1,                         ImmRule::Zero},
    {Opcode::VDupLane,     Opcode::VDupLane,     kB | kH | kS | kD | kB1 | kH1 | kS1 | kD1,       ImmRule::LaneOf16},
    {Opcode::VGetLane,     Opcode::VGetLane,     k16,                                             ImmRule::SignedLaneOf16},
    {Opcode::VSetLane,     Opcode::VSetLane,     k16,                                             ImmRule::LaneOf16},
    {Opcode::VInsLane,     Opcode::VInsLane,     k16,                                             ImmRule::TwoLanes},
    {Opcode::VAnd,         Opcode::VBsl,         kB,                                              ImmRule::Zero},
    {Opcode::VAdd,         Opcode::VSub,         kB | kH | kS | kD | kD1,                         ImmRule::Zero},
    {Opcode::VMul,         Opcode::VMul,         kB | kH | kS,                                    ImmRule::Zero},
    {Opcode::VNeg,         Opcode::VCmTst,       kB | kH | kS | kD | kD1,                         ImmRule::Zero},
    {Opcode::VSMax,        Opcode::VUMin,        kB | kH | kS,                                    ImmRule::Zero},
    {Opcode::VSAbd,        Opcode::VUAbd,        kB | kH | kS | kD,                               ImmRule::Zero}, // D: of SABDL
    {Opcode::VSHAdd,       Opcode::VUHAdd,       kB | kH | kS,                                    ImmRule::Option},
    {Opcode::VSHSub,       Opcode::VUHSub,       kB | kH | kS,                                    ImmRule::Zero},
    {Opcode::VSQAdd,       Opcode::VSQNeg,       kB | kH | kS | kD | kB1 | kH1 | kS1 | kD1,       ImmRule::Zero},
    {Opcode::VSQDMulH,     Opcode::VSQRDMlAH,    kH | kS | kH1 | kS1,                             ImmRule::Option},
    {Opcode::VCls,         Opcode::VClz,         kB | kH | kS,                                    ImmRule::Zero},
    {Opcode::VCnt,         Opcode::VRbit,        kB,                                              ImmRule::Zero},
    {Opcode::VURecpE,      Opcode::VURSqrtE,     kS,                                              ImmRule::Zero},
    {Opcode::VShl,         Opcode::VShl,         kB | kH | kS | kD | kD1,                         ImmRule::LeftShift},
    {Opcode::VUShr,        Opcode::VSRShr,       kB | kH | kS | kD | kD1,                         ImmRule::RightShift},
    {Opcode::VSli,         Opcode::VSli,         kB | kH | kS | kD | kD1,                         ImmRule::LeftShift},
    {Opcode::VSri,         Opcode::VSri,         kB | kH | kS | kD | kD1,                         ImmRule::RightShift},
    {Opcode::VSQShlImm,    Opcode::VSQShlU,      kB | kH | kS | kD | kB1 | kH1 | kS1 | kD1,       ImmRule::LeftShift},
    {Opcode::VUShlReg,     Opcode::VSShlReg,     kB | kH | kS | kD | kD1,                         ImmRule::Option},
    {Opcode::VUQShlReg,    Opcode::VSQShlReg,    kB | kH | kS | kD | kB1 | kH1 | kS1 | kD1,       ImmRule::Option},
    {Opcode::VXtn,         Opcode::VXtn,         kNarrow,                                         ImmRule::Zero},
    {Opcode::VSQXtn,       Opcode::VSQXtun,      kNarrow | kB1 | kH1 | kS1,                       ImmRule::Zero},
    {Opcode::VShrn,        Opcode::VShrn,        kNarrow,                                         ImmRule::NarrowShift},
    {Opcode::VSQShrn,      Opcode::VSQShrun,     kNarrow | kB1 | kH1 | kS1,                       ImmRule::NarrowShift},
    {Opcode::VAddHn,       Opcode::VSubHn,       kNarrow,                                         ImmRule::Option},
    {Opcode::VSxtl,        Opcode::VUMull,       kWide,                                           ImmRule::Zero},
    {Opcode::VPMull,       Opcode::VPMull,       bits_of(shape::H8, shape::Q1),                   ImmRule::Option},
    {Opcode::VSQDMull,     Opcode::VSQDMull,     bits_of(shape::S4, shape::D2) | kS1 | kD1,       ImmRule::Zero},
    {Opcode::VPMul,        Opcode::VPMul,        kB,                                              ImmRule::Zero},
    {Opcode::VSDot,        Opcode::VBfDot,       kS,                                              ImmRule::MatrixOption},
    {Opcode::VAddP,        Opcode::VAddP,        kB | kH | kS | kD,                               ImmRule::Zero},
    {Opcode::VSMaxP,       Opcode::VUMinP,       kB | kH | kS,                                    ImmRule::Zero},
    {Opcode::VSAddlP,      Opcode::VUAddlP,      kH | kS | kD | kD1,                              ImmRule::Zero},
    {Opcode::VAddV,        Opcode::VAddV,        kAcross | kD,                                    ImmRule::Zero}, // D: scalar ADDP
    {Opcode::VSAddlV,      Opcode::VUMinV,       kAcross,                                         ImmRule::Zero},
    {Opcode::VZip1,        Opcode::VTrn2,        kB | kH | kS | kD,                               ImmRule::Zero},
    {Opcode::VExt,         Opcode::VExt,         kB,                                              ImmRule::Byte},
    {Opcode::VRev,         Opcode::VRev,         kB | kH | kS,                                    ImmRule::Container},
    {Opcode::VTbl,         Opcode::VTbl,         kB,                                              ImmRule::Tables},
    {Opcode::Sha256Rnds2,  Opcode::Sha256Rnds2,  bits_of(shape::S4),                              ImmRule::Option}, // half of the schedule
};
// clang-format on

// By opcode, because blocks are checked after every pass.
inline constexpr auto kShapeRuleOf = [] {
    std::array<ShapeRule, kOpcodeCount> table{};
    for (const ShapeRule& rule : kShapeRules) {
        for (auto op = static_cast<unsigned>(rule.first); op <= static_cast<unsigned>(rule.last);
             ++op) {
            table[op] = rule;
        }
    }
    return table;
}();
constexpr bool has_one_rule(unsigned op) {
    unsigned rules = 0;
    for (const ShapeRule& rule : kShapeRules) {
        rules += static_cast<unsigned>(rule.first) <= op && op <= static_cast<unsigned>(rule.last);
    }
    return rules == (kOpInfo[op].param == Param::Shape);
}
constexpr bool every_shape_has_one_rule() {
    for (unsigned op = 0; op < kOpcodeCount; ++op) {
        if (!has_one_rule(op)) {
            return false;
        }
    }
    return true;
}
static_assert(every_shape_has_one_rule(), "an operation with a Shape needs a row in kShapeRules");

} // namespace ulna::ir
