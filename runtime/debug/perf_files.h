// What perf has to be told of translated code: /tmp/perf-PID.map, by which `perf report` names it
// (-perfmap), and jit-PID.dump, from which `perf inject --jit` takes its bytes, too (-jitdump).
#pragma once

#include <string>

#include "ir/support/types.h"

namespace ulna::runtime::debug {

struct PerfFiles {
    bool map = false, jit_dump = false;
};
// The guest's function that an address is in, or another name for it; empty: unknown. The caller
// holds the translation lock.
using FunctionNames = std::string (*)(GuestAddr);

// "" or why not, in words.
[[nodiscard]] std::string open_perf_files(PerfFiles files, FunctionNames names = nullptr);
// A block, or a region that begins with it. Caller holds the translation lock.
void perf_block(u64 host, u32 host_bytes, GuestAddr pc);
void perf_stubs(u64 host, u32 host_bytes);
// The child of a fork has files of its own from here on, with what it has of its parent.
void perf_after_fork();

} // namespace ulna::runtime::debug
