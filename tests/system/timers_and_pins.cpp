#include <map>
#include <random>

#include "runtime/devices/generic_timer.h"
#include "runtime/devices/pl031.h"
#include "runtime/devices/pl061.h"
#include "runtime/devices/power_key.h"
#include "tests/system/event_loop_fixture.h"
#include "tests/system/seen_line.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::devices {
namespace {

constexpr u64 kMillisecond = 1'000'000, kSecond = 1'000'000'000;

TEST_CASE("counts and nanoseconds", "[generic_timer]") {
    for (const u64 frequency : {u64{62'500'000}, kSecond, u64{24'000'000}, u64{32768}}) {
        const SystemCounter counter{frequency, 1000};
        CHECK(counter.count_at(1000) == 0);
        CHECK(counter.count_at(1000 + kSecond) == frequency);
        for (const u64 count : {u64{0}, u64{1}, u64{12345}, frequency * 1000 + 7}) {
            const u64 at = counter.reached_at(count);
            CHECK(counter.count_at(at) >= count);
            CHECK((at == 1000 || counter.count_at(at - 1) < count));
        }
    }
    CHECK(SystemCounter{62'500'000, 0}.reached_at(~u64{0}) == ~u64{0}); // never
}

TEST_CASE("generic timers assert their PPIs in time", "[generic_timer]") {
    LoopFixture m;
    std::map<std::pair<unsigned, unsigned>, SeenLine> lines;
    const SystemCounter counter{62'500'000, monotonic_ns()};
    GenericTimers timers(m.loop, counter, 2, [&](unsigned cpu, unsigned intid) -> InterruptLine& {
        return lines[{cpu, intid}];
    });
    CHECK(lines.size() == 10);
    using Kind = GenericTimers::Kind;
    timers.set(0, Kind::Physical, true, {});
    CHECK(lines[{0, 30}].on);
    timers.set(0, Kind::Physical, false, {});
    CHECK_FALSE(lines[{0, 30}].on);
    timers.set(1, Kind::Virtual, false, counter.count_at(monotonic_ns()) + 62'500); // a millisecond
    timers.set(0, Kind::HypPhysical, false,
               counter.count_at(monotonic_ns()) + 62'500'000 * u64{1000});
    timers.set(0, Kind::HypVirtual, false, ~u64{0});
    timers.set(1, Kind::SecurePhysical, false, counter.count_at(monotonic_ns()) + 62'500);
    timers.set(1, Kind::SecurePhysical, false, {}); // disabled in time
    CHECK_FALSE(lines[{1, 27}].on);
    m.run_for(10 * kMillisecond);
    CHECK(lines[{1, 27}].on);
    CHECK_FALSE(lines[{0, 26}].on);
    CHECK_FALSE(lines[{0, 28}].on);
    CHECK_FALSE(lines[{1, 29}].on);
    timers.set(0, Kind::HypPhysical, false, 0); // has passed
    m.run_for(kMillisecond);
    CHECK(lines[{0, 26}].on);
    timers.reset();
    CHECK_FALSE(lines[{1, 27}].on);
}

// As after a snapshot was loaded: the same count is another time.
TEST_CASE("a deadline is where the counter reaches it now", "[generic_timer]") {
    LoopFixture m;
    SeenLine line;
    SystemCounter counter{62'500'000, monotonic_ns()};
    GenericTimers timers(m.loop, counter, 1,
                         [&](unsigned, unsigned) -> InterruptLine& { return line; });
    const u64 millisecond = 62'500;
    timers.set(0, GenericTimers::Kind::Physical, false, millisecond);
    counter.start_ns += 1000 * kSecond;
    timers.set(0, GenericTimers::Kind::Physical, false, millisecond);
    m.run_for(10 * kMillisecond);
    CHECK_FALSE(line.on);
    counter.start_ns -= 1000 * kSecond;
    timers.set(0, GenericTimers::Kind::Physical, false, millisecond);
    m.run_for(kMillisecond);
    CHECK(line.on);
}

TEST_CASE("a clock counts seconds and rings", "[pl031]") {
    LoopFixture m;
    SeenLine line;
    Pl031 rtc(m.loop, line, 1'700'000'000 * kSecond + 995 * kMillisecond);
    CHECK(rtc.read(0, 4) == 1'700'000'000);
    rtc.write(4, 4, 1'700'000'001);
    CHECK(rtc.read(4, 4) == 1'700'000'001);
    m.run_for(10 * kMillisecond);
    CHECK(rtc.read(0, 4) == 1'700'000'001);
    CHECK(rtc.read(0x14, 4) == 1);
    CHECK(rtc.read(0x18, 4) == 0);
    CHECK_FALSE(line.on);
    rtc.write(0x10, 4, 1);
    CHECK(line.on);
    CHECK(rtc.read(0x18, 4) == 1);
    rtc.write(0x1c, 4, 1);
    CHECK_FALSE(line.on);
    rtc.write(8, 4, 5);
    CHECK(rtc.read(0, 4) == 5);
    CHECK(rtc.read(8, 4) == 5);
    rtc.write(4, 4, 5); // now
    m.run_for(kMillisecond);
    CHECK(line.on);
    rtc.write(0x1c, 4, 1);
    rtc.write(4, 4, 4); // in 136 years
    m.run_for(kMillisecond);
    CHECK_FALSE(line.on);
    CHECK(rtc.read(0xc, 4) == 1);
    CHECK(rtc.read(0xfe0, 4) == 0x31);
    const u64 host = realtime_ns() / kSecond;
    Pl031 now(m.loop, line);
    CHECK(now.read(0, 4) - host <= 1);
}

TEST_CASE("pins are read and written by mask", "[pl061]") {
    SeenLine interrupt, output;
    Pl061 gpio(interrupt);
    gpio.connect_output(1, output);
    gpio.pin(7).set(true);
    CHECK(gpio.read(0x3fc, 4) == 0x80);
    CHECK(gpio.read(0x1fc, 4) == 0); // all but pin 7
    gpio.write(0x400, 4, 0x0f);
    gpio.write(0x3fc, 4, 0xff);
    CHECK(gpio.read(0x3fc, 4) == 0x8f);
    CHECK(output.on);
    gpio.write(2 << 2, 4, 0); // pin 1 alone
    CHECK(gpio.read(0x3fc, 4) == 0x8d);
    CHECK_FALSE(output.on);
    CHECK(gpio.read(0xfe0, 4) == 0x61);
    CHECK(gpio.read(0xff4, 4) == 0xf0);
}

TEST_CASE("pins interrupt on levels and edges", "[pl061]") {
    SeenLine interrupt;
    Pl061 gpio(interrupt);
    gpio.write(0x410, 4, 1 << 3); // enabled; falling edge
    gpio.pin(3).set(true);
    CHECK_FALSE(interrupt.on);
    gpio.pin(3).set(false);
    CHECK(interrupt.on);
    CHECK(gpio.read(0x414, 4) == 1 << 3);
    gpio.write(0x41c, 4, 1 << 3);
    CHECK_FALSE(interrupt.on);
    gpio.write(0x40c, 4, 1 << 3); // rising
    gpio.pin(3).set(true);
    CHECK(interrupt.on);
    gpio.write(0x41c, 4, 0xff);
    gpio.pin(3).set(false);
    CHECK_FALSE(interrupt.on);
    gpio.write(0x408, 4, 1 << 3); // both
    gpio.pin(3).set(true);
    gpio.write(0x41c, 4, 0xff);
    gpio.pin(3).set(false);
    CHECK(interrupt.on);
    gpio.write(0x404, 4, 1 << 3); // high level
    CHECK_FALSE(interrupt.on);
    gpio.pin(3).set(true);
    CHECK(interrupt.on);
    gpio.write(0x41c, 4, 0xff);
    CHECK(interrupt.on);
    gpio.write(0x410, 4, 0);
    CHECK_FALSE(interrupt.on);
    CHECK(gpio.read(0x414, 4) == 1 << 3);
    CHECK(gpio.read(0x418, 4) == 0);
    gpio.write(0x410, 4, 0xff);
    gpio.reset();
    CHECK_FALSE(interrupt.on);
    CHECK(gpio.read(0x3fc, 4) == 1 << 3);
}

TEST_CASE("the power key is pressed for a moment", "[pl061]") {
    LoopFixture m;
    SeenLine interrupt;
    Pl061 gpio(interrupt);
    gpio.write(0x410, 4, 1 << 3);
    gpio.write(0x408, 4, 1 << 3);
    PowerKey key(m.loop, gpio.pin(3));
    key.press();
    CHECK(interrupt.on);
    gpio.write(0x41c, 4, 1 << 3);
    CHECK(gpio.read(0x3fc, 4) == 1 << 3);
    m.run_for(110 * kMillisecond);
    CHECK(gpio.read(0x3fc, 4) == 0);
    CHECK(interrupt.on);
}

TEST_CASE("random accesses of clock and pins do no harm", "[pl061]") {
    LoopFixture m;
    SeenLine first, second;
    Pl061 gpio(first);
    Pl031 rtc(m.loop, second);
    std::mt19937 random(test::seed(61));
    for (int i = 0; i < 50000; ++i) {
        const unsigned bytes = 1u << random() % 4;
        const u64 at =
            (random() % 2 != 0 ? random() % 0x30 + 0x400 * (random() % 2) : random() % 0x1000) &
            ~u64{bytes - 1};
        Device& device = random() % 2 != 0 ? static_cast<Device&>(gpio) : rtc;
        if (random() % 2 != 0) {
            (void)device.read(at, bytes);
        } else {
            device.write(at, bytes, random());
        }
        gpio.pin(random() % 8).set(random() % 2);
        REQUIRE(first.on == (gpio.read(0x418, 4) != 0));
        REQUIRE(second.on == (rtc.read(0x18, 4) != 0));
    }
}

} // namespace
} // namespace ulna::devices
