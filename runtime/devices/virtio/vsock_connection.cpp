#include "runtime/devices/virtio/vsock_connection.h"

#include <sys/socket.h>

#include <cerrno>

namespace ulna::devices::virtio {

bool VsockConnection::take(const std::vector<u8>& data) {
    if (state_ != State::Open || guest_sends_no_more_ ||
        data.size() > kBufferBytes - (waiting_.size() - sent_)) {
        return false; // more than it was given credit for
    }
    waiting_.insert(waiting_.end(), data.begin(), data.end());
    return flush();
}

bool VsockConnection::flush() {
    while (has_waiting()) {
        const ssize_t done = send(socket_.get(), &waiting_[sent_], waiting_.size() - sent_,
                                  MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return errno == EAGAIN;
        }
        sent_ += static_cast<size_t>(done);
        consumed_ += static_cast<u32>(done);
    }
    waiting_.clear();
    sent_ = 0;
    if (guest_sends_no_more_) {
        shutdown(socket_.get(), SHUT_WR);
    }
    return !(guest_sends_no_more_ && guest_takes_no_more_);
}

bool VsockConnection::shut_down(u32 flags) {
    guest_sends_no_more_ |= (flags & kVsockNoSend) != 0;
    if ((flags & kVsockNoReceive) != 0) {
        guest_takes_no_more_ = true;
        shutdown(socket_.get(), SHUT_RD); // the host learns when it writes
    }
    return flush();
}

bool VsockConnection::should_update_credit() const {
    return consumed_ - told_consumed_ >= kBufferBytes / 2;
}

void VsockConnection::note_credit(const VsockHeader& from_guest) {
    peer_buffer_ = from_guest.buffer_bytes;
    peer_consumed_ = from_guest.consumed_bytes;
}

VsockHeader VsockConnection::header(VsockOp op, u64 guest_cid) {
    told_consumed_ = consumed_;
    return {.src_cid = kVsockHostCid,
            .dst_cid = guest_cid,
            .src_port = host_port_,
            .dst_port = guest_port_,
            .op = op,
            .buffer_bytes = kBufferBytes,
            .consumed_bytes = consumed_};
}

} // namespace ulna::devices::virtio
