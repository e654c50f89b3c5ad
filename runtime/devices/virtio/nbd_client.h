// A disk that a server of the Network Block Device protocol has: images in other formats than raw
// are served so, by qemu-nbd or nbdkit. One request at a time.
#pragma once

#include <optional>
#include <string_view>

#include "runtime/devices/virtio/block_backend.h"
#include "runtime/file_descriptor.h"

namespace ulna::devices::virtio {

class NbdClient final : public BlockBackend {
  public:
    // Where a server is. `path` is of a Unix socket; without it, host and port.
    struct Address {
        std::string path, host, port;
        std::string export_name;
    };
    // "nbd:unix:PATH" or "nbd:HOST:PORT", and perhaps ":exportname=NAME", as qemu-system has them.
    [[nodiscard]] static std::optional<Address> parse(std::string_view text);
    // Null with a reason, one line.
    [[nodiscard]] static std::unique_ptr<NbdClient>
    connect(const Address& address, bool read_only, std::string& why_not);
    ~NbdClient() override;

    [[nodiscard]] u64 bytes() const override { return bytes_; }
    [[nodiscard]] bool read_only() const override { return read_only_; }
    [[nodiscard]] int do_read(u64 offset, Scatter to) override;
    [[nodiscard]] int do_write(u64 offset, Scatter from) override;
    [[nodiscard]] int do_flush() override;
    [[nodiscard]] int do_discard(u64 offset, u64 bytes) override;
    [[nodiscard]] int do_write_zeroes(u64 offset, u64 bytes) override;

  private:
    explicit NbdClient(runtime::FileDescriptor socket) : socket_(std::move(socket)) {}

    [[nodiscard]] std::string negotiate(const std::string& export_name); // empty, or what is wrong
    [[nodiscard]] std::string read_option_answers();
    [[nodiscard]] bool send_all(std::vector<iovec> list);
    [[nodiscard]] bool receive_all(std::vector<iovec> list);
    [[nodiscard]] int request(u16 command, u64 offset, u64 bytes, Scatter out, Scatter in);
    [[nodiscard]] int by_parts(u16 command, u64 offset, u64 bytes);

    runtime::FileDescriptor socket_;
    u64 bytes_ = 0;
    u16 export_flags_ = 0;
    bool read_only_ = false;
    bool is_lost_ = false; // the server has gone or makes no sense
    u64 cookie_ = 0;
};

} // namespace ulna::devices::virtio
