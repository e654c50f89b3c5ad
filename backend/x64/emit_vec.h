// What the vector emitters share: instruction tables by lane size, and how results and QC are
// finished.
//
// Everything is VEX-encoded AVX2 on 128-bit registers. A result's lanes past its Shape must be
// zero, while arguments may hold anything there (a 64-bit operation may read a full register): so
// emitters of whole-register sequences work on all lanes and end with finish(), which clears what
// the Shape excludes.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "backend/x64/emitter.h"

namespace ulna::backend::x64 {

using ir::Shape;
using Xbyak::Operand;
namespace shape = ir::shape;

using Assembler = Xbyak::CodeGenerator;
using Vex2 = void (Assembler::*)(const Xmm&, const Operand&);                   // d, a
using Vex3 = void (Assembler::*)(const Xmm&, const Xmm&, const Operand&);       // d, a, b
using VexShift = void (Assembler::*)(const Xmm&, const Operand&, std::uint8_t); // d, a, imm

// One instruction per lane size (B H S D); null where the host has none.
struct Lanes2 {
    Vex2 op[4];
};
struct Lanes3 {
    Vex3 op[4];
};

inline constexpr Lanes3 kVAdd{
    {&Assembler::vpaddb, &Assembler::vpaddw, &Assembler::vpaddd, &Assembler::vpaddq}};
inline constexpr Lanes3 kVSub{
    {&Assembler::vpsubb, &Assembler::vpsubw, &Assembler::vpsubd, &Assembler::vpsubq}};
inline constexpr Lanes3 kVCmEq{
    {&Assembler::vpcmpeqb, &Assembler::vpcmpeqw, &Assembler::vpcmpeqd, &Assembler::vpcmpeqq}};
inline constexpr Lanes3 kVCmGt{
    {&Assembler::vpcmpgtb, &Assembler::vpcmpgtw, &Assembler::vpcmpgtd, &Assembler::vpcmpgtq}};
inline constexpr Lanes3 kVSMax{
    {&Assembler::vpmaxsb, &Assembler::vpmaxsw, &Assembler::vpmaxsd, nullptr}};
inline constexpr Lanes3 kVSMin{
    {&Assembler::vpminsb, &Assembler::vpminsw, &Assembler::vpminsd, nullptr}};
inline constexpr Lanes3 kVUMax{
    {&Assembler::vpmaxub, &Assembler::vpmaxuw, &Assembler::vpmaxud, nullptr}};
inline constexpr Lanes3 kVUMin{
    {&Assembler::vpminub, &Assembler::vpminuw, &Assembler::vpminud, nullptr}};

inline void emit(Emitter& e, Vex3 op, Xmm d, Xmm a, const Operand& b) { (e.c.*op)(d, a, b); }
inline void emit(Emitter& e, const Lanes3& ops, unsigned lane, Xmm d, Xmm a, const Operand& b) {
    (e.c.*ops.op[lane])(d, a, b);
}

// A register with `lane` (of lane_log2 size) in every lane.
[[nodiscard]] constexpr V128 splat(unsigned lane_log2, u64 lane) {
    const unsigned bits = 8u << lane_log2;
    u64 half = bits == 64 ? lane : lane & ((u64{1} << bits) - 1);
    for (unsigned width = bits; width < 64; width *= 2) {
        half |= half << width;
    }
    return {half, half};
}
// Ones in the lanes of the shape.
[[nodiscard]] constexpr V128 shape_mask(Shape shape) {
    const unsigned bytes = shape.bytes();
    return bytes == 16 ? V128{~u64{0}, ~u64{0}}
                       : V128{bytes == 8 ? ~u64{0} : (u64{1} << (8 * bytes)) - 1, 0};
}
[[nodiscard]] constexpr u64 lane_sign(unsigned lane_log2) {
    return u64{1} << ((8u << lane_log2) - 1);
}
// The top bits of the lanes of the shape.
[[nodiscard]] constexpr V128 top_bits(Shape shape) {
    const V128 all = splat(shape.lane_log2, lane_sign(shape.lane_log2)), mask = shape_mask(shape);
    return {all.lo & mask.lo, all.hi & mask.hi};
}

// VPSHUFB control: byte i of the result comes from byte source(i), or is zero when that is
// kZeroByte.
inline constexpr u8 kZeroByte = 0x80;
template <class F> [[nodiscard]] V128 shuffle_control(F source) {
    V128 control;
    for (unsigned i = 0; i < 16; ++i) {
        control.set_lane<u8>(i, static_cast<u8>(source(i)));
    }
    return control;
}

// True when every bit of v past its low half is known to be zero.
[[nodiscard]] bool upper_half_is_zero(const Emitter& e, ValueId v);
// True when the value is used, and every use satisfies the predicate: then value and users can
// agree on something cheaper than the value.
template <class F> [[nodiscard]] bool all_uses(const Emitter& e, ValueId value, F predicate) {
    const ir::Block& block = e.block();
    bool found = false;
    for (std::size_t i = value + 1u; i < block.insts.size(); ++i) {
        const Inst& inst = block.insts[i];
        const ValueId* const end = inst.args + inst.arg_count;
        if (inst.dead || std::find(inst.args, end, value) == end) {
            continue;
        }
        if (!predicate(inst)) {
            return false;
        }
        found = true;
    }
    return found && block.exit_value() != value;
}
// The same for CNT of eight bytes, whose sum is one instruction in an integer register: then the
// value of CNT is its argument.
[[nodiscard]] bool is_population_count(const Emitter& e, ValueId count);

// The same for the high half of a register that is interleaved with the low one, one shuffle: then
// it has no value.
[[nodiscard]] bool is_interleaved_half(const Emitter& e, ValueId high);

// The argument of an exclusive OR that an AES round has made to be its result; or kNoValue.
[[nodiscard]] ValueId sum_made_by_aes_round(const Emitter& e, const Inst& addition);

// Clears the bits of d that the shape excludes.
void clear_past(Emitter& e, Xmm d, Shape shape);
// The same at the end of an operation that maps zero lanes to zero lanes: free when no argument has
// anything in its upper half.
void finish(Emitter& e, const Inst& inst, Xmm d);

// Sets FPSR.QC in cold code when the condition holds.
void set_qc_if(Emitter& e, Cc cc);
// Sets FPSR.QC when any bit of `difference` within the shape is set.
void set_qc_if_any(Emitter& e, Xmm difference, Shape shape);

// Lanes of d become those of `saturated`, and set FPSR.QC, where `fits` is zero; elsewhere it has
// ones. `saturated` is clobbered.
void saturate_unless(Emitter& e, const Inst& inst, Xmm d, Xmm saturated, Xmm fits);

// to = ones in the lanes of x that are negative, zeroes in the others; not in place.
void sign_mask(Emitter& e, unsigned lane_log2, Xmm to, Xmm x);

// Shifts of all lanes by 0 <= n <= lane bits. `d` may equal `a` unless the line says otherwise.
void shift_left(Emitter& e, Xmm d, Xmm a, unsigned lane_log2, unsigned n);
void shift_right_logical(Emitter& e, Xmm d, Xmm a, unsigned lane_log2, unsigned n);
void shift_right_arithmetic(
    Emitter& e, Xmm d, Xmm a, unsigned lane_log2, unsigned n); // takes a scratch; d != a
// (a + (1 << (n - 1))) >> n without overflow, 1 <= n <= lane bits; d != a.
void shift_right_rounding(Emitter& e, Xmm d, Xmm a, unsigned lane_log2, unsigned n, bool is_signed);

void add_vec_logic_emitters(EmitTable& table);
void add_vec_arithmetic_emitters(EmitTable& table);
void add_vec_saturating_emitters(EmitTable& table);
void add_vec_shift_emitters(EmitTable& table);
void add_vec_resize_emitters(EmitTable& table);
void add_vec_reduce_emitters(EmitTable& table);
void add_vec_dot_emitters(EmitTable& table);
void add_vec_permute_emitters(EmitTable& table);
void add_vec_move_emitters(EmitTable& table);

} // namespace ulna::backend::x64
