// Floating point that traps (BlockMode::traps_fp): what emit_fp_trapping.cpp, which writes the
// instructions, and fp_trap.cpp, which reads them when one has raised an exception, agree on.
//
// Invalid and Underflow are not masked in MXCSR. With the operands in Arm's order the host's result
// and flags are Arm's unless one of these is raised, but for two cases, which are made to raise:
//
//   - Underflow: Arm looks at the value before rounding, x86 after it. They differ when an inexact
//     result is the least normal number. So half of what may be tiny is computed into a scratch
//     register, the *probe*: it underflows for the least normal number (and its neighbours).
//     Its encoding, longer than need be, tells it from the guest's multiplications.
//   - The NaN that a fused multiply-add returns: x86 looks at the factors first, Arm at the addend,
//     and a factor that is negated. A comparison of these that signals for any NaN precedes it, the
//     *guard*.
//
// The handler has no table of places. It decodes the instruction at the PC; from a probe,
// backwards, the instruction before it, which is written in forms that can be told apart from its
// end: three bytes of VEX and a register (5 bytes), memory with a displacement of four bytes (9),
// or EVEX and a register (6).
//
// EVEX is the form of scalar operations whose result would inherit rubbish above it from their
// first source, on hosts that have it: packed, under a mask of lane 0 that zeroes the others. The
// mask register has its value in all translated code (stubs.cpp).
//
// With FPCR.FZ (BlockMode::traps_flushes) MXCSR flushes nothing: denormal operands and tiny results
// raise Denormal and Underflow, and are flushed by the exact evaluation. Where the host does not
// say Denormal something else raises an exception:
//
//   - a denormal number divided by zero: Division by Zero;
//   - a quiet NaN beside a denormal number: a comparison of the result with itself that signals for
//     any NaN, behind the probe. A comparison for flags signals itself, and has a prefix that says
//     that the guest's does not.
//
// The host may say Inexact with Underflow, which Arm does not where it flushes. So Inexact is not
// masked either until FPSR has it: then it does not matter.
//
// What is not masked is set in MXCSR by traps alone, whose handler moves it to FPSR, or forgets it.
#pragma once

#include "ir/block_key.h"
#include "ir/eval.h"
#include "ir/support/types.h"

namespace ulna::backend::x64 {

// Sticky bits of MXCSR, and how far their masks are above.
namespace sticky {
inline constexpr u32 kInvalid = 1u << 0, kDenormal = 1u << 1, kDivide = 1u << 2,
                     kUnderflow = 1u << 4, kInexact = 1u << 5, kAll = 0x3f;
}
inline constexpr unsigned kMaskShift = 7;

// What is not masked in a mode that traps.
[[nodiscard]] constexpr u32 trapping(ir::BlockMode mode, u32 fpsr) {
    const u32 always = sticky::kInvalid | sticky::kUnderflow;
    return !mode.traps_flushes() ? always
                                 : always | sticky::kDenormal | sticky::kDivide |
                                       ((fpsr & ir::fpsr::kIXC) == 0 ? sticky::kInexact : 0);
}

// Opcodes in map 0f, and fused multiply-add in map 0f38.
namespace fp_opcode {
inline constexpr u8 kLoad = 0x10, kMove = 0x28, kSqrt = 0x51, kAdd = 0x58, kMul = 0x59,
                    kConvert = 0x5a, kSub = 0x5c, kDiv = 0x5e, kCompare = 0xc2, kOrder = 0x2f;
// d = +-(a * b) +- d: packed; kFused + 1: scalar. By ir::fmuladd bits: kNegateFactor adds 4,
// kNegateAddend 2.
inline constexpr u8 kFused = 0xb8;
} // namespace fp_opcode

// "False" and "true", signaling: nobody else compares like this.
inline constexpr u8 kGuardPredicate = 0x1b, kNanPredicate = 0x1f;

// Of a comparison (kOrder), which ignores it: segment DS.
inline constexpr u8 kQuietPrefix = 0x3e;

inline constexpr unsigned kVexRegisterBytes = 5, kVexMemoryBytes = 9, kGuardBytes = 6,
                          kEvexRegisterBytes = 6;
inline constexpr u8 kThreeByteVex = 0xc4, kTwoByteVex = 0xc5, kEvex = 0x62;
inline constexpr int kLane0Mask = 1;                // k1
inline constexpr u8 kEvexLane0 = 0x88 | kLane0Mask; // the last byte of such a prefix

} // namespace ulna::backend::x64
