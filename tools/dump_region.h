// ulna-dump --tier2: what becomes of the region that begins at an address.
#pragma once

#include "backend/llvm/tier2.h"
#include "frontend/frontend.h"

namespace ulna {

struct RegionDump {
    GuestAddr start = 0;
    u64 fpcr = 0;
    unsigned max_instructions = 300;
    bool quiet = false, totals_only = false; // as ulna-dump's -q and -t
    frontend::TranslateOptions translate;
    backend::tier2::Options compile;
};

void dump_region(const RegionDump& options, frontend::CodeSource& source);

} // namespace ulna
