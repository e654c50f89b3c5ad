// /tmp/perf-PID.map: names of translated blocks for `perf report`.
#pragma once

#include "ir/support/types.h"

namespace ulna::runtime::debug {

// -perfmap. Name of a guest address for the map; may be null (addresses are printed).
void enable_perf_map(const char* (*symbol_of)(GuestAddr) = nullptr);
// One line, if that is asked for. Caller holds the translation lock.
void perf_map_block(u64 host, u32 host_bytes, GuestAddr pc);
void perf_map_stubs(u64 host, u32 host_bytes);
// The child of a fork writes its own file from here on.
void perf_map_after_fork();

} // namespace ulna::runtime::debug
