#include "runtime/user/ptrace_queries.h"

#include <linux/ptrace.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "ir/memory_tags.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/ptrace_tracer.h"
#include "runtime/user/seccomp.h"

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

// --- filters of system calls

namespace {

bool may_see_filters(const GuestThread& tracer) {
    return is_machine_administrator() && !has_seccomp(tracer);
}

} // namespace

// seccomp_get_filter
i64 get_seccomp_filter(const GuestThread& tracer, TraceSlot& slot, u64 n, GuestAddr to) {
    if (!may_see_filters(tracer)) {
        return -EACCES;
    }
    std::array<u8, TraceSlot::kMostBytes> data;
    constexpr u64 kInstructions = data.size() / sizeof(sock_filter);
    u64 done = 0;
    while (true) {
        std::memcpy(data.data(), &done, sizeof done);
        const i64 all = ask_tracee(slot, TraceQuery::SeccompFilter, n, data);
        if (all < 0 || to == 0) {
            return all;
        }
        const u64 some = std::min(kInstructions, static_cast<u64>(all) - done);
        if (!copy_to_guest(to + done * sizeof(sock_filter), data.data(),
                           some * sizeof(sock_filter))) {
            return -EFAULT;
        }
        done += some;
        if (done == static_cast<u64>(all)) {
            return all;
        }
    }
}

// seccomp_get_metadata
i64 get_seccomp_metadata(const GuestThread& tracer, TraceSlot& slot, u64 bytes, GuestAddr at) {
    seccomp_metadata metadata = {};
    bytes = std::min<u64>(bytes, sizeof metadata);
    if (!may_see_filters(tracer)) {
        return -EACCES;
    }
    if (bytes < sizeof metadata.filter_off) {
        return -EINVAL;
    }
    if (!copy_from_guest(&metadata.filter_off, at, sizeof metadata.filter_off)) {
        return -EFAULT;
    }
    const i64 flags = ask_tracee(slot, TraceQuery::SeccompFlags, metadata.filter_off, {});
    if (flags < 0) {
        return flags;
    }
    metadata.flags = static_cast<u64>(flags);
    return copy_to_guest(at, &metadata, bytes) ? static_cast<i64>(bytes) : -EFAULT;
}

// --- tags of memory

namespace {

using Tags = std::array<u8, TraceSlot::kMostBytes>;

// mte_copy_tags_to_user, mte_copy_tags_from_user: how many bytes there are before a fault.
u64 give_bytes(GuestAddr to, std::span<const u8> bytes) {
    u64 done = 0;
    while (done < bytes.size() && put_guest(to + done, bytes[done])) {
        ++done;
    }
    return done;
}

u64 take_bytes(std::span<u8> bytes, GuestAddr from) {
    u64 done = 0;
    while (done < bytes.size() && get_guest(from + done, bytes[done])) {
        ++done;
    }
    return done;
}

// mte_ptrace_copy_tags. `copy_some` copies up to so many, from the granule on, and says how many
// they were, or -errno when there were none.
template <class Copy> i64 copy_tags(GuestAddr at, GuestAddr vector, Copy copy_some) {
    iovec place;
    if (!process().options.cpu_model.features.has(frontend::Feature::MTE)) {
        return -EIO;
    }
    if (!get_guest(vector, place)) {
        return -EFAULT;
    }
    const auto base = reinterpret_cast<GuestAddr>(place.iov_base);
    u64 done = 0;
    i64 got = -EFAULT;
    do {
        const u64 some = std::min<u64>(place.iov_len - done, sizeof(Tags));
        got = some == 0 ? -EFAULT : copy_some(at + done * ir::kTagGranuleBytes, base + done, some);
        done += got > 0 ? static_cast<u64>(got) : 0;
    } while (got == i64{sizeof(Tags)});
    if (done == 0) {
        return got;
    }
    place.iov_len = done;
    return put_guest(vector, place) ? 0 : -EFAULT;
}

} // namespace

i64 peek_tags(TraceSlot& slot, GuestAddr at, GuestAddr vector) {
    return copy_tags(at, vector, [&slot](GuestAddr granule, GuestAddr to, u64 count) -> i64 {
        Tags tags;
        const i64 got =
            ask_tracee(slot, TraceQuery::ReadTags, granule, std::span(tags).first(count));
        if (got <= 0) {
            return -EIO;
        }
        const u64 given = give_bytes(to, std::span(tags).first(static_cast<u64>(got)));
        return given == 0 ? -EFAULT : static_cast<i64>(given);
    });
}

i64 poke_tags(TraceSlot& slot, GuestAddr at, GuestAddr vector) {
    return copy_tags(at, vector, [&slot](GuestAddr granule, GuestAddr from, u64 count) -> i64 {
        Tags tags;
        const u64 taken = take_bytes(std::span(tags).first(count), from);
        if (taken == 0) {
            const i64 there =
                ask_tracee(slot, TraceQuery::ReadTags, granule, std::span(tags).first(1));
            return there == 1 ? -EFAULT : -EIO;
        }
        const i64 got =
            ask_tracee(slot, TraceQuery::WriteTags, granule, std::span(tags).first(taken));
        return got <= 0 ? -EIO : got;
    });
}

} // namespace ulna::user
