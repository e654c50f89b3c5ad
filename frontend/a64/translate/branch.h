// Indirect branches, whose targets may be authenticated before.
#pragma once

#include "frontend/a64/translator.h"

namespace ulna::frontend {

// Ends the block with a jump to `target`, which came from Rn.
[[nodiscard]] bool branch_to(Translator& t, Reg Rn, Value target);
// Ends the block with a call: X30 becomes the address of the next instruction.
[[nodiscard]] bool call_to(Translator& t, Value target);

} // namespace ulna::frontend
