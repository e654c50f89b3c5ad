// Snapshots of virtio devices: a driver that does not notice that its device is another one.
#include <fcntl.h>
#include <unistd.h>

#include "runtime/devices/pci/pci_host.h"
#include "runtime/devices/virtio/block.h"
#include "runtime/devices/virtio/console_device.h"
#include "runtime/devices/virtio/net.h"
#include "runtime/devices/virtio/p9_device.h"
#include "runtime/devices/virtio/pci_transport.h"
#include "runtime/devices/virtio/rng.h"
#include "runtime/devices/virtio/vsock.h"
#include "runtime/host_socket.h"
#include "runtime/system/semihosting_files.h"
#include "tests/system/temporary_file.h"
#include "tests/system/virtio_driver.h"

#include "tests/system/state_fixture.h"

namespace ulna::devices::virtio {
namespace {

// The driver goes on with another device, as in another process. `to` has its device.
void move(TestDriver& from, TestDriver& to, u32 queues) {
    const std::vector<u8> state = saved_state(*from.transport);
    std::memcpy(to.ram, from.ram, TestDriver::kRamBytes);
    REQUIRE(load_state(*to.transport, state) == "");
    for (u32 queue = 0; queue < queues; ++queue) {
        to.ring(queue) = from.ring(queue);
    }
    to.rewind_to(TestDriver::kRamBytes / 2);
    to.transport->driver()->device().forget_past();
    to.transport->driver()->go_on();
}

// What a driver may do with bent state: registers, and requests.
void check_bent_transport(TestDriver& driver, u32 queues, std::mutex& lock) {
    RandomAccesses access{std::mt19937_64{test::seed(19)}, MmioTransport::kBytes};
    check_bent(*driver.transport, saved_state(*driver.transport), [&] {
        driver.transport->driver()->device().drain();
        const std::lock_guard held{lock};
        driver.transport->driver()->go_on();
        for (unsigned i = 0; i < 10; ++i) {
            static_cast<void>(access(*driver.transport, *driver.transport));
        }
        for (u32 queue = 0; queue < queues; ++queue) {
            driver.add(queue, {{TestDriver::kRam + 0x2'0000, 64, queue % 2 == 0}});
            driver.notify(queue);
        }
    });
}

struct RandomSource : TestDriver {
    explicit RandomSource(u64 seed) : device{seed} { attach(&device); }
    Rng device;
};

TEST_CASE("a driver goes on with another device", "[state][virtio]") {
    for (const u64 features : {TestDriver::kAllOffered, u64{kFeatureVersion1}}) {
        RandomSource one{1}, two{2};
        one.bring_up(features, 1);
        const auto ask = [](TestDriver& driver) {
            const PhysAddr at = driver.allocate(16);
            driver.add(0, {{at, 16, true}});
            driver.notify(0);
            return driver.load<u64>(at);
        };
        for (unsigned i = 0; i < 20; ++i) { // the ring has come round
            static_cast<void>(ask(one));
        }
        CHECK(one.line.asserted);
        move(one, two, 1);
        CHECK(two.line.asserted);
        CHECK(two.read(0x070) == 15);
        CHECK(saved_state(*two.transport) == saved_state(*one.transport));
        for (unsigned i = 0; i < 20; ++i) {
            CHECK(ask(two) == ask(one)); // of the same seed
            CHECK(two.used_index(0) == one.used_index(0));
        }
        two.write(0x064, 3);
        CHECK_FALSE(two.line.asserted);
        std::mutex lock;
        check_bent_transport(two, 1, lock);
    }
}

TEST_CASE("a notification that was lost is made up for", "[state][virtio]") {
    RandomSource one{1}, two{1};
    one.bring_up(kFeatureVersion1, 1);
    one.add(0, {{one.allocate(16), 16, true}}); // and nobody is told
    move(one, two, 1);
    CHECK(two.used_index(0) == 1);
}

TEST_CASE("a queue that broke stays broken", "[state][virtio]") {
    RandomSource one{1}, two{1};
    one.bring_up(kFeatureVersion1, 1);
    one.offer(0, 99);
    one.notify(0);
    CHECK((one.read(0x070) & kNeedsReset) != 0);
    move(one, two, 1);
    CHECK((two.read(0x070) & kNeedsReset) != 0);
    CHECK(two.device.queue(0).broken());
    two.bring_up(kFeatureVersion1, 1);
    two.add(0, {{two.allocate(16), 16, true}});
    two.notify(0);
    CHECK(two.used_index(0) == 1);
}

struct Disk : TestDriver {
    explicit Disk(const BlockOptions& options) {
        std::string why_not;
        auto backend = open_block_backend(options, why_not);
        INFO(why_not);
        REQUIRE(backend != nullptr);
        disk = std::make_unique<Block>(std::move(backend), "", lock);
        attach(disk.get());
        bring_up(kAllOffered, 1, 64);
    }
    ~Disk() { disk.reset(); }
    void request(u32 type, u64 sector, PhysAddr at, u32 bytes) {
        const std::lock_guard held{lock};
        const PhysAddr header = allocate(16);
        put<u32>(header, type);
        put<u64>(header + 8, sector);
        add(0, {{header, 16}, {at, bytes, type == 0}, {allocate(1), 1, true}});
        notify(0);
    }
    u64 first_word(u64 sector) {
        const PhysAddr at = allocate(512);
        request(0, sector, at, 512);
        disk->drain();
        return load<u64>(at);
    }
    std::mutex lock;
    std::unique_ptr<Block> disk;
};

// The only one, or null.
std::unique_ptr<StateImage> image_of(VirtioDevice& device) {
    StateImages images;
    device.add_images(images, "disk");
    return images.empty() ? nullptr : std::move(images.front());
}

TEST_CASE("a disk's overlay is part of a machine", "[state][virtio][block]") {
    std::string contents(100 * 512 + 1024, 'i'); // the last cluster is not whole
    const test::TemporaryFile image(contents);
    const BlockOptions options{.path = image.path(), .snapshot = true};
    Disk one{options}, two{options};
    CHECK(one.disk->identity() == two.disk->identity());
    CHECK(one.disk->why_not_saved() == "");
    const u64 words[] = {0x1111, 0x2222};
    const PhysAddr data = one.allocate(1024);
    for (const u64 word : words) {
        one.put(data, word);
        one.request(1, word == 0x1111 ? 3 : 101, data, 512); // the last sector, too
        one.disk->drain();
    }
    for (unsigned n = 0; n < 10; ++n) { // all are done when it is drained
        one.request(0, n, data, 512);
    }
    one.disk->drain();
    CHECK(one.used_index(0) == 12);

    two.put(two.allocate(512), u64{0x3333});
    two.request(1, 50, TestDriver::kRam, 512); // of a past that never was
    two.disk->drain();
    const auto image_one = image_of(*one.disk), image_two = image_of(*two.disk);
    std::string why_not;
    REQUIRE(image_two->begin(why_not));
    u64 last_end = 0;
    for (const StateImage::Run& run : image_one->runs()) {
        std::vector<u8> bytes(run.bytes);
        REQUIRE(image_one->read(run.offset, bytes));
        REQUIRE(image_two->put(run.offset, bytes));
        last_end = run.offset + run.bytes;
    }
    CHECK(last_end == contents.size());
    image_two->commit();
    move(one, two, 1);
    CHECK(two.first_word(3) == 0x1111);
    CHECK(two.first_word(101) == 0x2222);
    CHECK(two.first_word(50) == 0x6969'6969'6969'6969);
    check_bent_transport(two, 1, two.lock);
}

TEST_CASE("a disk that is written is no snapshot's", "[state][virtio][block]") {
    const test::TemporaryFile image(std::string(8192, 'i'));
    const Disk written{{.path = image.path()}};
    CHECK(
        written.disk->why_not_saved().starts_with("a disk whose image is written cannot go back"));
    CHECK(written.disk->why_not_loaded() == written.disk->why_not_saved());
    CHECK(image_of(*written.disk) == nullptr);
    const test::TemporaryFile other(std::string(8192, 'i'));
    const Disk read{{.path = other.path(), .read_only = true}};
    CHECK(read.disk->why_not_saved() == "");
    CHECK(read.disk->identity().ends_with(", read only"));
    const timespec times[2] = {{1, 0}, {1000, 5}};
    REQUIRE(utimensat(AT_FDCWD, other.path().c_str(), times, 0) == 0);
    const Disk later{{.path = other.path(), .snapshot = true}};
    CHECK(later.disk->identity() == "8192 bytes changed at 1000.5, with -snapshot");
}

struct Characters final : CharacterBackend {
    void write(std::span<const u8> bytes) override {
        written.append(bytes.begin(), bytes.end());
        full = written.size() >= most;
    }
    bool congested() const override { return full; }
    std::size_t type(std::string_view text) {
        const std::size_t count = std::min(text.size(), sink_->room());
        sink_->receive({reinterpret_cast<const u8*>(text.data()), count});
        return count;
    }
    std::string written;
    std::size_t most = ~std::size_t{0};
    bool full = false;
};

struct Console : TestDriver {
    Console() { attach(&device); }
    Characters* characters = new Characters;
    ConsoleDevice device{std::unique_ptr<CharacterBackend>(characters)};
};

TEST_CASE("a console goes on in the middle of its output", "[state][virtio][console]") {
    Console one, two;
    one.bring_up(TestDriver::kAllOffered, 2);
    one.characters->most = 1;
    const std::string text = std::string(6000, 'x') + "end";
    one.add(1, {{one.store(text.data(), text.size()), static_cast<u32>(text.size())}});
    one.notify(1);
    const PhysAddr input = one.allocate(16);
    one.add(0, {{input, 16, true}});
    one.notify(0); // it has taken the buffer
    CHECK(one.characters->written.size() == 4096);
    move(one, two, 2);
    CHECK(one.characters->written + two.characters->written == text);
    CHECK(two.used_index(1) == 1);
    CHECK(two.characters->type("abc") == 3);
    CHECK(two.used_index(0) == 1);
    CHECK(two.load<u8>(input) == 'a');
    one.transport->driver()->go_on(); // the saved one goes on, too
    CHECK(one.characters->type("xyz") == 3);
    CHECK(one.load<u8>(input) == 'x');
    std::mutex lock;
    check_bent_transport(two, 2, lock);
}

struct Frames final : NetBackend {
    void connect(FrameReceiver* to) override { receiver = to; }
    void send(std::span<const u8>) override { ++sent; }
    void forget_past() override { ++forgotten; }
    FrameReceiver* receiver = nullptr;
    unsigned sent = 0, forgotten = 0;
};

constexpr MacAddress kMac{2, 0, 0, 0, 0xab, 1};

struct Network : TestDriver {
    Network() { attach(&device); }
    Frames* frames = new Frames;
    Net device{std::unique_ptr<NetBackend>(frames), kMac};
};

TEST_CASE("a network device goes on, and frames that waited are lost", "[state][virtio][net]") {
    Network one, two;
    one.bring_up(TestDriver::kAllOffered, 2);
    const std::vector<u8> frame(100, 7);
    one.frames->receiver->receive(frame); // there is no buffer
    move(one, two, 2);
    CHECK(two.frames->forgotten == 1);
    CHECK(two.device.identity() == "02:00:00:00:ab:01");
    const PhysAddr buffer = two.allocate(2048);
    two.add(0, {{buffer, 2048, true}});
    two.notify(0);
    CHECK(two.used_index(0) == 0);
    two.frames->receiver->receive(frame);
    CHECK(two.used_index(0) == 1);
    two.add(1, {{buffer, 112}});
    two.notify(1);
    CHECK(two.frames->sent == 1);
    std::mutex lock;
    check_bent_transport(two, 2, lock);
}

TEST_CASE("a guest hears that its streams are no more", "[state][virtio][vsock]") {
    std::string why_not;
    std::mutex lock;
    EventLoop loop{lock};
    const std::string path = "/tmp/ulna-test-vsock-" + std::to_string(getpid());
    const auto device = Vsock::open(loop, path, 3, why_not);
    REQUIRE(device != nullptr);
    TestDriver driver;
    driver.attach(device.get());
    driver.bring_up(TestDriver::kAllOffered, 3);
    const runtime::FileDescriptor host = runtime::connect_unix(path, why_not, 0);
    REQUIRE(host);
    driver.transport->driver()->device().forget_past();
    CHECK(driver.used_index(2) == 0); // no buffer for events, yet
    const PhysAddr event = driver.allocate(8);
    driver.put(event, ~u64{0});
    driver.add(2, {{event, 8, true}});
    driver.notify(2);
    CHECK(driver.used_index(2) == 1);
    CHECK(driver.used(2, 0).bytes == 4);
    CHECK(driver.load<u32>(event) == 0); // VIRTIO_VSOCK_EVENT_TRANSPORT_RESET
    driver.add(2, {{event, 8, true}});
    driver.notify(2);
    CHECK(driver.used_index(2) == 1); // once
    CHECK(device->identity() == "3");
    check_bent_transport(driver, 3, lock);
}

TEST_CASE("a folder that is mounted is the host's", "[state][virtio][9p]") {
    std::string folder = "/tmp/ulna-test-9p-XXXXXX", why_not;
    REQUIRE(mkdtemp(folder.data()) != nullptr);
    {
        std::mutex lock;
        auto shared = SharedFolder::open({.path = folder}, why_not);
        REQUIRE(shared != nullptr);
        P9Device device{std::move(shared), "tag", lock};
        TestDriver driver;
        {
            const std::lock_guard held{lock};
            driver.attach(&device);
            driver.bring_up(TestDriver::kAllOffered, 1);
        }
        CHECK(device.identity() == "tag");
        CHECK(device.why_not_saved() == "");
        P9Writer attach;
        attach.put32(0); // its size, below
        attach.put8(104);
        attach.put16(0);
        attach.put32(0);
        attach.put32(~u32{0});
        attach.put_string("root");
        attach.put_string("");
        attach.put32(0);
        attach.set32(0, static_cast<u32>(attach.size()));
        {
            const std::lock_guard held{lock};
            driver.add(0, {{driver.store(attach.bytes().data(), attach.size()),
                            static_cast<u32>(attach.size())},
                           {driver.allocate(256), 256, true}});
            driver.notify(0);
        }
        device.drain();
        CHECK(driver.used_index(0) == 1);
        CHECK(
            device.why_not_saved() ==
            "the guest has the shared folder 'tag' mounted, which is the host's: unmount it first");
        CHECK(device.why_not_loaded() == "");
        device.forget_past();
        CHECK(device.why_not_saved() == "");
        check_bent_transport(driver, 1, lock);
    }
    rmdir(folder.c_str());
}

struct Messages final : pci::MsiTarget {
    void send(PhysAddr address, u32 data, u32) override { sent.emplace_back(address, data); }
    std::vector<std::pair<PhysAddr, u32>> sent;
};

// A random device in slot 1.
struct OnPci {
    static constexpr u64 kLow = 0x1000'0000;
    TestDriver ram;
    TestLine lines[4];
    Messages messages;
    pci::PciHost host{{&lines[0], &lines[1], &lines[2], &lines[3]}, &messages};
    Device& window = host.window(kLow);
    Rng rng{1};
    PciTransport transport{rng, ram.memory};
    OnPci() { REQUIRE(host.plug(transport)); }
    void config(u32 at, unsigned bytes, u32 value) { host.write(1 << 15 | at, bytes, value); }
    u32 config(u32 at) { return static_cast<u32>(host.read(1 << 15 | at, 4)); }
};

TEST_CASE("PCI functions have their addresses and messages back", "[state][virtio][pci]") {
    OnPci one, two;
    one.config(0x14, 4, OnPci::kLow);          // MSI-X
    one.config(0x20, 4, OnPci::kLow + 0x4000); // the device
    one.config(0x24, 4, 0);
    one.config(0x3c, 1, 0x55);
    one.config(0x04, 2, 6);
    one.window.write(0x00, 8, 0xabcd'0000); // vector 0
    one.window.write(0x08, 4, 77);
    one.window.write(0x10, 8, 0xabcd'1000); // vector 1 stays masked
    one.window.write(0x0c, 4, 0);
    u32 msix = one.config(0x34) & 0xff;
    while ((one.config(msix) & 0xff) != 0x11) {
        msix = one.config(msix) >> 8 & 0xff;
    }
    one.config(msix + 2, 2, 0x8000);
    one.window.write(0x4000 + 16, 2, 0); // of configuration changes
    one.window.write(0x4000 + 22, 2, 0);
    one.window.write(0x4000 + 26, 2, 1); // of the queue
    CHECK(load_state(two.host, saved_state(one.host)) == "");
    CHECK(load_state(two.transport, saved_state(one.transport)) == "");
    CHECK(saved_state(two.transport) == saved_state(one.transport));
    for (u32 at = 0; at < 256; at += 4) {
        CHECK(two.config(at) == one.config(at));
    }
    CHECK(two.window.read(0x4000 + 26, 2) == 1);
    CHECK(two.messages.sent.empty());
    two.transport.driver().ask_for_reset("to have an interrupt");
    CHECK(two.messages.sent.empty()); // the driver is not there yet
    two.window.write(0x1c, 4, 0);
    CHECK(two.window.read(0x08, 4) == 77);

    std::vector<u8> state = saved_state(one.transport);
    RandomAccesses access{std::mt19937_64{test::seed(23)}, 0x8000};
    check_bent(
        two.transport, state,
        [&] {
            for (unsigned i = 0; i < 20; ++i) {
                static_cast<void>(access(two.window, two.window));
            }
            two.config(0x04, 2, 6);
            two.transport.driver().go_on();
        },
        2000);
    check_bent(two.host, saved_state(one.host), [] {});
}

} // namespace
} // namespace ulna::devices::virtio

namespace ulna::system {
namespace {

TEST_CASE("handles of semihosting are back, but for files of the host", "[state][semihosting]") {
    SemihostingFiles one, two;
    CHECK(one.open(":tt", 4) == 1);
    CHECK(one.open(":semihosting-features", 0) == 2);
    CHECK(one.seek(2, 3) == 0);
    CHECK(devices::load_state(two, devices::saved_state(one)) == "");
    CHECK(two.kind(1) == SemihostingFiles::Kind::ConsoleOutput);
    char bytes[8];
    CHECK(two.read(2, bytes, 8) == 2);
    CHECK_FALSE(one.has_host_files());
    std::vector<u8> bent = devices::saved_state(one);
    bent[8] = static_cast<u8>(SemihostingFiles::Kind::Host);
    CHECK(devices::load_state(two, bent) == "a file of the host");
    CHECK_FALSE(two.has_host_files());
    CHECK(one.open("/dev/null", 0) == 3);
    CHECK(one.has_host_files());
    devices::check_bent(two, devices::saved_state(two), [&] {
        for (u64 handle = 0; handle < 10; ++handle) {
            static_cast<void>(two.read(handle, bytes, 8));
            static_cast<void>(two.seek(handle, 2));
        }
    });
}

} // namespace
} // namespace ulna::system
