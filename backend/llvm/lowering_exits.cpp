// How control leaves a block: to another one of the function, to another function of the region,
// out of the region, to the runtime.
#include <algorithm>

#include "backend/llvm/lowering.h"

namespace ulna::backend::tier2 {

BasicBlock* Lowering::new_block(const char* name) {
    return BasicBlock::Create(module_.context, name, function_);
}

llvm::MDNode* Lowering::unlikely() {
    return llvm::MDBuilder(module_.context).createBranchWeights(1, 1u << 20);
}
// The cases of a switch, without its default.
llvm::MDNode* Lowering::equally_likely(std::size_t cases) {
    std::vector<u32> weights(cases + 1, 1u << 10);
    weights[0] = 1;
    return llvm::MDBuilder(module_.context).createBranchWeights(weights);
}
llvm::MDNode* Lowering::likely() {
    return llvm::MDBuilder(module_.context).createBranchWeights(1u << 20, 1);
}

llvm::SmallVector<Value*, kArgumentCount> Lowering::state_arguments(Value* rax) {
    llvm::SmallVector<Value*, kArgumentCount> args(argument_count(vectors_));
    args[kPcArgument] = rax != nullptr ? rax : llvm::PoisonValue::get(b.getInt64Ty());
    args[kStateArgument] = state_;
    for (unsigned number = 0; number < ir::kSlotCount; ++number) {
        if (is_argument(number)) {
            args[kArgumentOfSlot[number]] = get(static_cast<ir::Slot>(number));
        }
    }
    return args;
}

void Lowering::tail_call(llvm::Function* to, Value* rax) {
    llvm::CallInst* const call =
        b.CreateCall(function_->getFunctionType(), to, state_arguments(rax));
    add_call_attributes(*call);
    call->setTailCallKind(llvm::CallInst::TCK_MustTail);
    b.CreateRetVoid();
}

void Lowering::leave_by(const ExitStub& exit, Value* rax) {
    tail_call(module_.exit_function(exit), rax);
}

void Lowering::leave_to_runtime(ir::ExitReason reason, GuestAddr pc, Value* exit_arg) {
    if (exit_arg != nullptr) {
        b.CreateStore(exit_arg, cell(offsetof(ir::CpuState, exit_arg)));
    }
    write_back(true);
    leave_by({.kind = ExitStub::Kind::Leave, .target = pc, .reason = reason});
}

// At the beginning of a node.
void Lowering::poll() {
    constexpr auto kNzcv = static_cast<unsigned>(ir::Slot::NZCV);
    const bool nzcv_live = module_.flags.at(node_);
    const GuestAddr resume = block_->key.pc;
    if (nzcv_live && current_.dirty[kNzcv]) { // packing them is for the cold way
        Value* const pending =
            b.CreateLoad(b.getInt32Ty(), cell(offsetof(ir::CpuState, pending)), true);
        leave_if(b.CreateICmpNE(pending, b.getInt32(0)), [&] {
            write_back(nzcv_live);
            leave_by({.kind = ExitStub::Kind::Safepoint, .target = resume});
        });
        return;
    }
    HostOp op{.kind = HostOpKind::Poll};
    op.exit = module_.exit_number({.kind = ExitStub::Kind::Safepoint, .target = resume});
    op.live = shown_slots(nzcv_live);
    host_op(std::move(op), {cell(ir::kStateBias)});
}

void Lowering::go_to(GuestAddr target, GuestAddr from, bool nzcv_live) {
    go_to(module_.graph.node_at(node_, target), target, from, nzcv_live);
}
void Lowering::go_to(int node, GuestAddr target, GuestAddr from, bool nzcv_live) {
    if (node == RegionGraph::kNone) {
        leave_to(target, target <= from, nzcv_live);
    } else {
        enter(node, nzcv_live);
    }
}

// Out of an inlined call: the host frame that it did not make is made now.
void Lowering::leave_to(GuestAddr target, bool is_backward, bool nzcv_live) {
    write_back(nzcv_live);
    const RegionGraph::InlinedCall* const call = module_.graph.inlined_call(node_);
    const bool pairs = call != nullptr && module_.options.call_return_pairing;
    leave_by({.kind = pairs ? ExitStub::Kind::Call : ExitStub::Kind::Link,
              .target = target,
              .return_to = pairs ? call->return_to : 0,
              .checks_pending = is_backward});
}

void Lowering::enter(int node, bool nzcv_live) {
    nzcv_live = nzcv_live && module_.flags.at(node);
    if (leaves_function(node)) {
        write_back(nzcv_live);
        const int entry = module_.graph.function_of_entry(node);
        tail_call(module_.functions[static_cast<unsigned>(entry)], nullptr);
        return;
    }
    store_variables(nzcv_live);
    b.CreateBr(basic_blocks_[static_cast<unsigned>(node)]);
}

void Lowering::lower_return(Value* target, bool nzcv_live, bool pairing) {
    if (const auto* call = module_.graph.inlined_call(node_)) {
        leave_if(b.CreateICmpNE(target, b.getInt64(call->return_to)), [&] {
            write_back(nzcv_live);
            leave_by({.kind = ExitStub::Kind::Indirect}, target);
        });
        enter(module_.graph.return_node(node_), nzcv_live);
        return;
    }
    write_back(nzcv_live);
    leave_by({.kind = pairing ? ExitStub::Kind::Return : ExitStub::Kind::Indirect}, target);
}

// Likely targets are inlined, one after the other.
void Lowering::lower_call_indirect(const ir::ExitCallIndirect& exit, bool nzcv_live, bool pairing) {
    Value* const target = value(exit.target);
    for (const GuestAddr guess : module_.graph.guesses(node_)) {
        const int callee = module_.graph.callee(node_, guess);
        if (callee == RegionGraph::kNone) {
            continue;
        }
        BasicBlock* const call = new_block("call");
        BasicBlock* const next = new_block("next");
        b.CreateCondBr(b.CreateICmpEQ(target, b.getInt64(guess)), call, next, likely());
        const Current before = current_;
        b.SetInsertPoint(call);
        enter(callee, nzcv_live);
        current_ = before;
        b.SetInsertPoint(next);
    }
    write_back(nzcv_live);
    leave_by({.kind = pairing ? ExitStub::Kind::CallIndirect : ExitStub::Kind::Indirect,
              .return_to = pairing ? exit.return_to : 0,
              .btype = exit.btype},
             target);
}

// Likely targets become a switch, of the distance from the lowest in instructions: LLVM makes a
// table of jumps of it when they are many and dense.
void Lowering::lower_indirect(const ir::ExitIndirect& exit, bool nzcv_live) {
    Value* const target = value(exit.target);
    BasicBlock* const other = new_block("other");
    std::vector<GuestAddr> guesses = module_.graph.guesses(node_);
    std::erase_if(guesses, [&](GuestAddr guess) {
        return module_.graph.node_at(node_, guess) == RegionGraph::kNone;
    });
    if (guesses.empty()) {
        b.CreateBr(other);
    } else {
        const GuestAddr lowest = *std::min_element(guesses.begin(), guesses.end());
        const auto distance = [&](Value* pc) {
            Value* const bytes = b.CreateSub(pc, b.getInt64(lowest));
            constexpr u64 kInstructionShift = 2;
            return b.CreateIntrinsic(llvm::Intrinsic::fshr, {b.getInt64Ty()},
                                     {bytes, bytes, b.getInt64(kInstructionShift)});
        };
        llvm::SwitchInst* const dispatch =
            b.CreateSwitch(distance(target), other, static_cast<unsigned>(guesses.size()),
                           equally_likely(guesses.size()));
        const Current before = current_;
        for (const GuestAddr guess : guesses) {
            BasicBlock* const to = new_block("guess");
            dispatch->addCase(b.getInt64((guess - lowest) / 4), to);
            b.SetInsertPoint(to);
            enter(module_.graph.node_at(node_, guess), nzcv_live);
            current_ = before;
        }
    }
    b.SetInsertPoint(other);
    write_back(nzcv_live);
    leave_by({.kind = ExitStub::Kind::Indirect, .btype = exit.btype}, target);
}

void Lowering::lower_exit() {
    const bool live = block_->nzcv_live_out;
    const GuestAddr from = block_->guest_pcs.empty() ? block_->key.pc : block_->guest_pcs.back();
    const bool pairing = module_.options.call_return_pairing;
    struct Visitor {
        Lowering& l;
        const bool live, pairing;
        const GuestAddr from;
        void operator()(const ir::ExitDirect& exit) {
            l.go_to(l.module_.graph.target_of(l.node_, exit), exit.target, from, live);
        }
        void operator()(const ir::ExitCond& exit) {
            BasicBlock* const taken = l.new_block("taken");
            BasicBlock* const not_taken = l.new_block("not_taken");
            l.b.CreateCondBr(l.value(exit.condition), taken, not_taken);
            const Current before = l.current_;
            l.b.SetInsertPoint(taken);
            l.go_to(exit.taken, from, live);
            l.current_ = before;
            l.b.SetInsertPoint(not_taken);
            l.go_to(exit.not_taken, from, live);
        }
        void operator()(const ir::ExitIndirect& exit) { l.lower_indirect(exit, live); }
        void operator()(const ir::ExitCall& exit) {
            const int callee = l.module_.graph.callee(l.node_, exit.target);
            if (callee != RegionGraph::kNone) {
                l.enter(callee, live);
                return;
            }
            l.write_back(live);
            l.leave_by({.kind = pairing ? ExitStub::Kind::Call : ExitStub::Kind::Link,
                        .target = exit.target,
                        .return_to = pairing ? exit.return_to : 0,
                        .checks_pending = exit.target <= from});
        }
        void operator()(const ir::ExitCallIndirect& exit) {
            l.lower_call_indirect(exit, live, pairing);
        }
        void operator()(const ir::ExitReturn& exit) {
            l.lower_return(l.value(exit.target), live, pairing);
        }
        void operator()(const ir::ExitTo& exit) {
            l.leave_to_runtime(exit.reason, exit.pc,
                               exit.arg != ir::kNoValue ? l.value(exit.arg)
                                                        : l.b.getInt64(exit.imm));
        }
    };
    std::visit(Visitor{*this, live, pairing, from}, block_->exit);
}

} // namespace ulna::backend::tier2
