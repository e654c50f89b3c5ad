// Robust futexes of a thread that ends (Documentation/locking/robust-futexes.rst).
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "ir/support/bits.h"
#include "runtime/user/address_space.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/signals_state.h"
#include "runtime/user/thread_group.h"

namespace ulna::user {

namespace {

struct ListHead {
    u64 first;
    i64 futex_offset;
    u64 pending; // being acquired or released
};

constexpr u64 kPriorityInheritance = 1; // bit 0 of an entry's address
constexpr unsigned kListLimit = 2048;   // ROBUST_LIST_LIMIT: the list may be circular

void wake_one(GuestAddr futex) { host_syscall(SYS_futex, futex, FUTEX_WAKE, 1); }

bool is_writable(GuestAddr address) {
    const auto protection = process().space->protection(address);
    return protection && (*protection & PROT_WRITE);
}

void release_futex(const GuestThread& thread, GuestAddr futex, bool is_pi, bool is_pending) {
    u32 value;
    if (!is_aligned(futex, 4) || !is_writable(futex) || !get_guest(futex, value)) {
        return;
    }
    auto* word = reinterpret_cast<u32*>(futex);
    // Unlocked but its waiter not yet woken: nobody else will.
    if (is_pending && !is_pi && value == 0) {
        wake_one(futex);
        return;
    }
    while ((value & FUTEX_TID_MASK) == static_cast<u32>(thread.tid)) {
        const u32 dead = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
        if (__atomic_compare_exchange_n(word, &value, dead, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            if (!is_pi && (value & FUTEX_WAITERS)) {
                wake_one(futex);
            }
            return;
        }
    }
}

void release_entry(const GuestThread& thread, const ListHead& head, u64 entry, bool is_pending) {
    const GuestAddr futex = (entry & ~kPriorityInheritance) + static_cast<u64>(head.futex_offset);
    release_futex(thread, futex, entry & kPriorityInheritance, is_pending);
}

} // namespace

void release_robust_list(GuestThread& thread) {
    const GuestAddr list = thread.signals->robust_list;
    ListHead head;
    if (list == 0 || process().space == nullptr || !get_guest(list, head)) {
        return;
    }
    const GuestAddr pending = head.pending & ~kPriorityInheritance;
    u64 entry = head.first;
    for (unsigned i = 0; i < kListLimit && (entry & ~kPriorityInheritance) != list; ++i) {
        u64 next;
        const bool more = get_guest(entry & ~kPriorityInheritance, next);
        if ((entry & ~kPriorityInheritance) != pending) {
            release_entry(thread, head, entry, false);
        }
        if (!more) {
            break;
        }
        entry = next;
    }
    if (pending != 0) {
        release_entry(thread, head, head.pending, true);
    }
    thread.signals->robust_list = 0;
}

} // namespace ulna::user
