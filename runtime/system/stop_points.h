// Where translated code must not run through: addresses that have a breakpoint, a debugger's or one
// of a CPU's own. The code source shows nothing there, so that blocks end before it and leave with
// FetchFault; the CPU then sees whether it stops.
//
// An address that nobody wants any more stays until it has been met a few times: debuggers take
// their breakpoints out at each stop and put them back, and each new one costs all translations.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <span>
#include <vector>

#include "ir/support/types.h"

namespace ulna::system {

struct WatchedRange {
    GuestAddr start = 0;
    u64 bytes = 0;
    bool reads = false, writes = false;

    [[nodiscard]] bool overlaps(GuestAddr at, u64 count) const {
        return at - start < bytes || start - at < count;
    }
    friend bool operator==(const WatchedRange&, const WatchedRange&) = default;
};

class StopPoints {
  public:
    // What an owner wants, in place of what it wanted before. True: some of it is new, and
    // translations that were made before must go.
    [[nodiscard]] bool want(unsigned owner, std::vector<GuestAddr> addresses);

    [[nodiscard]] bool has(GuestAddr pc) const;
    // Of the words from pc on, those before the first address.
    [[nodiscard]] std::span<const u32> before(GuestAddr pc, std::span<const u32> words) const;
    // It was met, and nothing stopped there.
    void met_in_vain(GuestAddr pc);

  private:
    static constexpr unsigned kMostMeetings = 16;
    struct Point {
        unsigned wanted_by = 0, meetings = 0;
    };

    mutable std::mutex mutex_;
    std::atomic<bool> any_ = false;
    std::map<GuestAddr, Point> points_;
    std::map<unsigned, std::vector<GuestAddr>> wanted_; // by owner
};

// A debugger's own, which every CPU heeds. Changed while all are parked only.
struct DebuggerPoints {
    std::vector<GuestAddr> breakpoints;
    std::vector<WatchedRange> watched;
};

} // namespace ulna::system
