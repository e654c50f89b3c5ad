// One stream between a guest's port and a Unix socket of the host, and how much each side may still
// send (credits: virtio 1.2, section 5.10.6.3). It knows nothing of queues.
#pragma once

#include <vector>

#include "runtime/devices/virtio/vsock_wire.h"
#include "runtime/file_descriptor.h"

namespace ulna::devices::virtio {

class VsockConnection {
  public:
    static constexpr u32 kBufferBytes = 256 << 10; // for what the host does not take at once

    enum class State : u8 {
        Greeting,   // the host has connected, and not yet said to which port
        Requesting, // the guest has not answered yet
        Open,
    };

    VsockConnection(runtime::FileDescriptor socket, State state, u32 host_port, u32 guest_port)
        : socket_(std::move(socket)),
          state_(state),
          host_port_(host_port),
          guest_port_(guest_port) {}

    [[nodiscard]] int socket() const { return socket_.get(); }
    [[nodiscard]] State state() const { return state_; }
    void set_state(State state) { state_ = state; }

    // --- guest to host. False: the connection is at its end, and to be reset.
    [[nodiscard]] bool take(const std::vector<u8>& data);
    [[nodiscard]] bool flush(); // what waits, as far as the host takes it
    [[nodiscard]] bool shut_down(u32 flags);
    [[nodiscard]] bool has_waiting() const { return waiting_.size() != sent_; }
    // The guest has been told of so little of the room in our buffer that it may wait for it.
    [[nodiscard]] bool should_update_credit() const;

    // --- host to guest
    [[nodiscard]] u32 credit() const { // how much the guest takes now
        return peer_buffer_ - (given_ - peer_consumed_);
    }
    [[nodiscard]] bool can_give() const {
        return state_ == State::Open && !host_ended_ && !guest_takes_no_more_ && has_credit();
    }
    void gave(u32 bytes) { given_ += bytes; }
    void note_end_of_host() { host_ended_ = true; }

    void note_credit(const VsockHeader& from_guest);
    // A packet of this connection to the guest.
    [[nodiscard]] VsockHeader header(VsockOp op, u64 guest_cid);

  private:
    [[nodiscard]] bool has_credit() const {
        const u32 in_flight = given_ - peer_consumed_;
        return in_flight < peer_buffer_;
    }

    runtime::FileDescriptor socket_;
    State state_;
    u32 host_port_, guest_port_;
    std::vector<u8> waiting_; // for the host; its first sent_ bytes have gone
    size_t sent_ = 0;
    u32 consumed_ = 0, told_consumed_ = 0;
    u32 given_ = 0, peer_buffer_ = 0, peer_consumed_ = 0;
    bool host_ended_ = false;
    bool guest_sends_no_more_ = false, guest_takes_no_more_ = false;
};

} // namespace ulna::devices::virtio
