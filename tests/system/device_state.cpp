// Snapshots of devices: state, bytes, and the same state again.
#include <cstring>

#include "runtime/devices/character_backend.h"
#include "runtime/devices/flash.h"
#include "runtime/devices/fw_cfg.h"
#include "runtime/devices/gicv2.h"
#include "runtime/devices/gicv3_its.h"
#include "runtime/devices/memory_image.h"
#include "runtime/devices/pl011.h"
#include "runtime/devices/pl031.h"
#include "runtime/devices/pl061.h"
#include "runtime/devices/power_key.h"
#include "tests/system/event_loop_fixture.h"
#include "tests/system/seen_line.h"
#include "tests/system/temporary_file.h"

#include "tests/system/state_fixture.h"

namespace ulna::devices {
namespace {

struct Sent : CharacterBackend {
    void write(std::span<const u8> bytes) override { text.append(bytes.begin(), bytes.end()); }
    bool congested() const override { return stopped; }
    void room_grew() override {}
    void type(std::string_view keys) {
        sink_->receive({reinterpret_cast<const u8*>(keys.data()), keys.size()});
    }
    void resume() {
        stopped = false;
        sink_->output_resumed();
    }
    std::string text;
    bool stopped = false;
};

TEST_CASE("visitors go over fields of all kinds", "[state]") {
    enum class Kind : u8 { A, B, C };
    struct Part {
        u8 byte = 1;
        u64 word = 2;
        bool yes = true;
        std::array<u16, 3> some{1, 2, 3};
        Kind kind = Kind::B;
        u32 at_most = 7, masked = 0xf00f;
        std::string text = "text";
        std::vector<u16> list{5, 6};
        void visit_state(StateVisitor& visit) {
            visit(byte, word, yes, some);
            visit.enumerator(kind, Kind::C);
            visit.bounded(at_most, 9);
            visit.masked(masked, 0xff, "MASKED");
            visit.text(text, 10);
            visit.sequence(list, 4);
        }
    };
    Part part;
    const std::vector<u8> state = saved_state(part);
    CHECK(state.size() == 1 + 8 + 1 + 6 + 1 + 4 + 4 + 8 + 4 + 8 + 4);
    Part other{.byte = 9,
               .word = 9,
               .yes = false,
               .some = {},
               .kind = Kind::A,
               .at_most = 0,
               .masked = 0xf0f0,
               .text = "",
               .list = {}};
    CHECK(load_state(other, state) == "");
    CHECK(saved_state(other) == state);

    const auto with = [&](std::size_t at, u8 value) {
        std::vector<u8> bent = state;
        bent[at] = value;
        return load_state(other, bent);
    };
    CHECK(with(9, 2) == "a number that is too large");  // a bool
    CHECK(with(16, 3) == "a number that is too large"); // no such kind
    CHECK(other.kind == Kind::B);
    CHECK(with(17, 10) == "a number that is too large");        // more than 9
    CHECK(with(22, 0) == "MASKED with bits that do not exist"); // bits that stay
    CHECK(with(25, 11) == "a number that is too large");        // a long text
    CHECK(with(34, '\n') == "a text with bytes that are none");
    CHECK(with(37, 5) == "a number that is too large"); // a long list
    CHECK(load_state(other, std::span(state).first(20)) == "less than there should be");
    CHECK(load_state(other, {}) == "less than there should be");
    CHECK(load_state(other, state) == "");
    CHECK(saved_state(other) == state);
}

TEST_CASE("a serial port goes on", "[state][pl011]") {
    Sent line, other_line;
    SeenLine interrupt, other_interrupt;
    Pl011 uart{line, interrupt}, other{other_line, other_interrupt};
    uart.write(0x2c, 4, 0x70); // FIFOs
    uart.write(0x38, 4, 0x7ff);
    line.type("abc");
    line.stopped = true;
    uart.write(0, 4, 'x');
    uart.write(0, 4, 'y');
    CHECK(load_state(other, saved_state(uart)) == "");
    CHECK(other_interrupt.on);
    CHECK(other_line.text == "xy"); // what could not be sent there
    CHECK(other.read(0, 4) == 'a');
    CHECK(other.read(0, 4) == 'b');
    line.resume();
    check_twins(uart, other, 0x1000);
    check_bent(other, other, 0x1000);
}

TEST_CASE("pins and clock go on", "[state][pl061][pl031]") {
    LoopFixture loop;
    SeenLine interrupt, other_interrupt;
    Pl061 pins{interrupt}, other_pins{other_interrupt};
    pins.write(0x408, 1, 8); // both edges
    pins.write(0x410, 1, 8);
    pins.pin(3).set(true);
    PowerKey key{loop.loop, pins.pin(3)}, other_key{loop.loop, other_pins.pin(3)};
    key.press();
    CHECK(load_state(other_pins, saved_state(pins)) == "");
    CHECK(load_state(other_key, saved_state(key)) == "");
    CHECK(other_interrupt.on);
    CHECK(other_pins.read(0x20, 4) == 8);
    loop.run_for(150'000'000);
    CHECK(other_pins.read(0x20, 4) == 0); // released
    check_twins(pins, other_pins, 0x1000);
    check_bent(other_pins, other_pins, 0x1000);

    SeenLine alarm, other_alarm;
    Pl031 clock{loop.loop, alarm, u64{1000} * 1'000'000'000}, other{loop.loop, other_alarm};
    clock.write(0x10, 4, 1);
    clock.write(4, 4, 1001);
    std::vector<u8> state = saved_state(clock);
    CHECK(load_state(other, state) == "");
    CHECK((other.read(0, 4) == 1000 && other.read(4, 4) == 1001));
    loop.run_for(1'200'000'000);
    CHECK(other_alarm.on);
    // An alarm that came meanwhile comes at once; 1002 seconds are over, or as good as that.
    Pl031 late{loop.loop, other_alarm};
    CHECK(load_state(late, state) == "");
    CHECK_FALSE(other_alarm.on);
    loop.run_for(10'000'000);
    CHECK(other_alarm.on);
    check_bent(other, other, 0x1000, true);
}

TEST_CASE("fw_cfg goes on where it was", "[state][fw_cfg]") {
    PhysicalMemory memory;
    FwCfg device{memory}, other{memory};
    std::string why_not;
    for (FwCfg* one : {&device, &other}) {
        REQUIRE(one->add_file("opt/a", {'a', 'b', 'c', 'd'}, why_not));
    }
    device.write(8, 2, __builtin_bswap16(FwCfg::kFirstFile));
    CHECK(device.read(0, 2) == ('a' | 'b' << 8));
    CHECK(load_state(other, saved_state(device)) == "");
    CHECK(other.read(0, 4) == ('c' | 'd' << 8));
    check_bent(other, other, 24);
}

constexpr u64 kFlashBytes = 1 << 20;
std::unique_ptr<Flash> flash_of(const FlashOptions& options) {
    std::string why_not;
    auto flash = Flash::open(options, kFlashBytes, why_not);
    REQUIRE(why_not == "");
    return flash;
}

// As a snapshot does it.
void copy_image(StateImage& from, StateImage& to) {
    std::string why_not;
    REQUIRE(to.begin(why_not));
    for (const StateImage::Run& run : from.runs()) {
        std::vector<u8> bytes(run.bytes);
        REQUIRE(from.read(run.offset, bytes));
        REQUIRE(to.put(run.offset, bytes));
    }
    to.commit();
}

TEST_CASE("flash has its contents and commands back, and so has its file", "[state][flash]") {
    const test::TemporaryFile file(std::string(kFlashBytes, '\xff'));
    const auto flash = flash_of({}), other = flash_of({.path = file.path()});
    unsigned changes = 0;
    other->on_change([&] { ++changes; });
    flash->write(0x4'0000, 4, 0x20'0020); // erase
    flash->write(0x4'0000, 4, 0xd0'00d0);
    flash->write(0x4'0100, 4, 0x40'0040); // program
    flash->write(0x4'0100, 4, 0x1234'5678);
    flash->write(0x4'0000, 4, 0xe8'00e8); // a buffer of which half has come
    flash->write(0x4'0000, 4, 1 | 1 << 16);
    flash->write(0x4'0000, 4, 0x1111'1111);
    copy_image(*flash->image("a"), *other->image("a"));
    CHECK(load_state(*other, saved_state(*flash)) == "");
    CHECK(changes >= 1);
    CHECK(other->rom(0, 4) == nullptr); // shows its status
    for (Flash* one : {flash.get(), other.get()}) {
        one->write(0x4'0004, 4, 0x2222'2222);
        one->write(0x4'0000, 4, 0xd0'00d0);
        one->write(0, 4, 0xff'00ff);
        CHECK(one->read(0x4'0100, 4) == 0x1234'5678);
        CHECK(one->read(0x4'0000, 8) == 0x2222'2222'1111'1111);
        CHECK(one->read(0x3'0000, 4) == 0);
    }
    const auto again = flash_of({.path = file.path(), .read_only = true});
    CHECK(again->read(0x4'0100, 4) == 0x1234'5678);
    CHECK(again->read(0, 4) == 0);
    check_twins(*flash, *other, kFlashBytes);
    check_bent(*other, *other, kFlashBytes);
}

TEST_CASE("memory is what it was at its place", "[state]") {
    constexpr PhysAddr kRam = 0x4000'0000;
    constexpr u64 kBytes = 0x50'0000;
    PhysicalMemory memory, other;
    std::string why_not;
    u8* const ram = memory.add_ram(kRam, kBytes, why_not);
    u8* const other_ram = other.add_ram(kRam, kBytes, why_not);
    ram[0] = 1;
    ram[0x1fff] = 2; // the same run
    ram[0x20'0800] = 3;
    ram[kBytes - 1] = 4;
    other_ram[0x3000] = 9;
    MemoryImage image{"ram", ram, kBytes}, other_image{"ram", other_ram, kBytes};
    const auto runs = image.runs();
    REQUIRE(runs.size() == 3);
    CHECK((runs[0].offset == 0 && runs[0].bytes == 0x2000));
    CHECK((runs[1].offset == 0x20'0000 && runs[1].bytes == 0x1000));
    CHECK((runs[2].offset == kBytes - 0x1000 && runs[2].bytes == 0x1000));
    REQUIRE(other_image.begin(why_not));
    CHECK(other_image.put(0, std::vector<u8>{7}));
    other_image.give_up();
    CHECK((other_ram[0] == 0 && other_ram[0x3000] == 9));
    copy_image(image, other_image);
    CHECK(std::memcmp(ram, other_ram, kBytes) == 0);
    copy_image(image, other_image); // again, into what was moved there
    CHECK(std::memcmp(ram, other_ram, kBytes) == 0);
}

} // namespace
} // namespace ulna::devices
