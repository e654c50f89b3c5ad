// Where translated code must not run through: addresses that have a breakpoint, a debugger's or one
// of a machine's CPU. The code source shows nothing there, so that blocks end before it and leave
// with FetchFault; who runs the guest then sees whether it stops.
//
// An address that nobody wants any more stays until it has been met a few times: debuggers take
// their breakpoints out at each stop and put them back, and each new one costs translations.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <span>
#include <vector>

#include "ir/support/types.h"

namespace ulna::runtime::debug {

class StopPoints {
  public:
    // What an owner wants, in place of what it wanted before. True: some of it is new, and
    // translations that were made before must go.
    [[nodiscard]] bool want(unsigned owner, std::vector<GuestAddr> addresses);

    [[nodiscard]] bool any() const { return any_.load(); }
    [[nodiscard]] bool has(GuestAddr pc) const;
    // Of the words from pc on, those before the first address.
    [[nodiscard]] std::span<const u32> before(GuestAddr pc, std::span<const u32> words) const;
    [[nodiscard]] bool is_wanted(GuestAddr pc) const;
    // It was met, and nothing stopped there.
    void met_in_vain(GuestAddr pc);

    // Around a fork; the child has no points.
    void before_fork() { mutex_.lock(); }
    void after_fork(bool in_child);

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

} // namespace ulna::runtime::debug
