// A machine's memory as people ask for it, while all CPUs are parked.
#pragma once

#include <string>

#include "ir/support/types.h"

namespace ulna::system {

class Machine;
class Vcpu;

struct MemoryRange {
    Vcpu* cpu = nullptr; // whose virtual addresses they are; null: physical ones
    u64 address = 0, bytes = 0;
};

// False: some of it is nowhere.
[[nodiscard]] bool read_memory(Machine& machine, const MemoryRange& from, u8* to);
// Into a file; says why not, in a line without its end.
[[nodiscard]] std::string
save_memory(Machine& machine, const MemoryRange& from, const std::string& file);

} // namespace ulna::system
