// Opaque host instructions, and operations that are evaluated out of line.
#include "backend/llvm/lowering.h"

namespace ulna::backend::tier2 {

Value* Lowering::host_op(HostOp op, llvm::ArrayRef<Value*> operands, llvm::Type* result) {
    // anyregcc must have a result: without one, a register is named and never written.
    llvm::Type* const result_type = result != nullptr ? result : b.getInt64Ty();
    op.operand_count = static_cast<u8>(operands.size());
    const u64 number = module_.host_ops.size() | flags_of(op.kind);
    llvm::SmallVector<Value*, 40> args = {b.getInt64(number), b.getInt32(reserved_bytes(op)),
                                          llvm::ConstantPointerNull::get(b.getPtrTy()),
                                          b.getInt32(static_cast<u32>(operands.size()))};
    args.append(operands.begin(), operands.end());
    for (const ir::Slot slot : op.live) {
        const auto number = static_cast<unsigned>(slot);
        args.push_back(in_frame_[number]        ? variables_[number].parts[0]
                       : slot == ir::Slot::NZCV ? pack(get_nzcv())
                                                : get(slot));
    }
    auto* const callee = llvm::Intrinsic::getDeclaration(
        &module_.module, llvm::Intrinsic::experimental_patchpoint, {result_type});
    llvm::CallInst* const call = b.CreateCall(callee, args);
    call->setCallingConv(llvm::CallingConv::AnyReg);
    call->setDoesNotThrow();
    module_.host_ops.push_back(std::move(op));
    return call;
}

Value* Lowering::faulting_op(HostOp op,
                             const Inst& inst,
                             llvm::ArrayRef<Value*> operands,
                             llvm::Type* result) {
    if (mode().system()) { // where a look has found bytes, there is no fault
        return host_op(std::move(op), operands, result);
    }
    op.faults = true;
    op.guest_index =
        module_.first_guest_pc[static_cast<unsigned>(module_.graph.block_index(node_))] +
        (block_->guest_pcs.empty() ? 0 : inst.guest_index);
    op.live = shown_slots(flags_live_after_[id_of(inst)]);
    return host_op(std::move(op), operands, result);
}

// Where there is no place it leaves: a range to the block that does without.
Value* Lowering::look(const Inst& inst, Value* address) {
    const GuestAddr pc = pc_of(inst);
    HostOp op{.kind = HostOpKind::Look};
    op.look = page_look(*block_, inst, pc);
    op.exit =
        module_.exit_number(op.look.is_range ? module_.exit_without_ranges(pc)
                                             : ExitStub{.kind = ExitStub::Kind::Leave,
                                                        .target = pc,
                                                        .reason = ir::ExitReason::MemoryAccess});
    op.live = shown_slots(flags_live_after_[id_of(inst)]);
    return host_op(std::move(op), {address, state_});
}

namespace {
constexpr unsigned kResultScratch = 4;
std::size_t scratch_offset(unsigned index) {
    return offsetof(ir::CpuState, scratch) + index * sizeof(V128);
}
} // namespace

Value* Lowering::eval(const Inst& inst) {
    for (unsigned k = 0; k < inst.arg_count; ++k) {
        const ValueId id = inst.args[k];
        if (id != ir::kNoValue && type_of(id) == ir::Type::V128) {
            b.CreateStore(value(id), cell(scratch_offset(k)));
        } else {
            b.CreateStore(id == ir::kNoValue ? b.getInt64(0) : to_bits(id),
                          cell(scratch_offset(k)));
            b.CreateStore(b.getInt64(0), cell(scratch_offset(k) + 8));
        }
    }
    HostOp op{.kind = HostOpKind::Eval};
    op.params = ir::params_of(*block_, inst);
    host_op(std::move(op), {state_});
    if (inst.type == ir::Type::Void) {
        return nullptr;
    }
    if (inst.type == ir::Type::V128) {
        return b.CreateLoad(v128(), cell(scratch_offset(kResultScratch)));
    }
    Value* const bits = b.CreateLoad(b.getInt64Ty(), cell(scratch_offset(kResultScratch)));
    if (inst.type == ir::Type::Nzcv) {
        set_flags(inst, unpack(b.CreateTrunc(bits, b.getInt32Ty())));
        return nullptr;
    }
    return from_bits(bits, inst.type);
}

Value* Lowering::with_exact(const Inst& inst, Value* fast, Value* inexact) {
    BasicBlock* const from = b.GetInsertBlock();
    BasicBlock* const exact = new_block("exact");
    BasicBlock* const join = new_block("join");
    b.CreateCondBr(inexact, exact, join, unlikely());
    return join_exact(inst, fast, from, exact, join);
}

Value* Lowering::join_exact(
    const Inst& inst, Value* fast, BasicBlock* fast_end, BasicBlock* exact, BasicBlock* join) {
    b.SetInsertPoint(exact);
    Value* const slow = eval(inst);
    BasicBlock* const exact_end = b.GetInsertBlock();
    b.CreateBr(join);
    b.SetInsertPoint(join);
    llvm::PHINode* const phi = b.CreatePHI(fast->getType(), 2);
    phi->addIncoming(fast, fast_end);
    phi->addIncoming(slow, exact_end);
    return phi;
}

} // namespace ulna::backend::tier2
