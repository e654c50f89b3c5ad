// Packets of virtio-vsock (virtio 1.2, section 5.10.6).
#pragma once

#include "ir/support/types.h"

namespace ulna::devices::virtio {

constexpr u64 kVsockHostCid = 2;

enum class VsockOp : u16 {
    Invalid = 0,
    Request = 1,
    Response = 2,
    Reset = 3,
    Shutdown = 4,
    Data = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
};
constexpr u16 kVsockStream = 1;
// Of a Shutdown: what its sender will not do any more.
constexpr u32 kVsockNoReceive = 1, kVsockNoSend = 2;

struct [[gnu::packed]] VsockHeader {
    u64 src_cid = 0, dst_cid = 0;
    u32 src_port = 0, dst_port = 0;
    u32 data_bytes = 0;
    u16 type = kVsockStream;
    VsockOp op = VsockOp::Invalid;
    u32 flags = 0;
    u32 buffer_bytes = 0;   // of the sender, for this connection
    u32 consumed_bytes = 0; // what the sender has taken out of it, free-running
};
static_assert(sizeof(VsockHeader) == 44);

} // namespace ulna::devices::virtio
