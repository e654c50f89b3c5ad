#include "backend/llvm/flag_liveness.h"

namespace ulna::backend::tier2 {

using ir::Opcode;

FlagLiveness::FlagLiveness(const RegionGraph& graph)
    : graph_{graph}, at_start_(graph.node_count(), false) {
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned node = graph.node_count(); node-- > 0;) {
            const int number = static_cast<int>(node);
            const auto& insts = graph.block(number).insts;
            bool live = at_end(number);
            for (std::size_t i = insts.size(); i-- > 0;) {
                live = before(number, insts[i], live);
            }
            changed = changed || live != at_start_[node];
            at_start_[node] = live;
        }
    }
}

bool FlagLiveness::beyond(int from, GuestAddr target) const {
    const int node = graph_.node_at(from, target);
    return node == RegionGraph::kNone || at(node);
}

bool FlagLiveness::at_end(int node) const {
    const ir::Block& block = graph_.block(node);
    if (!block.nzcv_live_out) {
        return false;
    }
    if (const auto* direct = std::get_if<ir::ExitDirect>(&block.exit)) {
        const int target = graph_.target_of(node, *direct);
        return target == RegionGraph::kNone || at(target);
    }
    if (const auto* cond = std::get_if<ir::ExitCond>(&block.exit)) {
        return beyond(node, cond->taken) || beyond(node, cond->not_taken);
    }
    if (const auto* call = std::get_if<ir::ExitCall>(&block.exit)) {
        const int callee = graph_.callee(node, call->target);
        return callee == RegionGraph::kNone ? beyond(node, call->target) : at(callee);
    }
    return true;
}

bool FlagLiveness::before(int node, const ir::Inst& inst, bool live_after) const {
    if (inst.dead) {
        return live_after;
    }
    switch (inst.op) {
    case Opcode::Set:
        return live_after && inst.slot() != ir::Slot::NZCV;
    case Opcode::Get:
        return live_after || inst.slot() == ir::Slot::NZCV;
    case Opcode::RaiseIf:
        return true;
    case Opcode::ExitIf:
        return live_after || inst.aux == ir::kExitIfContextSync ||
               (inst.aux != ir::kExitIfNzcvDead && beyond(node, inst.imm));
    default:
        return live_after;
    }
}

std::vector<bool> FlagLiveness::after_instructions(int node) const {
    const auto& insts = graph_.block(node).insts;
    std::vector<bool> live_after(insts.size());
    bool live = at_end(node);
    for (std::size_t i = insts.size(); i-- > 0;) {
        live_after[i] = live;
        live = before(node, insts[i], live);
    }
    return live_after;
}

} // namespace ulna::backend::tier2
