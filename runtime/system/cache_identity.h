// Which machines share a file of the persistent translation cache: those that start the same
// software. What else they run goes there too, so that machines of another kind do not make each
// other's files large; a translation is found by its code all the same.
#pragma once

#include "runtime/system/command_line.h"

namespace ulna::system {

[[nodiscard]] u64 cache_identity(const SystemOptions& options);

} // namespace ulna::system
