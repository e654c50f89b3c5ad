// The walk back of `rewrite`.
#pragma once

#include "ir/block.h"

namespace ulna::ir::opt {

// Marks as dead every Set that nothing can observe before the next Set of its slot, and every
// removable operation without a live use; leaves the number of live uses in use_count. It looks
// through state as the walk forward will: a Get is no observer, and its uses count as uses of the
// value that is in the slot. An exclusive load whose reservation nothing can observe becomes a
// plain one.
void mark_dead_writes(Block& block);

} // namespace ulna::ir::opt
