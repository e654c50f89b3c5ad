// virtio-balloon: RAM that goes and comes back.
#include "runtime/devices/virtio/balloon.h"

#include "tests/system/event_loop_fixture.h"
#include "tests/system/virtio_driver.h"

#include "tests/system/state_fixture.h"

namespace ulna::devices::virtio {
namespace {

constexpr u64 kMib = 1 << 20;

struct BalloonDriver : TestDriver {
    explicit BalloonDriver(BalloonOptions options = {})
        : balloon(machine.loop, memory, kRamBytes, options, [this](u64 ram_left) {
              told.push_back(ram_left);
          }) {
        attach(&balloon);
        bring_up(kAllOffered, options.reports_free_pages ? 3 : 2);
    }
    void give_up(const std::vector<u32>& pages) {
        const PhysAddr at = store(pages.data(), 4 * pages.size());
        add(0, {{at, static_cast<u32>(4 * pages.size())}});
        notify(0);
    }
    u32 page(u64 offset) { return static_cast<u32>((kRam + offset) >> 12); }

    LoopFixture machine;
    std::vector<u64> told;
    Balloon balloon;
};

TEST_CASE("pages that a guest gives up read as zero", "[virtio][balloon]") {
    BalloonDriver driver;
    u8* const end = driver.host(TestDriver::kRam + TestDriver::kRamBytes);
    std::memset(end - 5 * 4096, 7, 5 * 4096);
    const auto last = [&](u32 n) { return driver.page(TestDriver::kRamBytes - 4096 * n); };
    driver.give_up(
        {last(4), last(2), last(3), last(2), 5, ~0u, last(0)}); // and three that are none
    CHECK(driver.used_index(0) == 1);
    CHECK(end[-5 * 4096] == 7);
    for (unsigned n = 2; n <= 4; ++n) {
        CHECK(end[-4096 * static_cast<int>(n)] == 0);
    }
    CHECK(end[-4096] == 7);
    driver.add(1, {{TestDriver::kRam, 4}}); // taken back
    driver.notify(1);
    CHECK(driver.used_index(1) == 1);
}

TEST_CASE("a balloon has a target, and tells of what is left", "[virtio][balloon]") {
    BalloonDriver driver;
    CHECK(driver.balloon.ram_left() == TestDriver::kRamBytes);
    driver.balloon.set_target(5 * kMib);
    CHECK(driver.read(0x060) == 2); // the configuration changed
    CHECK(driver.read(0x100) == 3 * kMib / 4096);
    driver.write(0x104, 256);
    CHECK(driver.balloon.ram_left() == 7 * kMib);
    CHECK(driver.told == std::vector<u64>{7 * kMib});
    driver.write(0x104, 512);
    driver.write(0x104, 768);
    CHECK(driver.told.size() == 1); // in a second
    driver.machine.run_for(1'100'000'000);
    CHECK(driver.told == std::vector<u64>{7 * kMib, 5 * kMib});
    driver.write(0x104, 2049); // more than there is
    CHECK(driver.balloon.ram_left() == 5 * kMib);
    driver.balloon.set_target(100 * kMib);
    CHECK(driver.read(0x100) == 0);
    driver.write(0x070, 0);
    CHECK(driver.balloon.ram_left() == TestDriver::kRamBytes);
}

TEST_CASE("RAM that a guest reports as free reads as zero", "[virtio][balloon]") {
    BalloonDriver driver({.reports_free_pages = true});
    CHECK((driver.offered() & 0xff) == 1u << 5);
    const PhysAddr at = driver.allocate(3 * 4096, 4096);
    std::memset(driver.host(at), 7, 3 * 4096);
    driver.add(2, {{at + 100, 2 * 4096, true}}); // of which one is whole
    driver.notify(2);
    CHECK(driver.used_index(2) == 1);
    CHECK(driver.load<u8>(at + 4095) == 7);
    CHECK(driver.load<u8>(at + 4096) == 0);
    CHECK(driver.load<u8>(at + 8192) == 7);
}

TEST_CASE("too many pages at once are refused", "[virtio][balloon]") {
    BalloonDriver driver;
    driver.add(0, {{TestDriver::kRam, 16384 * 4 + 4}});
    driver.notify(0);
    CHECK((driver.read(0x070) & kNeedsReset) != 0);
}

TEST_CASE("a balloon goes on as another one", "[state][virtio][balloon]") {
    BalloonDriver one, two;
    one.balloon.set_target(5 * kMib);
    one.write(0x104, 256);
    const std::vector<u8> state = saved_state(*one.transport);
    REQUIRE(load_state(*two.transport, state) == "");
    CHECK(two.read(0x100) == 768);
    CHECK(two.balloon.ram_left() == 7 * kMib);
    check_bent(*two.transport, state, [&] { CHECK(two.balloon.ram_left() <= two.kRamBytes); });
}

} // namespace
} // namespace ulna::devices::virtio
