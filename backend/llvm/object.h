// From the object that LLVM emits to code that can be placed anywhere: sections laid out one after
// the other, relocations between them resolved, exits and the bytes of opaque host instructions
// filled in.
#pragma once

#include "backend/llvm/lowering.h"

namespace ulna::backend::tier2 {

// False: the object has something that is not known here; `why` says what.
[[nodiscard]] bool
place(const RegionModule& module, llvm::StringRef object, CompiledRegion& out, std::string& why);

} // namespace ulna::backend::tier2
