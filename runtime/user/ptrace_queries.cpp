#include "runtime/user/ptrace_queries.h"

#include <linux/ptrace.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "runtime/user/guest_memory.h"
#include "runtime/user/ptrace_tracer.h"

namespace ulna::user {

namespace {

std::span<u8> bytes_of(std::span<siginfo_t> infos) {
    return {reinterpret_cast<u8*>(infos.data()), infos.size_bytes()};
}

} // namespace

// ptrace_peek_siginfo: what has been copied before an error counts.
i64 peek_signals(TraceSlot& slot, GuestAddr args, GuestAddr to) {
    ptrace_peeksiginfo_args wanted;
    if (!get_guest(args, wanted)) {
        return -EFAULT;
    }
    if ((wanted.flags & ~u32{PTRACE_PEEKSIGINFO_SHARED}) != 0 || wanted.nr < 0) {
        return -EINVAL;
    }
    const TraceQuery query = (wanted.flags & PTRACE_PEEKSIGINFO_SHARED) != 0
                                 ? TraceQuery::SharedSignals
                                 : TraceQuery::OwnSignals;
    std::array<siginfo_t, TraceSlot::kMostBytes / sizeof(siginfo_t)> some;
    i64 done = 0;
    while (done < wanted.nr) {
        const std::span infos =
            std::span(some).first(std::min<u64>(some.size(), static_cast<u64>(wanted.nr - done)));
        const i64 got =
            ask_tracee(slot, query, wanted.off + static_cast<u64>(done), bytes_of(infos));
        for (i64 i = 0; i < got; ++i, ++done) {
            if (!put_guest(to + static_cast<u64>(done) * sizeof(siginfo_t),
                           infos[static_cast<u64>(i)])) {
                return done > 0 ? done : -EFAULT;
            }
        }
        if (got < static_cast<i64>(infos.size())) {
            return done > 0 ? done : std::min<i64>(got, 0);
        }
    }
    return done;
}

} // namespace ulna::user
