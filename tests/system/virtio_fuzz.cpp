// Drivers that do anything at all: random register writes and random rings must neither crash nor
// hang a device, and after a reset it must serve.
#include "runtime/devices/virtio/balloon.h"
#include "runtime/devices/virtio/block.h"
#include "runtime/devices/virtio/console_device.h"
#include "runtime/devices/virtio/net.h"
#include "runtime/devices/virtio/rng.h"
#include "runtime/devices/virtio/scsi.h"
#include "runtime/devices/virtio/vsock.h"

#include <random>

#include "tests/system/memory_disk.h"
#include "tests/system/virtio_driver.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::devices::virtio {
namespace {

class Chaos {
  public:
    Chaos(TestDriver& driver, u32 queues, u32 header_bytes, u32 seed)
        : driver_(driver), queues_(queues), header_bytes_(header_bytes), random_(seed) {}

    // Served requests are what counts, so a device that asked for a reset soon gets one.
    void step() {
        if ((driver_.read(0x070) & (kNeedsReset | kDriverOk)) != kDriverOk && pick(8) == 0) {
            return bring_up();
        }
        switch (pick(16)) {
        case 0:
            return write_register();
        case 1:
            (void)driver_.transport->read(pick(512), 1u << pick(4));
            return;
        case 2:
            driver_.transport->write(0x100 + pick(256), 1u << pick(4), value());
            return;
        case 3:
            return spoil_descriptor();
        case 4:
            return spoil_memory();
        case 5:
            return offer();
        default:
            return request();
        }
    }

  private:
    u32 pick(u32 below) { return random_() % below; }
    u32 value() {
        const u32 values[] = {0, 1, 15, 0x4000'0000, ~0u, static_cast<u32>(random_())};
        return pick(2) == 0 ? pick(64) : values[pick(6)];
    }
    // Mostly right, seldom not; the same few pages all the time.
    PhysAddr address() {
        return pick(200) == 0 ? random_() : TestDriver::kRam + 0x10000 + pick(0x4000);
    }

    void bring_up() {
        driver_.rewind();
        driver_.negotiate(pick(4) == 0 ? kFeatureVersion1 : TestDriver::kAllOffered);
        for (u32 queue = 0; queue < queues_; ++queue) {
            driver_.set_up_queue(queue, 16);
        }
        driver_.write(0x070, 15);
    }
    void write_register() {
        const u64 offset = pick(64) * 4;
        if (offset != 0x070 || pick(10) == 0) { // status: else nothing would ever work
            driver_.write(offset, value());
        }
    }
    // What a disk, or another device, may understand: a header, data, a status.
    void request() {
        const u32 queue = pick(queues_);
        if (driver_.ring(queue).entries == 0) {
            return;
        }
        const PhysAddr header = address();
        if (pick(4) != 0 && driver_.memory.ram(header, 16) != nullptr) {
            driver_.put<u32>(header, pick(16));
            driver_.put<u64>(header + 8, pick(200));
        }
        std::vector<Piece> pieces{{header, pick(200) == 0 ? pick(20) : header_bytes_}};
        for (u32 count = pick(4), writable = pick(2); count > 0; --count) {
            pieces.push_back({address(), 256 * pick(8), writable != 0});
        }
        pieces.push_back({address(), pick(50) == 0 ? pick(3) : 1, pick(200) != 0});
        pick(2) == 0 ? driver_.add(queue, pieces) : driver_.add_indirect(queue, pieces);
        if (pick(3) != 0) {
            driver_.notify(queue);
        }
        if (driver_.allocate(16) > TestDriver::kRam + TestDriver::kRamBytes / 2) {
            driver_.rewind(); // over rings in use, too
        }
    }
    void spoil_descriptor() {
        const u16 flags = static_cast<u16>(pick(20) == 0 ? random_() : pick(4));
        driver_.put_descriptor(table(), pick(16), address(), pick(3) == 0 ? value() : 16 * pick(40),
                               flags, static_cast<u16>(pick(30) == 0 ? random_() : pick(16)));
    }
    PhysAddr table() { // of a queue, or anything
        const PhysAddr at = driver_.ring(pick(queues_)).descriptors;
        return at != 0 && pick(4) != 0 ? at : TestDriver::kRam + 0x10000 + 16 * pick(0x100);
    }
    void spoil_memory() { // what devices read as headers, too
        driver_.put<u64>(TestDriver::kRam + 0x10000 + 8 * pick(0x800), value() % 100);
    }
    void offer() {
        const u32 queue = pick(queues_);
        if (driver_.ring(queue).entries == 0) {
            return;
        }
        driver_.offer(queue, static_cast<u16>(pick(100) == 0 ? random_() : pick(16)));
        driver_.notify(queue);
    }

    TestDriver& driver_;
    u32 queues_;
    u32 header_bytes_; // of requests that a device may understand
    std::mt19937 random_;
};

// A device that still works gives a request back, or asks for a reset because of it. The queue is
// one that does not wait for the outside.
void check_alive(TestDriver& driver, u32 queue, std::mutex& lock) {
    u32 status = 0;
    {
        const std::lock_guard held(lock);
        driver.rewind();
        driver.bring_up(kFeatureVersion1, queue + 1);
        const PhysAddr at = driver.allocate(64);
        driver.add(queue, {{at, 16}, {at + 32, 32, true}});
        driver.notify(queue);
        status = driver.read(0x070);
    }
    CHECK(((status & kNeedsReset) != 0 || driver.wait_used(queue, 1, lock)));
}

void run_chaos(
    TestDriver& driver, VirtioDevice& device, std::mutex& lock, u32 queue, u32 header_bytes = 16) {
    driver.attach(&device);
    for (u32 seed = 1; seed <= 5; ++seed) {
        Chaos chaos(driver, device.queue_count() + 1, header_bytes,
                    static_cast<u32>(test::seed(seed)));
        for (int i = 0; i < 100'000; ++i) {
            const std::lock_guard held(lock);
            chaos.step();
        }
        check_alive(driver, queue, lock);
    }
}

TEST_CASE("a random driver does not harm the random device", "[virtio][fuzz]") {
    TestDriver driver;
    std::mutex lock;
    Rng device(1);
    run_chaos(driver, device, lock, 0);
}

TEST_CASE("a random driver does not harm a disk", "[virtio][fuzz]") {
    TestDriver driver;
    std::mutex lock;
    Block device(std::make_unique<MemoryDisk>(), "chaos", lock);
    run_chaos(driver, device, lock, 0);
}

// Requests find a unit now and then, as memory is zeroes and small numbers mostly.
TEST_CASE("a random driver does not harm a SCSI bus", "[virtio][fuzz]") {
    TestDriver driver;
    std::mutex lock;
    auto bus = std::make_unique<scsi::Bus>();
    bus->add({0, 0}, std::make_unique<scsi::LogicalUnit>(scsi::UnitOptions{},
                                                         std::make_unique<MemoryDisk>()));
    Scsi device(std::move(bus), lock);
    run_chaos(driver, device, lock, 2, 51);
}

TEST_CASE("a random driver does not harm a balloon", "[virtio][fuzz]") {
    TestDriver driver;
    std::mutex lock;
    EventLoop loop(lock);
    Balloon device(loop, driver.memory, TestDriver::kRamBytes,
                   {.deflates_without_memory = true, .reports_free_pages = true}, [](u64) {});
    run_chaos(driver, device, lock, 1);
}

// Sends each frame back.
struct Mirror final : NetBackend {
    void connect(FrameReceiver* to) override { receiver = to; }
    void send(std::span<const u8> frame) override { receiver->receive(frame); }
    FrameReceiver* receiver = nullptr;
};

TEST_CASE("a random driver does not harm a network device", "[virtio][fuzz]") {
    TestDriver driver;
    std::mutex lock;
    Net device(std::make_unique<Mirror>(), {2, 0, 0, 0, 0, 1});
    run_chaos(driver, device, lock, 1);
}

// Types what is printed.
struct Parrot final : CharacterBackend {
    void write(std::span<const u8> bytes) override {
        if (sink_ != nullptr) {
            sink_->receive(bytes.first(std::min(bytes.size(), sink_->room())));
        }
    }
};

TEST_CASE("a random driver does not harm a console", "[virtio][fuzz]") {
    TestDriver driver;
    std::mutex lock;
    ConsoleDevice device(std::make_unique<Parrot>());
    run_chaos(driver, device, lock, 1);
}

TEST_CASE("a random driver does not harm a vsock device", "[virtio][fuzz]") {
    TestDriver driver;
    std::mutex lock;
    EventLoop loop(lock);
    std::string why_not;
    const auto device = Vsock::open(loop, "/tmp/ulna-test-chaos", 3, why_not);
    REQUIRE(device != nullptr);
    run_chaos(driver, *device, lock, 1);
}

} // namespace
} // namespace ulna::devices::virtio
