// Floating point, single and double precision. The host computes value and sticky flags under the
// guest's rounding mode; where Arm differs is visible in the result or the operands, and goes to
// the exact evaluation. backend/x64/emit_fp.h has the reasons; the tests here are the same.
//
// Half precision, and FPCR.FZ, FIZ and AH, are evaluated out of line.
#include "backend/llvm/lanes.h"

namespace ulna::backend::tier2 {

namespace {

using ir::Rounding;
using ir::Shape;
using ir::Type;
using llvm::CmpInst;
using llvm::Intrinsic::ID;

// --- operands: a scalar of an FP type, or exactly the lanes of a vector

bool has_host_precision(const Inst& inst) {
    return inst.type == Type::V128 ? inst.shape().lane_log2 >= 2 && inst.shape().lane_log2 <= 3
                                   : inst.type == Type::F32 || inst.type == Type::F64;
}
// Of the modes, those in which the host differs only as said above.
bool has_host_modes(ir::BlockMode mode) { return !mode.fz() && !mode.fiz() && !mode.ah(); }
bool inlines(Lowering& l, const Inst& inst) {
    return has_host_precision(inst) && has_host_modes(l.mode());
}
Value* operand(Lowering& l, const Inst& inst, unsigned k) {
    Value* const v = l.value(inst.args[k]);
    return inst.type == Type::V128 ? fp_lanes(l, v, inst.shape()) : v;
}
Value* result(Lowering& l, const Inst& inst, Value* lanes) {
    return inst.type == Type::V128 ? from_exact_lanes(l, lanes) : lanes;
}

Value* constrained(Lowering& l, ID id, llvm::ArrayRef<Value*> args) {
    llvm::Function* const callee = llvm::Intrinsic::getDeclaration(
        l.b.GetInsertBlock()->getModule(), id, {args[0]->getType()});
    return l.b.CreateConstrainedFPCall(callee, args);
}
Value* magnitude(Lowering& l, Value* v) {
    return l.b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v);
}
bool is_double(Value* v) { return v->getType()->getScalarType()->isDoubleTy(); }
Value* number(Value* like, double n) { return llvm::ConstantFP::get(like->getType(), n); }
Value* least_normal(Value* like) { return number(like, is_double(like) ? 0x1p-1022 : 0x1p-126); }

Value* is_nan(Lowering& l, Value* v) { return l.b.CreateFCmpUNO(v, v); }
// A NaN, or the least normal number: whether the value before rounding was tiny must be found out.
Value* is_nan_or_tiny(Lowering& l, Value* v) {
    return l.b.CreateFCmpUEQ(magnitude(l, v), least_normal(v));
}

enum class Check : u8 { NaN, NaNOrTiny };

// What was computed, unless the check says that Arm's result may be another one.
Value* checked(Lowering& l, const Inst& inst, Value* lanes, Check check) {
    Value* const odd = check == Check::NaN ? is_nan(l, lanes) : is_nan_or_tiny(l, lanes);
    return l.with_exact(inst, result(l, inst, lanes), any(l, odd));
}

// --- arithmetic

template <llvm::Instruction::BinaryOps kOp, Check kCheck, bool kAbsolute = false>
Value* binary(Lowering& l, const Inst& inst) {
    if (!inlines(l, inst)) {
        return l.eval(inst);
    }
    Value* const a = operand(l, inst, 0);
    Value* const c = operand(l, inst, 1);
    Value* r = nullptr;
    switch (kOp) {
    case llvm::Instruction::FAdd:
        r = l.b.CreateFAdd(a, c);
        break;
    case llvm::Instruction::FSub:
        r = l.b.CreateFSub(a, c);
        break;
    case llvm::Instruction::FMul:
        r = l.b.CreateFMul(a, c);
        break;
    default:
        r = l.b.CreateFDiv(a, c);
        break;
    }
    return checked(l, inst, kAbsolute ? magnitude(l, r) : r, kCheck);
}
Value* lower_FSqrt(Lowering& l, const Inst& inst) {
    if (!inlines(l, inst)) {
        return l.eval(inst);
    }
    Value* const root =
        constrained(l, llvm::Intrinsic::experimental_constrained_sqrt, {operand(l, inst, 0)});
    return checked(l, inst, root, Check::NaN);
}
Value* lower_FMulAdd(Lowering& l, const Inst& inst) {
    if (!inlines(l, inst)) {
        return l.eval(inst);
    }
    Value* const addend = operand(l, inst, 0);
    Value* const factor = operand(l, inst, 1);
    const auto negated = [&](Value* v, u64 bit) { return inst.imm & bit ? l.b.CreateFNeg(v) : v; };
    Value* const sum =
        constrained(l, llvm::Intrinsic::experimental_constrained_fma,
                    {negated(factor, ir::fmuladd::kNegateFactor), operand(l, inst, 2),
                     negated(addend, ir::fmuladd::kNegateAddend)});
    return checked(l, inst, sum, Check::NaNOrTiny);
}
// Sums of pairs of the lanes of (b:a).
Value* lower_FAddP(Lowering& l, const Inst& inst) {
    if (!inlines(l, inst)) {
        return l.eval(inst);
    }
    Value* const a = operand(l, inst, 0);
    Value* const c = operand(l, inst, 1);
    llvm::SmallVector<int, 8> even, odd;
    for (unsigned i = 0; i < inst.shape().lanes(); ++i) {
        even.push_back(static_cast<int>(2 * i));
        odd.push_back(static_cast<int>(2 * i + 1));
    }
    Value* const sum =
        l.b.CreateFAdd(l.b.CreateShuffleVector(a, c, even), l.b.CreateShuffleVector(a, c, odd));
    return checked(l, inst, sum, Check::NaN);
}

// --- signs: bits, of half precision, too

Value* sign_bits(Lowering& l, const Inst& inst, Value*& bits) {
    const unsigned width =
        inst.type == Type::V128 ? inst.shape().lane_bits() : ir::bit_width(inst.type);
    Value* const v = l.value(inst.args[0]);
    bits = inst.type == Type::V128 ? whole_int_lanes(l, v, inst.shape())
                                   : l.b.CreateBitCast(v, l.int_type(width));
    return llvm::ConstantInt::get(bits->getType(), u64{1} << (width - 1));
}
Value* from_sign_bits(Lowering& l, const Inst& inst, Value* bits) {
    return inst.type == Type::V128 ? from_whole_lanes(l, bits, inst.shape())
                                   : l.b.CreateBitCast(bits, l.type(inst.type));
}
Value* lower_FNeg(Lowering& l, const Inst& inst) {
    if (l.mode().ah()) {
        return l.eval(inst);
    }
    Value* bits = nullptr;
    Value* const sign = sign_bits(l, inst, bits);
    return from_sign_bits(l, inst, l.b.CreateXor(bits, sign));
}
Value* lower_FAbs(Lowering& l, const Inst& inst) {
    if (l.mode().ah()) {
        return l.eval(inst);
    }
    Value* bits = nullptr;
    Value* const sign = sign_bits(l, inst, bits);
    return from_sign_bits(l, inst, l.b.CreateAnd(bits, l.b.CreateNot(sign)));
}

// --- minimum and maximum: of numbers, every kind is the same

template <bool kMax> Value* min_max(Lowering& l, const Inst& inst) {
    if (!inlines(l, inst)) {
        return l.eval(inst);
    }
    Value* const a = operand(l, inst, 0);
    Value* const c = operand(l, inst, 1);
    llvm::Type* const type = a->getType();
    llvm::Type* const bits = type->getWithNewType(l.int_type(type->getScalarSizeInBits()));
    Value* const a_bits = l.b.CreateBitCast(a, bits);
    Value* const c_bits = l.b.CreateBitCast(c, bits);
    // Equal numbers have equal bits or are zeros of both signs.
    Value* const same = kMax ? l.b.CreateAnd(a_bits, c_bits) : l.b.CreateOr(a_bits, c_bits);
    Value* const first = kMax ? l.b.CreateFCmpOGT(a, c) : l.b.CreateFCmpOLT(a, c);
    Value* const r =
        l.b.CreateSelect(l.b.CreateFCmpOEQ(a, c), same, l.b.CreateSelect(first, a_bits, c_bits));
    Value* const lanes = l.b.CreateBitCast(r, type);
    return l.with_exact(inst, result(l, inst, lanes), any(l, l.b.CreateFCmpUNO(a, c)));
}

// --- comparisons

// The predicate that holds for the flags of a compare exactly when the condition does.
CmpInst::Predicate predicate_of(ir::Cond cond) {
    constexpr CmpInst::Predicate kPredicates[] = {
        CmpInst::FCMP_OEQ, CmpInst::FCMP_UNE, // EQ NE
        CmpInst::FCMP_UGE, CmpInst::FCMP_OLT, // HS LO
        CmpInst::FCMP_OLT, CmpInst::FCMP_UGE, // MI PL
        CmpInst::FCMP_UNO, CmpInst::FCMP_ORD, // VS VC
        CmpInst::FCMP_UGT, CmpInst::FCMP_OLE, // HI LS
        CmpInst::FCMP_OGE, CmpInst::FCMP_ULT, // GE LT
        CmpInst::FCMP_OGT, CmpInst::FCMP_ULE, // GT LE
    };
    return kPredicates[static_cast<unsigned>(cond)];
}

// Of the first consumer in the block, so that one instruction serves the exceptions and it.
CmpInst::Predicate wanted_predicate(Lowering& l, const Inst& compare) {
    const auto& insts = l.block().insts;
    const auto id = static_cast<ValueId>(&compare - insts.data());
    for (std::size_t i = id + 1u; i < insts.size(); ++i) {
        const Inst& user = insts[i];
        if (!user.dead && user.op == Opcode::TestCond && user.args[0] == id &&
            user.cond() < ir::Cond::AL) {
            return predicate_of(user.cond());
        }
    }
    return CmpInst::FCMP_UNO;
}

Value* compare(Lowering& l, CmpInst::Predicate p, Value* a, Value* c, bool raises, bool signaling) {
    llvm::IRBuilder<>::FastMathFlagGuard guard(l.b);
    l.b.setDefaultConstrainedExcept(raises ? llvm::fp::ebStrict : llvm::fp::ebMayTrap);
    Value* const holds = signaling && raises ? l.b.CreateFCmpS(p, a, c) : l.b.CreateFCmp(p, a, c);
    l.b.setDefaultConstrainedExcept(llvm::fp::ebStrict);
    return holds;
}

Value* lower_FCmp(Lowering& l, const Inst& inst) {
    if (l.type_of(inst.args[0]) == Type::F16 || !has_host_modes(l.mode())) {
        return l.eval(inst);
    }
    Value* const a = l.value(inst.args[0]);
    Value* const c = l.value(inst.args[1]);
    const CmpInst::Predicate wanted = wanted_predicate(l, inst);
    Value* const first = compare(l, wanted, a, c, true, inst.imm != 0);
    const auto holds = [&](CmpInst::Predicate p) {
        return p == wanted ? first : compare(l, p, a, c, false, false);
    };
    Flags flags{holds(CmpInst::FCMP_OLT), holds(CmpInst::FCMP_OEQ), holds(CmpInst::FCMP_UGE),
                holds(CmpInst::FCMP_UNO), holds(CmpInst::FCMP_ULT)};
    for (unsigned cond = 0; cond < static_cast<unsigned>(ir::Cond::AL); ++cond) {
        if (predicate_of(static_cast<ir::Cond>(cond)) == wanted) {
            flags.known_condition = static_cast<ir::Cond>(cond);
            flags.known = first;
        }
    }
    l.set_flags(inst, flags);
    return nullptr;
}

template <CmpInst::Predicate kPredicate, bool kSignaling>
Value* compare_lanes(Lowering& l, const Inst& inst) {
    if (!inlines(l, inst)) {
        return l.eval(inst);
    }
    Value* a = operand(l, inst, 0);
    Value* c = operand(l, inst, 1);
    if (inst.imm == 1) {
        a = magnitude(l, a);
        c = magnitude(l, c);
    }
    Value* const holds = compare(l, kPredicate, a, c, true, kSignaling);
    llvm::Type* const lane = l.int_type(inst.shape().lane_bits());
    llvm::Type* const mask =
        inst.shape().lanes() == 1
            ? lane
            : static_cast<llvm::Type*>(llvm::FixedVectorType::get(lane, inst.shape().lanes()));
    return from_exact_lanes(l, l.b.CreateSExt(holds, mask));
}

// --- conversions

Value* lower_FCvt(Lowering& l, const Inst& inst) {
    const Type from = l.type_of(inst.args[0]);
    if (!inlines(l, inst) || from == Type::F16 ||
        static_cast<Rounding>(inst.imm) != Rounding::Current) {
        return l.eval(inst);
    }
    Value* const v = l.value(inst.args[0]);
    return inst.type == Type::F64
               ? checked(l, inst, l.b.CreateFPExt(v, l.b.getDoubleTy()), Check::NaN)
               : checked(l, inst, l.b.CreateFPTrunc(v, l.b.getFloatTy()), Check::NaNOrTiny);
}

Value* lower_FCvtFromInt(Lowering& l, const Inst& inst) {
    const auto info = ir::FixedInfo::unpack(inst.imm);
    if (!has_host_precision(inst) || info.fraction_bits != 0) {
        return l.eval(inst);
    }
    Value* v = l.value(inst.args[0]);
    llvm::Type* const to = l.type(inst.type);
    if (info.is_signed) {
        return l.b.CreateSIToFP(v, to);
    }
    if (l.type_of(inst.args[0]) == Type::I32) {
        return l.b.CreateSIToFP(l.zext_to(v, 64), to);
    }
    // The host converts signed integers: others must not even try, for their flags.
    return l.guarded(inst, l.b.CreateICmpSLT(v, l.b.getInt64(0)),
                     [&] { return l.b.CreateSIToFP(v, to); });
}

Value* lower_FCvtToInt(Lowering& l, const Inst& inst) {
    const auto info = ir::FixedInfo::unpack(inst.imm);
    const Type from = l.type_of(inst.args[0]);
    if (from == Type::F16 || !has_host_modes(l.mode()) || info.fraction_bits != 0 ||
        info.rounding != Rounding::Zero) {
        return l.eval(inst);
    }
    Value* const v = l.value(inst.args[0]);
    const bool wide = inst.type == Type::I64;
    // Bounds that every number between fits: of the 64-bit conversion, but for signed words.
    const double bound = wide ? 0x1p63 : info.is_signed ? 0x1p31 : 0x1p32;
    Value* outside = nullptr;
    if (info.is_signed) {
        outside = l.b.CreateFCmpUGE(magnitude(l, v), number(v, bound));
    } else {
        outside = l.b.CreateOr(l.b.CreateFCmpUGE(v, number(v, bound)),
                               l.b.CreateFCmpOLT(v, number(v, 0)));
    }
    return l.guarded(inst, outside, [&] {
        Value* const integer = l.b.CreateFPToSI(v, l.int_type(wide || !info.is_signed ? 64 : 32));
        return l.b.CreateTrunc(integer, l.type(inst.type));
    });
}

Value* lower_FRInt(Lowering& l, const Inst& inst) {
    if (!inlines(l, inst)) {
        return l.eval(inst);
    }
    using namespace llvm::Intrinsic;
    const bool exact = (inst.imm >> 8 & 1) != 0;
    ID id = experimental_constrained_nearbyint;
    switch (static_cast<Rounding>(inst.imm & 0xff)) {
    case Rounding::Current:
        id = exact ? experimental_constrained_rint : experimental_constrained_nearbyint;
        break;
    case Rounding::TieEven:
        id = experimental_constrained_roundeven;
        break;
    case Rounding::PlusInf:
        id = experimental_constrained_ceil;
        break;
    case Rounding::MinusInf:
        id = experimental_constrained_floor;
        break;
    case Rounding::Zero:
        id = experimental_constrained_trunc;
        break;
    default: // x86 has no ties away
        return l.eval(inst);
    }
    return checked(l, inst, constrained(l, id, {operand(l, inst, 0)}), Check::NaN);
}

// Words only: x86-64-v3 converts no vectors of doublewords.
Value* lower_VFCvtFromInt(Lowering& l, const Inst& inst) {
    const auto info = ir::FixedInfo::unpack(inst.imm);
    const Shape shape = inst.shape();
    const bool possible = info.fraction_bits == 0 && info.is_signed &&
                          (shape == ir::shape::S4 || shape == ir::shape::S2 ||
                           shape == ir::shape::S1 || shape == ir::shape::D1);
    if (!possible) {
        return l.eval(inst);
    }
    Value* const lanes = exact_int_lanes(l, l.value(inst.args[0]), shape);
    llvm::Type* const lane = fp_type(l, shape.lane_bits());
    llvm::Type* const to =
        shape.lanes() == 1
            ? lane
            : static_cast<llvm::Type*>(llvm::FixedVectorType::get(lane, shape.lanes()));
    return from_exact_lanes(l, l.b.CreateSIToFP(lanes, to));
}

} // namespace

void add_fp_lowerings(LowerTable& table) {
    using B = llvm::Instruction;
    table[Opcode::FAdd] = binary<B::FAdd, Check::NaN>;
    table[Opcode::FSub] = binary<B::FSub, Check::NaN>;
    table[Opcode::FMul] = binary<B::FMul, Check::NaNOrTiny>;
    table[Opcode::FDiv] = binary<B::FDiv, Check::NaNOrTiny>;
    table[Opcode::FAbd] = binary<B::FSub, Check::NaN, true>;
    table[Opcode::FSqrt] = lower_FSqrt;
    table[Opcode::FMulAdd] = lower_FMulAdd;
    table[Opcode::FAddP] = lower_FAddP;
    table[Opcode::FNeg] = lower_FNeg;
    table[Opcode::FAbs] = lower_FAbs;
    table[Opcode::FMax] = min_max<true>;
    table[Opcode::FMaxNm] = min_max<true>;
    table[Opcode::FMin] = min_max<false>;
    table[Opcode::FMinNm] = min_max<false>;
    table[Opcode::FCmp] = lower_FCmp;
    table[Opcode::FCmEq] = compare_lanes<CmpInst::FCMP_OEQ, false>;
    table[Opcode::FCmGe] = compare_lanes<CmpInst::FCMP_OGE, true>;
    table[Opcode::FCmGt] = compare_lanes<CmpInst::FCMP_OGT, true>;
    table[Opcode::FCvt] = lower_FCvt;
    table[Opcode::FCvtFromInt] = lower_FCvtFromInt;
    table[Opcode::FCvtToInt] = lower_FCvtToInt;
    table[Opcode::FRInt] = lower_FRInt;
    table[Opcode::VFCvtFromInt] = lower_VFCvtFromInt;
}

} // namespace ulna::backend::tier2
