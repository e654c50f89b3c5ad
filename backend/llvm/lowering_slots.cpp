// Guest registers of a function: which of them are values, when they are read from their cells in
// CpuState, and when cells are made equal again.
#include <algorithm>

#include "backend/llvm/lowering.h"

namespace ulna::backend::tier2 {

namespace {

// System registers stay in memory: helpers see and change them.
bool is_cached(ir::Slot slot) {
    return ir::is_gpr(slot) || ir::is_vec(slot) || slot == ir::Slot::NZCV;
}

bool is_pinned(unsigned slot) { return kArgumentOfSlot[slot] != 0; }

} // namespace

bool Lowering::is_argument(unsigned slot) const {
    return is_pinned(slot) && kArgumentOfSlot[slot] < argument_count(vectors_);
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

// A machine's look needs four registers, and shows what came in pinned ones: those that the
// function does not name wait in its frame, where they cost nothing. (LLVM would spill them, too,
// and read them for the next look. In their cells calls of the runtime would overwrite them.)
void Lowering::find_in_frame() {
    const bool has_looks = module_.graph.block(0).key.mode.system();
    for (unsigned slot = 0; slot < ir::kSlotCount && has_looks; ++slot) {
        in_frame_[slot] = is_argument(slot) && ir::is_gpr(static_cast<ir::Slot>(slot));
    }
    for (const int node : module_.graph.nodes_of(number_)) {
        for (const Inst& inst : module_.graph.block(node).insts) {
            if (!inst.dead && (inst.op == Opcode::Get || inst.op == Opcode::Set)) {
                in_frame_.reset(static_cast<unsigned>(inst.slot()));
            }
        }
    }
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
            b.CreateStore(function_->getArg(kArgumentOfSlot[number]), parts[0]);
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

} // namespace ulna::backend::tier2
