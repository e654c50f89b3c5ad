// virtio-vsock (virtio 1.2, section 5.10): streams between guest and host without a network. The
// host's end of each is a Unix socket, so that no privileges are needed and nothing of the host's
// own AF_VSOCK is touched:
//   the guest connects to port N of CID 2: to the socket PATH_N of the host;
//   a program of the host connects to PATH and writes "CONNECT N\n": to the guest's port N, which
//   is answered by "OK M\n", M being the host's port, when the guest has accepted.
// These are the conventions of Firecracker.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "runtime/devices/event_loop.h"
#include "runtime/devices/virtio/virtio_device.h"
#include "runtime/devices/virtio/vsock_connection.h"

namespace ulna::devices::virtio {

class Vsock final : public VirtioDevice {
  public:
    // Null with a reason, one line. `guest_cid` is 3 or more. The loop outlives the device.
    [[nodiscard]] static std::unique_ptr<Vsock>
    open(EventLoop& loop, const std::string& path, u64 guest_cid, std::string& why_not);
    ~Vsock() override;

    [[nodiscard]] u32 id() const override { return 19; }
    [[nodiscard]] u64 features() const override { return 0; } // streams
    [[nodiscard]] std::span<const u8> config() const override { return config_; }
    void notified(unsigned queue) override;
    void reset() override;
    [[nodiscard]] std::string identity() const override { return std::to_string(guest_cid_); }
    void forget_past() override; // connections are no more, which the guest is told

  private:
    struct Key {
        u32 host_port, guest_port;
        auto operator<=>(const Key&) const = default;
    };
    using Connections = std::map<Key, std::unique_ptr<VsockConnection>>;

    Vsock(EventLoop& loop, std::string path, u64 guest_cid, runtime::FileDescriptor listener);

    // --- the guest's packets
    void transmit_all();
    void read_packet(const Chain& request);
    void serve_packet(const VsockHeader& header, const std::vector<u8>& data);
    // False: the connection is at its end, and to be reset.
    [[nodiscard]] bool
    serve(VsockConnection& connection, const VsockHeader& header, const std::vector<u8>& data);
    void connect_to_host(const Key& key, const VsockHeader& request);

    void tell_of_reset();

    // --- packets for the guest
    void send(const VsockHeader& header);
    void refuse_packet(const VsockHeader& header);
    void send_waiting();
    [[nodiscard]] bool put_packet(const VsockHeader& header);
    [[nodiscard]] std::optional<Chain> next_with_room(u64 bytes);

    // --- the host's side
    void accept_from_host();
    void on_greeting(const Key& key, VsockConnection& connection);
    void on_socket(const Key& key, u32 events);
    void pump(VsockConnection& connection);
    [[nodiscard]] bool give_data(VsockConnection& connection, const Chain& request);
    void watch(VsockConnection& connection);
    void add(const Key& key, std::unique_ptr<VsockConnection> connection);
    void remove(const Key& key);
    void fail(const Key& key, VsockConnection& connection);

    EventLoop& loop_;
    std::string path_;
    u64 guest_cid_;
    std::array<u8, 8> config_{};
    runtime::FileDescriptor listener_;
    Connections connections_;
    std::deque<VsockHeader> waiting_; // without data, until the driver has a buffer
    bool is_starved_ = false;         // the driver has no buffer for data
    bool reset_is_due_ = false;       // to be told, when the driver has a buffer for events
    u32 next_host_port_;
    u32 next_greeting_ = 0;
    std::vector<u8> data_; // on its way to the guest
};

} // namespace ulna::devices::virtio
