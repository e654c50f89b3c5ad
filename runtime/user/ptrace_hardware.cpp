#include "runtime/user/ptrace_hardware.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <vector>

#include "ir/support/bits.h"
#include "runtime/user/debugged_code.h"
#include "runtime/user/guest_cpu.h"
#include "runtime/user/guest_memory.h"

namespace ulna::user {

namespace {

constexpr u32 kEnabled = 1, kUser = 2u << 1, kLoads = 1u << 3, kStores = 2u << 3;
constexpr unsigned kBytesShift = 5;
constexpr u64 kUserEnd = u64{1} << 48; // TASK_SIZE
constexpr u32 kInstruction = 0xf;      // its bytes

u32 bytes_of(u32 control) { return control >> kBytesShift & 0xff; }
u32 accesses_of(u32 control) { return control & (kLoads | kStores); }

// One or more of eight, in a row.
bool are_in_a_row(u32 bytes) {
    return bytes != 0 && std::has_single_bit((bytes >> std::countr_zero(bytes)) + 1);
}

// hw_breakpoint_arch_parse: the address may be any of `unit`, and bytes beyond the eight are lost.
HardwarePoint aligned(u64 address, u32 bytes, u32 accesses, u64 unit) {
    const u64 offset = address % unit;
    return {address - offset,
            kEnabled | kUser | accesses | (bytes << offset & 0xff) << kBytesShift};
}

ir::WatchedRange range_of(const HardwarePoint& point) {
    const u32 bytes = bytes_of(point.control);
    return {.start = point.address + static_cast<u64>(std::countr_zero(bytes)),
            .bytes = static_cast<u64>(std::popcount(bytes)),
            .reads = (point.control & kLoads) != 0,
            .writes = (point.control & kStores) != 0};
}

// Only an aligned address has an instruction.
bool stops(const HardwarePoint& point) {
    return (point.control & kEnabled) != 0 && (bytes_of(point.control) & 1) != 0;
}

} // namespace

i64 set_trace_watchpoint(HardwarePoint& to, u64 address, u32 control) {
    constexpr u64 kUnit = 8;
    const bool is_enabled = (control & kEnabled) != 0;
    const bool is_valid = are_in_a_row(bytes_of(control)) && accesses_of(control) != 0;
    if (address >= kUserEnd || (is_enabled && !is_valid)) {
        return -EINVAL;
    }
    to = is_enabled ? aligned(address, bytes_of(control), accesses_of(control), kUnit)
                    : HardwarePoint{address & ~(kUnit - 1), 0};
    return 0;
}

// Whatever its bytes are, they become an instruction's; the first one counts.
i64 set_trace_breakpoint(HardwarePoint& to, u64 address, u32 control) {
    constexpr u64 kUnit = 4;
    const bool is_enabled = (control & kEnabled) != 0;
    const bool is_valid = are_in_a_row(bytes_of(control)) && accesses_of(control) == 0;
    if (address >= kUserEnd || (is_enabled && !is_valid)) {
        return -EINVAL;
    }
    const u64 first = is_enabled ? static_cast<u64>(std::countr_zero(bytes_of(control))) : 0;
    to = is_enabled ? aligned(address + first, kInstruction, 0, kUnit)
                    : HardwarePoint{address & ~(kUnit - 1), 0};
    return 0;
}

void use_watchpoints(GuestThread& thread, const TraceWatchpoints& points) {
    TraceState& trace = thread.trace;
    trace.watchpoints = points;
    std::size_t count = 0;
    for (const HardwarePoint& point : points) {
        if ((point.control & kEnabled) != 0 && bytes_of(point.control) != 0) {
            trace.watched[count++] = range_of(point);
        }
    }
    watch(*thread.cpu, std::span(trace.watched).first(count));
}

void use_breakpoints(GuestThread& thread, const TraceBreakpoints& points) {
    if (thread.trace.breakpoints == points) {
        return;
    }
    thread.trace.breakpoints = points;
    std::vector<GuestAddr> addresses;
    for (const HardwarePoint& point : points) {
        if (stops(point)) {
            addresses.push_back(point.address);
        }
    }
    if (stop_points().want(static_cast<unsigned>(thread.tid), addresses)) {
        for (const GuestAddr address : addresses) {
            process().engine->invalidate(address, sizeof(u32));
        }
    }
}

bool breaks_at(const GuestThread& thread, GuestAddr pc) {
    return std::ranges::any_of(thread.trace.breakpoints, [pc](const HardwarePoint& point) {
        return stops(point) && point.address == pc;
    });
}

} // namespace ulna::user
