// Tier 2 in the process of the test: every job is done at once, twice, and must come out the same.
#pragma once

#include <memory>

#include "runtime/tier2/compile_service.h"

namespace ulna::test {

[[nodiscard]] std::unique_ptr<runtime::CompileService> make_local_compile_service();

} // namespace ulna::test
