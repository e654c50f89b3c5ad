// The passes over a block, in their only order.
#pragma once

#include "ir/block.h"

namespace ulna::ir {

struct PassOptions {
    bool enabled = true; // false: the "no passes" test configuration
    // Called after each pass with its name (dumps, timing, verification); may be null.
    void (*observer)(const Block&, const char* pass, void* context) = nullptr;
    void* observer_context = nullptr;
};

// Afterwards use counts are exact; with passes enabled, instructions are dense (none is marked
// dead).
void run_passes(Block& block, const PassOptions& options);

} // namespace ulna::ir
