#include "backend/llvm/lowering.h"

#include <algorithm>

#include "ir/support/check.h"

namespace ulna::backend::tier2 {

namespace {

constexpr auto kPinNumber = [] { // argument number by slot, 0: not pinned
    std::array<u8, ir::kSlotCount> table{};
    for (unsigned i = 0; i < kPinnedGprs.size(); ++i) {
        table[static_cast<unsigned>(kPinnedGprs[i].slot)] = static_cast<u8>(kFirstGprArgument + i);
    }
    for (unsigned i = 0; i < kPinnedVecs.size(); ++i) {
        table[static_cast<unsigned>(kPinnedVecs[i])] = static_cast<u8>(kFirstVecArgument + i);
    }
    return table;
}();

// System registers stay in memory: helpers see and change them.
bool is_cached(ir::Slot slot) {
    return ir::is_gpr(slot) || ir::is_vec(slot) || slot == ir::Slot::NZCV;
}
bool is_pinned(unsigned slot) { return kPinNumber[slot] != 0; }

const LowerTable& lower_table() {
    static const LowerTable table = [] {
        LowerTable t;
        add_int_lowerings(t);
        add_flag_lowerings(t);
        add_memory_lowerings(t);
        add_atomic_lowerings(t);
        add_fp_lowerings(t);
        add_vec_lowerings(t);
        return t;
    }();
    return table;
}

} // namespace

RegionModule::RegionModule(const Region& region, const Options& chosen)
    : options{chosen}, graph{region, chosen.inline_calls}, flags{graph}, module{"region", context} {
    constexpr unsigned kStackAlignment = 8; // frames hold return addresses, of any number
    module.addModuleFlag(llvm::Module::Error, "override-stack-alignment", kStackAlignment);
    for (const ir::Block* block : region.blocks) {
        first_guest_pc.push_back(static_cast<u32>(guest_pcs.size()));
        guest_pcs.insert(guest_pcs.end(), block->guest_pcs.begin(), block->guest_pcs.end());
        if (block->guest_pcs.empty()) {
            guest_pcs.push_back(block->key.pc);
        }
    }
    for (std::size_t i = 0; i < graph.entries().size(); ++i) {
        functions.push_back(declare_function(module, "entry_" + std::to_string(i),
                                             vectors_of(static_cast<int>(i))));
    }
}

namespace {
bool needs_vectors(const Inst& inst) {
    return !inst.dead && (ir::in_vector_register(inst.type) || inst.op == Opcode::ZeroBlock ||
                          (inst.op == Opcode::Set && ir::is_vec(inst.slot())));
}
} // namespace

Vectors RegionModule::vectors_of(int function) const {
    for (const int node : graph.nodes_of(function)) {
        const auto& insts = graph.block(node).insts;
        if (std::any_of(insts.begin(), insts.end(), needs_vectors)) {
            return Vectors::Pinned;
        }
    }
    return Vectors::None;
}

llvm::Function* RegionModule::exit_function(const ExitStub& exit) {
    for (std::size_t i = 0; i < exits.size(); ++i) {
        if (exits[i] == exit) {
            return exit_functions[i];
        }
    }
    exit_functions.push_back(
        declare_function(module, "exit_" + std::to_string(exits.size()), Vectors::None));
    exits.push_back(exit);
    return exit_functions.back();
}

bool can_lower(const ir::Block& block) {
    return std::all_of(block.insts.begin(), block.insts.end(), [](const Inst& inst) {
        return inst.dead || ir::has_eval(inst.op) ||
               lower_table().fn[static_cast<unsigned>(inst.op)] != nullptr;
    });
}

void lower(RegionModule& module) {
    for (std::size_t i = 0; i < module.functions.size(); ++i) {
        Lowering(module, static_cast<int>(i)).run();
    }
}

Lowering::Lowering(RegionModule& module, int function)
    : b{module.context},
      module_{module},
      number_{function},
      function_{module.functions[static_cast<unsigned>(function)]},
      vectors_{module.vectors_of(function)} {
    function_->addFnAttr(llvm::Attribute::StrictFP);
    add_stack_probe(*function_);
    b.setIsFPConstrained(true);
    b.setDefaultConstrainedExcept(llvm::fp::ebStrict);
    b.setDefaultConstrainedRounding(llvm::RoundingMode::Dynamic);
}

void Lowering::run() {
    find_slots();
    find_in_cells();
    find_dirty();
    find_lazy();
    entry_ = new_block("entry");
    b.SetInsertPoint(entry_);
    state_ = function_->getArg(kStateArgument);
    make_variables();
    const std::vector<int>& nodes = module_.graph.nodes_of(number_);
    basic_blocks_.assign(module_.graph.node_count(), nullptr);
    for (const int node : nodes) {
        basic_blocks_[static_cast<unsigned>(node)] = new_block("block");
    }
    b.CreateBr(basic_blocks_[static_cast<unsigned>(nodes[0])]);
    for (const int node : nodes) {
        lower_node(node);
    }
}

// --- slots

bool Lowering::is_argument(unsigned slot) const {
    return is_pinned(slot) && kPinNumber[slot] < argument_count(vectors_);
}

void Lowering::find_slots() {
    for (unsigned slot = 0; slot < ir::kSlotCount; ++slot) {
        used_[slot] = is_argument(slot);
    }
    for (const int node : module_.graph.nodes_of(number_)) {
        for (const Inst& inst : module_.graph.block(node).insts) {
            if (!inst.dead && (inst.op == Opcode::Get || inst.op == Opcode::Set) &&
                is_cached(inst.slot())) {
                used_.set(static_cast<unsigned>(inst.slot()));
            }
        }
    }
}

// As many guest registers are values as the host has registers for: more of them would be spilled
// and read again around each access, whose fault must be able to show them. The pinned ones are
// values anyway; of the others, those that loops name most often.
void Lowering::find_in_cells() {
    constexpr unsigned kMostGprs = 10, kMostVecs = 13, kLoopWeight = 8;
    std::array<u32, ir::kSlotCount> uses{};
    for (const int node : module_.graph.nodes_of(number_)) {
        const u32 weight = is_in_cycle(node) ? kLoopWeight : 1;
        for (const Inst& inst : module_.graph.block(node).insts) {
            if (!inst.dead && (inst.op == Opcode::Get || inst.op == Opcode::Set)) {
                uses[static_cast<unsigned>(inst.slot())] += weight;
            }
        }
    }
    const auto limit = [&](unsigned most, bool (*is_of_kind)(ir::Slot)) {
        std::vector<unsigned> others;
        for (unsigned slot = 0; slot < ir::kSlotCount; ++slot) {
            if (!is_of_kind(static_cast<ir::Slot>(slot)) || uses[slot] == 0) {
                continue;
            }
            if (!is_pinned(slot)) {
                others.push_back(slot);
            } else if (most != 0) {
                --most;
            }
        }
        std::stable_sort(others.begin(), others.end(),
                         [&](unsigned x, unsigned y) { return uses[x] > uses[y]; });
        for (std::size_t i = most; i < others.size(); ++i) {
            in_cells_.set(others[i]);
        }
    };
    limit(kMostGprs, ir::is_gpr);
    limit(kMostVecs, ir::is_vec);
}

// Whether the slot is a value of this function.
bool Lowering::is_value(ir::Slot slot) const {
    return is_cached(slot) && !in_cells_[static_cast<unsigned>(slot)];
}

// Whether going to the node is a jump to another function.
bool Lowering::leaves_function(int node) const {
    const int entry = module_.graph.function_of_entry(node);
    return entry != RegionGraph::kNone && entry != number_;
}

void Lowering::find_dirty() {
    constexpr auto kNzcv = static_cast<unsigned>(ir::Slot::NZCV);
    const RegionGraph& graph = module_.graph;
    const std::vector<int>& nodes = graph.nodes_of(number_);
    dirty_at_.assign(graph.node_count(), {});
    dirty_at_[static_cast<unsigned>(nodes[0])].must.reset();
    for (bool changed = true; changed;) {
        changed = false;
        for (const int node : nodes) {
            Dirty dirty = dirty_at_[static_cast<unsigned>(node)];
            const auto flow = [&](int to) {
                if (to == RegionGraph::kNone || leaves_function(to)) {
                    return;
                }
                Dirty out = dirty;
                out.may[kNzcv] = out.may[kNzcv] && module_.flags.at(to);
                Dirty& in = dirty_at_[static_cast<unsigned>(to)];
                changed =
                    changed || (in.may | out.may) != in.may || (in.must & out.must) != in.must;
                in.may |= out.may;
                in.must &= out.must;
            };
            for (const Inst& inst : graph.block(node).insts) {
                if (inst.dead) {
                    continue;
                }
                if (inst.op == Opcode::Set && is_value(inst.slot())) {
                    dirty.may.set(static_cast<unsigned>(inst.slot()));
                    dirty.must.set(static_cast<unsigned>(inst.slot()));
                } else if (inst.op == Opcode::ExitIf && inst.aux != ir::kExitIfContextSync) {
                    flow(graph.node_at(node, inst.imm));
                }
            }
            graph.for_exits(node, flow);
        }
    }
}

// A slot is read when the function begins only where that pays, or has to be: where a loop reads
// what it had then, or ways meet of which only some have written it.
void Lowering::find_lazy() {
    lazy_ = used_;
    for (const int node : module_.graph.nodes_of(number_)) {
        const Dirty& dirty = dirty_at_[static_cast<unsigned>(node)];
        lazy_ &= ~dirty.may | dirty.must;
        if (!is_in_cycle(node)) {
            continue;
        }
        SlotSet clean = ~dirty.may;
        for (const Inst& inst : module_.graph.block(node).insts) {
            if (inst.dead || (inst.op != Opcode::Get && inst.op != Opcode::Set)) {
                continue;
            }
            const auto slot = static_cast<unsigned>(inst.slot());
            if (inst.op == Opcode::Get && clean[slot]) {
                lazy_.reset(slot);
            }
            clean.reset(slot);
        }
    }
}

bool Lowering::is_in_cycle(int node) const {
    std::vector<bool> seen(module_.graph.node_count());
    std::vector<int> work = {node};
    while (!work.empty()) {
        const int from = work.back();
        work.pop_back();
        module_.graph.for_successors(from, [&](int to) {
            if (!leaves_function(to) && !seen[static_cast<unsigned>(to)]) {
                seen[static_cast<unsigned>(to)] = true;
                work.push_back(to);
            }
        });
    }
    return seen[static_cast<unsigned>(node)];
}

// Variables of the slots, for LLVM to make values of.
void Lowering::make_variables() {
    for (unsigned number = 0; number < ir::kSlotCount; ++number) {
        if (!used_[number] || in_cells_[number]) {
            continue;
        }
        const auto slot = static_cast<ir::Slot>(number);
        auto& parts = variables_[number].parts;
        if (slot == ir::Slot::NZCV) {
            for (unsigned i = 0; i < Flags::kCount; ++i) {
                parts[i] = b.CreateAlloca(b.getInt1Ty());
            }
            if (!lazy_[number]) {
                const auto all = all_flags(load_nzcv());
                for (unsigned i = 0; i < Flags::kCount; ++i) {
                    b.CreateStore(all[i], parts[i]);
                }
            }
            continue;
        }
        llvm::Type* const its_type = type(ir::slot_type(slot));
        parts[0] = b.CreateAlloca(its_type);
        if (is_argument(number)) {
            b.CreateStore(function_->getArg(kPinNumber[number]), parts[0]);
        } else if (!lazy_[number]) {
            b.CreateStore(b.CreateLoad(its_type, cell(ir::slot_offset(slot))), parts[0]);
        }
    }
}

// Whether the slot has no variable to read here.
bool Lowering::reads_cell(unsigned slot) const {
    return in_cells_[slot] || (lazy_[slot] && !is_argument(slot) && !current_.dirty[slot]);
}

Flags Lowering::load_nzcv() {
    return unpack(b.CreateLoad(b.getInt32Ty(), cell(ir::slot_offset(ir::Slot::NZCV))));
}

Value* Lowering::cell(std::size_t offset) {
    return b.CreateGEP(b.getInt8Ty(), state_,
                       b.getInt64(static_cast<u64>(static_cast<i64>(offset) - ir::kStateBias)));
}

Value* Lowering::get(ir::Slot slot) {
    const auto number = static_cast<unsigned>(slot);
    if (!is_cached(slot)) {
        return b.CreateLoad(type(ir::slot_type(slot)), cell(ir::slot_offset(slot)));
    }
    Value*& now = current_.slots[number];
    if (now == nullptr) {
        Value* const from =
            reads_cell(number) ? cell(ir::slot_offset(slot)) : variables_[number].parts[0];
        now = b.CreateLoad(type(ir::slot_type(slot)), from);
    }
    return now;
}

void Lowering::set(ir::Slot slot, Value* v) {
    if (!is_cached(slot)) {
        b.CreateStore(v, cell(ir::slot_offset(slot)));
        return;
    }
    const auto number = static_cast<unsigned>(slot);
    current_.slots[number] = v;
    if (in_cells_[number]) {
        b.CreateStore(v, cell(ir::slot_offset(slot)));
        return;
    }
    current_.dirty.set(number);
    current_.changed.set(number);
}

Flags Lowering::get_nzcv() {
    constexpr auto kNzcv = static_cast<unsigned>(ir::Slot::NZCV);
    if (!current_.nzcv && reads_cell(kNzcv)) {
        current_.nzcv = load_nzcv();
    } else if (!current_.nzcv) {
        std::array<Value*, Flags::kCount> all;
        for (unsigned i = 0; i < Flags::kCount; ++i) {
            all[i] = b.CreateLoad(b.getInt1Ty(), variables_[kNzcv].parts[i]);
        }
        current_.nzcv = Flags::of(all);
    }
    return *current_.nzcv;
}

void Lowering::set_nzcv(const Flags& flags) {
    constexpr auto kNzcv = static_cast<unsigned>(ir::Slot::NZCV);
    current_.nzcv = flags;
    current_.dirty.set(kNzcv);
    current_.changed.set(kNzcv);
}

void Lowering::set_qc(Value* saturated) {
    BasicBlock* const sets = new_block("saturated");
    BasicBlock* const next = new_block("next");
    b.CreateCondBr(saturated, sets, next, unlikely());
    b.SetInsertPoint(sets);
    Value* const fpsr = cell(offsetof(ir::CpuState, fpsr));
    b.CreateStore(b.CreateOr(b.CreateLoad(b.getInt32Ty(), fpsr), b.getInt32(ir::fpsr::kQC)), fpsr);
    b.CreateBr(next);
    b.SetInsertPoint(next);
}

// For the next block of the function.
void Lowering::store_variables(bool nzcv_live) {
    for (unsigned number = 0; number < ir::kSlotCount; ++number) {
        if (!current_.changed[number]) {
            continue;
        }
        const auto& parts = variables_[number].parts;
        if (static_cast<ir::Slot>(number) != ir::Slot::NZCV) {
            b.CreateStore(current_.slots[number], parts[0]);
        } else if (nzcv_live) {
            const auto all = all_flags(*current_.nzcv);
            for (unsigned i = 0; i < Flags::kCount; ++i) {
                b.CreateStore(all[i], parts[i]);
            }
        }
    }
}

// Makes CpuState canonical; pinned registers travel as arguments.
void Lowering::write_back(bool nzcv_live) {
    for (unsigned number = 0; number < ir::kSlotCount; ++number) {
        const auto slot = static_cast<ir::Slot>(number);
        if (!current_.dirty[number] || is_pinned(number)) {
            continue;
        }
        if (slot != ir::Slot::NZCV) {
            b.CreateStore(get(slot), cell(ir::slot_offset(slot)));
        } else if (nzcv_live) {
            b.CreateStore(pack(get_nzcv()), cell(ir::slot_offset(slot)));
        }
    }
}

// --- blocks

void Lowering::lower_node(int node) {
    block_ = &module_.graph.block(node);
    node_ = node;
    current_ = {};
    current_.dirty = dirty_at_[static_cast<unsigned>(node)].may;
    values_.assign(block_->insts.size(), nullptr);
    flags_.assign(block_->insts.size(), {});
    flags_live_after_ = module_.flags.after_instructions(node);
    b.SetInsertPoint(basic_blocks_[static_cast<unsigned>(node)]);
    if (module_.graph.is_loop_head(node)) {
        poll();
    }
    for (const Inst& inst : block_->insts) {
        if (!inst.dead) {
            lower_instruction(inst);
        }
    }
    lower_exit();
}

void Lowering::lower_instruction(const Inst& inst) {
    const LowerFn fn = lower_table().fn[static_cast<unsigned>(inst.op)];
    values_[id_of(inst)] = fn != nullptr ? fn(*this, inst) : eval(inst);
}

Value* Lowering::value(ValueId id) const {
    DCHECK(values_[id] != nullptr);
    return values_[id];
}

GuestAddr Lowering::pc_of(const Inst& inst) const {
    return block_->guest_pcs.empty() ? block_->key.pc : block_->guest_pcs[inst.guest_index];
}

// --- opaque host instructions

Value* Lowering::host_op(HostOp op, llvm::ArrayRef<Value*> operands, llvm::Type* result) {
    // anyregcc must have a result: without one, a register is named and never written.
    llvm::Type* const result_type = result != nullptr ? result : b.getInt64Ty();
    op.operand_count = static_cast<u8>(operands.size());
    const u64 number = module_.host_ops.size() | (uses_r11(op.kind) ? kUsesR11 : 0);
    llvm::SmallVector<Value*, 40> args = {b.getInt64(number), b.getInt32(reserved_bytes(op)),
                                          llvm::ConstantPointerNull::get(b.getPtrTy()),
                                          b.getInt32(static_cast<u32>(operands.size()))};
    args.append(operands.begin(), operands.end());
    for (const ir::Slot slot : op.live) {
        args.push_back(slot == ir::Slot::NZCV ? pack(get_nzcv()) : get(slot));
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
    op.faults = true;
    op.guest_index =
        module_.first_guest_pc[static_cast<unsigned>(module_.graph.block_index(node_))] +
        (block_->guest_pcs.empty() ? 0 : inst.guest_index);
    op.live = shown_slots(flags_live_after_[id_of(inst)]);
    return host_op(std::move(op), operands, result);
}

// What is not in its cell, and can be seen by a fault or at a safe point.
std::vector<ir::Slot> Lowering::shown_slots(bool nzcv_live) const {
    std::vector<ir::Slot> slots;
    for (unsigned number = 0; number < ir::kSlotCount; ++number) {
        const auto slot = static_cast<ir::Slot>(number);
        const bool hidden = slot == ir::Slot::NZCV && !nzcv_live;
        if (!hidden && (is_argument(number) || current_.dirty[number])) {
            slots.push_back(slot);
        }
    }
    return slots;
}

void Lowering::prepare_state(const Inst& inst) {
    for (const ir::Slot slot : shown_slots(flags_live_after_[id_of(inst)])) {
        if (slot == ir::Slot::NZCV) {
            (void)get_nzcv();
        } else {
            (void)get(slot);
        }
    }
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

// --- exits

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
            args[kPinNumber[number]] = get(static_cast<ir::Slot>(number));
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
    op.resume = resume;
    op.live = shown_slots(nzcv_live);
    host_op(std::move(op), {cell(ir::kStateBias)});
}

void Lowering::go_to(GuestAddr target, GuestAddr from, bool nzcv_live) {
    const int node = module_.graph.node_at(node_, target);
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
        void operator()(const ir::ExitDirect& exit) { l.go_to(exit.target, from, live); }
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

// --- types, constants, conversions

llvm::Type* Lowering::type(ir::Type type) {
    switch (type) {
    case ir::Type::F32:
        return b.getFloatTy();
    case ir::Type::F64:
        return b.getDoubleTy();
    case ir::Type::V128:
        return v128();
    default:
        return int_type(ir::bit_width(type));
    }
}

llvm::FixedVectorType* Lowering::v128() { return llvm::FixedVectorType::get(b.getInt64Ty(), 2); }

llvm::FixedVectorType* Lowering::int_lanes(ir::Shape shape) {
    return llvm::FixedVectorType::get(int_type(shape.lane_bits()), 16 / shape.lane_bytes());
}

Value* Lowering::constant(V128 value) {
    return llvm::ConstantDataVector::get(module_.context, llvm::ArrayRef<u64>{value.lo, value.hi});
}

Value* Lowering::zext_to(Value* v, unsigned bits) { return b.CreateZExt(v, int_type(bits)); }

Value* Lowering::to_bits(ValueId id) {
    const ir::Type its_type = type_of(id);
    if (its_type == ir::Type::Nzcv) {
        return zext_to(pack(flags(id)), 64);
    }
    Value* v = value(id);
    if (!v->getType()->isIntegerTy()) {
        v = b.CreateBitCast(v, int_type(ir::bit_width(its_type)));
    }
    return zext_to(v, 64);
}

Value* Lowering::low_bits(ValueId id, unsigned bits) {
    Value* const v = value(id);
    const unsigned width = bits <= 32 ? 32 : 64;
    return v->getType()->getIntegerBitWidth() < width ? b.CreateZExt(v, int_type(width))
                                                      : b.CreateTrunc(v, int_type(width));
}

Value* Lowering::from_bits(Value* bits64, ir::Type its_type) {
    Value* const bits = b.CreateTrunc(bits64, int_type(ir::bit_width(its_type)));
    return b.CreateBitCast(bits, type(its_type));
}

} // namespace ulna::backend::tier2
