// The network on the other side of a network device. Frames are Ethernet's, without checksum.
// Everything is called with the machine's lock held.
#pragma once

#include <span>

#include "ir/support/types.h"

namespace ulna::devices::virtio {

class FrameReceiver {
  public:
    virtual ~FrameReceiver() = default;
    virtual void receive(std::span<const u8> frame) = 0;
};

class NetBackend {
  public:
    virtual ~NetBackend() = default;
    // Where frames go; null at first and at the end: nowhere.
    virtual void connect(FrameReceiver* receiver) = 0;
    // May receive() before it returns.
    virtual void send(std::span<const u8> frame) = 0;
    // The guest's state is another one: connections that it had are no more.
    virtual void forget_past() {}
};

} // namespace ulna::devices::virtio
