#include "runtime/user/debugged_memory.h"

#include <unistd.h>

#include <algorithm>

#include "runtime/user/guest_memory.h"
#include "runtime/user/guest_thread.h"

namespace ulna::user {

namespace {

// In pieces of one page each, which must be the guest's; false ends it. The bytes that were
// visited.
template <class Visit>
u64 each_page(const AddressSpace& space, GuestAddr at, u64 count, Visit visit) {
    const GuestAddr start = untag(at);
    u64 done = 0;
    while (done < count) {
        const GuestAddr next = start + done;
        const u64 piece = std::min(count - done, page_down(next) + kPageBytes - next);
        if (!space.owns(next, piece) || !visit(next, done, piece)) {
            break;
        }
        done += piece;
    }
    return done;
}

} // namespace

u64 read_debugged(const AddressSpace& space, int memory_file, GuestAddr at, std::span<u8> to) {
    return each_page(space, at, to.size(), [&](GuestAddr place, u64 done, u64 piece) {
        return pread(memory_file, &to[done], piece, static_cast<off_t>(place)) ==
               static_cast<ssize_t>(piece);
    });
}

u64 write_debugged(const AddressSpace& space,
                   int memory_file,
                   GuestAddr at,
                   std::span<const u8> from) {
    const u64 written =
        each_page(space, at, from.size(), [&](GuestAddr place, u64 done, u64 piece) {
            return pwrite(memory_file, &from[done], piece, static_cast<off_t>(place)) ==
                   static_cast<ssize_t>(piece);
        });
    if (written != 0) {
        process().engine->invalidate(untag(at), written);
    }
    return written;
}

} // namespace ulna::user
