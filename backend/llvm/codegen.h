// LLVM IR -> object file.
#pragma once

#include "backend/llvm/llvm_headers.h"

namespace ulna::backend::tier2 {

class CodeGenerator {
  public:
    CodeGenerator();
    ~CodeGenerator();

    [[nodiscard]] llvm::LLVMTargetMachine& machine() { return *machine_; }
    // Level: as Options::codegen_level. Verifies machine code as well when `verify` is set. The
    // object is valid until the next call.
    [[nodiscard]] llvm::StringRef generate(llvm::Module& module, unsigned level, bool verify);

  private:
    struct Pipeline;

    const std::unique_ptr<llvm::LLVMTargetMachine> machine_;
    std::unique_ptr<Pipeline> pipeline_; // of the last call
};

} // namespace ulna::backend::tier2
