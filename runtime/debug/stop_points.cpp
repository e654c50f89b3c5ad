#include "runtime/debug/stop_points.h"

namespace ulna::runtime::debug {

bool StopPoints::want(unsigned owner, std::vector<GuestAddr> addresses) {
    const std::lock_guard lock{mutex_};
    bool is_new = false;
    for (const GuestAddr address : addresses) {
        const auto [point, added] = points_.try_emplace(address);
        ++point->second.wanted_by;
        point->second.meetings = 0;
        is_new = is_new || added;
    }
    std::vector<GuestAddr>& before = wanted_[owner];
    for (const GuestAddr address : before) {
        --points_.at(address).wanted_by;
    }
    before = std::move(addresses);
    any_.store(!points_.empty());
    return is_new;
}

bool StopPoints::has(GuestAddr pc) const {
    if (!any_.load()) {
        return false;
    }
    const std::lock_guard lock{mutex_};
    return points_.contains(pc);
}

std::span<const u32> StopPoints::before(GuestAddr pc, std::span<const u32> words) const {
    if (!any_.load()) {
        return words;
    }
    const std::lock_guard lock{mutex_};
    const auto next = points_.lower_bound(pc);
    const bool inside = next != points_.end() && next->first - pc < words.size_bytes();
    return inside ? words.first((next->first - pc) / sizeof(u32)) : words;
}

bool StopPoints::is_wanted(GuestAddr pc) const {
    if (!any_.load()) {
        return false;
    }
    const std::lock_guard lock{mutex_};
    const auto point = points_.find(pc);
    return point != points_.end() && point->second.wanted_by != 0;
}

void StopPoints::met_in_vain(GuestAddr pc) {
    const std::lock_guard lock{mutex_};
    const auto point = points_.find(pc);
    if (point != points_.end() && point->second.wanted_by == 0 &&
        ++point->second.meetings == kMostMeetings) {
        points_.erase(point);
        any_.store(!points_.empty());
    }
}

void StopPoints::after_fork(bool in_child) {
    if (in_child) {
        points_.clear();
        wanted_.clear();
        any_.store(false);
    }
    mutex_.unlock();
}

} // namespace ulna::runtime::debug
