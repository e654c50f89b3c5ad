// Ranges of guest memory whose accesses stop the guest, as a debugger wants them.
#pragma once

#include <optional>
#include <span>

#include "ir/types.h"

namespace ulna::ir {

struct WatchedRange {
    GuestAddr start = 0; // without a tag
    u64 bytes = 0;
    bool reads = false, writes = false;

    [[nodiscard]] constexpr bool overlaps(GuestAddr at, u64 count) const {
        return at - start < bytes || start - at < count;
    }
    // The lowest watched byte of an access; nothing: it may be made.
    [[nodiscard]] constexpr std::optional<GuestAddr>
    first_met(GuestAddr at, u64 count, Access access) const {
        const bool counts =
            (reads && access != Access::Writes) || (writes && access != Access::Reads);
        return counts && overlaps(at, count) ? std::optional{at > start ? at : start}
                                             : std::nullopt;
    }
    friend bool operator==(const WatchedRange&, const WatchedRange&) = default;
};

// What a thread has of them, in blocks of BlockMode::kWatches.
struct Watched {
    // An access that begins elsewhere meets no range; of no more bytes than kMostAccessBytes.
    static constexpr u64 kMostAccessBytes = 16;
    GuestAddr start = 0;
    u64 bytes = 0;
    const WatchedRange* ranges = nullptr; // not owned
    u64 count = 0;

    [[nodiscard]] static Watched of(std::span<const WatchedRange> ranges);
    // The lowest watched byte of the access.
    [[nodiscard]] std::optional<GuestAddr> first_met(GuestAddr at, u64 size, Access access) const;
};

} // namespace ulna::ir
