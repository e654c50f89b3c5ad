// Atomics and exclusives. All stores among them are locked instructions, which are full barriers:
// every MemOrder is served. The monitor is address and value (CpuState::excl_*).
#include "backend/llvm/lower_memory.h"

namespace ulna::backend::tier2 {

namespace {

using ir::AtomicOp;
using ir::CpuState;

Value* operand64(Lowering& l, ValueId id) { return l.to_bits(id); }

// Old values come zero-extended in 64 bits.
Value* as_result(Lowering& l, Value* old64, ir::Type type) {
    return l.b.CreateTrunc(old64, l.type(type));
}

Value* locked(Lowering& l, const Inst& inst, HostOpKind kind, llvm::ArrayRef<Value*> operands) {
    return l.faulting_op({.kind = kind, .size_log2 = inst.mem().size_log2}, inst, operands,
                         l.int_type(64));
}

// The new value, of the access's width.
Value* combine(Lowering& l, AtomicOp op, Value* old, Value* operand) {
    using namespace llvm::Intrinsic;
    switch (op) {
    case AtomicOp::Clr:
        return l.b.CreateAnd(old, l.b.CreateNot(operand));
    case AtomicOp::Eor:
        return l.b.CreateXor(old, operand);
    case AtomicOp::Set:
        return l.b.CreateOr(old, operand);
    case AtomicOp::SMax:
        return l.b.CreateBinaryIntrinsic(smax, old, operand);
    case AtomicOp::SMin:
        return l.b.CreateBinaryIntrinsic(smin, old, operand);
    case AtomicOp::UMax:
        return l.b.CreateBinaryIntrinsic(umax, old, operand);
    default:
        return l.b.CreateBinaryIntrinsic(umin, old, operand);
    }
}

// Load, then compare and exchange until nobody was between.
Value* exchange_loop(Lowering& l, const Inst& inst, AtomicOp op, Value* address) {
    llvm::Type* const width = l.int_type(inst.mem().bytes() * 8);
    Value* const operand = l.b.CreateTrunc(operand64(l, inst.args[1]), width);
    HostOp load{.kind = HostOpKind::Load, .size_log2 = inst.mem().size_log2, .wide = true};
    Value* const first = l.faulting_op(std::move(load), inst, {address}, l.int_type(64));
    llvm::BasicBlock* const before = l.b.GetInsertBlock();
    llvm::BasicBlock* const again = l.new_block("again");
    llvm::BasicBlock* const done = l.new_block("done");
    l.b.CreateBr(again);
    l.b.SetInsertPoint(again);
    llvm::PHINode* const expected = l.b.CreatePHI(l.int_type(64), 2);
    Value* const fresh = combine(l, op, l.b.CreateTrunc(expected, width), operand);
    Value* const old =
        locked(l, inst, HostOpKind::CompareExchange, {address, expected, l.zext_to(fresh, 64)});
    expected->addIncoming(first, before);
    expected->addIncoming(old, l.b.GetInsertBlock());
    l.b.CreateCondBr(l.b.CreateICmpEQ(old, expected), done, again);
    l.b.SetInsertPoint(done);
    return old;
}

Value* lower_AtomicRmw(Lowering& l, const Inst& inst) {
    const auto op = static_cast<AtomicOp>(inst.imm);
    Value* const address = checked_address(l, inst);
    Value* old = nullptr;
    if (op == AtomicOp::Add || op == AtomicOp::Swp) {
        old = locked(l, inst, op == AtomicOp::Add ? HostOpKind::FetchAdd : HostOpKind::Exchange,
                     {address, operand64(l, inst.args[1])});
    } else {
        l.prepare_state(inst); // the loop's state must not be made inside it
        old = exchange_loop(l, inst, op, address);
    }
    return as_result(l, old, inst.type);
}

Value* exchange_16(Lowering& l, const Inst& inst, Value* address, Value* expected, Value* desired) {
    return l.faulting_op({.kind = HostOpKind::CompareExchange16, .size_log2 = 4, .vector = true},
                         inst, {address, expected, desired}, l.v128());
}

Value* lower_Cas(Lowering& l, const Inst& inst) {
    Value* const address = checked_address(l, inst);
    if (inst.mem().size_log2 == 4) {
        return exchange_16(l, inst, address, l.value(inst.args[1]), l.value(inst.args[2]));
    }
    return as_result(l,
                     locked(l, inst, HostOpKind::CompareExchange,
                            {address, operand64(l, inst.args[1]), operand64(l, inst.args[2])}),
                     inst.type);
}

// --- exclusives

Value* monitor_value(Lowering& l, unsigned half) {
    return l.cell(offsetof(CpuState, excl_value) + half * 8);
}
Value* monitor_address(Lowering& l) { return l.cell(offsetof(CpuState, excl_addr)); }
Value* monitor_bytes(Lowering& l) { return l.cell(offsetof(CpuState, excl_bytes)); }

Value* lower_LoadExcl(Lowering& l, const Inst& inst) {
    Value* const address = checked_address(l, inst);
    const bool wide = inst.mem().size_log2 == 4;
    HostOp op{
        .kind = HostOpKind::Load, .size_log2 = inst.mem().size_log2, .wide = true, .vector = wide};
    Value* const loaded = l.faulting_op(std::move(op), inst, {address},
                                        wide ? static_cast<llvm::Type*>(l.v128()) : l.int_type(64));
    l.b.CreateStore(loaded, monitor_value(l, 0));
    if (!wide) {
        l.b.CreateStore(l.b.getInt64(0), monitor_value(l, 1));
    }
    l.b.CreateStore(address, monitor_address(l));
    l.b.CreateStore(l.b.getInt32(inst.mem().bytes()), monitor_bytes(l));
    return wide ? loaded : as_result(l, loaded, inst.type);
}

Value* exchange_with_monitor(Lowering& l, const Inst& inst, Value* address) {
    if (inst.mem().size_log2 == 4) {
        Value* const expected = l.b.CreateLoad(l.v128(), monitor_value(l, 0));
        Value* const old = exchange_16(l, inst, address, expected, l.value(inst.args[1]));
        llvm::Type* const whole = l.int_type(128);
        return l.b.CreateICmpNE(l.b.CreateBitCast(old, whole), l.b.CreateBitCast(expected, whole));
    }
    Value* const expected = l.b.CreateLoad(l.int_type(64), monitor_value(l, 0));
    Value* const old = locked(l, inst, HostOpKind::CompareExchange,
                              {address, expected, operand64(l, inst.args[1])});
    return l.b.CreateICmpNE(old, expected);
}

// 0 when the exchange was made, else 1; the monitor is disarmed either way.
Value* lower_StoreExcl(Lowering& l, const Inst& inst) {
    Value* const address = checked_address(l, inst);
    l.prepare_state(inst);
    Value* const armed = l.b.CreateAnd(
        l.b.CreateICmpEQ(l.b.CreateLoad(l.b.getInt32Ty(), monitor_bytes(l)),
                         l.b.getInt32(inst.mem().bytes())),
        l.b.CreateICmpEQ(l.b.CreateLoad(l.int_type(64), monitor_address(l)), address));
    llvm::BasicBlock* const before = l.b.GetInsertBlock();
    llvm::BasicBlock* const attempt = l.new_block("attempt");
    llvm::BasicBlock* const done = l.new_block("done");
    l.b.CreateCondBr(armed, attempt, done);
    l.b.SetInsertPoint(attempt);
    Value* const failed = exchange_with_monitor(l, inst, address);
    llvm::BasicBlock* const attempted = l.b.GetInsertBlock();
    l.b.CreateBr(done);
    l.b.SetInsertPoint(done);
    llvm::PHINode* const status = l.b.CreatePHI(l.b.getInt1Ty(), 2);
    status->addIncoming(l.b.getTrue(), before);
    status->addIncoming(failed, attempted);
    l.b.CreateStore(l.b.getInt32(0), monitor_bytes(l));
    return l.zext_to(status, 32);
}

Value* lower_ClearExcl(Lowering& l, const Inst&) {
    l.b.CreateStore(l.b.getInt32(0), monitor_bytes(l));
    return nullptr;
}

} // namespace

void add_atomic_lowerings(LowerTable& table) {
    table[Opcode::AtomicRmw] = lower_AtomicRmw;
    table[Opcode::Cas] = lower_Cas;
    table[Opcode::LoadExcl] = lower_LoadExcl;
    table[Opcode::StoreExcl] = lower_StoreExcl;
    table[Opcode::ClearExcl] = lower_ClearExcl;
}

} // namespace ulna::backend::tier2
