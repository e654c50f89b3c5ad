// Tier 2 in the place of tier 1: a back end that compiles each block as a region of its own.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "backend/llvm/tier2.h"

namespace ulna::test {

// Null with a reason where make_host_backend() is. CompileOptions::spill_everything asks for the
// plainest pipeline.
[[nodiscard]] std::unique_ptr<backend::Backend> make_tier2_backend(std::string& why_not);

} // namespace ulna::test
