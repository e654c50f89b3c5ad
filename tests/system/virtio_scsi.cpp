// virtio-scsi: requests and tasks as its driver makes them. What the commands do is in scsi.cpp.
#include "runtime/devices/virtio/scsi.h"

#include "tests/system/memory_disk.h"
#include "tests/system/virtio_driver.h"

#include "tests/system/state_fixture.h"

namespace ulna::devices::virtio {
namespace {

struct ScsiDriver : TestDriver {
    ScsiDriver() {
        auto bus = std::make_unique<scsi::Bus>();
        auto disk = std::make_unique<MemoryDisk>();
        medium = disk.get();
        bus->add({3, 0}, std::make_unique<scsi::LogicalUnit>(scsi::UnitOptions{.device_id = "hd"},
                                                             std::move(disk)));
        device = std::make_unique<Scsi>(std::move(bus), lock);
        attach(device.get());
        const std::lock_guard held(lock);
        bring_up(kAllOffered, 3, 64);
    }
    ~ScsiDriver() { device.reset(); }

    struct Response {
        u32 sense_bytes, residual;
        u16 status_qualifier;
        u8 status, response;
        u8 sense[96];
        u32 used; // what the ring says was written
    };
    // `unit`: the first four bytes of a LUN, in the order in which they are sent.
    Response command(std::vector<u8> cdb, std::vector<Piece> data = {}, u32 unit = 0x0103'0000) {
        const PhysAddr header = allocate(51), answer = allocate(108);
        for (unsigned i = 0; i < 4; ++i) {
            put<u8>(header + i, static_cast<u8>(unit >> (24 - 8 * i)));
        }
        std::memcpy(host(header + 19), cdb.data(), cdb.size());
        std::vector<Piece> pieces{{header, 51}};
        for (const Piece& piece : data) {
            if (!piece.writable) {
                pieces.push_back(piece);
            }
        }
        pieces.push_back({answer, 108, true});
        for (const Piece& piece : data) {
            if (piece.writable) {
                pieces.push_back(piece);
            }
        }
        const u32 used = ask(2, pieces);
        Response response = load<Response>(answer);
        response.used = used;
        return response;
    }
    // The response's last byte.
    u8 control(std::vector<u32> words, u32 answer_bytes) {
        const PhysAddr header = store(words.data(), 4 * words.size());
        const PhysAddr answer = allocate(answer_bytes);
        ask(0, {{header, static_cast<u32>(4 * words.size())}, {answer, answer_bytes, true}});
        return load<u8>(answer + answer_bytes - 1);
    }
    u32 ask(u32 queue, const std::vector<Piece>& pieces) {
        const u16 position = made[queue]++;
        {
            const std::lock_guard held(lock);
            add(queue, pieces);
            notify(queue);
        }
        REQUIRE(wait_used(queue, made[queue], lock));
        return used(queue, position).bytes;
    }

    std::mutex lock;
    MemoryDisk* medium = nullptr;
    std::unique_ptr<Scsi> device;
    std::map<u32, u16> made;
};

constexpr u32 kLun = 0x0000'0301; // target 3, unit 0, as a little-endian word

TEST_CASE("a SCSI disk is read and written through its queue", "[virtio][scsi]") {
    ScsiDriver driver;
    CHECK(driver.device->config()[30] == 255); // the last target that could be
    auto answer = driver.command({0x00});
    CHECK(answer.status == 2);
    CHECK(answer.sense_bytes == 18);
    CHECK(answer.sense[2] == 6);
    CHECK(answer.used == 108);
    CHECK(driver.command({0x00}).status == 0);
    const std::string text(1024, 'x');
    const PhysAddr from = driver.store(text.data(), text.size()), to = driver.allocate(1024);
    answer = driver.command({0x2a, 0, 0, 0, 0, 9, 0, 0, 2}, {{from, 1000}, {from + 1000, 24}});
    CHECK(answer.response == 0);
    CHECK(answer.residual == 0);
    CHECK(driver.medium->contents[11 * 512 - 1] == 'x');
    answer = driver.command({0x28, 0, 0, 0, 0, 9, 0, 0, 2}, {{to, 1, true}, {to + 1, 1023, true}});
    CHECK(answer.used == 108 + 1024);
    CHECK(std::memcmp(driver.host(to), text.data(), text.size()) == 0);
    answer = driver.command({0x12, 0, 0, 0, 40, 0}, {{to, 40, true}});
    CHECK(answer.residual == 4);
    CHECK(answer.used == 108 + 36);
}

TEST_CASE("a driver hears of SCSI units that come and go", "[virtio][scsi]") {
    ScsiDriver driver;
    const auto plug = [&](scsi::Address at) {
        const std::lock_guard held(driver.lock);
        driver.device->add(at, std::make_unique<scsi::LogicalUnit>(scsi::UnitOptions{},
                                                                   std::make_unique<MemoryDisk>()));
    };
    struct Event {
        u32 event, unit[2], reason;
    };
    const PhysAddr at = driver.allocate(2 * sizeof(Event));
    const auto event = [&](unsigned n) { return driver.load<Event>(at + n * sizeof(Event)); };
    const auto offer = [&](unsigned n) {
        const std::lock_guard held(driver.lock);
        driver.add(1, {{at + n * sizeof(Event), sizeof(Event), true}});
        driver.notify(1);
    };
    offer(0);
    CHECK(driver.command({0x00}, {}, 0x0105'4107).response == 3);
    plug({5, 263});
    CHECK(driver.used(1, 0).bytes == sizeof(Event));
    CHECK(event(0).event == 1);
    CHECK(event(0).unit[0] == 0x0741'0501);
    CHECK(event(0).reason == 1);
    CHECK(driver.command({0x00}, {}, 0x0105'4107).response == 0);
    {
        const std::lock_guard held(driver.lock);
        CHECK(driver.device->remove({5, 263}) != nullptr); // nobody hears of it
    }
    CHECK(driver.command({0x00}, {}, 0x0105'4107).response == 3);
    offer(1);
    CHECK(event(1).event == 0x8000'0000); // but that something was missed
    offer(0);
    {
        const std::lock_guard held(driver.lock);
        CHECK(driver.device->remove({3, 0}) != nullptr);
    }
    CHECK(event(0).event == 1);
    CHECK(event(0).unit[0] == kLun);
    CHECK(event(0).reason == 2);
}

TEST_CASE("SCSI requests that cannot be carried out say why", "[virtio][scsi]") {
    ScsiDriver driver;
    const PhysAddr at = driver.allocate(512);
    const std::vector<u8> read{0x28, 0, 0, 0, 0, 0, 0, 0, 1};
    CHECK(driver.command(read, {{at, 512, true}}, 0x0104'0000).response == 3); // no such target
    CHECK(driver.command(read, {{at, 512, true}}, 0x0003'0000).response == 3);
    CHECK(driver.command(read, {{at, 512, true}}, 0x0103'8000).response == 3);
    CHECK(driver.command(read, {{at, 511, true}}).response == 1);            // too little room
    CHECK(driver.command(read, {{at, 512}, {at, 512, true}}).response == 9); // both ways
    const auto absent = driver.command(read, {{at, 512, true}}, 0x0103'4001);
    CHECK(absent.status == 2);
    CHECK(absent.sense[12] == 0x25);
    const std::lock_guard held(driver.lock);
    driver.add(2, {{at, 50}, {at, 200, true}});
    driver.notify(2);
    CHECK((driver.read(0x070) & kNeedsReset) != 0);
}

TEST_CASE("the control queue resets units and knows no tasks", "[virtio][scsi]") {
    ScsiDriver driver;
    (void)driver.command({0x00});
    CHECK(driver.control({0, 5, kLun, 0, 1, 0}, 1) == 0); // reset of the unit
    CHECK(driver.command({0x00}).sense[12] == 0x29);
    CHECK(driver.control({0, 4, kLun, 0, 1, 0}, 1) == 0); // of the target
    CHECK(driver.command({0x00}).sense[12] == 0x29);
    CHECK(driver.control({0, 0, kLun, 0, 1, 0}, 1) == 0);  // abort a task
    CHECK(driver.control({0, 2, kLun, 0, 1, 0}, 1) == 11); // clear an ACA
    CHECK(driver.control({0, 5, 0x0000'0901, 0, 1, 0}, 1) == 3);
    CHECK(driver.control({0, 5, 0x0100'0301, 0, 1, 0}, 1) == 12);
    CHECK(driver.control({1, kLun, 0, 0xff}, 5) == 0); // no events
    CHECK(driver.control({7, 0, 0, 0}, 1) == 9);
}

TEST_CASE("a driver chooses the sizes of commands and of sense data", "[virtio][scsi]") {
    ScsiDriver driver;
    driver.transport->write(0x100 + 20, 4, 8);
    driver.transport->write(0x100 + 24, 4, 16);
    driver.transport->write(0x100 + 24, 4, 1000); // too long a command
    const PhysAddr header = driver.allocate(35), answer = driver.allocate(20);
    driver.put<u32>(header, kLun);
    CHECK(driver.ask(2, {{header, 35}, {answer, 20, true}}) == 20);
    CHECK(driver.load<u32>(answer) == 8); // of the 18 bytes
    driver.bring_up(TestDriver::kAllOffered, 3, 64);
    CHECK(driver.read(0x100 + 20) == 96);
}

TEST_CASE("a SCSI bus goes on as another one", "[state][virtio][scsi]") {
    ScsiDriver one, two;
    (void)one.command({0x00});
    const std::vector<u8> state = saved_state(*one.transport);
    std::memcpy(two.ram, one.ram, TestDriver::kRamBytes);
    REQUIRE(load_state(*two.transport, state) == "");
    two.ring(2) = one.ring(2);
    two.made = one.made;
    two.rewind_to(TestDriver::kRamBytes / 2);
    CHECK(two.command({0x00}).status == 0); // what waited had been fetched
    CHECK(two.device->identity() == "3:0 disk 'hd' ");
    check_bent(*two.transport, state, [&] {
        const std::lock_guard held(two.lock);
        two.notify(2);
    });
}

} // namespace
} // namespace ulna::devices::virtio
