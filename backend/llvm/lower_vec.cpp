// Vector integer operations as LLVM vector operations. Lanes past the shape are computed along and
// zeroed at the end; what has no simple form here is evaluated out of line.
#include "backend/llvm/lanes.h"

namespace ulna::backend::tier2 {

namespace {

using ir::Shape;
using llvm::CmpInst;
using llvm::Instruction;
using llvm::Intrinsic::ID;

Value* lanes_of(Lowering& l, const Inst& inst, unsigned k) {
    return whole_int_lanes(l, l.value(inst.args[k]), inst.shape());
}
Value* done(Lowering& l, const Inst& inst, Value* lanes) {
    return from_whole_lanes(l, lanes, inst.shape());
}
Value* zero(Value* like) { return llvm::Constant::getNullValue(like->getType()); }
Value* splat(Value* like, u64 n) { return llvm::ConstantInt::get(like->getType(), n); }

// --- lane by lane

template <Instruction::BinaryOps kOp> Value* binary(Lowering& l, const Inst& inst) {
    return done(l, inst, l.b.CreateBinOp(kOp, lanes_of(l, inst, 0), lanes_of(l, inst, 1)));
}
template <Instruction::BinaryOps kOp> Value* binary_inverted(Lowering& l, const Inst& inst) {
    return done(l, inst,
                l.b.CreateBinOp(kOp, lanes_of(l, inst, 0), l.b.CreateNot(lanes_of(l, inst, 1))));
}
Value* lower_VNot(Lowering& l, const Inst& inst) {
    return done(l, inst, l.b.CreateNot(lanes_of(l, inst, 0)));
}
Value* lower_VBsl(Lowering& l, const Inst& inst) {
    Value* const mask = lanes_of(l, inst, 0);
    return done(l, inst,
                l.b.CreateOr(l.b.CreateAnd(mask, lanes_of(l, inst, 1)),
                             l.b.CreateAnd(l.b.CreateNot(mask), lanes_of(l, inst, 2))));
}
Value* lower_VNeg(Lowering& l, const Inst& inst) {
    return done(l, inst, l.b.CreateNeg(lanes_of(l, inst, 0)));
}
Value* lower_VAbs(Lowering& l, const Inst& inst) {
    return done(
        l, inst,
        l.b.CreateBinaryIntrinsic(llvm::Intrinsic::abs, lanes_of(l, inst, 0), l.b.getFalse()));
}
template <CmpInst::Predicate kPredicate> Value* compare(Lowering& l, const Inst& inst) {
    Value* const a = lanes_of(l, inst, 0);
    return done(l, inst,
                l.b.CreateSExt(l.b.CreateICmp(kPredicate, a, lanes_of(l, inst, 1)), a->getType()));
}
Value* lower_VCmTst(Lowering& l, const Inst& inst) {
    Value* const both = l.b.CreateAnd(lanes_of(l, inst, 0), lanes_of(l, inst, 1));
    return done(l, inst, l.b.CreateSExt(l.b.CreateICmpNE(both, zero(both)), both->getType()));
}
template <ID kId> Value* binary_intrinsic(Lowering& l, const Inst& inst) {
    return done(l, inst,
                l.b.CreateBinaryIntrinsic(kId, lanes_of(l, inst, 0), lanes_of(l, inst, 1)));
}
template <bool kSigned> Value* difference(Lowering& l, const Inst& inst) {
    using namespace llvm::Intrinsic;
    Value* const a = lanes_of(l, inst, 0);
    Value* const c = lanes_of(l, inst, 1);
    return done(l, inst,
                l.b.CreateSub(l.b.CreateBinaryIntrinsic(kSigned ? smax : umax, a, c),
                              l.b.CreateBinaryIntrinsic(kSigned ? smin : umin, a, c)));
}

// Saturating: FPSR.QC where the result is not the plain one.
template <ID kId, Instruction::BinaryOps kPlain> Value* saturating(Lowering& l, const Inst& inst) {
    Value* const a = exact_int_lanes(l, l.value(inst.args[0]), inst.shape());
    Value* const c = exact_int_lanes(l, l.value(inst.args[1]), inst.shape());
    Value* const r = l.b.CreateBinaryIntrinsic(kId, a, c);
    Value* const saturated = any(l, l.b.CreateICmpNE(r, l.b.CreateBinOp(kPlain, a, c)));
    l.set_qc(saturated);
    return from_exact_lanes(l, r);
}

// Halving: without the bit that a lane has no room for.
template <bool kSigned> Value* halving_add(Lowering& l, const Inst& inst) {
    Value* const a = lanes_of(l, inst, 0);
    Value* const c = lanes_of(l, inst, 1);
    const auto half = [&](Value* v) {
        return kSigned ? l.b.CreateAShr(v, 1) : l.b.CreateLShr(v, 1);
    };
    Value* const differ = half(l.b.CreateXor(a, c));
    // (a + b) >> 1  =  (a & b) + ((a ^ b) >> 1); rounded up  =  (a | b) - ((a ^ b) >> 1)
    return done(l, inst,
                inst.imm == 1 ? l.b.CreateSub(l.b.CreateOr(a, c), differ)
                              : l.b.CreateAdd(l.b.CreateAnd(a, c), differ));
}

// Bytes by halfwords, even and odd ones apart: LLVM would take vectors of 32 bytes.
Value* lower_VMul(Lowering& l, const Inst& inst) {
    if (inst.shape().lane_log2 != 0) {
        return binary<Instruction::Mul>(l, inst);
    }
    Value* const a = whole_int_lanes(l, l.value(inst.args[0]), ir::shape::H8);
    Value* const c = whole_int_lanes(l, l.value(inst.args[1]), ir::shape::H8);
    Value* const low = splat(a, 0x00ff);
    Value* const high = splat(a, 0xff00);
    Value* const even = l.b.CreateAnd(l.b.CreateMul(a, c), low);
    Value* const odd =
        l.b.CreateAnd(l.b.CreateMul(l.b.CreateLShr(a, 8), l.b.CreateAnd(c, high)), high);
    return done(l, inst, l.b.CreateOr(even, odd));
}

template <ID kId> Value* unary_intrinsic(Lowering& l, const Inst& inst) {
    return done(l, inst, l.b.CreateUnaryIntrinsic(kId, lanes_of(l, inst, 0)));
}

// --- shifts by an immediate; a right shift by all bits is legal

Value* lower_VShl(Lowering& l, const Inst& inst) {
    return done(l, inst, l.b.CreateShl(lanes_of(l, inst, 0), inst.imm));
}
Value* shifted_right(Lowering& l, Value* v, bool is_signed, u64 amount) {
    const unsigned bits = v->getType()->getScalarSizeInBits();
    if (is_signed) {
        return l.b.CreateAShr(v, std::min<u64>(amount, bits - 1));
    }
    return amount >= bits ? zero(v) : l.b.CreateLShr(v, amount);
}
template <bool kSigned> Value* shift_right(Lowering& l, const Inst& inst) {
    return done(l, inst, shifted_right(l, lanes_of(l, inst, 0), kSigned, inst.imm));
}
// The bit below rounds: a >> n plus bit n - 1.
template <bool kSigned> Value* rounding_shift_right(Lowering& l, const Inst& inst) {
    Value* const a = lanes_of(l, inst, 0);
    Value* const below = l.b.CreateAnd(shifted_right(l, a, kSigned, inst.imm - 1), splat(a, 1));
    const bool vanishes = kSigned && inst.imm == inst.shape().lane_bits();
    // A signed lane shifted by all bits is its sign; plus the rounding bit, which equals it: zero.
    Value* const shifted = vanishes ? zero(a) : shifted_right(l, a, kSigned, inst.imm);
    return done(l, inst, vanishes ? shifted : l.b.CreateAdd(shifted, below));
}
Value* lower_VSli(Lowering& l, const Inst& inst) {
    Value* const a = lanes_of(l, inst, 0);
    Value* const kept = l.b.CreateAnd(a, splat(a, ones(static_cast<unsigned>(inst.imm))));
    return done(l, inst, l.b.CreateOr(kept, l.b.CreateShl(lanes_of(l, inst, 1), inst.imm)));
}
Value* lower_VSri(Lowering& l, const Inst& inst) {
    Value* const a = lanes_of(l, inst, 0);
    const unsigned bits = inst.shape().lane_bits();
    const u64 low = ones(bits - static_cast<unsigned>(inst.imm));
    Value* const kept = l.b.CreateAnd(a, splat(a, ~low & ones(bits)));
    return done(l, inst,
                l.b.CreateOr(kept, shifted_right(l, lanes_of(l, inst, 1), false, inst.imm)));
}

// --- widening and narrowing. The Shape is the result's.

Shape half_lanes(Shape shape) { return {static_cast<u8>(shape.lane_log2 - 1), shape.count_log2}; }
Shape double_lanes(Shape shape) { return {static_cast<u8>(shape.lane_log2 + 1), shape.count_log2}; }
Value* extended(Lowering& l, const Inst& inst, unsigned k, bool is_signed) {
    Value* const narrow = exact_int_lanes(l, l.value(inst.args[k]), half_lanes(inst.shape()));
    llvm::Type* const to = l.int_lanes(inst.shape());
    return is_signed ? l.b.CreateSExt(narrow, to) : l.b.CreateZExt(narrow, to);
}
template <bool kSigned> Value* widen(Lowering& l, const Inst& inst) {
    return from_exact_lanes(l, extended(l, inst, 0, kSigned));
}
template <bool kSigned> Value* widening_mul(Lowering& l, const Inst& inst) {
    return from_exact_lanes(
        l, l.b.CreateMul(extended(l, inst, 0, kSigned), extended(l, inst, 1, kSigned)));
}
Value* narrowed(Lowering& l, const Inst& inst, Value* wide) {
    return from_exact_lanes(
        l, l.b.CreateTrunc(wide, llvm::FixedVectorType::get(l.int_type(inst.shape().lane_bits()),
                                                            inst.shape().lanes())));
}
Value* wide_lanes(Lowering& l, const Inst& inst, unsigned k) {
    return exact_int_lanes(l, l.value(inst.args[k]), double_lanes(inst.shape()));
}
Value* lower_VXtn(Lowering& l, const Inst& inst) {
    return narrowed(l, inst, wide_lanes(l, inst, 0));
}
Value* lower_VShrn(Lowering& l, const Inst& inst) {
    Value* const a = wide_lanes(l, inst, 0);
    const u64 amount = inst.imm & 0xff;
    const bool rounds = (inst.imm >> 8 & 1) != 0;
    Value* const biased = rounds ? l.b.CreateAdd(a, splat(a, u64{1} << (amount - 1))) : a;
    return narrowed(l, inst, l.b.CreateLShr(biased, amount));
}

// --- across lanes

llvm::SmallVector<int, 32> sequence(unsigned count, unsigned first, unsigned step) {
    llvm::SmallVector<int, 32> indices;
    for (unsigned i = 0; i < count; ++i) {
        indices.push_back(static_cast<int>(first + i * step));
    }
    return indices;
}
Value* exact_arg(Lowering& l, const Inst& inst, unsigned k) {
    return exact_int_lanes(l, l.value(inst.args[k]), inst.shape());
}
// Even and odd lanes of (b:a).
template <unsigned kFirst> Value* unzip(Lowering& l, const Inst& inst) {
    return from_exact_lanes(l, l.b.CreateShuffleVector(exact_arg(l, inst, 0), exact_arg(l, inst, 1),
                                                       sequence(inst.shape().lanes(), kFirst, 2)));
}
template <unsigned kHalf> Value* zip(Lowering& l, const Inst& inst) {
    const unsigned lanes = inst.shape().lanes();
    llvm::SmallVector<int, 32> indices;
    for (unsigned i = 0; i < lanes / 2; ++i) {
        indices.push_back(static_cast<int>(i + kHalf * lanes / 2));
        indices.push_back(static_cast<int>(i + kHalf * lanes / 2 + lanes));
    }
    return from_exact_lanes(
        l, l.b.CreateShuffleVector(exact_arg(l, inst, 0), exact_arg(l, inst, 1), indices));
}
template <unsigned kFirst> Value* transpose(Lowering& l, const Inst& inst) {
    const unsigned lanes = inst.shape().lanes();
    llvm::SmallVector<int, 32> indices;
    for (unsigned i = 0; i < lanes; i += 2) {
        indices.push_back(static_cast<int>(i + kFirst));
        indices.push_back(static_cast<int>(i + kFirst + lanes));
    }
    return from_exact_lanes(
        l, l.b.CreateShuffleVector(exact_arg(l, inst, 0), exact_arg(l, inst, 1), indices));
}
Value* lower_VExt(Lowering& l, const Inst& inst) {
    return from_exact_lanes(l,
                            l.b.CreateShuffleVector(exact_arg(l, inst, 0), exact_arg(l, inst, 1),
                                                    sequence(inst.shape().lanes(),
                                                             static_cast<unsigned>(inst.imm), 1)));
}
Value* lower_VRev(Lowering& l, const Inst& inst) {
    const unsigned group = static_cast<unsigned>(inst.imm) / inst.shape().lane_bytes();
    llvm::SmallVector<int, 32> indices;
    for (unsigned i = 0; i < inst.shape().lanes(); ++i) {
        indices.push_back(static_cast<int>(i ^ (group - 1)));
    }
    return from_exact_lanes(l, l.b.CreateShuffleVector(exact_arg(l, inst, 0), indices));
}
Value* lower_VAddP(Lowering& l, const Inst& inst) {
    Value* const a = exact_arg(l, inst, 0);
    Value* const c = exact_arg(l, inst, 1);
    const unsigned lanes = inst.shape().lanes();
    return from_exact_lanes(l, l.b.CreateAdd(l.b.CreateShuffleVector(a, c, sequence(lanes, 0, 2)),
                                             l.b.CreateShuffleVector(a, c, sequence(lanes, 1, 2))));
}
template <ID kId> Value* pairwise(Lowering& l, const Inst& inst) {
    Value* const a = exact_arg(l, inst, 0);
    Value* const c = exact_arg(l, inst, 1);
    const unsigned lanes = inst.shape().lanes();
    return from_exact_lanes(
        l, l.b.CreateBinaryIntrinsic(kId, l.b.CreateShuffleVector(a, c, sequence(lanes, 0, 2)),
                                     l.b.CreateShuffleVector(a, c, sequence(lanes, 1, 2))));
}
// Sums of pairs of lanes, in lanes twice as wide.
Value* sums_of_pairs(Lowering& l, Value* lanes, bool is_signed) {
    auto* const from = llvm::cast<llvm::FixedVectorType>(lanes->getType());
    const unsigned pairs = from->getNumElements() / 2;
    llvm::Type* const to =
        llvm::FixedVectorType::get(l.int_type(from->getScalarSizeInBits() * 2), pairs);
    const auto part = [&](unsigned first) {
        Value* const half = l.b.CreateShuffleVector(lanes, sequence(pairs, first, 2));
        return is_signed ? l.b.CreateSExt(half, to) : l.b.CreateZExt(half, to);
    };
    return l.b.CreateAdd(part(0), part(1));
}
template <bool kSigned> Value* widening_pairs(Lowering& l, const Inst& inst) {
    const Shape narrow = {static_cast<u8>(inst.shape().lane_log2 - 1),
                          static_cast<u8>(inst.shape().count_log2 + 1)};
    Value* const a = exact_int_lanes(l, l.value(inst.args[0]), narrow);
    return from_exact_lanes(l, sums_of_pairs(l, a, kSigned));
}
template <ID kId> Value* reduce(Lowering& l, const Inst& inst) {
    return from_exact_lanes(l, l.b.CreateUnaryIntrinsic(kId, exact_arg(l, inst, 0)));
}
// The sum in a lane twice as wide; the Shape is the argument's.
template <bool kSigned> Value* widening_reduce(Lowering& l, const Inst& inst) {
    return from_exact_lanes(l,
                            l.b.CreateAddReduce(sums_of_pairs(l, exact_arg(l, inst, 0), kSigned)));
}

// --- single lanes

Value* lower_VDup(Lowering& l, const Inst& inst) {
    const Shape shape = inst.shape();
    Value* const lane = l.b.CreateTrunc(l.value(inst.args[0]), l.int_type(shape.lane_bits()));
    return done(l, inst, l.b.CreateVectorSplat(16 / shape.lane_bytes(), lane));
}
Value* lower_VDupLane(Lowering& l, const Inst& inst) {
    const auto lane = static_cast<int>(inst.imm);
    const llvm::SmallVector<int, 16> indices(16 / inst.shape().lane_bytes(), lane);
    return done(l, inst, l.b.CreateShuffleVector(lanes_of(l, inst, 0), indices));
}
Value* lower_VGetLane(Lowering& l, const Inst& inst) {
    Value* const lane = l.b.CreateExtractElement(lanes_of(l, inst, 0), inst.imm & 0xff);
    return (inst.imm >> 8 & 1) != 0 ? l.b.CreateSExtOrTrunc(lane, l.type(inst.type))
                                    : l.b.CreateZExtOrTrunc(lane, l.type(inst.type));
}
Value* lower_VSetLane(Lowering& l, const Inst& inst) {
    Value* const lane =
        l.b.CreateTrunc(l.to_bits(inst.args[1]), l.int_type(inst.shape().lane_bits()));
    return done(l, inst, l.b.CreateInsertElement(lanes_of(l, inst, 0), lane, inst.imm));
}
Value* lower_VInsLane(Lowering& l, const Inst& inst) {
    Value* const lane = l.b.CreateExtractElement(lanes_of(l, inst, 1), inst.imm >> 8);
    return done(l, inst, l.b.CreateInsertElement(lanes_of(l, inst, 0), lane, inst.imm & 0xff));
}
Value* lower_VLow(Lowering& l, const Inst& inst) {
    return l.b.CreateInsertElement(l.value(inst.args[0]), l.b.getInt64(0), u64{1});
}
Value* lower_VHigh(Lowering& l, const Inst& inst) {
    return l.b.CreateShuffleVector(l.value(inst.args[0]), l.zero_vector(),
                                   llvm::ArrayRef<int>{1, 2});
}
Value* lower_VConcat(Lowering& l, const Inst& inst) {
    return l.b.CreateShuffleVector(l.value(inst.args[0]), l.value(inst.args[1]),
                                   llvm::ArrayRef<int>{0, 2});
}

// TBX with one or two registers: x86's byte shuffle looks at the low four bits and the top bit.
Value* lower_VTbl(Lowering& l, const Inst& inst) {
    const Shape bytes = ir::shape::B16;
    Value* const fallback = whole_int_lanes(l, l.value(inst.args[0]), bytes);
    Value* const indices = whole_int_lanes(l, l.value(inst.args[1]), bytes);
    const auto lookup = [&](ValueId table) {
        return l.b.CreateIntrinsic(llvm::Intrinsic::x86_ssse3_pshuf_b_128, {},
                                   {whole_int_lanes(l, l.value(table), bytes), indices});
    };
    // Indices that are too large select by their top bit at most, and are replaced afterwards.
    Value* found = lookup(inst.args[2]);
    if (inst.imm == 2) {
        found = l.b.CreateSelect(l.b.CreateICmpUGT(indices, splat(indices, 15)),
                                 lookup(inst.args[3]), found);
    }
    Value* const inside = l.b.CreateICmpULT(indices, splat(indices, inst.imm * 16));
    return done(l, inst, l.b.CreateSelect(inside, found, fallback));
}

} // namespace

void add_vec_lowerings(LowerTable& table) {
    using namespace llvm::Intrinsic;
    using B = Instruction;
    table[Opcode::VAnd] = binary<B::And>;
    table[Opcode::VOr] = binary<B::Or>;
    table[Opcode::VXor] = binary<B::Xor>;
    table[Opcode::VBic] = binary_inverted<B::And>;
    table[Opcode::VOrn] = binary_inverted<B::Or>;
    table[Opcode::VNot] = lower_VNot;
    table[Opcode::VBsl] = lower_VBsl;
    table[Opcode::VAdd] = binary<B::Add>;
    table[Opcode::VSub] = binary<B::Sub>;
    table[Opcode::VMul] = lower_VMul;
    table[Opcode::VNeg] = lower_VNeg;
    table[Opcode::VAbs] = lower_VAbs;
    table[Opcode::VCmEq] = compare<CmpInst::ICMP_EQ>;
    table[Opcode::VCmGt] = compare<CmpInst::ICMP_SGT>;
    table[Opcode::VCmGe] = compare<CmpInst::ICMP_SGE>;
    table[Opcode::VCmHi] = compare<CmpInst::ICMP_UGT>;
    table[Opcode::VCmHs] = compare<CmpInst::ICMP_UGE>;
    table[Opcode::VCmTst] = lower_VCmTst;
    table[Opcode::VSMax] = binary_intrinsic<smax>;
    table[Opcode::VSMin] = binary_intrinsic<smin>;
    table[Opcode::VUMax] = binary_intrinsic<umax>;
    table[Opcode::VUMin] = binary_intrinsic<umin>;
    table[Opcode::VSAbd] = difference<true>;
    table[Opcode::VUAbd] = difference<false>;
    table[Opcode::VSHAdd] = halving_add<true>;
    table[Opcode::VUHAdd] = halving_add<false>;
    table[Opcode::VSQAdd] = saturating<sadd_sat, B::Add>;
    table[Opcode::VUQAdd] = saturating<uadd_sat, B::Add>;
    table[Opcode::VSQSub] = saturating<ssub_sat, B::Sub>;
    table[Opcode::VUQSub] = saturating<usub_sat, B::Sub>;
    table[Opcode::VCnt] = unary_intrinsic<ctpop>;
    table[Opcode::VRbit] = unary_intrinsic<bitreverse>;
    table[Opcode::VShl] = lower_VShl;
    table[Opcode::VUShr] = shift_right<false>;
    table[Opcode::VSShr] = shift_right<true>;
    table[Opcode::VURShr] = rounding_shift_right<false>;
    table[Opcode::VSRShr] = rounding_shift_right<true>;
    table[Opcode::VSli] = lower_VSli;
    table[Opcode::VSri] = lower_VSri;
    table[Opcode::VXtn] = lower_VXtn;
    table[Opcode::VShrn] = lower_VShrn;
    table[Opcode::VSxtl] = widen<true>;
    table[Opcode::VUxtl] = widen<false>;
    table[Opcode::VSMull] = widening_mul<true>;
    table[Opcode::VUMull] = widening_mul<false>;
    table[Opcode::VAddP] = lower_VAddP;
    table[Opcode::VSMaxP] = pairwise<smax>;
    table[Opcode::VSMinP] = pairwise<smin>;
    table[Opcode::VUMaxP] = pairwise<umax>;
    table[Opcode::VUMinP] = pairwise<umin>;
    table[Opcode::VSAddlP] = widening_pairs<true>;
    table[Opcode::VUAddlP] = widening_pairs<false>;
    table[Opcode::VAddV] = reduce<vector_reduce_add>;
    table[Opcode::VSAddlV] = widening_reduce<true>;
    table[Opcode::VUAddlV] = widening_reduce<false>;
    table[Opcode::VSMaxV] = reduce<vector_reduce_smax>;
    table[Opcode::VSMinV] = reduce<vector_reduce_smin>;
    table[Opcode::VUMaxV] = reduce<vector_reduce_umax>;
    table[Opcode::VUMinV] = reduce<vector_reduce_umin>;
    table[Opcode::VZip1] = zip<0>;
    table[Opcode::VZip2] = zip<1>;
    table[Opcode::VUzp1] = unzip<0>;
    table[Opcode::VUzp2] = unzip<1>;
    table[Opcode::VTrn1] = transpose<0>;
    table[Opcode::VTrn2] = transpose<1>;
    table[Opcode::VExt] = lower_VExt;
    table[Opcode::VRev] = lower_VRev;
    table[Opcode::VTbl] = lower_VTbl;
    table[Opcode::VDup] = lower_VDup;
    table[Opcode::VDupLane] = lower_VDupLane;
    table[Opcode::VGetLane] = lower_VGetLane;
    table[Opcode::VSetLane] = lower_VSetLane;
    table[Opcode::VInsLane] = lower_VInsLane;
    table[Opcode::VLow] = lower_VLow;
    table[Opcode::VHigh] = lower_VHigh;
    table[Opcode::VConcat] = lower_VConcat;
}

} // namespace ulna::backend::tier2
