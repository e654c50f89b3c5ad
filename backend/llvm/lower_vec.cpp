#include "backend/llvm/lowering.h"

namespace ulna::backend::tier2 {

void add_vec_lowerings(LowerTable&) {}

} // namespace ulna::backend::tier2
