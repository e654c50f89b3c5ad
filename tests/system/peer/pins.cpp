// The PL061 and the registers of the PL031 and the PL011 that hold what is written, as the peer's.
#include "runtime/devices/pl011.h"
#include "runtime/devices/pl031.h"
#include "runtime/devices/pl061.h"
#include "runtime/devices/virt_map.h"
#include "tests/system/peer/peer_machine.h"

#include "tests/support/catch.h"

namespace ulna::devices {
namespace {

using test::Script;

struct Nowhere : InterruptLine {
    void set(bool) override {}
};
struct Silence : CharacterBackend {
    void write(std::span<const u8>) override {}
};

TEST_CASE("pins, clock and serial port do what the peer's do", "[peer]") {
    if (test::no_peer()) {
        return;
    }
    constexpr u64 kPins = virt::kGpio.base, kClock = virt::kRtc.base, kUart = virt::kUart.base;
    const unsigned seed = GENERATE(range(0u, 2u));
    CAPTURE(seed);
    Script s(seed);
    // Not GPIOIS: the peer remembers levels as it does edges. GPIODIR only once: a pin that nobody
    // drives keeps with the peer what it was as an output.
    s.write(kPins + 0x400, s.random(256));
    for (int i = 0; i < 5000; ++i) {
        constexpr u64 kStored[] = {0x408, 0x40c, 0x410, 0x41c};
        const u64 data = kPins + 4 * s.random(256);
        const u64 at = s.random(2) != 0 ? data : kPins + kStored[s.random(4)];
        s.write(at, s.random(256));
        if (at != kPins + 0x41c) { // write-only
            s.read(at);
        }
        s.read(kPins + 0x3fc);
        s.read(kPins + 0x414);
        s.read(kPins + 0x418);
    }
    for (const u64 frame : {kPins, kClock, kUart}) {
        for (u64 id = 0xff0; id < 0x1000; id += 4) {
            s.read(frame + id);
        }
    }
    s.write(kClock + 8, 1000);
    for (const u64 at : {0x0, 0x8, 0xc, 0x14}) {
        s.read(kClock + at);
    }
    for (int i = 0; i < 200; ++i) {
        constexpr u64 kStored[] = {0x24, 0x28, 0x34, 0x38};
        constexpr u64 kFields[] = {0xffff, 0x3f, 0x3f, 0x7ff};
        const u32 n = s.random(4);
        s.write(kUart + kStored[n], s.bits() & kFields[n]);
        s.read(kUart + kStored[n]);
    }

    std::mutex lock;
    EventLoop loop(lock);
    Nowhere nowhere;
    Silence silence;
    Pl061 pins(nowhere);
    Pl031 clock(loop, nowhere);
    Pl011 uart(silence, nowhere);
    PhysicalMemory memory;
    memory.add_device(kPins, virt::kGpio.bytes, pins);
    memory.add_device(kClock, virt::kRtc.bytes, clock);
    memory.add_device(kUart, virt::kUart.bytes, uart);
    test::compare_with_peer(s, "gic-version=3,virtualization=on", [&](const test::Record& record) {
        return test::run_access(memory, record);
    });
}

} // namespace
} // namespace ulna::devices
