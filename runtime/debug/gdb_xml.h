// The documents that gdb asks for: what registers there are (gdb manual, G) and what threads
// (E.10).
#pragma once

#include <string>

#include "runtime/debug/gdb_target.h"

namespace ulna::runtime::debug {

[[nodiscard]] std::string target_xml(std::span<const GdbFeature> features);
[[nodiscard]] std::string threads_xml(std::span<const GdbThread> threads);

} // namespace ulna::runtime::debug
