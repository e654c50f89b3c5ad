// Dead code and compaction. Values are used only after they are made, so one backward walk that
// marks what live instructions use has seen every use of a value before the value itself.
#include "ir/opt/passes.h"
#include "ir/opt/scratch.h"

namespace ulna::ir::opt {

namespace {

void mark_unused(Block& block, Marks& live) {
    live.clear(block.insts.size());
    if (const ValueId id = block.exit_value(); id != kNoValue) {
        live.set(id);
    }
    for (std::size_t i = block.insts.size(); i-- > 0;) {
        Inst& inst = block.insts[i];
        inst.dead = inst.dead || (!live[i] && is_removable(inst.op));
        live.set_args(inst, !inst.dead);
    }
}

void compact(Block& block, Renames& renames) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < block.insts.size(); ++i) {
        renames.set(i, static_cast<ValueId>(next));
        const bool dead = block.insts[i].dead;
        renames.copy(block.insts[i], block.insts[next]);
        next += !dead;
    }
    block.insts.resize(next);
    renames.apply_to_exit(block);
}

} // namespace

void eliminate_dead_code(Block& block) {
    mark_unused(block, scratch().live);
    compact(block, scratch().renames);
}

} // namespace ulna::ir::opt
