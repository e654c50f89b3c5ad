#include "runtime/user/ptrace_answers.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/user/address_space.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/seccomp_filter.h"
#include "runtime/user/signal_queues.h"
#include "runtime/user/tag_storage.h"

namespace ulna::user {

namespace {

i64 give_signals(const GuestThread& thread, TraceSlot& slot, SignalQueue queue) {
    const auto all = waiting_signals(thread, queue);
    if (!all) {
        return -EIO;
    }
    const u64 room = std::min(slot.bytes, TraceSlot::kMostBytes) / sizeof(siginfo_t);
    const u64 first = std::min<u64>(slot.address, all->size());
    const u64 count = std::min(room, all->size() - first);
    std::memcpy(slot.data, all->data() + first, count * sizeof(siginfo_t));
    return static_cast<i64>(count);
}

// get_nth_filter. Null with -errno.
const SeccompFilter* nth_filter(const GuestThread& thread, u64 n, i64& error) {
    const SeccompFilter* const newest = thread.seccomp.newest.load();
    if (thread.seccomp.mode != SECCOMP_MODE_FILTER || newest == nullptr) {
        error = -EINVAL;
        return nullptr;
    }
    const SeccompFilter* const filter = newest->nth_from_oldest(n);
    error = -ENOENT;
    return filter;
}

i64 give_filter(const GuestThread& thread, TraceSlot& slot) {
    i64 error;
    const SeccompFilter* const filter = nth_filter(thread, slot.address, error);
    if (filter == nullptr) {
        return error;
    }
    const std::span<const sock_filter> program = filter->program();
    u64 first;
    std::memcpy(&first, slot.data, sizeof first);
    const u64 room = std::min(slot.bytes, TraceSlot::kMostBytes) / sizeof(sock_filter);
    const auto some = program.subspan(std::min<u64>(first, program.size()));
    std::memcpy(slot.data, some.data(), std::min<u64>(room, some.size()) * sizeof(sock_filter));
    return static_cast<i64>(program.size());
}

i64 give_filter_flags(const GuestThread& thread, const TraceSlot& slot) {
    i64 error;
    const SeccompFilter* const filter = nth_filter(thread, slot.address, error);
    return filter == nullptr ? error : filter->logs() ? i64{SECCOMP_FILTER_FLAG_LOG} : 0;
}

// __access_remote_tags: up to the first page without any.
i64 access_tags(TraceSlot& slot) {
    const AddressSpace& space = *process().space;
    const u64 wanted = std::min(slot.bytes, TraceSlot::kMostBytes);
    const GuestAddr start = align_down(untag(slot.address), ir::kTagGranuleBytes);
    u64 done = 0;
    for (; done < wanted; ++done) {
        const GuestAddr at = start + done * ir::kTagGranuleBytes;
        const bool is_new_page = done == 0 || at % kPageBytes == 0;
        if (is_new_page && (space.protection(at).value_or(0) & kProtMte) == 0) {
            break;
        }
        if (slot.query == TraceQuery::WriteTags) {
            ir::store_tag(tag_memory(), at, slot.data[done] & 0xf, ir::TagSpan::Granule);
        } else {
            slot.data[done] = static_cast<u8>(ir::load_tag(tag_memory(), at));
        }
    }
    return static_cast<i64>(done);
}

} // namespace

i64 answer_query(const GuestThread& thread, TraceSlot& slot) {
    switch (slot.query) {
    case TraceQuery::OwnSignals:
        return give_signals(thread, slot, SignalQueue::Thread);
    case TraceQuery::SharedSignals:
        return give_signals(thread, slot, SignalQueue::Process);
    case TraceQuery::SeccompFilter:
        return give_filter(thread, slot);
    case TraceQuery::SeccompFlags:
        return give_filter_flags(thread, slot);
    case TraceQuery::ReadTags:
    case TraceQuery::WriteTags:
        return access_tags(slot);
    }
    return -EIO; // it comes from another process
}

} // namespace ulna::user
