// Devices in other processes: a back end of the test's own, one that lies, and qemu-storage-daemon.
#include "runtime/devices/virtio/vhost_user.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "tests/system/virtio_driver.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::devices::virtio {

using runtime::FileDescriptor;

namespace {

struct TemporaryFolder {
    TemporaryFolder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
    ~TemporaryFolder() { std::filesystem::remove_all(path); }
    std::string path = "/tmp/ulna-test-vhost-XXXXXX";
};

FileDescriptor listen_at(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    FileDescriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(listener.get(), 1) == 0);
    return listener;
}

// Serves one connection in a thread: gives each request back with 'Z' in its last byte.
class BackEnd {
  public:
    explicit BackEnd(const std::string& path)
        : listener_(listen_at(path)), thread_([this] { run(); }) {}
    ~BackEnd() {
        if (thread_.joinable()) {
            shutdown(listener_.get(), SHUT_RDWR);
            thread_.join();
        }
    }
    // Ends the connection, as a crash would.
    void die() {
        dies = true;
        thread_.join();
    }

    std::atomic<bool> dies = false;
    std::atomic<u64> features_set = 0;
    std::vector<u32> requests; // when it has ended

  private:
    struct Mapping {
        u64 guest, bytes, front_end;
        u8* host;
    };

    void run() {
        socket_ = FileDescriptor(accept(listener_.get(), nullptr, nullptr));
        while (!dies) {
            pollfd wait[2] = {{socket_.get(), POLLIN, 0}, {kick_.get(), POLLIN, 0}};
            poll(wait, kick_ ? 2 : 1, 10);
            if (kick_ && (wait[1].revents & POLLIN) != 0) {
                u64 count;
                (void)!read(kick_.get(), &count, sizeof count);
                serve();
            }
            if (wait[0].revents != 0 && !take_message()) {
                break;
            }
        }
        socket_ = FileDescriptor();
        for (const Mapping& mapping : memory_) {
            munmap(mapping.host, mapping.bytes);
        }
    }

    bool take_message() {
        struct {
            u32 request, flags, bytes;
        } header;
        iovec piece{&header, sizeof header};
        alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))];
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        if (recvmsg(socket_.get(), &message, MSG_WAITALL) != sizeof header) {
            return false;
        }
        std::vector<int> fds;
        if (const cmsghdr* passed = CMSG_FIRSTHDR(&message)) {
            fds.resize((passed->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            std::memcpy(fds.data(), CMSG_DATA(passed), fds.size() * sizeof(int));
        }
        std::vector<u8> body(header.bytes);
        if (!body.empty() && recv(socket_.get(), body.data(), body.size(), MSG_WAITALL) !=
                                 static_cast<ssize_t>(body.size())) {
            return false;
        }
        requests.push_back(header.request);
        handle(static_cast<VhostRequest>(header.request), body, fds);
        return true;
    }

    template <class T> static T field(const std::vector<u8>& body, size_t offset) {
        T value;
        std::memcpy(&value, &body[offset], sizeof value);
        return value;
    }

    void answer(VhostRequest request, const void* body, u32 bytes) {
        const u32 header[3] = {static_cast<u32>(request), 1 | 4, bytes};
        (void)!send(socket_.get(), header, sizeof header, MSG_NOSIGNAL);
        (void)!send(socket_.get(), body, bytes, MSG_NOSIGNAL);
    }

    void handle(VhostRequest request, const std::vector<u8>& body, const std::vector<int>& fds) {
        const u64 features = u64{1} << 32 | 1u << 30 | 1u << 28 | 1u << 12 | 1u << 9 | 1u << 6;
        const u64 protocol = 1u << 9 | 1u << 3;
        switch (request) {
        case VhostRequest::GetFeatures:
            return answer(request, &features, 8);
        case VhostRequest::GetProtocolFeatures:
            return answer(request, &protocol, 8);
        case VhostRequest::SetFeatures:
            features_set = field<u64>(body, 0);
            return;
        case VhostRequest::GetConfig: {
            std::vector<u8> config = body;
            config[12] = 77; // capacity
            return answer(request, config.data(), static_cast<u32>(config.size()));
        }
        case VhostRequest::SetMemTable:
            for (u32 i = 0; i < field<u32>(body, 0); ++i) {
                const size_t at = 8 + 32 * i;
                Mapping mapping{field<u64>(body, at), field<u64>(body, at + 8),
                                field<u64>(body, at + 16), nullptr};
                mapping.host = static_cast<u8*>(
                    mmap(nullptr, mapping.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0));
                close(fds[i]);
                memory_.push_back(mapping);
            }
            return;
        case VhostRequest::SetVringNum:
            entries_ = field<u32>(body, 4);
            return;
        case VhostRequest::SetVringAddr:
            descriptors_ = at_front_end(field<u64>(body, 8));
            used_ = at_front_end(field<u64>(body, 16));
            available_ = at_front_end(field<u64>(body, 24));
            next_ = 0;
            return;
        case VhostRequest::SetVringKick:
            kick_ = FileDescriptor(fds[0]);
            return;
        case VhostRequest::SetVringCall:
            call_ = FileDescriptor(fds[0]);
            return;
        case VhostRequest::GetVringBase: {
            kick_ = FileDescriptor();
            const u32 state[2] = {field<u32>(body, 0), next_};
            return answer(request, state, sizeof state);
        }
        default:
            return;
        }
    }

    u8* at_front_end(u64 address) {
        const Mapping& mapping = memory_[0];
        return mapping.host + (address - mapping.front_end);
    }

    void serve() {
        const auto index = reinterpret_cast<std::atomic<u16>*>(available_ + 2);
        for (; next_ != index->load(); ++next_) {
            u16 head;
            std::memcpy(&head, available_ + 4 + 2 * (next_ % entries_), 2);
            u64 at;
            u32 bytes;
            std::memcpy(&at, descriptors_ + 16 * head, 8);
            std::memcpy(&bytes, descriptors_ + 16 * head + 8, 4);
            memory_[0].host[at - memory_[0].guest + bytes - 1] = 'Z';
            const u32 entry[2] = {head, bytes};
            std::memcpy(used_ + 4 + 8 * (next_ % entries_), entry, sizeof entry);
            reinterpret_cast<std::atomic<u16>*>(used_ + 2)->store(static_cast<u16>(next_ + 1));
        }
        const u64 one = 1;
        (void)!write(call_.get(), &one, sizeof one);
    }

    FileDescriptor listener_, socket_, kick_, call_;
    std::vector<Mapping> memory_;
    u32 entries_ = 0;
    u8 *descriptors_ = nullptr, *available_ = nullptr, *used_ = nullptr;
    u16 next_ = 0;
    std::thread thread_;
};

// A machine with the loop in a thread.
struct Machine {
    ~Machine() { finish(); }
    void finish() { // before the device goes
        loop.stop();
        if (thread.joinable()) {
            thread.join();
        }
    }
    void start(VirtioDevice* device) {
        driver.attach(device);
        thread = std::thread([this] { loop.run(); });
    }
    template <class Condition> bool wait_for(Condition condition) {
        for (int tries = 0; tries < 5000; ++tries) {
            {
                const std::lock_guard held(lock);
                if (condition()) {
                    return true;
                }
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }

    std::mutex lock;
    EventLoop loop{lock};
    TestDriver driver;
    std::thread thread;
};

TEST_CASE("another process serves a device's queue", "[virtio][vhost]") {
    TemporaryFolder folder;
    BackEnd back_end(folder.path + "/socket");
    Machine machine;
    TestDriver& driver = machine.driver;
    std::string why_not;
    auto device =
        VhostUser::open_block(machine.loop, driver.memory, folder.path + "/socket", why_not);
    INFO(why_not);
    REQUIRE(device != nullptr);
    machine.start(device.get());
    PhysAddr buffer = 0;
    for (int life = 0; life < 3; ++life) {
        {
            const std::lock_guard held(machine.lock);
            CHECK(driver.offered() == (u64{1} << 32 | 1u << 28 | 1u << 9 | 1u << 6));
            CHECK(driver.read(0x100) == 77);
            driver.bring_up(TestDriver::kAllOffered, 1);
            buffer = driver.allocate(16);
            driver.add(0, {{buffer, 16, true}});
            driver.notify(0);
        }
        CHECK(machine.wait_for([&] { return driver.line.asserted; }));
        const std::lock_guard held(machine.lock);
        CHECK(driver.used_index(0) == 1);
        CHECK(driver.load<u8>(buffer + 15) == 'Z');
        CHECK(back_end.features_set == (u64{1} << 32 | 1u << 30 | 1u << 28 | 1u << 9 | 1u << 6));
        driver.write(0x064, 1);
        driver.transport->write(0x120, 1, 0); // writeback
        driver.write(0x070, 0);
        // The back end has let go of it.
        driver.add(0, {{buffer, 16, true}});
        driver.notify(0);
    }
    machine.finish();
    back_end.die();
    CHECK(std::count(back_end.requests.begin(), back_end.requests.end(), 11u) == 3); // GetVringBase
    CHECK(std::count(back_end.requests.begin(), back_end.requests.end(), 25u) == 3); // SetConfig
}

TEST_CASE("a back end that dies makes its device ask for a reset", "[virtio][vhost]") {
    TemporaryFolder folder;
    BackEnd back_end(folder.path + "/socket");
    Machine machine;
    TestDriver& driver = machine.driver;
    std::string why_not;
    auto device = VhostUser::open_file_system(machine.loop, driver.memory, folder.path + "/socket",
                                              "host", why_not);
    REQUIRE(device != nullptr);
    machine.start(device.get());
    {
        const std::lock_guard held(machine.lock);
        CHECK(driver.read(0x008) == 26);
        CHECK(driver.read(0x100) == ('h' | 'o' << 8 | 's' << 16 | 't' << 24));
        CHECK(driver.read(0x124) == 1);
        driver.bring_up(TestDriver::kAllOffered, 2);
        CHECK(driver.read(0x070) == 15);
    }
    back_end.die();
    CHECK(machine.wait_for([&] { return (driver.read(0x070) & kNeedsReset) != 0; }));
    machine.finish();
    driver.bring_up(TestDriver::kAllOffered, 2); // of no use, but no harm
    CHECK((driver.read(0x070) & kNeedsReset) != 0);
}

TEST_CASE("a back end that is not there, or lies, is said in one line", "[virtio][vhost]") {
    TemporaryFolder folder;
    std::mutex lock;
    EventLoop loop(lock);
    PhysicalMemory memory;
    std::string why_not;
    CHECK(VhostUser::open_block(loop, memory, folder.path + "/none", why_not) == nullptr);
    CHECK(why_not.find("/none") != std::string::npos);
    CHECK(VhostUser::open_file_system(loop, memory, folder.path, "", why_not) == nullptr);
    PhysicalMemory unshared;
    REQUIRE(unshared.add_ram(0x4000'0000, 1 << 20, why_not) != nullptr);
    CHECK(VhostUser::open_block(loop, unshared, folder.path + "/none", why_not) == nullptr);
    CHECK(why_not.find("not shared") != std::string::npos);
    const FileDescriptor listener = listen_at(folder.path + "/socket");
    std::mt19937 random(test::seed(2));
    for (int i = 0; i < 200; ++i) {
        std::thread liar([&] {
            const FileDescriptor peer(accept(listener.get(), nullptr, nullptr));
            std::vector<u32> words{1, 5, 8, 1u << 30, 1, 15, 5, 8, 1u << 9, 0, 24, 5, 72};
            words.resize(words.size() + 18);
            words[random() % words.size()] ^= 1u << random() % 32;
            words.resize(random() % 4 == 0 ? random() % words.size() : words.size());
            (void)!send(peer.get(), words.data(), words.size() * 4, MSG_NOSIGNAL);
            shutdown(peer.get(), SHUT_WR);
            char ignored[512];
            while (recv(peer.get(), ignored, sizeof ignored, 0) > 0) {
            }
        });
        auto device = VhostUser::open_block(loop, memory, folder.path + "/socket", why_not);
        CHECK((device != nullptr || why_not.find('\n') == std::string::npos));
        if (device != nullptr) {
            TestDriver driver;
            driver.attach(device.get());
            driver.bring_up(TestDriver::kAllOffered, 1);
            driver.write(0x070, 0);
        }
        device.reset();
        liar.join();
    }
}

TEST_CASE("qemu-storage-daemon serves a disk", "[virtio][vhost]") {
    if (std::system("command -v qemu-storage-daemon >/dev/null 2>&1") != 0) {
        WARN("skipped: qemu-storage-daemon is not installed");
        return;
    }
    TemporaryFolder folder;
    const std::string image = folder.path + "/image", path = folder.path + "/socket";
    REQUIRE(std::system(("head -c 1048576 /dev/zero >" + image).c_str()) == 0);
    const std::string node = "driver=file,node-name=image,filename=" + image;
    const std::string exported =
        "type=vhost-user-blk,id=disk,node-name=image,writable=on,addr.type=unix,addr.path=" + path;
    const pid_t daemon = fork();
    if (daemon == 0) {
        execlp("qemu-storage-daemon", "qemu-storage-daemon", "--blockdev", node.c_str(), "--export",
               exported.c_str(), nullptr);
        _exit(127);
    }
    for (int tries = 0; tries < 500 && !std::filesystem::exists(path); ++tries) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    {
        Machine machine;
        TestDriver& driver = machine.driver;
        std::string why_not;
        auto device = VhostUser::open_block(machine.loop, driver.memory, path, why_not);
        INFO(why_not);
        REQUIRE(device != nullptr);
        machine.start(device.get());
        PhysAddr header = 0, data = 0, status = 0;
        const auto transfer = [&](u32 type, u64 sector, bool to_guest) {
            const std::lock_guard held(machine.lock);
            driver.put<u32>(header, type);
            driver.put<u64>(header + 8, sector);
            driver.put<u8>(status, 0xff);
            driver.add(0, {{header, 16}, {data, 512, to_guest}, {status, 1, true}});
            driver.notify(0);
        };
        for (u16 life = 0; life < 2; ++life) {
            {
                const std::lock_guard held(machine.lock);
                CHECK(driver.transport->read(0x100, 8) == 2048);
                driver.bring_up(TestDriver::kAllOffered, 1);
                header = driver.allocate(16);
                data = driver.allocate(512);
                status = driver.allocate(1);
                std::memset(driver.host(data), 'a' + life, 512);
            }
            transfer(1, 3, false);
            CHECK(machine.wait_for([&] { return driver.used_index(0) == 1; }));
            CHECK(driver.load<u8>(status) == 0);
            {
                const std::lock_guard held(machine.lock);
                std::memset(driver.host(data), 0, 512);
            }
            transfer(0, 3, true);
            CHECK(machine.wait_for([&] { return driver.used_index(0) == 2; }));
            CHECK(driver.load<u8>(data + 511) == 'a' + life);
        }
        machine.finish();
        driver.write(0x070, 0);
    }
    kill(daemon, SIGTERM);
    waitpid(daemon, nullptr, 0);
}

} // namespace
} // namespace ulna::devices::virtio
