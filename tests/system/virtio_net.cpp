// virtio-net, with a network that is a list of frames and with the user network.
#include "runtime/devices/virtio/net.h"
#include "runtime/devices/virtio/user_net.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "tests/system/virtio_driver.h"

#include "tests/support/catch.h"

namespace ulna::devices::virtio {
namespace {

constexpr MacAddress kMac{0x52, 0x54, 0, 0x12, 0x34, 0x56};
using Frame = std::vector<u8>;

struct FrameList final : NetBackend {
    void connect(FrameReceiver* to) override { receiver = to; }
    void send(std::span<const u8> frame) override { sent.emplace_back(frame.begin(), frame.end()); }
    FrameReceiver* receiver = nullptr;
    std::vector<Frame> sent;
};

Frame frame_of(u32 bytes, u8 first = 1) {
    Frame frame(bytes);
    for (u32 i = 0; i < bytes; ++i) {
        frame[i] = static_cast<u8>(first + i);
    }
    return frame;
}

struct NetDriver : TestDriver {
    explicit NetDriver(std::unique_ptr<NetBackend> backend, u64 features = kAllOffered)
        : net(std::move(backend), kMac) {
        attach(&net);
        bring_up(features, 2);
    }
    PhysAddr offer_buffer(u32 bytes) {
        const PhysAddr at = allocate(bytes);
        add(0, {{at, bytes, true}});
        return at;
    }
    void transmit(const Frame& frame) {
        const PhysAddr header = allocate(12);
        add(1, {{header, 12}, {store(frame.data(), frame.size()), static_cast<u32>(frame.size())}});
        notify(1);
    }
    Frame bytes_at(PhysAddr at, u64 count) { return {host(at), host(at) + count}; }
    Net net;
};

struct ListDriver {
    explicit ListDriver(u64 features = TestDriver::kAllOffered)
        : list(new FrameList), driver(std::unique_ptr<NetBackend>(list), features) {}
    void receive(const Frame& frame) { list->receiver->receive(frame); }
    FrameList* list;
    NetDriver driver;
};

TEST_CASE("a network device has an address and a link", "[virtio][net]") {
    ListDriver test;
    CHECK(test.driver.transport->read(0x100, 4) == 0x12005452);
    CHECK(test.driver.transport->read(0x106, 2) == 1);
    test.driver.net.set_link(false);
    CHECK(test.driver.transport->read(0x106, 2) == 0);
    CHECK(test.driver.read(0x060) == 2);
    test.driver.transmit(frame_of(60));
    CHECK(test.list->sent.empty());
    CHECK(test.driver.used_index(1) == 1); // sent, into the void
    test.driver.net.set_link(true);
    test.driver.transmit(frame_of(60));
    CHECK(test.list->sent.size() == 1);
}

TEST_CASE("frames leave without their header", "[virtio][net]") {
    ListDriver test;
    test.driver.transmit(frame_of(60));
    test.driver.transmit(frame_of(1514, 9));
    REQUIRE(test.list->sent.size() == 2);
    CHECK(test.list->sent[0] == frame_of(60));
    CHECK(test.list->sent[1] == frame_of(1514, 9));
    // Header and frame in one piece; then nothing but a header, and less.
    Frame whole(12);
    const Frame frame = frame_of(100);
    whole.insert(whole.end(), frame.begin(), frame.end());
    const PhysAddr at = test.driver.store(whole.data(), whole.size());
    test.driver.add(1, {{at, 112}});
    test.driver.add(1, {{at, 12}});
    test.driver.add(1, {{at, 3}});
    test.driver.notify(1);
    CHECK(test.list->sent.size() == 3);
    CHECK(test.list->sent[2] == frame);
    CHECK(test.driver.used_index(1) == 5);
}

TEST_CASE("frames arrive in the driver's buffers", "[virtio][net]") {
    for (const u64 features : {TestDriver::kAllOffered, kFeatureVersion1}) {
        ListDriver test(features);
        const PhysAddr first = test.driver.offer_buffer(1526);
        const PhysAddr second = test.driver.offer_buffer(1526);
        test.driver.notify(0);
        test.receive(frame_of(60));
        CHECK(test.driver.line.asserted);
        test.receive(frame_of(1514));
        CHECK(test.driver.used_index(0) == 2);
        CHECK(test.driver.used(0, 0).bytes == 72);
        CHECK(test.driver.load<u16>(first + 10) == 1); // num_buffers
        CHECK(test.driver.bytes_at(first + 12, 60) == frame_of(60));
        CHECK(test.driver.bytes_at(second + 12, 1514) == frame_of(1514));
    }
}

TEST_CASE("a large frame takes several merged buffers or waits for them", "[virtio][net]") {
    ListDriver test;
    const PhysAddr first = test.driver.offer_buffer(512);
    const PhysAddr second = test.driver.offer_buffer(512);
    test.driver.notify(0);
    test.receive(frame_of(1200));
    CHECK(test.driver.used_index(0) == 0);
    const PhysAddr third = test.driver.offer_buffer(512);
    test.driver.notify(0);
    REQUIRE(test.driver.used_index(0) == 3);
    CHECK(test.driver.load<u16>(first + 10) == 3);
    Frame got = test.driver.bytes_at(first + 12, 500);
    for (const auto& [at, bytes] : {std::pair{second, 512}, std::pair{third, 188}}) {
        const Frame part = test.driver.bytes_at(at, static_cast<u64>(bytes));
        got.insert(got.end(), part.begin(), part.end());
    }
    CHECK(got == frame_of(1200));
    CHECK(test.driver.used(0, 2).bytes == 188);
}

TEST_CASE("a frame too large for a buffer without merging is lost, the buffer not",
          "[virtio][net]") {
    ListDriver test(kFeatureVersion1);
    const PhysAddr at = test.driver.offer_buffer(512);
    test.driver.notify(0);
    test.receive(frame_of(1200));
    CHECK(test.driver.used_index(0) == 0);
    test.receive(frame_of(60));
    CHECK(test.driver.used_index(0) == 1);
    CHECK(test.driver.bytes_at(at + 12, 60) == frame_of(60));
}

TEST_CASE("frames wait, in order and not without bound, for a driver without buffers",
          "[virtio][net]") {
    ListDriver test;
    for (u32 i = 0; i < 5000; ++i) {
        test.receive(frame_of(60, static_cast<u8>(i)));
    }
    for (u32 i = 0; i < 8; ++i) {
        const PhysAddr at = test.driver.offer_buffer(1526);
        test.driver.notify(0);
        REQUIRE(test.driver.used_index(0) == i + 1);
        CHECK(test.driver.bytes_at(at + 12, 60) == frame_of(60, static_cast<u8>(i)));
    }
    test.driver.write(0x070, 0);
    test.receive(frame_of(60)); // nobody is there
    test.driver.bring_up(TestDriver::kAllOffered, 2);
    test.driver.offer_buffer(1526);
    test.driver.notify(0);
    CHECK(test.driver.used_index(0) == 0); // what waited is from another life
}

TEST_CASE("forwarded ports are written as with the peer", "[virtio][net]") {
    const auto forward = parse_host_forward("tcp:127.0.0.1:2222-10.0.2.16:22");
    REQUIRE(forward);
    CHECK_FALSE(forward->udp);
    CHECK(forward->host_address == 0x7f000001);
    CHECK(forward->host_port == 2222);
    CHECK(forward->guest_address == 0x0a000210);
    CHECK(forward->guest_port == 22);
    const auto brief = parse_host_forward("udp::53-:5353");
    REQUIRE(brief);
    CHECK(brief->udp);
    CHECK(brief->host_address == 0);
    CHECK(brief->guest_port == 5353);
    for (const char* bad :
         {"", "tcp", "tcp:::-:", "tcp::1-:", "sctp::1-:2", "tcp::70000-:2", "tcp::0-:2",
          "tcp::1x-:2", "tcp:localhost:1-:2", "tcp::1-2", "tcp::1-:2 "}) {
        INFO(bad);
        CHECK_FALSE(parse_host_forward(bad));
    }
}

// --- the user network, seen by a guest that writes its frames by hand

void append(Frame& frame, std::initializer_list<u32> bytes) {
    for (const u32 byte : bytes) {
        frame.push_back(static_cast<u8>(byte));
    }
}
void append_address(Frame& frame, const MacAddress& mac) {
    frame.insert(frame.end(), mac.begin(), mac.end());
}

// ARP for IPv4 over Ethernet (RFC 826). `operation`: 1 asks, 2 answers.
Frame arp(u8 operation, const MacAddress& to, std::array<u8, 4> from_ip, std::array<u8, 4> to_ip) {
    Frame frame;
    append_address(frame, operation == 1 ? MacAddress{255, 255, 255, 255, 255, 255} : to);
    append_address(frame, kMac);
    append(frame, {8, 6, 0, 1, 8, 0, 6, 4, 0, operation});
    append_address(frame, kMac);
    frame.insert(frame.end(), from_ip.begin(), from_ip.end());
    append_address(frame, to);
    frame.insert(frame.end(), to_ip.begin(), to_ip.end());
    frame.resize(60);
    return frame;
}

u16 ip_checksum(const u8* header) {
    u32 sum = 0;
    for (int i = 0; i < 20; i += 2) {
        sum += static_cast<u32>(header[i] << 8 | header[i + 1]);
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<u16>(~sum);
}

// Turns a UDP frame around, as an echo does.
Frame echo(Frame frame) {
    std::swap_ranges(frame.begin(), frame.begin() + 6, frame.begin() + 6);
    std::swap_ranges(frame.begin() + 26, frame.begin() + 30, frame.begin() + 30); // IP
    std::swap_ranges(frame.begin() + 34, frame.begin() + 36, frame.begin() + 36); // ports
    frame[22] = 64;
    frame[24] = frame[25] = 0;
    const u16 sum = ip_checksum(&frame[14]);
    frame[24] = static_cast<u8>(sum >> 8);
    frame[25] = static_cast<u8>(sum);
    frame[40] = frame[41] = 0; // no UDP checksum
    return frame;
}

constexpr std::array<u8, 4> kGuestIp{10, 0, 2, 15}, kGatewayIp{10, 0, 2, 2};

// A guest in the test's thread, the machine's loop in another.
class UserNetGuest {
  public:
    UserNetGuest(EventLoop& loop, std::mutex& lock, const UserNetOptions& options)
        : loop_(loop), lock_(lock) {
        std::string why_not;
        auto backend = open_user_net(loop, options, why_not);
        INFO(why_not);
        REQUIRE(backend != nullptr);
        driver_ = std::make_unique<NetDriver>(std::move(backend));
        for (int i = 0; i < 8; ++i) {
            buffers_.push_back(driver_->offer_buffer(1600));
        }
        driver_->notify(0);
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~UserNetGuest() {
        loop_.stop();
        thread_.join();
    }
    void send(const Frame& frame) {
        const std::lock_guard held(lock_);
        driver_->transmit(frame);
    }
    // The next frame of an Ethernet type; others (IPv6 advertisements) are passed over. The buffers
    // are those of at most eight frames.
    std::optional<Frame> next(u16 type) {
        for (int tries = 0; tries < 5000; ++tries) {
            {
                const std::lock_guard held(lock_);
                while (taken_ < driver_->used_index(0)) {
                    const auto used = driver_->used(0, taken_);
                    Frame frame = driver_->bytes_at(buffers_[taken_++] + 12, used.bytes - 12);
                    if ((frame[12] << 8 | frame[13]) == type) {
                        return frame;
                    }
                }
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return std::nullopt;
    }

  private:
    EventLoop& loop_;
    std::mutex& lock_;
    std::unique_ptr<NetDriver> driver_;
    std::vector<PhysAddr> buffers_;
    u16 taken_ = 0;
    std::thread thread_;
};

class UdpSocket {
  public:
    UdpSocket() {
        timeval patience{5, 0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        const sockaddr_in any{AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
        REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0);
    }
    ~UdpSocket() { close(fd); }
    u16 port() const {
        sockaddr_in here{};
        socklen_t bytes = sizeof here;
        getsockname(fd, reinterpret_cast<sockaddr*>(&here), &bytes);
        return ntohs(here.sin_port);
    }
    void send(u16 to_port, const std::string& text) const {
        const sockaddr_in to{AF_INET, htons(to_port), {htonl(INADDR_LOOPBACK)}, {}};
        sendto(fd, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    }
    std::string receive() const {
        char bytes[256];
        const ssize_t count = recv(fd, bytes, sizeof bytes, 0);
        return count < 0 ? "nothing" : std::string(bytes, static_cast<size_t>(count));
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

TEST_CASE("the user network answers, and forwards the host's ports to the guest", "[virtio][net]") {
    u16 port = 0;
    {
        UdpSocket free_port;
        port = free_port.port();
    }
    std::mutex lock;
    EventLoop loop(lock);
    {
        UserNetGuest guest(loop, lock, {.forwards = {{true, 0x7f000001, port, 0, 7}}});
        guest.send(arp(1, {}, kGuestIp, kGatewayIp));
        const auto answer = guest.next(0x0806);
        REQUIRE(answer);
        CHECK((*answer)[21] == 2);
        CHECK(std::equal(kGatewayIp.begin(), kGatewayIp.end(), answer->begin() + 28));
        UdpSocket host;
        host.send(port, "ping to the guest");
        const auto datagram = guest.next(0x0800);
        REQUIRE(datagram);
        CHECK(std::string(datagram->begin() + 42, datagram->end()) == "ping to the guest");
        guest.send(echo(*datagram));
        CHECK(host.receive() == "ping to the guest");
    }
    const std::lock_guard held(lock);
}

TEST_CASE("a port of the host that is taken is said in one line", "[virtio][net]") {
    UdpSocket taken;
    std::mutex lock;
    EventLoop loop(lock);
    std::string why_not;
    CHECK(open_user_net(loop, {.forwards = {{true, 0x7f000001, taken.port(), 0, 7}}}, why_not) ==
          nullptr);
    CHECK(why_not.find(std::to_string(taken.port())) != std::string::npos);
}

} // namespace
} // namespace ulna::devices::virtio
