// The PCI host and virtio over PCI, as an operating system finds and drives them.
#include "runtime/devices/pci/pci_host.h"
#include "runtime/devices/virtio/pci_transport.h"
#include "runtime/devices/virtio/rng.h"

#include <random>

#include "tests/system/virtio_driver.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::devices::pci {
namespace {

using virtio::TestDriver;
using virtio::TestLine;

constexpr PhysAddr kLow = 0x1000'0000, kHigh = 0x80'0000'0000;

struct Message {
    PhysAddr address;
    u32 data;
    u32 requester_id;
    bool operator==(const Message&) const = default;
};
struct Messages final : MsiTarget {
    void send(PhysAddr address, u32 data, u32 requester_id) override {
        sent.push_back({address, data, requester_id});
    }
    std::vector<Message> sent;
};

// A machine with a host bridge and random devices in slots 1 to 5.
struct Machine {
    Machine() {
        for (auto& rng : rngs) {
            rng = std::make_unique<virtio::Rng>(1);
            transports.push_back(std::make_unique<virtio::PciTransport>(*rng, memory.memory));
            REQUIRE(host.plug(*transports.back()));
        }
    }
    u32 config(unsigned slot, u32 offset, unsigned bytes = 4) {
        return static_cast<u32>(host.read(slot << 15 | offset, bytes));
    }
    void set_config(unsigned slot, u32 offset, unsigned bytes, u32 value) {
        host.write(slot << 15 | offset, bytes, value);
    }
    // Offset of a capability; of virtio's, by type.
    u32 capability(unsigned slot, u8 id, int type = -1) {
        for (u32 at = config(slot, 0x34, 1); at != 0; at = config(slot, at + 1, 1)) {
            if (config(slot, at, 1) == id &&
                (type < 0 || config(slot, at + 3, 1) == static_cast<u32>(type))) {
                return at;
            }
        }
        return 0;
    }
    // Gives the function its addresses.
    void enable(unsigned slot, PhysAddr bar1, PhysAddr bar4) {
        set_config(slot, 0x14, 4, static_cast<u32>(bar1));
        set_config(slot, 0x20, 4, static_cast<u32>(bar4));
        set_config(slot, 0x24, 4, static_cast<u32>(bar4 >> 32));
        set_config(slot, 0x04, 2, 6);
    }
    u64 read(PhysAddr at, unsigned bytes) {
        return at >= kHigh ? high.read(at - kHigh, bytes) : low.read(at - kLow, bytes);
    }
    void write(PhysAddr at, unsigned bytes, u64 value) {
        at >= kHigh ? high.write(at - kHigh, bytes, value) : low.write(at - kLow, bytes, value);
    }
    // The handshake, a queue, and a request of 32 bytes at `buffer` in it.
    void drive(PhysAddr base, u16 queue_vector = 0xffff) {
        write(base + 20, 1, 0);
        write(base + 20, 1, 3);
        write(base + 8, 4, 1);
        write(base + 12, 4, 1); // VIRTIO_F_VERSION_1
        write(base + 20, 1, 11);
        REQUIRE(read(base + 20, 1) == 11);
        write(base + 22, 2, 0);
        REQUIRE(read(base + 24, 2) == 64);
        write(base + 24, 2, 16);
        write(base + 26, 2, queue_vector);
        table = memory.allocate(256, 4096);
        available = memory.allocate(64, 4096);
        used = memory.allocate(256, 4096);
        buffer = memory.allocate(32);
        write(base + 32, 4, table);
        write(base + 36, 4, table >> 32);
        write(base + 40, 4, available);
        write(base + 48, 8, used);
        write(base + 28, 2, 1);
        REQUIRE(read(base + 28, 2) == 1);
        write(base + 20, 1, 15);
        memory.put_descriptor(table, 0, buffer, 32, 2, 0);
        ask(base);
    }
    void ask(PhysAddr base) {
        memory.put<u16>(available + 2, static_cast<u16>(memory.load<u16>(available + 2) + 1));
        write(base + 0x3000, 2, 0);
    }

    TestDriver memory;
    std::array<TestLine, 4> lines;
    Messages messages;
    PciHost host{{&lines[0], &lines[1], &lines[2], &lines[3]}, &messages};
    Device& low = host.window(kLow);
    Device& high = host.window(kHigh);
    std::array<std::unique_ptr<virtio::Rng>, 5> rngs;
    std::vector<std::unique_ptr<virtio::PciTransport>> transports;
    PhysAddr table = 0, available = 0, used = 0, buffer = 0;
};

TEST_CASE("configuration space shows what is plugged in", "[pci]") {
    Machine machine;
    CHECK(machine.config(0, 0) == 0x00081b36);
    CHECK(machine.config(0, 8) >> 8 == 0x060000);
    CHECK(machine.config(1, 0) == 0x10441af4);
    CHECK(machine.config(5, 2, 2) == 0x1044);
    CHECK(machine.config(6, 0) == ~u32{0});
    CHECK(machine.host.read(1 << 20, 4) == 0xffffffff);       // another bus
    CHECK(machine.host.read(1 << 15 | 1 << 12, 2) == 0xffff); // another function
    CHECK(machine.host.read(1 << 15 | 0x100, 8) == 0);        // no extended capabilities
    CHECK(machine.host.read(1 << 15, 8) == (u64{machine.config(1, 4)} << 32 | 0x10441af4));
    CHECK((machine.config(1, 6, 2) & 16) != 0);
    for (int type = 1; type <= 5; ++type) {
        CHECK(machine.capability(1, 9, type) != 0);
    }
    CHECK(machine.capability(1, 0x11) != 0);
}

TEST_CASE("base address registers tell their size and keep their address", "[pci]") {
    Machine machine;
    for (u32 bar = 0x10; bar < 0x28; bar += 4) {
        machine.set_config(1, bar, 4, ~u32{0});
    }
    CHECK(machine.config(1, 0x10) == 0);
    CHECK(machine.config(1, 0x14) == 0xfffff000);
    CHECK(machine.config(1, 0x20) == 0xffffc00c);
    CHECK(machine.config(1, 0x24) == 0xffffffff);
    machine.set_config(1, 0x00, 4, 0); // not the guest's
    CHECK(machine.config(1, 0) == 0x10441af4);
    CHECK(machine.read(kLow, 4) == 0xffffffff);
    machine.enable(1, kLow + 0x10000, kHigh + 0x4000);
    CHECK(machine.read(kHigh + 0x4000 + 18, 2) == 1); // num_queues
    CHECK(machine.read(kLow + 0x10000 + 12, 4) == 1); // a masked vector
    machine.set_config(1, 0x04, 2, 0);
    CHECK(machine.read(kHigh + 0x4000 + 18, 2) == 0xffff);
    machine.host.reset();
    CHECK(machine.config(1, 0x14) == 0);
}

TEST_CASE("a virtio device over PCI serves, with INTx", "[pci][virtio]") {
    Machine machine;
    const PhysAddr base = kHigh + 0x8000;
    machine.enable(2, kLow, base);
    machine.drive(base);
    CHECK(machine.memory.load<u16>(machine.used + 2) == 1);
    CHECK(machine.memory.load<u64>(machine.buffer) != 0);
    CHECK(machine.lines[2].asserted); // slot 2's pin A
    CHECK((machine.config(2, 6, 2) & 8) != 0);
    machine.set_config(2, 4, 2, 6 | 1 << 10);
    CHECK_FALSE(machine.lines[2].asserted);
    machine.set_config(2, 4, 2, 6);
    CHECK(machine.lines[2].asserted);
    CHECK(machine.read(base + 0x1000, 1) == 1); // the status is read once
    CHECK_FALSE(machine.lines[2].asserted);
    CHECK(machine.read(base + 0x1000, 1) == 0);
    machine.ask(base);
    CHECK(machine.lines[2].asserted);
    machine.write(base + 20, 1, 0);
    CHECK_FALSE(machine.lines[2].asserted);
    CHECK(machine.read(base + 24, 2) == 64);
}

TEST_CASE("slots share a line and hold it until the last lets go", "[pci]") {
    Machine machine;
    const PhysAddr first = kHigh, second = kHigh + 0x4000;
    machine.enable(1, kLow, first);
    machine.enable(5, kLow + 0x1000, second);
    machine.drive(first);
    machine.drive(second);
    CHECK(machine.lines[1].asserted);
    CHECK(machine.read(first + 0x1000, 1) == 1);
    CHECK(machine.lines[1].asserted);
    CHECK(machine.read(second + 0x1000, 1) == 1);
    CHECK_FALSE(machine.lines[1].asserted);
}

TEST_CASE("a virtio device over PCI sends messages, and keeps those that are masked",
          "[pci][virtio]") {
    Machine machine;
    const PhysAddr base = kHigh, table = kLow;
    machine.enable(3, table, base);
    const u32 capability = machine.capability(3, 0x11);
    CHECK((machine.config(3, capability + 2, 2) & 0x7ff) == 1); // two vectors
    machine.write(table + 16, 8, 0x0808'0040);
    machine.write(table + 24, 4, 77);
    machine.write(table + 28, 4, 0);
    machine.set_config(3, capability + 2, 2, 0x8000);
    machine.drive(base, 1);
    const Message message{0x0808'0040, 77, 3 << 3};
    CHECK(machine.messages.sent == std::vector{message});
    CHECK_FALSE(machine.lines[3].asserted);
    machine.write(table + 28, 4, 1);
    machine.ask(base);
    CHECK(machine.messages.sent.size() == 1);
    CHECK(machine.read(table + 2048, 8) == 2); // pending
    machine.write(table + 28, 4, 0);
    CHECK(machine.messages.sent.size() == 2);
    machine.set_config(3, capability + 2, 2, 0xc000); // all masked
    machine.ask(base);
    CHECK(machine.messages.sent.size() == 2);
    machine.set_config(3, capability + 2, 2, 0x8000);
    CHECK(machine.messages.sent.size() == 3);
    machine.write(base + 26, 2, 9); // no such vector
    CHECK(machine.read(base + 26, 2) == 0xffff);
    machine.ask(base);
    CHECK(machine.messages.sent.size() == 3);
}

TEST_CASE("configuration space has a window to a virtio device's memory", "[pci][virtio]") {
    Machine machine;
    const u32 at = machine.capability(1, 9, 5);
    machine.set_config(1, at + 4, 1, 4);
    machine.set_config(1, at + 8, 4, 18);
    machine.set_config(1, at + 12, 4, 2);
    CHECK(machine.config(1, at + 16) == 1); // num_queues
    machine.set_config(1, at + 8, 4, 20);
    machine.set_config(1, at + 12, 4, 1);
    machine.set_config(1, at + 16, 4, 1);
    CHECK(machine.config(1, at + 16) == 1); // status
    machine.set_config(1, at + 8, 4, ~u32{0});
    CHECK(machine.config(1, at + 16) == 0);
}

TEST_CASE("a bus has 31 slots to give", "[pci]") {
    Machine machine;
    std::vector<std::unique_ptr<virtio::Rng>> rngs;
    std::vector<std::unique_ptr<virtio::PciTransport>> more;
    bool plugged = true;
    for (int i = 5; i < 32; ++i) {
        CHECK(plugged);
        rngs.push_back(std::make_unique<virtio::Rng>());
        more.push_back(std::make_unique<virtio::PciTransport>(*rngs.back(), machine.memory.memory));
        plugged = machine.host.plug(*more.back());
    }
    CHECK_FALSE(plugged);
}

constexpr u64 kBusBytes = 1 << 20;

// A port with two functions in its slot, and a device behind one of them.
struct Ports : Machine {
    Ports() {
        REQUIRE(host.plug_port(first, PciHost::Place{9, 0}));
        REQUIRE(host.plug_port(second, PciHost::Place{9, 1}));
        CHECK_FALSE(host.plug(device, PciHost::Place{9, 1}));
        first.show_others();
        REQUIRE(second.plug(device));
        CHECK_FALSE(second.plug(device));
    }
    u32 second_config(u32 offset, unsigned bytes = 4) {
        return static_cast<u32>(host.read(9 << 15 | 1 << 12 | offset, bytes));
    }
    void set_second(u32 offset, unsigned bytes, u32 value) {
        host.write(9 << 15 | 1 << 12 | offset, bytes, value);
    }
    u32 behind(u64 bus, u32 offset) {
        return static_cast<u32>(host.read(bus * kBusBytes + offset, 4));
    }

    RootPort first, second;
    virtio::Rng rng{1};
    virtio::PciTransport device{rng, memory.memory};
};

TEST_CASE("a root port is a bridge to a bus with one device", "[pci]") {
    Ports machine;
    CHECK(machine.config(9, 0) == 0x000c'1b36);
    CHECK(machine.config(9, 0x0e, 1) == 0x81);
    CHECK(machine.second_config(0x0e, 1) == 0x01);
    CHECK(machine.second_config(0x08) >> 8 == 0x06'04'00);
    const u32 express = machine.second_config(0x34, 1);
    CHECK(machine.second_config(express, 1) == 0x10);
    CHECK((machine.second_config(express + 2, 2) >> 4 & 15) == 4);
    CHECK(machine.behind(3, 0) == ~u32{0});
    machine.set_second(0x18, 4, 0x0003'0300);
    CHECK(machine.behind(3, 0) == 0x1044'1af4);
    CHECK(machine.behind(3, 1 << 15) == ~u32{0}); // nobody else is there
    CHECK(machine.behind(4, 0) == ~u32{0});
    machine.host.reset();
    CHECK(machine.behind(3, 0) == ~u32{0});
}

TEST_CASE("a device behind a root port is reached through its window", "[pci][virtio]") {
    Ports machine;
    machine.set_second(0x18, 4, 0x0003'0300);
    machine.host.write(3 * kBusBytes + 0x20, 4, 0x20'0000);
    machine.host.write(3 * kBusBytes + 0x24, 4, kHigh >> 32);
    machine.host.write(3 * kBusBytes + 0x04, 2, 6);
    const PhysAddr bar = kHigh + 0x20'0000;
    CHECK(machine.read(bar + 18, 2) == 0xffff); // the port forwards nothing
    machine.set_second(0x24, 2, 0x0021);
    machine.set_second(0x26, 2, 0x0021);
    machine.set_second(0x28, 4, kHigh >> 32);
    machine.set_second(0x2c, 4, kHigh >> 32);
    CHECK(machine.read(bar + 18, 2) == 0xffff);
    machine.set_second(0x04, 2, 6);
    CHECK(machine.read(bar + 18, 2) == 1); // how many queues it has
    machine.drive(bar);
    CHECK(machine.lines[9 % 4].asserted); // INTA is the port's
    CHECK(machine.read(bar + 0x1000, 1) == 1);
    CHECK_FALSE(machine.lines[9 % 4].asserted);
}

TEST_CASE("a root port's state has its bus", "[pci][state]") {
    Ports machine, other;
    machine.set_second(0x18, 4, 0x0003'0300);
    StateVisitor saved;
    machine.second.visit_state(saved);
    const std::vector<u8> bytes = saved.take();
    StateVisitor loaded{bytes};
    other.second.visit_state(loaded);
    loaded.finish();
    CHECK_FALSE(loaded.failed());
    CHECK(other.behind(3, 0) == 0x1044'1af4);
}

// A port whose slot is empty at first.
struct Slot : Machine {
    Slot() {
        REQUIRE(host.plug_port(port, PciHost::Place{9, 0}));
        port.on_answer([this](PciFunction& function, bool lets_go) {
            CHECK(&function == &device);
            answers.push_back(lets_go);
        });
        set_config(9, 0x18, 4, 0x0003'0300);
        set_config(9, msix + 2, 2, 0x8000);
        set_config(9, 0x10, 4, kLow);
        set_config(9, 4, 2, 6);
        write(kLow, 8, 0x0808'0040);
        write(kLow + 8, 8, 5);
    }
    u32 behind() { return static_cast<u32>(host.read(3 << 20, 4)); }
    void control(u16 value) { set_config(9, express + 0x18, 2, value); }
    u16 status() { return static_cast<u16>(config(9, express + 0x1a, 2)); }
    void clear(u16 events) { set_config(9, express + 0x1a, 2, events); }
    // What arrived at the interrupt controller since the last time.
    std::size_t interrupts() { return std::exchange(messages.sent, {}).size(); }

    static constexpr u16 kOn = 0x03f9 & ~0x0200, kBlinks = 0x02f9, kOff = 0x07f9;
    RootPort port{{.slot = 3, .port = 8}};
    virtio::Rng rng{1};
    virtio::PciTransport device{rng, memory.memory};
    const u32 express = 0x54, msix = 0x48;
    std::vector<bool> answers;
};

TEST_CASE("a root port's slot looks as the peer's, but for the interlock", "[pci]") {
    Slot machine;
    CHECK(machine.config(9, 0x34, 1) == machine.express);
    CHECK(machine.config(9, machine.express) == 0x0142'4810);
    CHECK(machine.config(9, machine.express + 0x04) == 0x8020);
    CHECK(machine.config(9, machine.express + 0x0c) == 0x0830'0604);
    CHECK(machine.config(9, machine.express + 0x10) == 0x0204'0000);
    CHECK(machine.config(9, machine.express + 0x14) == 0x0018'007b);
    CHECK(machine.config(9, machine.express + 0x18) == 0x0000'07c0);
    CHECK(machine.config(9, machine.express + 0x2c) == 0x1e);
    REQUIRE(machine.port.plug(machine.device));
    CHECK(machine.config(9, machine.express + 0x10) == 0x2011'0000);
    CHECK(machine.config(9, machine.express + 0x18) == 0x0040'03c0);
    CHECK(machine.behind() == 0x1044'1af4);
    RootPort fixed{{.slot = 5, .hot_plug = false}};
    CHECK(fixed.read_config(machine.express + 0x14, 4) == 0x0028'001b);
}

TEST_CASE("a guest hears of a device that comes, and gives it power", "[pci]") {
    Slot machine;
    machine.control(machine.kOff);
    CHECK(machine.status() == 0x10); // done as told
    CHECK(machine.interrupts() == 1);
    machine.clear(0x10);
    REQUIRE(machine.port.plug_in(machine.device));
    CHECK_FALSE(machine.port.plug_in(machine.device));
    CHECK(machine.status() == 0x49); // it is there, by a change, and somebody pressed the button
    CHECK(machine.interrupts() == 1);
    CHECK(machine.behind() == ~u32{0});
    machine.clear(0x01);
    CHECK(machine.status() == 0x48);
    machine.clear(0x08);
    machine.control(machine.kOn);
    CHECK(machine.behind() == 0x1044'1af4);
    CHECK(machine.interrupts() == 1);
    machine.host.reset();
    CHECK(machine.status() == 0x40);
    machine.set_config(9, 0x18, 4, 0x0003'0300);
    CHECK(machine.behind() == 0x1044'1af4);
}

TEST_CASE("a device goes when the guest lets go of it", "[pci]") {
    Slot machine;
    REQUIRE(machine.port.plug(machine.device));
    machine.control(machine.kOn);
    machine.clear(0x10);
    machine.interrupts();
    CHECK(machine.port.ask_to_let_go().empty());
    CHECK(machine.status() == 0x41);
    CHECK(machine.interrupts() == 1);
    machine.clear(0x01);
    machine.control(machine.kBlinks);
    CHECK(machine.port.ask_to_let_go() == "the guest is busy (the slot's power indicator blinks)");
    machine.control(machine.kBlinks | 0x400); // without power it is still there
    CHECK(machine.behind() == ~u32{0});
    CHECK(machine.answers.empty());
    machine.control(machine.kOff);
    CHECK(machine.answers == std::vector{true});
    CHECK(machine.port.plugged() == nullptr);
    CHECK((machine.status() & 0x48) == 0x08);
    REQUIRE(machine.port.plug_in(machine.device)); // and off again, which nobody need be asked for
    CHECK(machine.port.ask_to_let_go().empty());
    CHECK(machine.answers == std::vector{true, true});
}

TEST_CASE("a guest that blinks and goes on has refused to let go", "[pci]") {
    Slot machine;
    REQUIRE(machine.port.plug(machine.device));
    machine.control(machine.kOn);
    machine.control(machine.kBlinks);
    machine.control(machine.kOn);
    CHECK(machine.answers.empty()); // nobody asked
    CHECK(machine.port.ask_to_let_go().empty());
    machine.control(machine.kBlinks);
    machine.control(machine.kOn);
    CHECK(machine.answers == std::vector{false});
    CHECK(machine.port.plugged() == &machine.device);
}

TEST_CASE("without messages a slot's interrupt is a level", "[pci]") {
    Slot machine;
    machine.set_config(9, machine.msix + 2, 2, 0);
    machine.control(machine.kOff);
    CHECK(machine.lines[9 % 4].asserted);
    machine.clear(0x10);
    CHECK_FALSE(machine.lines[9 % 4].asserted);
}

TEST_CASE("a slot's state has what its guest has not heard yet", "[pci][state]") {
    Slot machine, other;
    machine.control(machine.kOff);
    machine.clear(0x10);
    REQUIRE(machine.port.plug_in(machine.device));
    REQUIRE(other.port.plug_in(other.device));
    other.control(other.kOn);
    StateVisitor saved;
    machine.port.visit_state(saved);
    const std::vector<u8> bytes = saved.take();
    StateVisitor loaded{bytes};
    other.port.visit_state(loaded);
    loaded.finish();
    CHECK(loaded.why_not().empty());
    CHECK(other.status() == 0x49);
    CHECK(other.behind() == ~u32{0});
    CHECK(other.config(9, other.express + 0x18, 2) == other.kOff);
}

TEST_CASE("random accesses do root ports no harm", "[pci][fuzz]") {
    Ports machine;
    std::mt19937_64 random(test::seed(12));
    for (int i = 0; i < 200'000; ++i) {
        const unsigned bytes = 1u << random() % 4;
        const u64 offset = (random() % 256) & ~u64{bytes - 1}, bus = random() % 4;
        const u64 at = bus * kBusBytes + (bus == 0 ? 9 << 15 | (random() % 3) << 12 : 0) + offset;
        if (random() % 2 == 0) {
            machine.host.write(at, bytes, random() & random());
        } else {
            (void)machine.host.read(at, bytes);
        }
        (void)machine.read(kHigh + (random() % 0x100'0000 & ~u64{7}), 1u << random() % 4);
        if (random() % 5000 == 0) {
            machine.host.reset();
        }
        if (random() % 50 == 0 && machine.second.plugged() != nullptr) {
            (void)machine.second.ask_to_let_go();
        } else if (random() % 50 == 0) {
            (void)machine.second.plug_in(machine.device);
        }
    }
}

TEST_CASE("random accesses do PCI functions no harm", "[pci][fuzz]") {
    Machine machine;
    std::mt19937_64 random(test::seed(11));
    const auto size = [&] { return 1u << random() % 4; };
    for (int i = 0; i < 300'000; ++i) {
        const unsigned slot = 1 + static_cast<unsigned>(random() % 5), bytes = size();
        const u64 offset = (random() % 4 != 0 ? random() % 256 : random() % 4096) & ~u64{bytes - 1};
        const PhysAddr at = (random() % 2 != 0 ? kHigh + 0x10000 * slot + random() % 0x4000
                                               : kLow + 0x10000 * slot + random() % 0x1000) &
                            ~u64{bytes - 1};
        switch (random() % 8) {
        case 0:
            machine.host.write(u64{slot} << 15 | offset, bytes, random());
            break;
        case 1:
            (void)machine.host.read(u64{slot} << 15 | offset, bytes);
            break;
        case 2:
            machine.enable(slot, kLow + 0x10000 * slot, kHigh + 0x10000 * slot);
            break;
        case 3:
            (void)machine.read(at, bytes);
            break;
        case 4:
            machine.write(kHigh + 0x10000 * slot + random() % 64, bytes, random() % 16);
            break;
        default:
            machine.write(at, bytes, random() % 2 != 0 ? random() : random() % 16);
        }
    }
    machine.host.reset();
    machine.enable(1, kLow, kHigh);
    machine.drive(kHigh);
    CHECK(machine.memory.load<u16>(machine.used + 2) == 1);
}

} // namespace
} // namespace ulna::devices::pci
