// Disks behind servers of the NBD protocol: qemu-nbd, and ones that do not keep to it.
#include "runtime/devices/virtio/nbd_client.h"

#include <endian.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "tests/support/catch.h"

namespace ulna::devices::virtio {

using runtime::FileDescriptor;

namespace {

struct TemporaryFolder {
    TemporaryFolder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
    ~TemporaryFolder() { std::filesystem::remove_all(path); }
    std::string path = "/tmp/ulna-test-nbd-XXXXXX";
};

std::string read_all(BlockBackend& disk, u64 offset, u64 bytes) {
    std::string text(bytes, 'x');
    const iovec pieces[] = {{text.data(), bytes / 2}, {text.data() + bytes / 2, bytes - bytes / 2}};
    CHECK(disk.read(offset, pieces) == 0);
    return text;
}

int write_all(BlockBackend& disk, u64 offset, std::string text) {
    const iovec piece{text.data(), text.size()};
    return disk.write(offset, {&piece, 1});
}

TEST_CASE("addresses of NBD servers are written as with the peer", "[virtio][nbd]") {
    CHECK(NbdClient::parse("nbd:unix:/a/b")->path == "/a/b");
    const auto named = NbdClient::parse("nbd:unix:/a:exportname=c:d");
    REQUIRE(named);
    CHECK(named->path == "/a");
    CHECK(named->export_name == "c:d");
    const auto host = NbdClient::parse("nbd:::1:10809");
    REQUIRE(host);
    CHECK(host->host == "::1");
    CHECK(host->port == "10809");
    for (const char* other : {"", "image", "nbd", "nbd:", "nbd:host", "nbd:host:", "nbd:unix:"}) {
        INFO(other);
        CHECK_FALSE(NbdClient::parse(other));
    }
}

TEST_CASE("a qcow2 image is a disk, by a server of ours", "[virtio][nbd]") {
    if (std::system("command -v qemu-img qemu-nbd >/dev/null 2>&1") != 0) {
        WARN("skipped: qemu-utils is not installed");
        return;
    }
    TemporaryFolder folder;
    const std::string image = folder.path + "/image";
    REQUIRE(std::system(("qemu-img create -q -f qcow2 " + image + " 64M").c_str()) == 0);
    std::string why_not;
    const std::string text(100'000, 'z');
    {
        const auto disk = open_block_backend({.path = image}, why_not);
        INFO(why_not);
        REQUIRE(disk != nullptr);
        CHECK(disk->bytes() == 64 << 20);
        CHECK_FALSE(disk->read_only());
        CHECK(write_all(*disk, 512, text.substr(0, 99'840)) == 0);
        CHECK(read_all(*disk, 0, 1024) == std::string(512, '\0') + text.substr(0, 512));
        CHECK(disk->write_zeroes(1024, 512) == 0);
        CHECK(disk->discard(1 << 20, 1 << 20) == 0);
        CHECK(disk->flush() == 0);
        CHECK(disk->read(64 << 20, std::vector<iovec>{{const_cast<char*>(text.data()), 512}}) != 0);
        CHECK(read_all(*disk, 0, 40 << 20).size() == 40 << 20);         // more than one request
        CHECK(open_block_backend({.path = image}, why_not) == nullptr); // in use
    }
    {
        const auto disk = open_block_backend({.path = image, .snapshot = true}, why_not);
        REQUIRE(disk != nullptr);
        CHECK(read_all(*disk, 1024, 1024) == std::string(512, '\0') + text.substr(0, 512));
        CHECK(write_all(*disk, 0, std::string(4096, 's')) == 0);
        CHECK(read_all(*disk, 0, 512) == std::string(512, 's'));
    }
    const auto disk = open_block_backend({.path = image, .read_only = true}, why_not);
    REQUIRE(disk != nullptr);
    CHECK(disk->read_only());
    CHECK(read_all(*disk, 0, 512) == std::string(512, '\0'));
}

TEST_CASE("a server that is not there or no server is said in one line", "[virtio][nbd]") {
    std::string why_not;
    CHECK(open_block_backend({.path = "nbd:unix:/nonexistent/socket"}, why_not) == nullptr);
    CHECK(why_not.find("/nonexistent/socket") != std::string::npos);
    CHECK(open_block_backend({.path = "nbd:127.0.0.1:1"}, why_not) == nullptr);
    CHECK(why_not.find("127.0.0.1:1") != std::string::npos);
    CHECK(why_not.find('\n') == std::string::npos);
}

// Answers one connection with prepared bytes, whatever it is asked.
class Liar {
  public:
    explicit Liar(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
                0);
        REQUIRE(listen(socket_.get(), 1) == 0);
    }
    void answer(const std::string& bytes) const {
        const FileDescriptor peer(accept(socket_.get(), nullptr, nullptr));
        (void)send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        shutdown(peer.get(), SHUT_WR);
        char ignored[4096];
        while (recv(peer.get(), ignored, sizeof ignored, 0) > 0) {
        }
    }

  private:
    FileDescriptor socket_{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
};

TEST_CASE("a server that lies costs an error", "[virtio][nbd]") {
    TemporaryFolder folder;
    const std::string path = folder.path + "/socket";
    const Liar liar(path);
    std::string good = "NBDMAGICIHAVEOPT" + std::string("\0\3", 2);
    const auto put = [&good](auto value) {
        for (size_t i = sizeof value; i-- > 0;) {
            good += static_cast<char>(value >> (8 * i));
        }
    };
    const auto option_answer = [&](u32 type, u32 bytes) {
        put(u64{0x3e889045565a9});
        put(u32{7});
        put(type);
        put(bytes);
    };
    option_answer(3, 12);
    put(u16{0});
    put(u64{1 << 20});
    put(u16{1});
    option_answer(1, 0);
    const size_t handshake = good.size();
    put(u32{0x67446698});
    put(u32{0});
    put(u64{1}); // the first request's cookie
    good += std::string(512, 'd');
    std::mt19937 random(1);
    for (int i = 0; i < 300; ++i) {
        std::string bytes = good;
        if (i % 3 == 1) {
            bytes.resize(random() % good.size());
        } else if (i % 3 == 2) {
            bytes[random() % (i % 2 != 0 ? handshake : bytes.size() - 512)] ^=
                static_cast<char>(1 << random() % 8);
        }
        std::thread server([&] { liar.answer(bytes); });
        std::string why_not, text(512, 'x');
        {
            const auto disk = open_block_backend({.path = "nbd:unix:" + path}, why_not);
            const iovec piece{text.data(), text.size()};
            if (disk != nullptr && disk->read(0, {&piece, 1}) == 0) {
                CHECK(text == std::string(512, 'd'));
                CHECK(disk->read(0, {&piece, 1}) == EIO); // it says no more
            }
            CHECK((i % 3 != 0 || disk != nullptr));
        }
        server.join();
    }
}

} // namespace
} // namespace ulna::devices::virtio
