// Dead code and compaction. Values are used only after they are made, so one backward walk that
// marks what live instructions use has seen every use of a value before the value itself.
#include "ir/opt/passes.h"
#include "ir/opt/scratch.h"

namespace ulna::ir::opt {

namespace {

// Returns the first dead instruction, or the number of instructions.
std::size_t mark_unused(Block& block, Marks& live) {
    live.clear(block.insts.size());
    if (const ValueId id = block.exit_value(); id != kNoValue) {
        live.set(id);
    }
    std::size_t first_dead = block.insts.size();
    for (std::size_t i = block.insts.size(); i-- > 0;) {
        Inst& inst = block.insts[i];
        // Arithmetic instead of branches, which are hard to predict.
        const bool dead = (unsigned{inst.dead} | (unsigned{!live[i]} & is_removable(inst.op))) != 0;
        inst.dead = dead;
        first_dead = dead ? i : first_dead;
        live.set_args(inst, !dead);
    }
    return first_dead;
}

// Closes the gaps from `first` on; what is before it keeps its name.
void compact(Block& block, Renames& renames, std::size_t first) {
    for (std::size_t i = 0; i < first; ++i) {
        renames.set(i, static_cast<ValueId>(i));
    }
    Inst* const insts = block.insts.data();
    const std::size_t count = block.insts.size();
    std::size_t next = first;
    for (std::size_t i = first; i < count; ++i) {
        renames.set(i, static_cast<ValueId>(next));
        const bool dead = insts[i].dead;
        renames.copy(insts[i], insts[next]);
        next += !dead;
    }
    block.insts.resize(next);
    renames.apply_to_exit(block);
}

} // namespace

void eliminate_dead_code(Block& block) {
    const std::size_t first_dead = mark_unused(block, scratch().live);
    if (first_dead != block.insts.size()) {
        compact(block, scratch().renames, first_dead);
    }
}

} // namespace ulna::ir::opt
