#include "backend/backend.h"

namespace ulna::backend {

void CompiledBlock::reset() {
    code.clear();
    hot_bytes = 0;
    links.clear();
    faults.clear();
    locations.clear();
    location_ends.clear();
    guest_pcs.clear();
    guest_bytes_low = 0;
}

} // namespace ulna::backend
