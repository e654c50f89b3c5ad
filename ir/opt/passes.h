// The passes, one file each. pipeline.cpp has their order and its reasons.
#pragma once

#include "ir/block.h"

namespace ulna::ir::opt {

// One walk back and one forward, which do together:
//   - state forwarding: Get of a slot whose value is known -> that value; Set of a value that the
//   slot
//     already holds, and Set that nothing can observe before the next one of the slot, are deleted.
//     Set of NZCV is deleted when no instruction, side exit or successor reads it, even across
//     faulting accesses;
//   - simplification: constant folding, identities, conditions from flag producers, addressing
//   modes;
//   - value numbering: equal Pure and Sticky operations are merged.
// Takes a block without dead instructions. They are one pass because each makes work for the
// others, and because walking is most of what passes cost.
void rewrite(Block& block);

// In a machine, accesses off one base that surely are near each other share one look at the TLB:
// the first one's becomes a HostRange.
void share_lookups(Block& block);

// Deletes removable operations without uses and closes the gaps: afterwards no instruction is
// marked dead.
void eliminate_dead_code(Block& block);

} // namespace ulna::ir::opt
