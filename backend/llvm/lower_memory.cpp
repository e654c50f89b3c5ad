// Guest memory: every access is one opaque host instruction (host_op.h).
#include "backend/llvm/lower_memory.h"
#include "backend/llvm/lowering.h"

namespace ulna::backend::tier2 {

using ir::MemInfo;

// Bits 63:56 := bit 55 (top byte ignore).
Value* without_tag(Lowering& l, Value* address) {
    constexpr unsigned kTagBits = 8;
    return l.options().mask_tags ? l.b.CreateAShr(l.b.CreateShl(address, kTagBits), kTagBits)
                                 : address;
}

// MemInfo::allows.
void check_alignment(Lowering& l, const Inst& inst, Value* address, MemInfo mem) {
    if (mem.bytes() == 1) {
        return;
    }
    const auto i64 = [&](u64 n) { return l.b.getInt64(n); };
    Value* misaligned = l.b.CreateICmpNE(l.b.CreateAnd(address, i64(mem.bytes() - 1)), i64(0));
    if (mem.within_16 && mem.bytes() < 16) {
        Value* const leaves =
            l.b.CreateICmpUGT(l.b.CreateAnd(address, i64(15)), i64(16 - mem.bytes()));
        misaligned = l.b.CreateAnd(misaligned, leaves);
    }
    l.leave_if(misaligned,
               [&] { l.leave_to_runtime(ir::ExitReason::Alignment, l.pc_of(inst), address); });
}

Value* checked_address(Lowering& l, const Inst& inst) {
    Value* const address = without_tag(l, l.value(inst.args[0]));
    check_alignment(l, inst, address, inst.mem());
    return address;
}

void full_fence(Lowering& l) { l.host_op({.kind = HostOpKind::Fence}, {}); }

namespace {

// As one value.
Value* address_of(Lowering& l, const Inst& inst) {
    Value* address = l.value(inst.args[0]);
    if (inst.args[1] != ir::kNoValue) {
        address =
            l.b.CreateAdd(address, l.b.CreateShl(l.value(inst.args[1]), inst.mem().index_shift));
    }
    return without_tag(l, l.b.CreateAdd(address, l.b.getInt64(ir::displacement_of(inst))));
}

// Operands of an access: base and index, with the rest of the address in `op`.
llvm::SmallVector<Value*, 3> address_operands(Lowering& l, const Inst& inst, HostOp& op) {
    const MemInfo mem = inst.mem();
    Value* base = l.value(inst.args[0]);
    Value* index = inst.args[1] == ir::kNoValue ? nullptr : l.value(inst.args[1]);
    constexpr unsigned kMaxHostShift = 3;
    const bool fits = static_cast<i64>(inst.imm) == static_cast<i32>(inst.imm);
    if (!mem.aligned && !l.options().mask_tags) {
        if (!fits) {
            base = l.b.CreateAdd(base, l.b.getInt64(inst.imm));
        } else {
            op.displacement = static_cast<i32>(inst.imm);
        }
        if (index == nullptr) {
            return {base};
        }
        op.has_index = true;
        if (mem.index_shift > kMaxHostShift) {
            index = l.b.CreateShl(index, mem.index_shift);
        } else {
            op.index_shift = mem.index_shift;
        }
        return {base, index};
    }
    if (index != nullptr) {
        base = l.b.CreateAdd(base, l.b.CreateShl(index, mem.index_shift));
    }
    Value* const address = without_tag(l, l.b.CreateAdd(base, l.b.getInt64(inst.imm)));
    if (mem.aligned) {
        check_alignment(l, inst, address, mem);
    }
    return {address};
}

// The others are zero.
void say_bits(Value* loaded, unsigned bits) {
    if (bits < 64) {
        llvm::MDBuilder metadata(loaded->getContext());
        llvm::cast<llvm::Instruction>(loaded)->setMetadata(
            llvm::LLVMContext::MD_range,
            metadata.createRange(llvm::APInt(64, 0), llvm::APInt(64, u64{1} << bits)));
    }
}

bool in_vector(ir::Type type) { return ir::in_vector_register(type) && type != ir::Type::F16; }

// x86 loads are acquire loads.
Value* lower_Load(Lowering& l, const Inst& inst) {
    const MemInfo mem = inst.mem();
    HostOp op{.kind = HostOpKind::Load, .size_log2 = mem.size_log2};
    const auto operands = address_operands(l, inst, op);
    op.vector = in_vector(inst.type);
    if (op.vector) {
        return l.faulting_op(std::move(op), inst, operands, l.type(inst.type));
    }
    op.sign_extends = mem.sign;
    op.wide = inst.type == ir::Type::I64;
    const unsigned known_bits = !mem.sign ? mem.bytes() * 8 : op.wide ? 64 : 32;
    Value* const loaded = l.faulting_op(std::move(op), inst, operands, l.int_type(64));
    say_bits(loaded, known_bits);
    return l.b.CreateTrunc(loaded, l.int_type(ir::bit_width(inst.type)));
}

// One that a store can have as its immediate.
const llvm::ConstantInt* small_constant(Value* v) {
    const auto* const constant = llvm::dyn_cast<llvm::ConstantInt>(v);
    constexpr unsigned kImmediateBits = 32;
    return constant != nullptr && constant->getValue().isSignedIntN(kImmediateBits) ? constant
                                                                                    : nullptr;
}

// x86 stores are release stores; an Arm store-release is also ordered before later load-acquires,
// which takes a full barrier.
Value* lower_Store(Lowering& l, const Inst& inst) {
    const MemInfo mem = inst.mem();
    HostOp op{.kind = HostOpKind::Store, .size_log2 = mem.size_log2};
    auto operands = address_operands(l, inst, op);
    const ValueId stored = inst.args[2];
    op.vector = in_vector(l.type_of(stored));
    if (op.vector) {
        operands.push_back(l.value(stored));
    } else if (Value* const bits = l.low_bits(stored, mem.bytes() * 8);
               const auto* constant = small_constant(bits)) {
        op.has_immediate = true;
        op.immediate = static_cast<i32>(constant->getSExtValue());
    } else {
        operands.push_back(bits);
    }
    l.faulting_op(std::move(op), inst, operands);
    if (mem.order == ir::MemOrder::Release || mem.order == ir::MemOrder::AcquireRelease) {
        full_fence(l);
    }
    return nullptr;
}

Value* lower_Prefetch(Lowering& l, const Inst& inst) {
    constexpr unsigned kAllCaches = 3, kData = 1;
    const bool writes = inst.mem().access == ir::Access::Writes;
    Value* const address = l.b.CreateIntToPtr(address_of(l, inst), l.b.getPtrTy());
    l.b.CreateIntrinsic(
        llvm::Intrinsic::prefetch, {address->getType()},
        {address, l.b.getInt32(writes), l.b.getInt32(kAllCaches), l.b.getInt32(kData)});
    return nullptr;
}

Value* lower_Fence(Lowering& l, const Inst& inst) {
    if (static_cast<ir::FenceKind>(inst.imm) == ir::FenceKind::Full) {
        full_fence(l);
    }
    return nullptr;
}

Value* lower_ZeroBlock(Lowering& l, const Inst& inst) {
    Value* const address = without_tag(l, l.value(inst.args[0]));
    constexpr u64 kBlockMask = ~u64{63};
    l.faulting_op({.kind = HostOpKind::ZeroBlock}, inst,
                  {l.b.CreateAnd(address, l.b.getInt64(kBlockMask)), l.zero_vector()});
    return nullptr;
}

Value* lower_Probe(Lowering& l, const Inst& inst) {
    l.faulting_op({.kind = HostOpKind::Probe}, inst, {without_tag(l, l.value(inst.args[0]))});
    return nullptr;
}

Value* lower_look(Lowering& l, const Inst& inst) {
    Value* const address = address_of(l, inst);
    if (inst.mem().aligned) {
        check_alignment(l, inst, address, inst.mem());
    }
    return l.look(inst, address);
}

} // namespace

void add_memory_lowerings(LowerTable& table) {
    table[Opcode::Load] = lower_Load;
    table[Opcode::Store] = lower_Store;
    table[Opcode::Prefetch] = lower_Prefetch;
    table[Opcode::Fence] = lower_Fence;
    table[Opcode::ZeroBlock] = lower_ZeroBlock;
    table[Opcode::Probe] = lower_Probe;
    table[Opcode::HostAddress] = table[Opcode::HostRange] = lower_look;
}

} // namespace ulna::backend::tier2
