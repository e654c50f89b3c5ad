#include "runtime/debug/gdb_target.h"

namespace ulna::runtime::debug {

void name_watchpoint(GdbStop& stop, std::span<const ir::WatchedRange> watched) {
    stop.kind = GdbStop::Kind::Watchpoint;
    for (const ir::WatchedRange& range : watched) {
        if (range.overlaps(stop.address, 1)) {
            stop.reads = range.reads;
            stop.writes = range.writes;
        }
    }
}

} // namespace ulna::runtime::debug
