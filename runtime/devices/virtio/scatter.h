// Lists of pieces of guest memory, as one run of bytes: where a request's parts begin and end is
// the driver's choice ("message framing", virtio 1.2 section 2.7.4), so no device may look at the
// pieces.
#pragma once

#include <sys/uio.h>

#include <span>
#include <vector>

#include "ir/support/types.h"

namespace ulna::devices::virtio {

using Scatter = std::span<const iovec>;

[[nodiscard]] u64 total_bytes(Scatter list);
// The part [offset, offset + bytes) of the list, or as much of it as there is.
[[nodiscard]] std::vector<iovec> slice(Scatter list, u64 offset, u64 bytes);
// Copy from / to the list, starting `offset` bytes into it; they return how many bytes were there.
u64 gather(Scatter from, u64 offset, void* to, u64 bytes);
u64 scatter(Scatter to, u64 offset, const void* from, u64 bytes);
void fill(Scatter to, u8 value);

} // namespace ulna::devices::virtio
