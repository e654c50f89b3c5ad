#include "runtime/user/ptrace_watch.h"

#include <bit>
#include <cerrno>

#include "ir/support/bits.h"
#include "runtime/user/guest_cpu.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/guest_thread.h"

namespace ulna::user {

namespace {

constexpr u32 kEnabled = 1, kUser = 2u << 1, kLoads = 1u << 3, kStores = 2u << 3;
constexpr unsigned kBytesShift = 5;

u32 bytes_of(u32 control) { return control >> kBytesShift & 0xff; }

// One or more of eight, in a row.
bool are_in_a_row(u32 bytes) {
    return bytes != 0 && std::has_single_bit((bytes >> std::countr_zero(bytes)) + 1);
}

ir::WatchedRange range_of(const TraceWatchpoint& point) {
    const u32 bytes = bytes_of(point.control);
    return {.start = untag(point.address) + static_cast<u64>(std::countr_zero(bytes)),
            .bytes = static_cast<u64>(std::popcount(bytes)),
            .reads = (point.control & kLoads) != 0,
            .writes = (point.control & kStores) != 0};
}

} // namespace

i64 set_trace_watchpoint(TraceWatchpoint& to, u64 address, u32 control) {
    if ((control & kEnabled) == 0) {
        to = {address & ~u64{7}, 0};
        return 0;
    }
    const u32 accesses = control & (kLoads | kStores);
    if (!are_in_a_row(bytes_of(control)) || accesses == 0) {
        return -EINVAL;
    }
    // The address may be any, and bytes beyond the eight are lost.
    const u32 bytes = bytes_of(control) << (address & 7) & 0xff;
    to = {address & ~u64{7}, kEnabled | kUser | accesses | bytes << kBytesShift};
    return 0;
}

void use_watchpoints(GuestThread& thread, const TraceWatchpoints& points) {
    TraceState& trace = thread.trace;
    trace.watchpoints = points;
    std::size_t count = 0;
    for (const TraceWatchpoint& point : points) {
        if ((point.control & kEnabled) != 0 && bytes_of(point.control) != 0) {
            trace.watched[count++] = range_of(point);
        }
    }
    watch(*thread.cpu, std::span(trace.watched).first(count));
}

} // namespace ulna::user
