#include "ir/watchpoints.h"

#include <algorithm>

namespace ulna::ir {

Watched Watched::of(std::span<const WatchedRange> ranges) {
    if (ranges.empty()) {
        return {};
    }
    GuestAddr first = ~u64{0}, last = 0;
    for (const WatchedRange& range : ranges) {
        first = std::min(first, range.start);
        last = std::max(last, range.start + range.bytes);
    }
    first -= std::min(first, kMostAccessBytes - 1);
    return {.start = first, .bytes = last - first, .ranges = ranges.data(), .count = ranges.size()};
}

std::optional<GuestAddr> Watched::first_met(GuestAddr at, u64 size, Access access) const {
    std::optional<GuestAddr> first;
    for (const WatchedRange& range : std::span(ranges, count)) {
        const auto met = range.first_met(at, size, access);
        if (met && (!first || *met < *first)) {
            first = met;
        }
    }
    return first;
}

} // namespace ulna::ir
