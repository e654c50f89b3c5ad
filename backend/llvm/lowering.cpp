#include "backend/llvm/lowering.h"

#include <algorithm>

#include "backend/llvm/page_guard.h"
#include "ir/support/check.h"

namespace ulna::backend::tier2 {

namespace {

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
    : options{chosen},
      graph{region, chosen.inline_calls},
      flags{graph},
      other_pages{tier2::other_pages(region)},
      module{"region", context} {
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
    if (!other_pages.empty()) {
        page_guard_exit = exit_number({.kind = ExitStub::Kind::Leave,
                                       .target = region.blocks[0]->key.pc,
                                       .reason = ir::ExitReason::RangeMiss});
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

u32 RegionModule::exit_number(const ExitStub& exit) {
    const auto known = std::find(exits.begin(), exits.end(), exit);
    if (known == exits.end()) {
        exit_functions.push_back(
            declare_function(module, "exit_" + std::to_string(exits.size()), Vectors::None));
        exits.push_back(exit);
        return static_cast<u32>(exits.size() - 1);
    }
    return static_cast<u32>(known - exits.begin());
}

// Links stay in the page of the first block.
ExitStub RegionModule::exit_without_ranges(GuestAddr pc) const {
    if (graph.block(0).key.same_page(pc)) {
        return {.kind = ExitStub::Kind::Link, .target = pc | kWithoutRanges};
    }
    return {.kind = ExitStub::Kind::Leave, .target = pc, .reason = ir::ExitReason::RangeMiss};
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

namespace {
// What MXCSR has. ("Dynamic" LLVM takes for any: it folds x - x to +0, which is -0 when it rounds
// down.)
llvm::RoundingMode rounding_of(ir::BlockMode mode) {
    using llvm::RoundingMode;
    constexpr RoundingMode kByFpcr[] = {RoundingMode::NearestTiesToEven,
                                        RoundingMode::TowardPositive, RoundingMode::TowardNegative,
                                        RoundingMode::TowardZero};
    return kByFpcr[static_cast<unsigned>(mode.rounding())];
}
} // namespace

Lowering::Lowering(RegionModule& module, int function)
    : b{module.context},
      module_{module},
      number_{function},
      function_{module.functions[static_cast<unsigned>(function)]},
      vectors_{module.vectors_of(function)} {
    function_->addFnAttr(llvm::Attribute::StrictFP);
    std::vector<u8> guards;
    if (function == 0) {
        append_page_guards(module.graph.block(0).key.mode.privileged(), module.other_pages, guards);
    }
    add_stack_probe(*function_, guards);
    b.setIsFPConstrained(true);
    b.setDefaultConstrainedExcept(llvm::fp::ebStrict);
}

void Lowering::run() {
    find_slots();
    find_in_cells();
    find_in_frame();
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

// --- blocks

void Lowering::lower_node(int node) {
    block_ = &module_.graph.block(node);
    b.setDefaultConstrainedRounding(rounding_of(mode()));
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
