#include "backend/llvm/lowering.h"

namespace ulna::backend::tier2 {

void add_fp_lowerings(LowerTable&) {}

} // namespace ulna::backend::tier2
