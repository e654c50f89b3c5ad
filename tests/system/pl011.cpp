#include "runtime/devices/pl011.h"

#include <random>

#include "tests/system/seen_line.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::devices {
namespace {

struct FakeLine : CharacterBackend {
    void write(std::span<const u8> bytes) override { sent.append(bytes.begin(), bytes.end()); }
    bool congested() const override { return stopped; }
    void room_grew() override { ++grew; }
    std::size_t room() const { return sink_->room(); }
    void type(std::string_view text) {
        REQUIRE(text.size() <= sink_->room());
        sink_->receive({reinterpret_cast<const u8*>(text.data()), text.size()});
    }
    void send_break() { sink_->receive_break(); }
    void resume() {
        stopped = false;
        sink_->output_resumed();
    }
    std::string sent;
    bool stopped = false;
    int grew = 0;
};

constexpr u64 kDr = 0, kRsr = 4, kFr = 0x18, kLcrH = 0x2c, kCr = 0x30, kIfls = 0x34, kImsc = 0x38,
              kRis = 0x3c, kMis = 0x40, kIcr = 0x44;
constexpr u64 kRxEmpty = 0x10, kTxFull = 0x20, kRxFull = 0x40, kTxEmpty = 0x80;
constexpr u64 kRx = 0x10, kTx = 0x20, kTimeout = 0x40, kBreak = 0x200, kOverrun = 0x400;

struct Port {
    FakeLine line;
    SeenLine interrupt;
    Pl011 uart{line, interrupt};
    u64 get(u64 at) { return uart.read(at, 4); }
    void set(u64 at, u64 value) { uart.write(at, 4, value); }
};

TEST_CASE("a serial port sends at once", "[pl011]") {
    Port p;
    CHECK(p.get(kFr) == 0x97);
    CHECK(p.get(kCr) == 0x300);
    CHECK(p.get(kIfls) == 0x12);
    for (const char c : std::string("hello\n")) {
        p.uart.write(kDr, 1, static_cast<u8>(c));
    }
    CHECK(p.line.sent == "hello\n");
    CHECK(p.get(kRis) == kTx);
    CHECK_FALSE(p.interrupt.on);
    p.set(kImsc, kTx);
    CHECK(p.interrupt.on);
    CHECK(p.get(kMis) == kTx);
    p.set(kIcr, kTx);
    CHECK_FALSE(p.interrupt.on);
    CHECK(p.get(kRis) == 0);
}

TEST_CASE("a serial port without FIFO takes one byte", "[pl011]") {
    Port p;
    p.set(kImsc, kRx);
    CHECK(p.line.room() == 1);
    p.line.type("a");
    CHECK(p.line.room() == 0);
    CHECK(p.interrupt.on);
    CHECK((p.get(kFr) & (kRxEmpty | kRxFull)) == kRxFull);
    CHECK(p.get(kDr) == 'a');
    CHECK(p.line.grew == 1);
    CHECK_FALSE(p.interrupt.on);
    CHECK((p.get(kFr) & (kRxEmpty | kRxFull)) == kRxEmpty);
    CHECK(p.get(kDr) == 0);
}

TEST_CASE("the receive interrupt has its level, the timeout comes for what is below", "[pl011]") {
    Port p;
    p.set(kLcrH, 0x70);
    CHECK(p.line.room() == 16);
    p.line.type("abcdefg");
    CHECK(p.get(kRis) == kTimeout);
    p.line.type("h");
    CHECK(p.get(kRis) == kRx);
    p.set(kIfls, 4 << 3);
    CHECK(p.get(kRis) == kTimeout);
    p.line.type("ijklmnop");
    CHECK(p.get(kRis) == kRx);
    CHECK((p.get(kFr) & kRxFull) != 0);
    p.set(kIcr, kRx); // read without a new interrupt until something changes
    CHECK(p.get(kRis) == 0);
    std::string got;
    while ((p.get(kFr) & kRxEmpty) == 0) {
        got += static_cast<char>(p.get(kDr));
    }
    CHECK(got == "abcdefghijklmnop");
    CHECK(p.get(kRis) == 0);
}

TEST_CASE("a side that does not keep up fills the transmit FIFO", "[pl011]") {
    Port p;
    p.set(kLcrH, 0x10);
    p.set(kImsc, kTx);
    p.line.stopped = true;
    for (int i = 0; i < 20; ++i) {
        p.set(kDr, static_cast<u64>('a' + i));
        CHECK(((p.get(kFr) & kTxFull) != 0) == (i >= 15));
    }
    CHECK((p.get(kFr) & kTxEmpty) == 0);
    CHECK_FALSE(p.interrupt.on);
    p.line.resume();
    CHECK(p.line.sent == "abcdefghijklmnop"); // the rest is lost: the guest did not look
    CHECK(p.interrupt.on);
    CHECK((p.get(kFr) & kTxEmpty) != 0);
}

TEST_CASE("loopback", "[pl011]") {
    Port p;
    p.set(kLcrH, 0x10);
    p.set(kCr, 0x381);
    CHECK((p.get(kFr) & 0x107) == 0);
    p.set(kCr, 0x381 | 1 << 11 | 1 << 12);
    CHECK((p.get(kFr) & 0x107) == 0x101);
    for (int i = 0; i < 17; ++i) {
        p.set(kDr, 'x');
    }
    CHECK(p.line.sent.empty());
    CHECK((p.get(kRis) & kOverrun) != 0);
    CHECK(p.get(kRsr) == 8);
    CHECK(p.get(kDr) == ('x' | 1 << 11));
    p.set(kRsr, 0);
    CHECK(p.get(kRsr) == 0);
    CHECK(p.get(kDr) == 'x');
}

TEST_CASE("a break is an entry of its own", "[pl011]") {
    Port p;
    p.set(kLcrH, 0x10);
    p.set(kImsc, kBreak);
    p.line.send_break();
    CHECK(p.interrupt.on);
    CHECK(p.get(kDr) == 1 << 10);
    CHECK(p.get(kRsr) == 4);
    p.line.type("a");
    CHECK(p.get(kDr) == 'a');
    CHECK(p.get(kRsr) == 0);
}

TEST_CASE("a serial port says what it is", "[pl011]") {
    Port p;
    CHECK(p.get(0xfe0) == 0x11);
    CHECK(p.get(0xfe4) == 0x10);
    CHECK((p.get(0xfe8) & 0xf) == 4);
    CHECK(p.get(0xff0) == 0x0d);
    CHECK(p.get(0xffc) == 0xb1);
    p.set(kCr, 0xffff'ffff);
    CHECK(p.get(kCr) == 0xffff);
    p.uart.reset();
    CHECK(p.get(kCr) == 0x300);
}

TEST_CASE("random accesses of a serial port do no harm", "[pl011]") {
    Port p;
    std::mt19937 random(test::seed(11));
    for (int i = 0; i < 100000; ++i) {
        const unsigned bytes = 1u << random() % 4;
        const u64 at = (random() % 2 != 0 ? random() % 0x50 : random() % 0x1000) & ~u64{bytes - 1};
        switch (random() % 4) {
        case 0:
            (void)p.uart.read(at, bytes);
            break;
        case 1:
            p.uart.write(at, bytes, random());
            break;
        case 2:
            p.line.type(std::string(random() % (p.line.room() + 1), 'x'));
            break;
        default:
            p.line.stopped = !p.line.stopped;
            if (!p.line.stopped) {
                p.line.resume();
            }
        }
        REQUIRE(p.interrupt.on == ((p.get(kRis) & p.get(kImsc)) != 0));
        REQUIRE(p.line.room() <= 16);
    }
}

} // namespace
} // namespace ulna::devices
