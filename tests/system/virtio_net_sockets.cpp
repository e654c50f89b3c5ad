// Networks on sockets and on an interface of the host's.
#include "runtime/devices/virtio/net_options.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <functional>

#include "tests/system/event_loop_fixture.h"
#include "tests/system/temporary_file.h"

#include "tests/support/catch.h"

namespace ulna::devices::virtio {
namespace {

using Frame = std::vector<u8>;
using Frames = std::vector<Frame>;

struct Listener final : FrameReceiver {
    void receive(std::span<const u8> frame) override {
        got.emplace_back(frame.begin(), frame.end());
    }
    Frames got;
};

struct Networks : LoopFixture {
    std::unique_ptr<NetBackend> open(const NetOptions& options, FrameReceiver* receiver = nullptr) {
        std::string why_not;
        const std::lock_guard held(lock);
        auto net = open_net(loop, options, why_not);
        INFO(why_not);
        REQUIRE(net != nullptr);
        net->connect(receiver);
        return net;
    }
    void send(NetBackend& net, const Frame& frame) {
        const std::lock_guard held(lock);
        net.send(frame);
    }
    // Until it is so, or for long enough to say that it will not be.
    bool wait_for(const std::function<bool()>& holds) {
        for (int tries = 0; tries < 200 && !holds(); ++tries) {
            run_for(10'000'000);
        }
        return holds();
    }
    static std::string path(const char* name) {
        return "/tmp/ulna-test-net-" + std::to_string(getpid()) + name;
    }
};

Frame frame_of(std::size_t bytes, u8 fill) { return Frame(bytes, fill); }

// What a peer that is no friend has.
struct RawClient {
    explicit RawClient(const std::string& path) : fd(socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    ~RawClient() { close(fd); }
    void write(const Frame& bytes) const {
        REQUIRE(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
    }
    [[nodiscard]] bool is_closed() const {
        u8 byte = 0;
        return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
    }
    int fd;
};

TEST_CASE("two networks on one stream hear each other", "[virtio][net]") {
    Networks test;
    const SocketPlace place{.unix_path = Networks::path("stream")};
    Listener here, there;
    const auto server = test.open(StreamNetOptions{.place = place, .server = true}, &here);
    test.send(*server, frame_of(60, 1)); // to nobody
    const auto client = test.open(StreamNetOptions{.place = place}, &there);
    for (u8 n = 1; n <= 100; ++n) {
        test.send(*client, frame_of(n * 15, n));
    }
    REQUIRE(test.wait_for([&] { return here.got.size() == 100; }));
    CHECK(here.got[99] == frame_of(1500, 100));
    test.send(*server, frame_of(65000, 7));
    test.send(*server, frame_of(60, 8));
    REQUIRE(test.wait_for([&] { return there.got.size() == 2; }));
    CHECK(there.got[0] == frame_of(65000, 7));
    CHECK(there.got[1] == frame_of(60, 8));
}

TEST_CASE("a stream by TCP is the same", "[virtio][net]") {
    Networks test;
    const SocketPlace place{.host = "127.0.0.1", .port = std::to_string(20000 + getpid() % 20000)};
    Listener here;
    const auto server = test.open(StreamNetOptions{.place = place, .server = true}, &here);
    const auto client = test.open(StreamNetOptions{.place = place});
    test.send(*client, frame_of(60, 3));
    CHECK(test.wait_for([&] { return here.got.size() == 1; }));
    std::string why_not;
    CHECK(open_net(test.loop, StreamNetOptions{.place = place, .server = true}, why_not) ==
          nullptr);
    CHECK(why_not.starts_with("network: cannot listen at 127.0.0.1:"));
    CHECK(open_net(test.loop, StreamNetOptions{.fd = 987}, why_not) == nullptr);
    CHECK(why_not == "network: cannot connect to descriptor 987: Bad file descriptor");
}

TEST_CASE("a stream is cut into frames however it comes", "[virtio][net]") {
    Networks test;
    const SocketPlace place{.unix_path = Networks::path("cut")};
    Listener here;
    const auto server = test.open(StreamNetOptions{.place = place, .server = true}, &here);
    {
        const RawClient peer(place.unix_path);
        for (const u8 byte : Frame{0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 0, 0, 0, 1, 'd'}) {
            peer.write({byte});
            test.run_for(1'000'000);
        }
        CHECK(test.wait_for([&] { return here.got == Frames{Frame{'a', 'b', 'c'}, Frame{'d'}}; }));
        peer.write({0, 1, 0x10, 0}); // as long as it may be
        test.run_for(10'000'000);
        CHECK_FALSE(peer.is_closed());
    }
    const RawClient hostile(place.unix_path); // and the next one is served
    hostile.write({0, 1, 0x10, 1});
    CHECK(test.wait_for([&] { return hostile.is_closed(); }));
    const RawClient last(place.unix_path);
    last.write({0, 0, 0, 1, 'e'});
    CHECK(test.wait_for([&] { return here.got.size() == 3; }));
}

TEST_CASE("a peer that does not read keeps nobody waiting", "[virtio][net]") {
    Networks test;
    const SocketPlace place{.unix_path = Networks::path("slow")};
    const auto server = test.open(StreamNetOptions{.place = place, .server = true});
    const RawClient peer(place.unix_path);
    test.run_for(10'000'000);
    for (int n = 0; n < 2000; ++n) {
        test.send(*server, frame_of(1500, 5));
    }
    // What comes is whole frames.
    Frame bytes;
    test.wait_for([&] {
        std::array<u8, 65536> part;
        const ssize_t count = recv(peer.fd, part.data(), part.size(), MSG_DONTWAIT);
        bytes.insert(bytes.end(), part.begin(), part.begin() + std::max<ssize_t>(count, 0));
        return count < 0;
    });
    CHECK(bytes.size() % 1504 == 0);
    CHECK(bytes.size() > 1504 * 100);
}

TEST_CASE("a client by a path tries again when it is told to", "[virtio][net]") {
    Networks test;
    const SocketPlace place{.unix_path = Networks::path("again")};
    const auto client = test.open(StreamNetOptions{.place = place, .reconnect_ms = 5});
    for (int round = 0; round < 2; ++round) {
        Listener here;
        const auto server = test.open(StreamNetOptions{.place = place, .server = true}, &here);
        CHECK(test.wait_for([&] {
            test.send(*client, frame_of(60, 1));
            return !here.got.empty();
        }));
    }
}

TEST_CASE("datagrams are frames", "[virtio][net]") {
    Networks test;
    const unsigned port = 20000 + static_cast<unsigned>(getpid()) % 20000;
    const SocketPlace paths[] = {{.unix_path = Networks::path("one")},
                                 {.unix_path = Networks::path("two")}};
    const SocketPlace ports[] = {{.host = "127.0.0.1", .port = std::to_string(port)},
                                 {.host = "127.0.0.1", .port = std::to_string(port + 1)}};
    for (const auto& places : {paths, ports}) {
        Listener here, there;
        const auto one = test.open(DatagramNetOptions{places[0], places[1]}, &here);
        test.send(*one, frame_of(60, 1)); // to nobody
        const auto two = test.open(DatagramNetOptions{places[1], places[0]}, &there);
        test.send(*one, frame_of(1500, 2));
        test.send(*two, frame_of(60, 3));
        CHECK(test.wait_for([&] { return !here.got.empty() && !there.got.empty(); }));
        CHECK(here.got == Frames{frame_of(60, 3)});
        CHECK(there.got == Frames{frame_of(1500, 2)});
    }
    std::string why_not;
    CHECK(open_net(test.loop, DatagramNetOptions{{.host = "192.0.2.1", .port = "1"}, ports[0]},
                   why_not) == nullptr);
    CHECK(why_not == "network: cannot have its socket: Cannot assign requested address");
}

TEST_CASE("members of a multicast group hear one another", "[virtio][net]") {
    Networks test;
    const DatagramNetOptions group{
        {.host = "127.0.0.1"},
        {.host = "239.1.2.3", .port = std::to_string(20000 + getpid() % 20000)}};
    Listener here, there;
    const auto one = test.open(group, &here), two = test.open(group, &there);
    test.send(*one, frame_of(60, 1));
    CHECK(test.wait_for([&] { return !there.got.empty(); }));
    CHECK(there.got[0] == frame_of(60, 1));
}

TEST_CASE("an interface that cannot be had is a line", "[virtio][net]") {
    Networks test;
    std::string why_not;
    CHECK(open_net(test.loop, TapNetOptions{.name = "a-name-that-is-too-long"}, why_not) ==
          nullptr);
    CHECK(why_not == "network: interface 'a-name-that-is-too-long': File name too long");
    CHECK(open_net(test.loop, TapNetOptions{.fd = 987}, why_not) == nullptr);
    CHECK(why_not == "network: descriptor 987: Bad file descriptor");
}

} // namespace
} // namespace ulna::devices::virtio
