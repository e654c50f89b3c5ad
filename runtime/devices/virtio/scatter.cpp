#include "runtime/devices/virtio/scatter.h"

#include <algorithm>
#include <cstring>

namespace ulna::devices::virtio {
namespace {

// Calls visit(host address, bytes) for each piece of the part [offset, offset + bytes).
template <class Visit> u64 for_each_piece(Scatter list, u64 offset, u64 bytes, Visit visit) {
    u64 done = 0;
    for (const iovec& piece : list) {
        if (done == bytes) {
            break;
        }
        if (offset >= piece.iov_len) {
            offset -= piece.iov_len;
            continue;
        }
        const u64 here = std::min<u64>(piece.iov_len - offset, bytes - done);
        visit(static_cast<u8*>(piece.iov_base) + offset, here);
        done += here;
        offset = 0;
    }
    return done;
}

} // namespace

u64 total_bytes(Scatter list) {
    u64 bytes = 0;
    for (const iovec& piece : list) {
        bytes += piece.iov_len;
    }
    return bytes;
}

std::vector<iovec> slice(Scatter list, u64 offset, u64 bytes) {
    std::vector<iovec> part;
    part.reserve(list.size());
    for_each_piece(list, offset, bytes, [&](u8* host, u64 here) { part.push_back({host, here}); });
    return part;
}

u64 gather(Scatter from, u64 offset, void* to, u64 bytes) {
    u8* out = static_cast<u8*>(to);
    return for_each_piece(from, offset, bytes, [&](const u8* host, u64 here) {
        std::memcpy(out, host, here);
        out += here;
    });
}

u64 scatter(Scatter to, u64 offset, const void* from, u64 bytes) {
    const u8* in = static_cast<const u8*>(from);
    return for_each_piece(to, offset, bytes, [&](u8* host, u64 here) {
        std::memcpy(host, in, here);
        in += here;
    });
}

void fill(Scatter to, u8 value) {
    for (const iovec& piece : to) {
        std::memset(piece.iov_base, value, piece.iov_len);
    }
}

} // namespace ulna::devices::virtio
