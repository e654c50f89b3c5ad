// Integer operations, guest state, helpers, and moves between register files.
#include "backend/llvm/lowering.h"

namespace ulna::backend::tier2 {

namespace {

using llvm::Intrinsic::ID;

// --- operands

Value* arg(Lowering& l, const Inst& inst, unsigned k) { return l.value(inst.args[k]); }
Value* zero(Value* like) { return llvm::Constant::getNullValue(like->getType()); }
Value* small(Value* like, u64 n) { return llvm::ConstantInt::get(like->getType(), n); }

// --- guest state

Value* lower_Const(Lowering& l, const Inst& inst) {
    if (inst.type == ir::Type::Nzcv) {
        const auto flag = [&](unsigned bit) { return l.b.getInt1((inst.imm >> bit & 1) != 0); };
        l.set_flags(inst, Flags::of({flag(3), flag(2), flag(1), flag(0),
                                     l.b.getInt1((inst.imm >> 3 & 1) != (inst.imm & 1))}));
        return nullptr;
    }
    return l.from_bits(l.b.getInt64(inst.imm), inst.type);
}
Value* lower_ConstVec(Lowering& l, const Inst& inst) {
    const unsigned bytes = inst.shape().bytes();
    return l.constant({inst.imm & ones(std::min(64u, bytes * 8)), bytes == 16 ? inst.imm : 0});
}
Value* lower_Get(Lowering& l, const Inst& inst) {
    if (inst.slot() == ir::Slot::NZCV) {
        l.set_flags(inst, l.get_nzcv());
        return nullptr;
    }
    return l.get(inst.slot());
}
Value* lower_Set(Lowering& l, const Inst& inst) {
    if (inst.slot() == ir::Slot::NZCV) {
        l.set_nzcv(l.flags(inst.args[0]));
    } else {
        l.set(inst.slot(), arg(l, inst, 0));
    }
    return nullptr;
}

// --- arithmetic and logic

template <llvm::Instruction::BinaryOps kOp> Value* binary(Lowering& l, const Inst& inst) {
    return l.b.CreateBinOp(kOp, arg(l, inst, 0), arg(l, inst, 1));
}
// Shift counts modulo the width.
template <llvm::Instruction::BinaryOps kOp> Value* shift(Lowering& l, const Inst& inst) {
    Value* const a = arg(l, inst, 0);
    return l.b.CreateBinOp(kOp, a,
                           l.b.CreateAnd(arg(l, inst, 1), small(a, ir::bit_width(inst.type) - 1)));
}
Value* lower_Ror(Lowering& l, const Inst& inst) {
    Value* const a = arg(l, inst, 0);
    return l.b.CreateIntrinsic(llvm::Intrinsic::fshr, {a->getType()}, {a, a, arg(l, inst, 1)});
}
Value* lower_AddShl(Lowering& l, const Inst& inst) {
    return l.b.CreateAdd(arg(l, inst, 0), l.b.CreateShl(arg(l, inst, 1), inst.imm));
}
Value* lower_Extr(Lowering& l, const Inst& inst) {
    Value* const a = arg(l, inst, 0);
    return l.b.CreateIntrinsic(llvm::Intrinsic::fshr, {a->getType()},
                               {a, arg(l, inst, 1), small(a, inst.imm)});
}
template <bool kSigned> Value* high_half(Lowering& l, const Inst& inst) {
    llvm::Type* const wide = l.int_type(128);
    const auto extend = [&](Value* v) {
        return kSigned ? l.b.CreateSExt(v, wide) : l.b.CreateZExt(v, wide);
    };
    Value* const product = l.b.CreateMul(extend(arg(l, inst, 0)), extend(arg(l, inst, 1)));
    return l.b.CreateTrunc(l.b.CreateLShr(product, 64), l.int_type(64));
}
Value* lower_UDiv(Lowering& l, const Inst& inst) {
    Value* const d = arg(l, inst, 1);
    Value* const by_zero = l.b.CreateICmpEQ(d, zero(d));
    Value* const q = l.b.CreateUDiv(arg(l, inst, 0), l.b.CreateSelect(by_zero, small(d, 1), d));
    return l.b.CreateSelect(by_zero, zero(d), q);
}
Value* lower_SDiv(Lowering& l, const Inst& inst) {
    Value* const n = arg(l, inst, 0);
    Value* const d = arg(l, inst, 1);
    Value* const by_zero = l.b.CreateICmpEQ(d, zero(d));
    Value* const by_minus_one = l.b.CreateICmpEQ(d, llvm::Constant::getAllOnesValue(d->getType()));
    Value* const q =
        l.b.CreateSDiv(n, l.b.CreateSelect(l.b.CreateOr(by_zero, by_minus_one), small(d, 1), d));
    return l.b.CreateSelect(by_zero, zero(d), l.b.CreateSelect(by_minus_one, l.b.CreateNeg(n), q));
}
Value* lower_Neg(Lowering& l, const Inst& inst) { return l.b.CreateNeg(arg(l, inst, 0)); }
Value* lower_Abs(Lowering& l, const Inst& inst) {
    return l.b.CreateBinaryIntrinsic(llvm::Intrinsic::abs, arg(l, inst, 0), l.b.getFalse());
}
Value* lower_Not(Lowering& l, const Inst& inst) { return l.b.CreateNot(arg(l, inst, 0)); }
Value* lower_AndNot(Lowering& l, const Inst& inst) {
    return l.b.CreateAnd(arg(l, inst, 0), l.b.CreateNot(arg(l, inst, 1)));
}
template <ID kId> Value* unary_intrinsic(Lowering& l, const Inst& inst) {
    return l.b.CreateUnaryIntrinsic(kId, arg(l, inst, 0));
}
template <ID kId> Value* count_zeros(Lowering& l, const Inst& inst) {
    return l.b.CreateBinaryIntrinsic(kId, arg(l, inst, 0), l.b.getFalse());
}
// Where a bit differs from its left neighbour, a ^ (a >> 1) has a one.
Value* lower_Cls(Lowering& l, const Inst& inst) {
    Value* const a = arg(l, inst, 0);
    const unsigned width = ir::bit_width(inst.type);
    Value* const changes =
        l.b.CreateAnd(l.b.CreateXor(a, l.b.CreateAShr(a, 1)), small(a, ones(width - 1)));
    Value* const leading =
        l.b.CreateBinaryIntrinsic(llvm::Intrinsic::ctlz, changes, l.b.getFalse());
    return l.b.CreateSub(leading, small(a, 1));
}
Value* lower_Rev16(Lowering& l, const Inst& inst) {
    Value* const a = arg(l, inst, 0);
    Value* const low = small(a, 0x00ff'00ff'00ff'00ff & ones(ir::bit_width(inst.type)));
    return l.b.CreateOr(l.b.CreateShl(l.b.CreateAnd(a, low), 8),
                        l.b.CreateAnd(l.b.CreateLShr(a, 8), low));
}
Value* lower_Rev32(Lowering& l, const Inst& inst) {
    Value* const a = l.b.CreateUnaryIntrinsic(llvm::Intrinsic::bswap, arg(l, inst, 0));
    return l.b.CreateIntrinsic(llvm::Intrinsic::fshl, {a->getType()}, {a, a, small(a, 32)});
}
Value* lower_ZExt(Lowering& l, const Inst& inst) {
    return l.b.CreateZExt(arg(l, inst, 0), l.type(inst.type));
}
Value* lower_SExt(Lowering& l, const Inst& inst) {
    return l.b.CreateSExt(arg(l, inst, 0), l.type(inst.type));
}
Value* lower_Trunc(Lowering& l, const Inst& inst) {
    return l.b.CreateTrunc(arg(l, inst, 0), l.type(inst.type));
}
Value* lower_Adc(Lowering& l, const Inst& inst) {
    Value* const a = arg(l, inst, 0);
    return l.b.CreateAdd(l.b.CreateAdd(a, arg(l, inst, 1)),
                         l.b.CreateZExt(arg(l, inst, 2), a->getType()));
}
Value* lower_Select(Lowering& l, const Inst& inst) {
    return l.b.CreateSelect(arg(l, inst, 0), arg(l, inst, 1), arg(l, inst, 2));
}
Value* lower_Crc32C(Lowering& l, const Inst& inst) {
    Value* const acc = arg(l, inst, 0);
    Value* const data = arg(l, inst, 1);
    switch (l.width_of(inst.args[1])) {
    case 8:
        return l.b.CreateIntrinsic(llvm::Intrinsic::x86_sse42_crc32_32_8, {}, {acc, data});
    case 16:
        return l.b.CreateIntrinsic(llvm::Intrinsic::x86_sse42_crc32_32_16, {}, {acc, data});
    case 32:
        return l.b.CreateIntrinsic(llvm::Intrinsic::x86_sse42_crc32_32_32, {}, {acc, data});
    default:
        return l.b.CreateTrunc(l.b.CreateIntrinsic(llvm::Intrinsic::x86_sse42_crc32_64_64, {},
                                                   {l.zext_to(acc, 64), data}),
                               l.int_type(32));
    }
}

Value* lower_TestBit(Lowering& l, const Inst& inst) {
    Value* const a = arg(l, inst, 0);
    Value* const masked = l.b.CreateAnd(a, small(a, u64{1} << (inst.imm & ir::testbit::kNumber)));
    return l.b.CreateICmp((inst.imm & ir::testbit::kClear) != 0 ? llvm::CmpInst::ICMP_EQ
                                                                : llvm::CmpInst::ICMP_NE,
                          masked, zero(a));
}

// --- runtime, exits

Value* lower_CallHelper(Lowering& l, const Inst& inst) {
    const auto scratch = [&](unsigned k) {
        return l.cell(offsetof(ir::CpuState, scratch) + k * sizeof(V128));
    };
    for (unsigned k = 0; k < ir::kMaxArgs; ++k) {
        const bool present = k < inst.arg_count && inst.args[k] != ir::kNoValue;
        l.b.CreateStore(present ? l.to_bits(inst.args[k]) : l.b.getInt64(0), scratch(k));
    }
    HostOp op{.kind = HostOpKind::Helper};
    op.helper = static_cast<u32>(inst.imm);
    l.host_op(std::move(op), {l.cell(ir::kStateBias)});
    if (inst.type == ir::Type::Void) {
        return nullptr;
    }
    constexpr unsigned kResult = 4;
    return l.from_bits(l.b.CreateLoad(l.b.getInt64Ty(), scratch(kResult)), inst.type);
}
Value* lower_ExitIf(Lowering& l, const Inst& inst) {
    l.leave_if(arg(l, inst, 0), [&] {
        if (inst.aux == ir::kExitIfContextSync) {
            l.leave_to_runtime(ir::ExitReason::ContextSync, inst.imm, nullptr);
        } else {
            l.go_to(inst.imm, l.pc_of(inst), inst.aux != ir::kExitIfNzcvDead);
        }
    });
    return nullptr;
}
Value* lower_RaiseIf(Lowering& l, const Inst& inst) {
    l.leave_if(arg(l, inst, 0), [&] {
        const u64 exit_arg = inst.imm >> 32;
        l.leave_to_runtime(static_cast<ir::ExitReason>(inst.imm & ones(32)), l.pc_of(inst),
                           exit_arg == 0 ? nullptr : l.b.getInt64(exit_arg));
    });
    return nullptr;
}

// --- moves between register files; f16 is an integer here

// As lanes of its own type, so that the value stays in a vector register.
llvm::FixedVectorType* scalar_lanes(Lowering& l, ir::Type type) {
    return llvm::FixedVectorType::get(l.type(type), 128 / ir::bit_width(type));
}
Value* lower_FToV(Lowering& l, const Inst& inst) {
    llvm::Type* const lanes = scalar_lanes(l, l.type_of(inst.args[0]));
    Value* const zeros = llvm::Constant::getNullValue(lanes);
    return l.b.CreateBitCast(l.b.CreateInsertElement(zeros, arg(l, inst, 0), u64{0}), l.v128());
}
Value* lower_VToF(Lowering& l, const Inst& inst) {
    return l.b.CreateExtractElement(l.b.CreateBitCast(arg(l, inst, 0), scalar_lanes(l, inst.type)),
                                    u64{0});
}
Value* lower_FToI(Lowering& l, const Inst& inst) {
    return l.b.CreateTrunc(l.to_bits(inst.args[0]), l.type(inst.type));
}
Value* lower_IToF(Lowering& l, const Inst& inst) {
    return l.from_bits(l.to_bits(inst.args[0]), inst.type);
}
Value* lower_VFromPair(Lowering& l, const Inst& inst) {
    Value* const low = l.b.CreateInsertElement(l.zero_vector(), arg(l, inst, 0), u64{0});
    return l.b.CreateInsertElement(low, arg(l, inst, 1), u64{1});
}

} // namespace

void add_int_lowerings(LowerTable& table) {
    using B = llvm::Instruction::BinaryOps;
    table[Opcode::Const] = lower_Const;
    table[Opcode::CodeAddress] = lower_Const;
    table[Opcode::ConstVec] = lower_ConstVec;
    table[Opcode::Get] = lower_Get;
    table[Opcode::Set] = lower_Set;
    table[Opcode::Add] = binary<B::Add>;
    table[Opcode::AddShl] = lower_AddShl;
    table[Opcode::Sub] = binary<B::Sub>;
    table[Opcode::Mul] = binary<B::Mul>;
    table[Opcode::UMulH] = high_half<false>;
    table[Opcode::SMulH] = high_half<true>;
    table[Opcode::UDiv] = lower_UDiv;
    table[Opcode::SDiv] = lower_SDiv;
    table[Opcode::Neg] = lower_Neg;
    table[Opcode::Abs] = lower_Abs;
    table[Opcode::And] = binary<B::And>;
    table[Opcode::Or] = binary<B::Or>;
    table[Opcode::Xor] = binary<B::Xor>;
    table[Opcode::Not] = lower_Not;
    table[Opcode::AndNot] = lower_AndNot;
    table[Opcode::Shl] = shift<B::Shl>;
    table[Opcode::Shr] = shift<B::LShr>;
    table[Opcode::Sar] = shift<B::AShr>;
    table[Opcode::Ror] = lower_Ror;
    table[Opcode::Extr] = lower_Extr;
    table[Opcode::Clz] = count_zeros<llvm::Intrinsic::ctlz>;
    table[Opcode::Ctz] = count_zeros<llvm::Intrinsic::cttz>;
    table[Opcode::Popcnt] = unary_intrinsic<llvm::Intrinsic::ctpop>;
    table[Opcode::Cls] = lower_Cls;
    table[Opcode::Rbit] = unary_intrinsic<llvm::Intrinsic::bitreverse>;
    table[Opcode::Rev] = unary_intrinsic<llvm::Intrinsic::bswap>;
    table[Opcode::Rev16] = lower_Rev16;
    table[Opcode::Rev32] = lower_Rev32;
    table[Opcode::ZExt] = lower_ZExt;
    table[Opcode::SExt] = lower_SExt;
    table[Opcode::Trunc] = lower_Trunc;
    table[Opcode::Adc] = lower_Adc;
    table[Opcode::Select] = lower_Select;
    table[Opcode::Crc32C] = lower_Crc32C;
    table[Opcode::TestBit] = lower_TestBit;
    table[Opcode::CallHelper] = lower_CallHelper;
    table[Opcode::ExitIf] = lower_ExitIf;
    table[Opcode::RaiseIf] = lower_RaiseIf;
    table[Opcode::FToV] = lower_FToV;
    table[Opcode::VToF] = lower_VToF;
    table[Opcode::FToI] = lower_FToI;
    table[Opcode::IToF] = lower_IToF;
    table[Opcode::VFromPair] = lower_VFromPair;
}

} // namespace ulna::backend::tier2
