// One request -> one answer: guest bytes through the frontend, the passes and LLVM.
#pragma once

#include "backend/llvm/tier2.h"
#include "runtime/tier2/messages.h"

namespace ulna::tier2_server {

[[nodiscard]] runtime::CompileAnswer compile(backend::tier2::Compiler& compiler,
                                             const runtime::CompileRequest& request);

} // namespace ulna::tier2_server
