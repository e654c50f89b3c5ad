#include "ir/opt/pipeline.h"

#include "ir/opt/passes.h"

namespace ulna::ir {

namespace {
struct Pass {
    const char* name;
    void (*run)(Block& block);
};

constexpr Pass kPasses[] = {
    // Once: it visits in order and rewrites what it appends, so operands are already in simplest
    // form.
    {"rewrite", opt::rewrite},
    // Between: it sees addresses as rewriting left them, and leaves what it replaced unused.
    {"share_lookups", opt::share_lookups},
    // Last: removes what rewriting left unused, and makes instructions dense for the back ends.
    {"dead_code", opt::eliminate_dead_code},
};
} // namespace

void run_passes(Block& block, const PassOptions& options) {
    if (!options.enabled) {
        return;
    }
    for (const Pass& pass : kPasses) {
        pass.run(block);
        if (options.observer != nullptr) {
            options.observer(block, pass.name, options.observer_context);
        }
    }
}

} // namespace ulna::ir
