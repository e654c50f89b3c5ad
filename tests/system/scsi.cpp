// SCSI commands to a disk and to a CD drive, without a transport.
#include "runtime/devices/scsi/bus.h"

#include <cerrno>
#include <random>
#include <string>

#include "tests/system/memory_disk.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::devices::scsi {
namespace {

using Bytes = std::vector<u8>;

struct Answer {
    Completion done;
    Bytes in; // what was moved
    [[nodiscard]] unsigned sense() const {
        return u32{done.sense.key} << 16 | u32{done.sense.code} << 8 | done.sense.qualifier;
    }
    [[nodiscard]] u64 field(std::size_t at, std::size_t bytes) const {
        return load_big_endian(std::span{in}.subspan(at, bytes));
    }
    [[nodiscard]] std::string text(std::size_t at, std::size_t bytes) const {
        return {in.begin() + static_cast<std::ptrdiff_t>(at),
                in.begin() + static_cast<std::ptrdiff_t>(at + bytes)};
    }
};

class Initiator {
  public:
    explicit Initiator(UnitOptions options = {}, u64 bytes = 1 << 16, bool read_only = false) {
        auto disk = std::make_unique<virtio::MemoryDisk>(bytes, read_only);
        medium = disk.get();
        add({0, 0}, std::move(options), std::move(disk));
    }
    void
    add(Address at, UnitOptions options, std::unique_ptr<virtio::BlockBackend> backend = nullptr) {
        bus.add(at, std::make_unique<LogicalUnit>(std::move(options), std::move(backend)));
    }
    Answer raw(Bytes cdb, std::size_t in_bytes, Bytes out = {}, Address at = {0, 0}) {
        Answer answer;
        answer.in.assign(in_bytes, 0xee);
        const iovec to{answer.in.data(), in_bytes}, from{out.data(), out.size()};
        answer.done = bus.execute(at, Cdb{cdb}, {&from, 1}, {&to, 1});
        if (out.empty()) {
            answer.in.resize(answer.done.moved);
        }
        return answer;
    }
    // What waits for the first command is fetched before.
    Answer operator()(Bytes cdb, std::size_t in_bytes = 0, Bytes out = {}) {
        (void)raw({0x03, 0, 0, 0, 18, 0}, 18);
        return raw(std::move(cdb), in_bytes, std::move(out));
    }

    Bus bus;
    virtio::MemoryDisk* medium = nullptr;
};

UnitOptions cd_options() { return {.type = UnitOptions::Type::CdRom, .device_id = "cd"}; }

TEST_CASE("the first command after a reset is told of it", "[scsi]") {
    Initiator disk;
    CHECK(disk.raw({0x12, 0, 0, 0, 36, 0}, 36).sense() == 0); // INQUIRY leaves it
    CHECK(disk.raw({0x00}, 0).sense() == 0x062900);
    CHECK(disk.raw({0x00}, 0).sense() == 0);
    disk.bus.find({0, 0})->reset();
    const Answer sense = disk.raw({0x03, 0, 0, 0, 18, 0}, 18); // and so is who asks
    CHECK(sense.in == Bytes{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0});
    CHECK(disk.raw({0x03, 1, 0, 0, 8, 0}, 8).in == Bytes{0x72, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("INQUIRY says what a unit is", "[scsi]") {
    Initiator disk;
    const Answer plain = disk({0x12, 0, 0, 0, 36, 0}, 36);
    CHECK(plain.field(0, 2) == 0);
    CHECK(plain.text(8, 28) == "QEMU    QEMU HARDDISK   2.5+");
    CHECK(disk({0x12, 0, 1, 0, 36, 0}, 36).sense() == 0x052400); // a page without EVPD
    CHECK(disk({0x12, 1, 0, 0, 255, 0}, 255).in ==
          Bytes{0, 0, 0, 5, 0x00, 0x83, 0xb0, 0xb1, 0xb2}); // no serial number
    CHECK(disk({0x12, 1, 0x80, 0, 255, 0}, 255).sense() == 0x052400);
    CHECK(disk({0x12, 0, 0, 0, 5, 0}, 5).in.size() == 5);

    Initiator named(
        {.vendor = "V", .product = "a product, cut here", .serial = "S1", .wwn = 0x5000'0001});
    CHECK(named({0x12, 0, 0, 0, 36, 0}, 36).text(8, 24) == "V       a product, cut h");
    CHECK(named({0x12, 1, 0x80, 0, 255, 0}, 255).in == Bytes{0, 0x80, 0, 2, 'S', '1'});
    CHECK(named({0x12, 1, 0x83, 0, 255, 0}, 255).in ==
          Bytes{0, 0x83, 0, 12, 1, 3, 0, 8, 0, 0, 0, 0, 0x50, 0, 0, 1});

    Initiator cd(cd_options());
    CHECK(cd({0x12, 0, 0, 0, 36, 0}, 36).field(0, 2) == 0x0580);
    CHECK(cd({0x12, 1, 0x83, 0, 255, 0}, 255).in == Bytes{5, 0x83, 0, 6, 2, 0, 0, 2, 'c', 'd'});
}

TEST_CASE("a disk is read and written by every form of the commands", "[scsi]") {
    Initiator disk;
    const std::vector<std::pair<Bytes, Bytes>> forms = {
        {{0x08, 0, 0, 5, 2, 0}, {0x0a, 0, 0, 5, 2, 0}},
        {{0x28, 0, 0, 0, 0, 5, 0, 0, 2, 0}, {0x2a, 0, 0, 0, 0, 5, 0, 0, 2, 0}},
        {{0xa8, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0}, {0xaa, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0}},
        {{0x88, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0},
         {0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0}},
    };
    u8 fill = 1;
    for (const auto& [read, write] : forms) {
        const Bytes data(1024, fill++);
        const Answer written = disk(write, 0, data);
        CHECK(written.sense() == 0);
        CHECK(written.done.moved == 1024);
        CHECK(disk(read, 1024).in == data);
        CHECK(disk.medium->contents[5 * 512] == data[0]);
        CHECK(disk.medium->contents[7 * 512] == 0);
        CHECK(disk(read, 1023).done.overrun);
        CHECK(disk(write, 0, Bytes(1023)).done.overrun);
    }
    CHECK(disk.medium->flushes == 0);
    CHECK(disk({0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0}, 0, Bytes(512)).sense() == 0); // FUA
    CHECK(disk.medium->flushes == 1);
    CHECK(disk({0x35}).sense() == 0);
    CHECK(disk.medium->flushes == 2);
    CHECK(disk({0x08, 0, 0, 0, 0, 0}, 131072).sense() == 0x052100); // 256 blocks; there are 128
    CHECK(disk({0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0}, 512).sense() == 0x052400); // protection
}

TEST_CASE("blocks that a disk does not have are refused", "[scsi]") {
    Initiator disk;
    CHECK(disk({0x28, 0, 0, 0, 0, 127, 0, 0, 1, 0}, 512).sense() == 0);
    CHECK(disk({0x28, 0, 0, 0, 0, 127, 0, 0, 2, 0}, 1024).sense() == 0x052100);
    CHECK(disk({0x28, 0, 0, 0, 0, 128, 0, 0, 0, 0}).sense() == 0);
    CHECK(disk({0x28, 0, 0, 0, 0, 129, 0, 0, 0, 0}).sense() == 0x052100);
    Bytes far{0x8a, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0};
    CHECK(disk(far, 0, Bytes(512)).sense() == 0x052100);
    CHECK(disk({0x2f, 0, 0, 0, 0, 0, 0, 0, 128, 0}).sense() == 0);
    CHECK(disk({0x2f, 0, 0, 0, 0, 1, 0, 0, 128, 0}).sense() == 0x052100);
    CHECK(disk({0x2f, 2, 0, 0, 0, 0, 0, 0, 1, 0}).sense() == 0x052400); // comparison
}

TEST_CASE("a disk's size is told in both forms", "[scsi]") {
    Initiator disk;
    CHECK(disk({0x25}, 8).in == Bytes{0, 0, 0, 127, 0, 0, 2, 0});
    const Answer answer = disk({0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}, 32);
    CHECK(answer.field(0, 8) == 127);
    CHECK(answer.field(8, 4) == 512);
    CHECK(answer.in[14] == 0x80);
    CHECK(disk({0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}, 32).sense() == 0x052400);
}

TEST_CASE("errors of the image become sense data", "[scsi]") {
    Initiator disk;
    disk.medium->error = EIO;
    CHECK(disk({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 512).sense() == 0x031100);
    CHECK(disk({0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 0, Bytes(512)).sense() == 0x030c00);
    disk.medium->error = ENOSPC;
    CHECK(disk({0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 0, Bytes(512)).sense() == 0x072707);
    CHECK(disk({0xff}).sense() == 0x052000);
    CHECK(disk({0x43}).sense() == 0x052000); // of CD drives
}

TEST_CASE("UNMAP and WRITE SAME", "[scsi]") {
    Initiator disk;
    Bytes list(8 + 32);
    list[1] = 38;
    list[3] = 32;
    list[8 + 7] = 8;                        // first block
    list[8 + 11] = 16;                      // how many
    list[24 + 7] = 100, list[24 + 11] = 28; // up to the end
    const Bytes unmap{0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0};
    CHECK(disk(unmap, 0, list).sense() == 0);
    CHECK(disk.medium->discarded == 44 * 512);
    list[24 + 11] = 29;
    CHECK(disk(unmap, 0, list).sense() == 0x052100);
    CHECK(disk.medium->discarded == 44 * 512); // none of them
    list[3] = 33;
    CHECK(disk(unmap, 0, list).sense() == 0x051a00);
    CHECK(disk({0x42, 0, 0, 0, 0, 0, 0, 0, 4, 0}, 0, Bytes(4)).sense() == 0x051a00);

    CHECK(disk({0x41, 0, 0, 0, 0, 4, 0, 0, 3, 0}, 0, Bytes(512, 7)).sense() == 0);
    CHECK(disk.medium->contents[4 * 512 - 1] == 0);
    CHECK(disk.medium->contents[4 * 512] == 7);
    CHECK(disk.medium->contents[7 * 512 - 1] == 7);
    CHECK(disk.medium->contents[7 * 512] == 0);
    const Bytes zeroes{0x93, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0}; // NDOB
    CHECK(disk(zeroes).sense() == 0);
    CHECK(disk.medium->contents[5 * 512] == 0);
    CHECK(disk({0x41, 0, 0, 0, 0, 4, 0, 0, 0, 0}, 0, Bytes(512)).sense() == 0x052400);
}

TEST_CASE("a disk that is only read refuses to be written", "[scsi]") {
    Initiator disk({}, 1 << 16, true);
    CHECK(disk({0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 0, Bytes(512)).sense() == 0x072700);
    CHECK(disk({0x1a, 0, 0x3f, 0, 255, 0}, 255).in[2] == 0x90);
    CHECK(disk({0x12, 1, 0xb2, 0, 8, 0}, 8).in == Bytes{0, 0xb2, 0, 4, 0, 0, 0, 0});
}

TEST_CASE("mode pages tell of the cache, which can be switched off", "[scsi]") {
    Initiator disk;
    const Answer all = disk({0x1a, 0, 0x3f, 0, 255, 0}, 255);
    CHECK(all.in.size() == 4 + 8 + 12 + 20);
    CHECK(all.in[0] == all.in.size() - 1);
    CHECK(all.field(4, 8) == (u64{128} << 32 | 512));
    const Bytes sense{0x1a, 8, 8, 0, 255, 0};
    Answer page = disk(sense, 255);
    CHECK(page.field(0, 7) == 0x17'0010'0008'1204);
    CHECK(disk({0x1a, 8, 0x48, 0, 255, 0}, 255).in[6] == 4); // what can be changed
    CHECK(disk({0x1a, 8, 0xc8, 0, 255, 0}, 255).sense() == 0x053900);
    CHECK(disk({0x1a, 8, 0x2a, 0, 255, 0}, 255).sense() == 0x052400);
    CHECK(disk({0x5a, 8, 8, 0, 0, 0, 0, 0, 28, 0}, 28).field(0, 2) == 26);

    Bytes list = page.in;
    list[0] = 0;
    list[6] = 0;
    const Bytes select{0x15, 0x10, 0, 0, 24, 0};
    CHECK(disk(select, 0, list).sense() == 0);
    CHECK(disk(sense, 255).in[6] == 0);
    CHECK(disk({0x2a, 0, 0, 0, 0, 5, 0, 0, 1, 0}, 0, Bytes(512)).sense() == 0);
    CHECK(disk.medium->flushes == 1);
    list[7] = 1; // cannot be changed
    CHECK(disk(select, 0, list).sense() == 0x052600);
    CHECK(disk(select, 0, Bytes(24)).sense() == 0x052600); // no such page
    list.resize(20);
    CHECK(disk({0x15, 0x10, 0, 0, 20, 0}, 0, list).sense() == 0x051a00);
    disk.bus.find({0, 0})->reset();
    CHECK(disk(sense, 255).in[6] == 4);
}

TEST_CASE("a CD drive reads blocks of 2048 bytes, and shows a track", "[scsi]") {
    Initiator cd(cd_options());
    cd.medium->contents[2048] = 9;
    CHECK(cd({0x25}, 8).in == Bytes{0, 0, 0, 31, 0, 0, 8, 0});
    CHECK(cd({0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0}, 2048).in[0] == 9);
    CHECK(cd({0x2a, 0, 0, 0, 0, 1, 0, 0, 1, 0}, 0, Bytes(2048)).sense() == 0x052000);
    CHECK(cd({0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0}, 100).in ==
          Bytes{0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0, 32});
    CHECK(cd({0x43, 2, 0, 0, 0, 0, 0xaa, 0, 12, 0}, 12).in ==
          Bytes{0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 2, 32}); // as time
    CHECK(cd({0x43, 0, 1, 0, 0, 0, 0, 0, 12, 0}, 12).in[5] == 0x14);
    CHECK(cd({0x43, 0, 5, 0, 0, 0, 0, 0, 12, 0}, 12).sense() == 0x052400);
    CHECK(cd({0x46, 0, 0, 0, 0, 0, 0, 0, 100, 0}, 100).field(0, 8) == (u64{36} << 32 | 8));
    CHECK(cd({0x46, 2, 0, 3, 0, 0, 0, 0, 100, 0}, 100).field(8, 5) == 0x0003'03'04'29);
    CHECK(cd({0x51, 0, 0, 0, 0, 0, 0, 0, 34, 0}, 34).field(0, 7) == 0x20'0e01'0101'01);
    CHECK(cd({0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 100, 0}, 100).in[8 + 2] == 0x0b);
}

TEST_CASE("a CD's tray goes out unless it is locked", "[scsi]") {
    Initiator cd(cd_options());
    const Bytes status{0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0}, eject{0x1b, 0, 0, 0, 2, 0};
    CHECK(cd(status, 8).in == Bytes{0, 6, 4, 0x10, 0, 2, 0, 0});
    CHECK(cd({0x1e, 0, 0, 0, 1, 0}).sense() == 0);
    CHECK(cd(eject).sense() == 0x055302);
    CHECK(cd({0x1e, 0, 0, 0, 0, 0}).sense() == 0);
    CHECK(cd(eject).sense() == 0);
    CHECK(cd({0x00}).sense() == 0x023a02);
    CHECK(cd(status, 8).in[5] == 1);
    CHECK(cd({0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8}, 8).in[1] == 0x10);
    CHECK(cd({0x1b, 0, 0, 0, 3, 0}).sense() == 0);
    CHECK(cd({0x00}).sense() == 0);
    CHECK(cd({0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8, 0}, 8).sense() == 0x052400); // not polled
    CHECK(cd({0x4a, 1, 0, 0, 0, 0, 0, 0, 8, 0}, 8).in == Bytes{0, 2, 0x80, 0x10});
}

TEST_CASE("a CD drive without a medium says so", "[scsi]") {
    Initiator cd;
    cd.add({1, 0}, cd_options());
    (void)cd.raw({0x00}, 0, {}, {1, 0});
    CHECK(cd.raw({0x00}, 0, {}, {1, 0}).sense() == 0x023a00);
    CHECK(cd.raw({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 2048, {}, {1, 0}).sense() == 0x023a00);
    CHECK(cd.raw({0x46, 0, 0, 0, 0, 0, 0, 0, 8, 0}, 8, {}, {1, 0}).field(6, 2) == 0);
    CHECK(cd.raw({0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 100, 0}, 100, {}, {1, 0}).sense() == 0);
}

// What GET EVENT STATUS NOTIFICATION says of the medium: the event and the state.
u64 media_event(Initiator& drive) {
    return drive.raw({0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0}, 8).field(4, 2);
}

std::shared_ptr<virtio::MemoryDisk> disc(u8 value) {
    auto disk = std::make_shared<virtio::MemoryDisk>(1 << 15);
    disk->contents.assign(disk->contents.size(), value);
    return disk;
}

TEST_CASE("a CD that is changed is told of by attentions and events", "[scsi]") {
    Initiator drive{cd_options()};
    LogicalUnit& unit = *drive.bus.find({0, 0});
    std::vector<bool> moves;
    unit.on_tray_moved([&](bool open) { moves.push_back(open); });
    REQUIRE(drive({0x00}).sense() == 0);
    unit.move_tray(true);
    unit.set_medium(disc(7));
    CHECK(media_event(drive) == 0x0001); // open
    unit.move_tray(false);
    CHECK(media_event(drive) == 0x0202); // a new medium, which is there
    CHECK(media_event(drive) == 0x0002); // told once
    CHECK(drive.raw({0x00}, 0).sense() == 0x063a00);
    CHECK(drive.raw({0x00}, 0).sense() == 0x062800);
    CHECK(drive.raw({0x00}, 0).sense() == 0);
    CHECK(drive.raw({0x25}, 8).field(0, 4) == (1 << 15) / 2048 - 1);
    CHECK(drive.raw({0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 2048).in == Bytes(2048, 7));
    unit.move_tray(true);
    unit.set_medium(nullptr);
    CHECK(drive.raw({0x00}, 0).sense() == 0x063a00);
    CHECK(drive.raw({0x00}, 0).sense() == 0x023a02);
    unit.move_tray(false);
    CHECK(drive.raw({0x03, 0, 0, 0, 18, 0}, 18).in[2] == 6); // whoever asks is told, too
    CHECK(drive.raw({0x00}, 0).sense() == 0x062800);
    CHECK(drive.raw({0x00}, 0).sense() == 0x023a00);
    CHECK(moves == std::vector{true, false, true, false});
}

TEST_CASE("a guest that locks a CD is asked for it", "[scsi]") {
    Initiator drive{cd_options()};
    LogicalUnit& unit = *drive.bus.find({0, 0});
    REQUIRE(drive({0x1e, 0, 0, 0, 1, 0}).sense() == 0); // PREVENT
    CHECK(unit.removal_is_prevented());
    unit.request_eject(false);
    CHECK(unit.removal_is_prevented());
    CHECK(media_event(drive) == 0x0102); // a request, once
    CHECK(media_event(drive) == 0x0002);
    REQUIRE(drive({0x1e, 0, 0, 0, 0, 0}).sense() == 0); // ALLOW
    REQUIRE(drive({0x1b, 0, 0, 0, 2, 0}).sense() == 0); // and out
    CHECK(unit.tray_is_open());
    REQUIRE(drive({0x1b, 0, 0, 0, 3, 0}).sense() == 0);
    REQUIRE(drive({0x1e, 0, 0, 0, 1, 0}).sense() == 0);
    unit.request_eject(true);
    CHECK(!unit.removal_is_prevented());
}

TEST_CASE("a target answers for units that it does not have", "[scsi]") {
    Initiator disk;
    disk.add({0, 300}, {}, std::make_unique<virtio::MemoryDisk>());
    const Address absent{0, 7};
    CHECK(disk.raw({0x12, 0, 0, 0, 36, 0}, 36, {}, absent).in[0] == 0x7f);
    CHECK(disk.raw({0x03, 0, 0, 0, 18, 0}, 18, {}, absent).in[12] == 0x25);
    CHECK(disk.raw({0x00}, 0, {}, absent).sense() == 0x052500);
    const Bytes report{0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0};
    CHECK(disk.raw(report, 64, {}, absent).in ==
          Bytes{0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0x2c, 0, 0, 0, 0, 0, 0});
    CHECK(disk.raw({0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0}, 64).sense() == 0x052400);
    CHECK(disk.raw(report, 63).done.overrun);
    CHECK(disk.bus.has_target(0));
    CHECK_FALSE(disk.bus.has_target(1));
}

TEST_CASE("random commands do no harm", "[scsi][fuzz]") {
    std::mt19937 random(static_cast<u32>(test::seed(5)));
    Initiator disk;
    disk.add({0, 1}, cd_options(), std::make_unique<virtio::MemoryDisk>());
    disk.add({0, 2}, cd_options());
    for (int i = 0; i < 200'000; ++i) {
        Bytes cdb(random() % 18);
        for (u8& byte : cdb) {
            byte = static_cast<u8>(random() % 3 == 0 ? random() : random() % 4);
        }
        Bytes out(random() % 2 * (random() % 5000));
        for (u8& byte : out) {
            byte = static_cast<u8>(random() % 8 == 0 ? random() : 0);
        }
        const std::size_t in = random() % 5000;
        const Answer answer = disk.raw(cdb, in, out, {0, static_cast<u16>(random() % 4)});
        REQUIRE(answer.done.moved <= std::max(in, out.size()));
    }
}

} // namespace
} // namespace ulna::devices::scsi
