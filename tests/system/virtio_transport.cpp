// virtio-mmio, the handshake and rings, with devices that need no back end.
#include "runtime/devices/virtio/mmio_transport.h"
#include "runtime/devices/virtio/rng.h"

#include "tests/system/virtio_driver.h"

#include "tests/support/catch.h"

namespace ulna::devices::virtio {
namespace {

constexpr u64 kVersion1 = kFeatureVersion1;

// Keeps what it is given, to be looked at.
class Sink final : public VirtioDevice {
  public:
    Sink() : VirtioDevice({16, 16}) {}
    u32 id() const override { return 99; }
    u64 features() const override { return 5; }
    std::span<const u8> config() const override { return config_bytes; }
    void write_config(u64 offset, unsigned bytes, u64 value) override {
        if (offset + bytes <= config_bytes.size()) {
            std::memcpy(&config_bytes[offset], &value, bytes);
        }
    }
    void notified(unsigned queue) override {
        ++notifications;
        while (auto chain = next(queue)) {
            chains.push_back(*chain);
            if (give_back) {
                complete(queue, *chain, total_bytes(chain->writable()));
            }
        }
    }
    void stop(unsigned) override { ++stops; }
    void reset() override { ++resets; }
    using VirtioDevice::complete;
    using VirtioDevice::driver;

    std::vector<u8> config_bytes{1, 2, 3, 4, 5, 6, 7, 8};
    std::vector<Chain> chains;
    bool give_back = true;
    unsigned notifications = 0, stops = 0, resets = 0;
};

struct WithSink : TestDriver {
    WithSink() { attach(&sink); }
    Sink sink;
};

TEST_CASE("an empty virtio-mmio slot says that there is no device", "[virtio]") {
    TestDriver driver;
    driver.attach(nullptr);
    CHECK(driver.read(0x000) == 0x74726976);
    CHECK(driver.read(0x004) == 2);
    CHECK(driver.read(0x008) == 0);
    for (u64 offset = 0x010; offset < MmioTransport::kBytes; offset += 4) {
        driver.write(offset, 1);
        driver.read(offset);
    }
    CHECK(driver.read(0x070) == 0);
    CHECK_FALSE(driver.line.asserted);
}

TEST_CASE("features are what the device offers, with VERSION_1", "[virtio]") {
    WithSink driver;
    CHECK(driver.read(0x008) == 99);
    CHECK(driver.offered() == (5 | kFeatureIndirectDesc | kFeatureEventIdx | kVersion1));
    driver.write(0x014, 2);
    CHECK(driver.read(0x010) == 0);
    CHECK(driver.negotiate(kVersion1 | 4));
    driver.write(0x024, 0);
    driver.write(0x020, 2); // too late
    CHECK((driver.read(0x070) & 8) != 0);
    CHECK_FALSE(driver.negotiate(kVersion1 | 2)); // not offered
    CHECK_FALSE(driver.negotiate(5));             // legacy
    CHECK(driver.negotiate(TestDriver::kAllOffered));
}

TEST_CASE("the status only gains bits until it is reset", "[virtio]") {
    WithSink driver;
    driver.bring_up(kVersion1, 2);
    CHECK(driver.read(0x070) == 15);
    driver.write(0x070, 1);
    CHECK(driver.read(0x070) == 15);
    driver.write(0x070, 64); // the device's own bit
    CHECK(driver.read(0x070) == 15);
    driver.write(0x030, 1);
    CHECK(driver.read(0x044) == 1);
    driver.write(0x070, 0);
    CHECK(driver.read(0x070) == 0);
    CHECK(driver.read(0x044) == 0);
    CHECK(driver.sink.stops == 2);
    CHECK(driver.sink.resets >= 1);
}

TEST_CASE("configuration space is read and written by any size and has a generation", "[virtio]") {
    WithSink driver;
    CHECK(driver.transport->read(0x100, 8) == 0x0807060504030201);
    CHECK(driver.transport->read(0x102, 2) == 0x0403);
    CHECK(driver.transport->read(0x107, 1) == 8);
    CHECK(driver.transport->read(0x104, 8) == 0); // not all there
    CHECK(driver.transport->read(0x1f8, 8) == 0);
    driver.transport->write(0x104, 2, 0xbeef);
    CHECK(driver.read(0x104) == 0x0807beef);
    CHECK(driver.transport->read(0x000, 8) == 0);
    CHECK(driver.transport->read(0x070, 1) == 0);
    driver.bring_up(kVersion1, 2);
    const u32 generation = driver.read(0x0fc);
    driver.sink.driver().config_changed();
    CHECK(driver.read(0x0fc) == generation + 1);
    CHECK(driver.read(0x060) == 2);
    CHECK(driver.line.asserted);
    driver.write(0x064, 2);
    CHECK_FALSE(driver.line.asserted);
    CHECK(driver.read(0x0b0) == ~u32{0}); // no shared memory
}

TEST_CASE("what comes up before an interrupt is acknowledged is another edge", "[virtio]") {
    WithSink driver;
    driver.bring_up(kVersion1, 1);
    driver.add(0, {{driver.allocate(64), 1, true}});
    driver.notify(0);
    CHECK(driver.read(0x060) == 1);
    driver.sink.driver().config_changed();
    CHECK(driver.line.edges == 1);
    driver.write(0x064, 1);
    CHECK(driver.line.asserted);
    CHECK(driver.line.edges == 2);
    driver.write(0x064, 2);
    CHECK_FALSE(driver.line.asserted);
    CHECK(driver.line.edges == 2);
}

TEST_CASE("a chain becomes lists of host memory and comes back with its length", "[virtio]") {
    WithSink driver;
    driver.bring_up(kVersion1, 2);
    const PhysAddr a = driver.store("abcd", 4), b = driver.allocate(8), c = driver.allocate(2);
    CHECK(driver.read(0x034) == 16);
    const u16 head = driver.add(1, {{a, 4}, {b, 8, true}, {c, 2, true}});
    driver.notify(1);
    REQUIRE(driver.sink.chains.size() == 1);
    const Chain& chain = driver.sink.chains[0];
    CHECK(chain.readable().size() == 1);
    CHECK(chain.writable().size() == 2);
    CHECK(chain.writable()[1].iov_base == driver.host(c));
    CHECK(driver.used_index(1) == 1);
    CHECK(driver.used(1, 0).head == head);
    CHECK(driver.used(1, 0).bytes == 10);
    CHECK(driver.read(0x060) == 1);
    CHECK(driver.line.asserted);
    driver.write(0x064, 1);
    CHECK_FALSE(driver.line.asserted);
    driver.notify(7); // no such queue
    CHECK(driver.read(0x070) == 15);
}

TEST_CASE("positions wrap around in order", "[virtio]") {
    WithSink driver;
    driver.bring_up(kVersion1, 1);
    const PhysAddr buffer = driver.allocate(64);
    for (u32 i = 0; i < 70000; ++i) {
        const u16 head = driver.add(0, {{buffer, i % 64 + 1, true}});
        driver.notify(0);
        const auto used = driver.used(0, static_cast<u16>(i));
        if (used.head != head || used.bytes != i % 64 + 1) {
            FAIL("at " << i);
        }
        driver.sink.chains.clear();
    }
    CHECK(driver.used_index(0) == static_cast<u16>(70000));
}

TEST_CASE("an indirect table is followed if it was negotiated", "[virtio]") {
    WithSink driver;
    driver.bring_up(kVersion1 | kFeatureIndirectDesc, 1);
    std::vector<Piece> pieces(40, Piece{driver.allocate(512), 100});
    pieces.push_back({driver.allocate(512), 512, true});
    driver.add_indirect(0, pieces);
    driver.notify(0);
    REQUIRE(driver.sink.chains.size() == 1);
    CHECK(driver.sink.chains[0].readable().size() == 40);
    CHECK(total_bytes(driver.sink.chains[0].writable()) == 512);
    CHECK(driver.used(0, 0).bytes == 512);

    driver.bring_up(kVersion1, 1);
    driver.add_indirect(0, pieces);
    driver.notify(0);
    CHECK((driver.read(0x070) & 64) != 0);
}

TEST_CASE("descriptors before an indirect one count, and its table ends the chain", "[virtio]") {
    WithSink driver;
    driver.bring_up(TestDriver::kAllOffered, 1);
    const PhysAddr data = driver.allocate(64), table = driver.allocate(32);
    driver.put_chain(table, 0, {{data, 8}, {data, 16, true}});
    const PhysAddr ring = driver.ring(0).descriptors;
    driver.put_descriptor(ring, 0, data, 4, 1, 5);
    driver.put_descriptor(ring, 5, table, 32, 4 | 2, 0); // its write flag means nothing
    driver.offer(0, 0);
    driver.notify(0);
    REQUIRE(driver.sink.chains.size() == 1);
    CHECK(total_bytes(driver.sink.chains[0].readable()) == 12);
    CHECK(total_bytes(driver.sink.chains[0].writable()) == 16);
}

TEST_CASE("with event indices only the positions asked for interrupt and notify", "[virtio]") {
    WithSink driver;
    driver.bring_up(TestDriver::kAllOffered, 1);
    const PhysAddr buffer = driver.allocate(64);
    driver.put<u16>(driver.used_event(0), 2); // when three are used
    const auto serve = [&] {
        driver.add(0, {{buffer, 1, true}});
        driver.notify(0);
        const bool interrupt = driver.line.asserted;
        driver.write(0x064, 1);
        return interrupt;
    };
    CHECK_FALSE(serve());
    CHECK(driver.load<u16>(driver.available_event(0)) == 1);
    CHECK_FALSE(serve());
    CHECK(serve());
    CHECK_FALSE(serve());
    CHECK(driver.load<u16>(driver.available_event(0)) == 4);
    driver.put<u16>(driver.used_event(0), 5); // passed in the middle of a batch
    for (int i = 0; i < 4; ++i) {
        driver.add(0, {{buffer, 1, true}});
    }
    driver.notify(0);
    CHECK(driver.line.asserted);
}

TEST_CASE("without event indices a flag of the driver keeps interrupts away", "[virtio]") {
    WithSink driver;
    driver.bring_up(kVersion1, 1);
    driver.put<u16>(driver.ring(0).available, 1);
    driver.add(0, {{driver.allocate(64), 1, true}});
    driver.notify(0);
    CHECK(driver.used_index(0) == 1);
    CHECK_FALSE(driver.line.asserted);
}

TEST_CASE("a request that is given back after a reset goes nowhere", "[virtio]") {
    WithSink driver;
    driver.bring_up(kVersion1, 1);
    driver.sink.give_back = false;
    driver.add(0, {{driver.allocate(64), 1, true}});
    driver.notify(0);
    REQUIRE(driver.sink.chains.size() == 1);
    const Chain old = driver.sink.chains[0];
    driver.bring_up(kVersion1, 1);
    driver.sink.complete(0, old, 1);
    CHECK(driver.used_index(0) == 0);
    CHECK_FALSE(driver.line.asserted);
}

TEST_CASE("requests made available before DRIVER_OK are served with it", "[virtio]") {
    WithSink driver;
    driver.negotiate(kVersion1);
    driver.set_up_queue(0, 16);
    driver.add(0, {{driver.allocate(64), 1, true}});
    driver.notify(0);
    CHECK(driver.sink.notifications == 0);
    driver.write(0x070, 15);
    CHECK(driver.used_index(0) == 1);
}

// Each makes the queue's next request malformed in one way.
struct Malformed {
    const char* what;
    void (*spoil)(TestDriver&);
};
const Malformed kMalformed[] = {
    {"a head outside of the table", [](TestDriver& d) { d.offer(0, 16); }},
    {"a next outside of the table",
     [](TestDriver& d) {
         d.put_descriptor(d.ring(0).descriptors, 0, d.kRam, 4, 1, 16);
         d.offer(0, 0);
     }},
    {"a loop",
     [](TestDriver& d) {
         d.put_descriptor(d.ring(0).descriptors, 0, d.kRam, 4, 1, 1);
         d.put_descriptor(d.ring(0).descriptors, 1, d.kRam, 4, 1, 0);
         d.offer(0, 0);
     }},
    {"an address that is not RAM",
     [](TestDriver& d) {
         d.add(0, {{0x1000, 4}});
     }},
    {"a buffer that leaves RAM",
     [](TestDriver& d) {
         d.add(0, {{d.kRam + d.kRamBytes - 4, 8, true}});
     }},
    {"an address near the end of everything",
     [](TestDriver& d) {
         d.add(0, {{~u64{0} - 2, 8, true}});
     }},
    {"a buffer to read after one to write",
     [](TestDriver& d) {
         d.add(0, {{d.kRam, 4, true}, {d.kRam, 4}});
     }},
    {"more than 4 GiB",
     [](TestDriver& d) {
         d.add_indirect(0, std::vector<Piece>(600, Piece{d.kRam, static_cast<u32>(d.kRamBytes)}));
     }},
    {"an index that jumps", [](TestDriver& d) { d.put<u16>(d.ring(0).available + 2, 100); }},
    {"an indirect table outside of RAM",
     [](TestDriver& d) {
         d.put_descriptor(d.ring(0).descriptors, 0, 0x1000, 32, 4, 0);
         d.offer(0, 0);
     }},
    {"an empty indirect table",
     [](TestDriver& d) {
         d.put_descriptor(d.ring(0).descriptors, 0, d.kRam, 0, 4, 0);
         d.offer(0, 0);
     }},
    {"an indirect table that is no whole number of descriptors",
     [](TestDriver& d) {
         d.put_descriptor(d.ring(0).descriptors, 0, d.kRam, 24, 4, 0);
         d.offer(0, 0);
     }},
    {"an indirect descriptor with a next",
     [](TestDriver& d) {
         d.put_descriptor(d.ring(0).descriptors, 0, d.kRam, 32, 5, 1);
         d.offer(0, 0);
     }},
    {"an indirect table in an indirect table",
     [](TestDriver& d) {
         const PhysAddr table = d.allocate(32);
         d.put_descriptor(table, 0, table, 32, 4, 0);
         d.put_descriptor(d.ring(0).descriptors, 0, table, 32, 4, 0);
         d.offer(0, 0);
     }},
    {"an indirect table that loops",
     [](TestDriver& d) {
         const PhysAddr table = d.allocate(32);
         d.put_descriptor(table, 0, d.kRam, 4, 1, 0);
         d.put_descriptor(d.ring(0).descriptors, 0, table, 32, 4, 0);
         d.offer(0, 0);
     }},
};

TEST_CASE("a malformed request makes the device ask for a reset, and a reset helps", "[virtio]") {
    for (const Malformed& malformed : kMalformed) {
        INFO(malformed.what);
        WithSink driver;
        driver.bring_up(TestDriver::kAllOffered, 1);
        malformed.spoil(driver);
        driver.notify(0);
        CHECK(driver.sink.chains.empty());
        CHECK((driver.read(0x070) & 64) != 0);
        CHECK((driver.read(0x060) & 2) != 0);
        const unsigned notifications = driver.sink.notifications;
        driver.notify(0);
        CHECK(driver.sink.notifications == notifications);
        driver.bring_up(TestDriver::kAllOffered, 1);
        CHECK(driver.read(0x070) == 15);
        driver.add(0, {{driver.allocate(64), 64, true}});
        driver.notify(0);
        CHECK(driver.used_index(0) == 1);
    }
}

TEST_CASE("a ring that cannot be makes the device ask for a reset", "[virtio]") {
    const struct {
        u32 entries;
        PhysAddr descriptors, driver_area, device_area;
    } bad[] = {
        {0, 0, 0x1000, 0x2000},           {3, 0, 0x1000, 0x2000},
        {32, 0, 0x1000, 0x2000}, // above the maximum
        {16, 8, 0x1000, 0x2000},          {16, 0, 0x1001, 0x2000},
        {16, 0, 0x1000, 0x2002},          {16, TestDriver::kRamBytes - 16, 0x1000, 0x2000},
        {16, 0, 0x1000, u64{0} - 0x1000},
    };
    for (const auto& setup : bad) {
        WithSink driver;
        driver.negotiate(kVersion1);
        driver.write(0x038, setup.entries);
        const auto set = [&](u64 offset, PhysAddr at) {
            driver.write(offset, static_cast<u32>(TestDriver::kRam + at));
            driver.write(offset + 4, static_cast<u32>((TestDriver::kRam + at) >> 32));
        };
        set(0x080, setup.descriptors);
        set(0x090, setup.driver_area);
        set(0x0a0, setup.device_area);
        driver.write(0x044, 1);
        CHECK(driver.read(0x044) == 0);
        CHECK((driver.read(0x070) & 64) != 0);
        driver.write(0x070, 15);
        driver.notify(0);
        CHECK(driver.sink.notifications == 0);
    }
}

TEST_CASE("the random device fills what it is given, repeatably with a seed", "[virtio]") {
    const auto take = [](std::optional<u64> seed) {
        Rng rng(seed);
        TestDriver driver;
        driver.attach(&rng);
        driver.bring_up(kVersion1, 1);
        const PhysAddr first = driver.allocate(100), second = driver.allocate(29);
        driver.add(0, {{first, 100, true}, {second, 29, true}});
        driver.add(0, {{first, 100}}); // nothing to write
        driver.add(0, {{first, 1 << 20, true}});
        driver.notify(0);
        CHECK(driver.used_index(0) == 3);
        CHECK(driver.used(0, 0).bytes == 129);
        CHECK(driver.used(0, 1).bytes == 0);
        CHECK(driver.used(0, 2).bytes > 0);
        return std::string(reinterpret_cast<char*>(driver.host(second)), 29);
    };
    CHECK(take(1) == take(1));
    CHECK(take(1) != take(2));
    CHECK(take(std::nullopt) != take(std::nullopt));
    CHECK(take(std::nullopt) != std::string(29, '\0'));
}

} // namespace
} // namespace ulna::devices::virtio
