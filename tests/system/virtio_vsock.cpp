// virtio-vsock: a guest that writes its packets by hand, and programs of the host at Unix sockets.
#include "runtime/devices/virtio/vsock.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "tests/system/virtio_driver.h"

#include "tests/support/catch.h"

namespace ulna::devices::virtio {

using runtime::FileDescriptor;

namespace {

constexpr u64 kCid = 3;
constexpr u32 kBuffers = 8, kBufferBytes = 4096;

// A Unix socket of the host's side.
class HostSocket {
  public:
    explicit HostSocket(int fd) : fd_(fd) {
        timeval patience{5, 0};
        setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    static HostSocket open() { return HostSocket(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
    static sockaddr_un address(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        return address;
    }
    void listen_at(const std::string& path) {
        const sockaddr_un at = address(path);
        REQUIRE(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
        REQUIRE(listen(fd_.get(), 4) == 0);
    }
    bool connect_to(const std::string& path) {
        const sockaddr_un at = address(path);
        return connect(fd_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
    }
    HostSocket accept_one() { return HostSocket(accept(fd_.get(), nullptr, nullptr)); }
    void write(const std::string& text) {
        size_t done = 0;
        while (done < text.size()) {
            const ssize_t sent =
                send(fd_.get(), text.data() + done, text.size() - done, MSG_NOSIGNAL);
            REQUIRE(sent > 0);
            done += static_cast<size_t>(sent);
        }
    }
    std::string read(size_t bytes) { // up to the end of the stream
        std::string text(bytes, 0);
        size_t done = 0;
        while (done < bytes) {
            const ssize_t got = recv(fd_.get(), text.data() + done, bytes - done, 0);
            if (got <= 0) {
                break;
            }
            done += static_cast<size_t>(got);
        }
        return text.substr(0, done);
    }
    void finish_writing() { shutdown(fd_.get(), SHUT_WR); }

  private:
    FileDescriptor fd_;
};

struct Packet {
    VsockHeader header;
    std::string data;
};

class Guest {
  public:
    Guest() {
        REQUIRE(mkdtemp(folder_.data()) != nullptr);
        path = folder_ + "/vsock";
        std::string why_not;
        device_ = Vsock::open(loop_, path, kCid, why_not);
        INFO(why_not);
        REQUIRE(device_ != nullptr);
        driver.attach(device_.get());
        driver.bring_up(TestDriver::kAllOffered, 3);
        for (u32 i = 0; i < kBuffers; ++i) {
            buffers_.push_back(driver.allocate(kBufferBytes));
            offer_buffer(i);
        }
        driver.notify(0);
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Guest() {
        loop_.stop();
        thread_.join();
        device_.reset();
        unlink((path + "_5000").c_str());
        rmdir(folder_.c_str());
    }

    void send(VsockHeader header, const std::string& data = "") {
        const std::lock_guard held(lock);
        header.src_cid = kCid;
        header.dst_cid = kVsockHostCid;
        header.data_bytes = static_cast<u32>(data.size());
        header.buffer_bytes = credit;
        header.consumed_bytes = consumed;
        driver.add(1, {{driver.store(&header, sizeof header), sizeof header},
                       {driver.store(data.data(), data.size()), static_cast<u32>(data.size())}});
        driver.notify(1);
    }
    void
    send(VsockOp op, u32 host_port, u32 guest_port, const std::string& data = "", u32 flags = 0) {
        send({.src_port = guest_port, .dst_port = host_port, .op = op, .flags = flags}, data);
    }
    // The next packet, whose buffer goes back to the device.
    Packet next() {
        for (int tries = 0; tries < 5000; ++tries) {
            {
                const std::lock_guard held(lock);
                if (driver.used_index(0) != taken_) {
                    return take();
                }
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        FAIL("no packet");
        return {};
    }
    Packet next(VsockOp op) {
        const Packet packet = next();
        CHECK(packet.header.op == op);
        CHECK(packet.header.src_cid == kVsockHostCid);
        CHECK(packet.header.dst_cid == kCid);
        return packet;
    }
    bool is_quiet() {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        const std::lock_guard held(lock);
        return driver.used_index(0) == taken_;
    }

    std::string path;
    std::mutex lock;
    TestDriver driver;
    u32 credit = 1 << 20, consumed = 0;

  private:
    void offer_buffer(u32 index) {
        const auto& ring = driver.ring(0);
        driver.put_descriptor(ring.descriptors, index, buffers_[index], kBufferBytes, 2, 0);
        driver.offer(0, static_cast<u16>(index));
    }
    Packet take() {
        const auto used = driver.used(0, taken_++);
        Packet packet;
        packet.header = driver.load<VsockHeader>(buffers_[used.head]);
        packet.data.assign(reinterpret_cast<char*>(driver.host(buffers_[used.head])) +
                               sizeof packet.header,
                           used.bytes - sizeof packet.header);
        offer_buffer(used.head);
        driver.notify(0);
        return packet;
    }

    std::string folder_ = "/tmp/ulna-test-vsock-XXXXXX";
    EventLoop loop_{lock};
    std::unique_ptr<Vsock> device_;
    std::vector<PhysAddr> buffers_;
    u16 taken_ = 0;
    std::thread thread_;
};

TEST_CASE("a guest connects to a port of the host", "[virtio][vsock]") {
    Guest guest;
    CHECK(guest.driver.transport->read(0x100, 8) == kCid);
    guest.send(VsockOp::Request, 5000, 700);
    CHECK(guest.next(VsockOp::Reset).header.dst_port == 700); // nobody listens
    HostSocket listener = HostSocket::open();
    listener.listen_at(guest.path + "_5000");
    guest.send(VsockOp::Request, 5000, 700);
    const Packet response = guest.next(VsockOp::Response);
    CHECK(response.header.src_port == 5000);
    CHECK(response.header.dst_port == 700);
    CHECK(response.header.buffer_bytes > 0);
    HostSocket peer = listener.accept_one();
    guest.send(VsockOp::Data, 5000, 700, "to the host");
    CHECK(peer.read(11) == "to the host");
    peer.write("to the guest");
    CHECK(guest.next(VsockOp::Data).data == "to the guest");
    guest.send(VsockOp::CreditRequest, 5000, 700);
    CHECK(guest.next(VsockOp::CreditUpdate).header.consumed_bytes == 11);
    guest.send(VsockOp::Shutdown, 5000, 700, "", 3);
    guest.next(VsockOp::Reset);
    CHECK(peer.read(1).empty());
    guest.send(VsockOp::Data, 5000, 700, "x"); // no longer there
    guest.next(VsockOp::Reset);
}

TEST_CASE("a program of the host connects to a port of the guest", "[virtio][vsock]") {
    Guest guest;
    HostSocket program = HostSocket::open();
    REQUIRE(program.connect_to(guest.path));
    program.write("CONNECT 22\nearly words");
    const Packet request = guest.next(VsockOp::Request);
    CHECK(request.header.dst_port == 22);
    const u32 port = request.header.src_port;
    CHECK(guest.is_quiet());
    guest.send(VsockOp::Response, port, 22);
    CHECK(guest.next(VsockOp::Data).data == "early words");
    const std::string answer = "OK " + std::to_string(port) + "\n";
    CHECK(program.read(answer.size()) == answer);
    guest.send(VsockOp::Data, port, 22, "welcome");
    CHECK(program.read(7) == "welcome");
    program.finish_writing(); // but still reads
    CHECK(guest.next(VsockOp::Shutdown).header.flags == kVsockNoSend);
    guest.send(VsockOp::Data, port, 22, "and good-bye");
    guest.send(VsockOp::Shutdown, port, 22, "", 3);
    guest.next(VsockOp::Reset);
    CHECK(program.read(100) == "and good-bye");

    HostSocket refused = HostSocket::open();
    REQUIRE(refused.connect_to(guest.path));
    refused.write("CONNECT 23\n");
    guest.send(VsockOp::Reset, guest.next(VsockOp::Request).header.src_port, 23);
    CHECK(refused.read(1).empty());
    for (const char* words : {"HELLO\n", "CONNECT x\n", "CONNECT 5x\n", "CONNECT 99999999999\n"}) {
        HostSocket rude = HostSocket::open();
        REQUIRE(rude.connect_to(guest.path));
        rude.write(words);
        CHECK(rude.read(1).empty());
    }
    CHECK(guest.is_quiet());
}

TEST_CASE("a guest gets no more than it gives credit for", "[virtio][vsock]") {
    Guest guest;
    guest.credit = 1000;
    HostSocket listener = HostSocket::open();
    listener.listen_at(guest.path + "_5000");
    guest.send(VsockOp::Request, 5000, 700);
    guest.next(VsockOp::Response);
    HostSocket peer = listener.accept_one();
    std::string text;
    for (int i = 0; i < 30000; ++i) {
        text += static_cast<char>('a' + i % 26);
    }
    peer.write(text);
    std::string got;
    while (got.size() < text.size()) {
        while (got.size() < std::min<size_t>(guest.consumed + 1000, text.size())) {
            got += guest.next(VsockOp::Data).data;
        }
        REQUIRE(got.size() <= guest.consumed + 1000);
        if (got.size() < 3000) {
            CHECK(guest.is_quiet());
        }
        guest.consumed = static_cast<u32>(got.size());
        guest.send(VsockOp::CreditUpdate, 5000, 700);
    }
    CHECK(got == text);
}

TEST_CASE("much data flows both ways, and a host that does not read is waited for",
          "[virtio][vsock]") {
    Guest guest;
    HostSocket listener = HostSocket::open();
    listener.listen_at(guest.path + "_5000");
    guest.send(VsockOp::Request, 5000, 700);
    Packet last = guest.next(VsockOp::Response);
    HostSocket peer = listener.accept_one();
    std::string text(1500'000, 0);
    for (size_t i = 0; i < text.size(); ++i) {
        text[i] = static_cast<char>(i * 7 >> 3);
    }
    std::string at_host;
    std::thread reader([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        at_host = peer.read(text.size());
    });
    u32 sent = 0;
    while (sent < text.size()) {
        const u32 credit = last.header.buffer_bytes - (sent - last.header.consumed_bytes);
        const u32 part = std::min<u32>({credit, 60000, static_cast<u32>(text.size()) - sent});
        if (part == 0) {
            last = guest.next(VsockOp::CreditUpdate);
            continue;
        }
        {
            const std::lock_guard held(guest.lock);
            guest.driver.rewind_to(4 << 20);
        }
        guest.send(VsockOp::Data, 5000, 700, text.substr(sent, part));
        sent += part;
    }
    reader.join();
    CHECK(at_host == text);
    // More than it has credit for ends the connection.
    HostSocket other = HostSocket::open();
    guest.send(VsockOp::Request, 5000, 701);
    while (guest.next().header.op != VsockOp::Response) {
    }
    for (int i = 0; i < 20; ++i) {
        guest.send(VsockOp::Data, 5000, 701, std::string(60000, 'x'));
        const std::lock_guard held(guest.lock);
        guest.driver.rewind_to(4 << 20);
    }
    Packet packet = guest.next();
    while (packet.header.op == VsockOp::CreditUpdate) {
        packet = guest.next();
    }
    CHECK(packet.header.op == VsockOp::Reset);
}

TEST_CASE("packets that make no sense are refused", "[virtio][vsock]") {
    Guest guest;
    guest.send(VsockOp::Data, 1, 2, "x");
    guest.next(VsockOp::Reset);
    guest.send(VsockOp::Reset, 1, 2); // not answered, or it would never end
    CHECK(guest.is_quiet());
    guest.send({.src_port = 1, .dst_port = 2, .type = 2, .op = VsockOp::Request});
    CHECK(guest.next(VsockOp::Reset).header.type == 2);
    guest.send(static_cast<VsockOp>(99), 1, 2);
    guest.next(VsockOp::Reset);
    {
        const std::lock_guard held(guest.lock);
        const PhysAddr at = guest.driver.allocate(64);
        guest.driver.add(1, {{at, 10}});
        guest.driver.notify(1);
    }
    CHECK(guest.is_quiet());
}

TEST_CASE("a path that cannot be a socket's is said in one line", "[virtio][vsock]") {
    std::mutex lock;
    EventLoop loop(lock);
    std::string why_not;
    for (const std::string& path :
         {std::string("/nonexistent/x"), std::string(200, 'x'), std::string("/tmp")}) {
        CHECK(Vsock::open(loop, path, kCid, why_not) == nullptr);
        CHECK(why_not.find(path) != std::string::npos);
    }
}

} // namespace
} // namespace ulna::devices::virtio
