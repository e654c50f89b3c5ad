#include "runtime/user/ptrace_answers.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/user/signal_queues.h"

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

} // namespace

i64 answer_query(const GuestThread& thread, TraceSlot& slot) {
    switch (slot.query) {
    case TraceQuery::OwnSignals:
        return give_signals(thread, slot, SignalQueue::Thread);
    case TraceQuery::SharedSignals:
        return give_signals(thread, slot, SignalQueue::Process);
    }
    return -EIO; // it comes from another process
}

} // namespace ulna::user
