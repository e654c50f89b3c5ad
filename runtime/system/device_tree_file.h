// The machine's device tree as users ask for it: -machine dumpdtb, and QMP's dumpdtb.
#pragma once

#include <string>

namespace ulna::system {

struct SystemOptions;

// Says why not, in a line without its end.
[[nodiscard]] std::string save_device_tree(const SystemOptions& options, const std::string& file);

} // namespace ulna::system
