// LLVM IR -> object file.
#pragma once

#include "backend/llvm/llvm_headers.h"

namespace ulna::backend::tier2 {

[[nodiscard]] std::unique_ptr<llvm::LLVMTargetMachine> make_target_machine();

// Level: as Options::codegen_level. Verifies machine code as well when `verify` is set.
void generate(llvm::LLVMTargetMachine& machine,
              llvm::Module& module,
              unsigned level,
              bool verify,
              llvm::SmallVectorImpl<char>& object);

} // namespace ulna::backend::tier2
