// What stored translations depend on besides the guest's bytes and the block's key.
#pragma once

#include <optional>

#include "runtime/engine.h"

namespace ulna::runtime {

// What tells this build of Ulna from others; nothing when the linker left no build id.
[[nodiscard]] std::optional<u64> build_identity();

// A hash, field by field, of this translator (its linker build id), the host CPU's features and the
// options of the engine. Nothing when translations cannot be told apart from another build's, or
// must not be kept (they hold addresses of this process: CompileOptions::entry_counter).
[[nodiscard]] std::optional<u64> translation_configuration(const EngineConfig& config);

} // namespace ulna::runtime
