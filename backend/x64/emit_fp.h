// What the FP emitters share: private to emit_fp*.cpp.
//
// How exactness is kept. The host instruction computes value and sticky flags under the guest's
// rounding mode (MXCSR). It differs from Arm in three ways, all visible in the result, which one
// test sends to a cold path with the exact evaluation (ir/softfloat.h):
//   - NaNs: which one, its sign, and what an infinity times zero plus a NaN raises.
//   - Underflow: Arm looks at the value before rounding, x86 after it. They differ only when an
//     inexact result is the least normal number; comparing with it for "equal or unordered" finds
//     NaNs as well. Sums cannot be tiny and inexact, nor can square roots: there NaNs are enough.
//   - Minimum, maximum and conversions to integers of NaNs and values out of range.
// The flags that the host instruction has raised by then must be a subset of Arm's. Where they are
// not, the test comes first. The Denormal flag of x86 has no counterpart and is not looked at;
// blocks with FPCR.AH, where it has one, are emitted by emit_fp_alternate.cpp. Most arithmetic
// needs no test where the mode traps: emit_fp_trapping.cpp.
//
// FPCR.FZ = 1 (MXCSR has FTZ and DAZ): Arm raises Input Denormal for operands, and Underflow alone
// for a result that it flushes, where the host adds Inexact. So operands that may be denormal are
// compared with zero first (DAZ makes denormals equal to it), and results that may be flushed are
// computed inline only once FPSR.IXC is set, when one more Inexact cannot be noticed. See Flush.
#pragma once

#include "backend/x64/emitter.h"

namespace ulna::backend::x64 {

using ir::Shape;
using ir::Type;

// Predicates of VCMPxx.
enum Predicate : u8 {
    kUnordered = 0x03, // quiet
    kEqual = 0x00,     // quiet, false when unordered
    kEqualOrUnordered = 0x08,
    kGreaterEqual = 0x0d, // signaling
    kGreater = 0x0e,      // signaling
    kGreaterEqualQuiet = 0x1d,
    kNotGreater = 0x1a, // quiet, true when unordered
    kLessQuiet = 0x11,  // quiet, false when unordered
    kNotLess = 0x15,    // quiet, true when unordered
    kNotEqual = 0x04,   // quiet, true when unordered
};
// Immediate of VROUNDxx and VCVTPS2PH.
enum HostRounding : u8 {
    kNearest = 0,
    kDown = 1,
    kUp = 2,
    kTruncate = 3,
    kByMxcsr = 4,
    kNoInexact = 8
};
[[nodiscard]] u8 host_rounding(ir::Rounding rounding);

// How an operation uses its registers.
enum class Form : u8 {
    Scalar, // FP type: bits above are unspecified
    Lane,   // v128, one lane, rest zero in the result
    Half,   // v128, lanes fill 8 bytes, rest zero in the result
    Full,   // v128, 16 bytes
};
struct Lanes {
    Form form;
    bool dbl; // double precision

    [[nodiscard]] bool is_vector() const { return form >= Form::Half; }
    [[nodiscard]] unsigned bits() const { return dbl ? 64 : 32; }
    // A value repeated for every lane.
    [[nodiscard]] V128 all(u64 lane) const {
        const u64 both = dbl ? lane : lane << 32 | lane;
        return {both, both};
    }
    [[nodiscard]] V128 sign() const { return all(dbl ? u64{1} << 63 : u64{1} << 31); }
    [[nodiscard]] V128 magnitude() const { return all(dbl ? ~u64{0} >> 1 : 0x7fff'ffff); }
    // 2^n, also as a denormal-free bound
    [[nodiscard]] V128 power_of_two(int n) const {
        return all(dbl ? static_cast<u64>(n + 1023) << 52 : static_cast<u64>(n + 127) << 23);
    }
    [[nodiscard]] V128 least_normal() const { return power_of_two(dbl ? -1022 : -126); }
};
[[nodiscard]] Lanes lanes_of(Type type, u16 aux);

// Is this operation left to the caller's host instructions? Otherwise it has been emitted: half
// precision (emit_fp_half.h), and out of line, with FPCR.FZ, vectors of 8 bytes.
[[nodiscard]] bool inlines(Emitter& e, const Inst& inst, Type type, u16 aux);

// One instruction in its four widths: ss sd ps pd.
using Op3 = void (Xbyak::CodeGenerator::*)(const Xmm&,
                                           const Xbyak::Operand&,
                                           const Xbyak::Operand&);
struct Widths {
    Op3 ss, sd, ps, pd;
    void operator()(Emitter& e,
                    Lanes lanes,
                    const Xmm& d,
                    const Xbyak::Operand& a,
                    const Xbyak::Operand& b) const {
        const Op3 op = lanes.is_vector() ? (lanes.dbl ? pd : ps) : (lanes.dbl ? sd : ss);
        (e.c.*op)(d, a, b);
    }
};

inline constexpr Widths kAdd{&Xbyak::CodeGenerator::vaddss, &Xbyak::CodeGenerator::vaddsd,
                             &Xbyak::CodeGenerator::vaddps, &Xbyak::CodeGenerator::vaddpd};
inline constexpr Widths kSub{&Xbyak::CodeGenerator::vsubss, &Xbyak::CodeGenerator::vsubsd,
                             &Xbyak::CodeGenerator::vsubps, &Xbyak::CodeGenerator::vsubpd};
inline constexpr Widths kMul{&Xbyak::CodeGenerator::vmulss, &Xbyak::CodeGenerator::vmulsd,
                             &Xbyak::CodeGenerator::vmulps, &Xbyak::CodeGenerator::vmulpd};
inline constexpr Widths kDiv{&Xbyak::CodeGenerator::vdivss, &Xbyak::CodeGenerator::vdivsd,
                             &Xbyak::CodeGenerator::vdivps, &Xbyak::CodeGenerator::vdivpd};
inline constexpr Widths kMax{&Xbyak::CodeGenerator::vmaxss, &Xbyak::CodeGenerator::vmaxsd,
                             &Xbyak::CodeGenerator::vmaxps, &Xbyak::CodeGenerator::vmaxpd};
inline constexpr Widths kMin{&Xbyak::CodeGenerator::vminss, &Xbyak::CodeGenerator::vminsd,
                             &Xbyak::CodeGenerator::vminps, &Xbyak::CodeGenerator::vminpd};
// d = +-d +- a * b, by fmuladd bits
void fma231(Emitter& e, Lanes lanes, u64 negate, Xmm d, Xmm a, const Xbyak::Operand& b);

// Comparison of lane 0, quiet; and of all lanes, to masks.
void ucomi(Emitter& e, Lanes lanes, Xmm a, const Xbyak::Operand& b);
void vcmp(Emitter& e, Lanes lanes, Xmm d, Xmm a, const Xbyak::Operand& b, u8 predicate);

// An argument that cold code can find again: a register, or memory of the state (never a literal).
[[nodiscard]] XmmMem fp_arg(Emitter& e, ir::ValueId v);
[[nodiscard]] inline bool is_temporary(const XmmMem& arg) {
    return arg.is_reg() && arg.reg_index() >= static_cast<int>(kFirstTempVec);
}
// `arg` in a register: its own, or loaded into `spare`.
[[nodiscard]] Xmm in_register(Emitter& e, Lanes lanes, const XmmMem& arg, Xmm spare);
// A copy to compute with. Half: the low half twice, so that lanes above raise nothing of their own.
void copy_lanes(Emitter& e, Lanes lanes, Xmm to, const XmmMem& from);
// Zeroes what lies above the lanes of a v128 result.
void zero_rest(Emitter& e, Lanes lanes, Xmm d);

// Tests a result; the jump is taken when the exact evaluation must decide. `u` is clobbered.
enum class Check : u8 { NaN, NaNOrTiny };
[[nodiscard]] Jump check_result(Emitter& e, Lanes lanes, Check check, Xmm d, Xmm u);
// Jumps when a lane of a or b is a NaN; raises Invalid for signaling ones only.
[[nodiscard]] Jump
jump_if_unordered(Emitter& e, Lanes lanes, Xmm a, const Xbyak::Operand& b, Xmm u);
// Jumps when a bit of mask `u` is set.
[[nodiscard]] Jump jump_if_any(Emitter& e, Xmm u);

// Makes `from` lead to the exact evaluation of inst, which writes `d` and goes on here. Arguments
// in memory are loaded into d and the spare registers first.
void cold_exact(Emitter& e,
                Jump from,
                const Inst& inst,
                std::initializer_list<XmmMem> args,
                Xmm d,
                std::initializer_list<Xmm> spare);

// Registers are all asked for before the first jump to cold code: asking may store a value away,
// and cold code that goes on at the operation's end would skip that.
//
// There are four temporaries, and operations with cold code must not need more: a borrowed pinned
// register would be saved in its slot's cell, which the out-of-line evaluation writes. `park`
// stores argument k so that its register can be overwritten; the result stands for it in
// cold_exact.
[[nodiscard]] XmmMem park(Emitter& e, unsigned k, Xmm arg);

// What FPCR.FZ adds to an operation; without it, nothing. Order: operand() for each argument, then
// flushes_result() where it can be tiny, all before the operation's own instructions; finish() at
// its end.
class Flush {
  public:
    Flush(Emitter& e, const Inst& inst, Lanes lanes) : e_{e}, inst_{inst}, lanes_{lanes} {}
    // Argument k, where cold_exact finds it. `u` is clobbered.
    void operand(unsigned k, const XmmMem& arg, Xmm u);
    void flushes_result();
    void finish(std::initializer_list<XmmMem> args, Xmm d, std::initializer_list<Xmm> spare);

  private:
    struct Guard {
        Jump jump;
        Position back;
        u8 reg, u;
        int displacement;
    };
    Emitter& e_;
    const Inst& inst_;
    Lanes lanes_;
    Guard guards_[3];
    unsigned count_ = 0;
    Jump inexact_clear_;
    bool flushes_ = false;
};

// d = a rounded to integral, ties away from zero, without Inexact (emit_fp_misc.cpp). Needs DN = 0.
// Writes all lanes of d for forms other than Full: zero_rest follows. d is not a.
void round_ties_away(Emitter& e, Lanes lanes, Xmm d, Xmm a, Xmm u, Xmm w);

// Half precision (emit_fp_half.cpp): is the result, and emits the operation.
[[nodiscard]] bool is_half_precision(const Inst& inst);
void emit_half_precision(Emitter& e, const Inst& inst);

void add_fp_arithmetic_emitters(EmitTable& table);
void add_fp_misc_emitters(EmitTable& table);
void add_fp_estimate_emitters(EmitTable& table);
void add_fp_convert_emitters(EmitTable& table);

} // namespace ulna::backend::x64
