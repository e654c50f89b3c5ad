#include "runtime/devices/flash.h"

#include "runtime/devices/virt_map.h"
#include "runtime/system/boot_file.h"
#include "tests/system/temporary_file.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::devices {
namespace {

using test::TemporaryFile;

constexpr u64 kBytes = 1 << 20; // a small bank: four sectors
constexpr u32 both(u32 code) { return code | code << 16; }

std::unique_ptr<Flash> opened(const FlashOptions& options) {
    std::string why_not;
    std::unique_ptr<Flash> flash = Flash::open(options, kBytes, why_not);
    CHECK(why_not == "");
    REQUIRE(flash != nullptr);
    return flash;
}
std::string refused(const FlashOptions& options) {
    std::string why_not;
    CHECK(Flash::open(options, kBytes, why_not) == nullptr);
    return why_not;
}
std::string whole(char fill) { return std::string(kBytes, fill); }

struct Driver {
    Flash& flash;
    void command(u64 at, u32 code) { flash.write(at, 4, both(code)); }
    u32 word(u64 at) { return static_cast<u32>(flash.read(at, 4)); }
    u32 status() {
        command(0, 0x70);
        return word(0);
    }
    void program(u64 at, u32 value) {
        command(at, 0x40);
        flash.write(at, 4, value);
    }
    void erase(u64 at) {
        command(at, 0x20);
        command(at, 0xd0);
    }
    void array() { command(0, 0xff); }
};

TEST_CASE("flash shows its file until a command comes", "[flash]") {
    const TemporaryFile file(whole('\x5a'));
    const auto flash = opened({.path = file.path()});
    unsigned changes = 0;
    flash->on_change([&] { ++changes; });
    Driver d{*flash};
    CHECK(d.word(0x100) == 0x5a5a5a5a);
    CHECK(flash->read(0x101, 1) == 0x5a);
    CHECK(flash->read(8, 8) == 0x5a5a5a5a5a5a5a5a);
    REQUIRE(flash->rom(0x1000, 0x1000) != nullptr);
    CHECK(flash->rom(0x1000, 0x1000)[5] == 0x5a);
    CHECK(flash->rom(kBytes - 8, 8) != nullptr);
    CHECK(flash->rom(kBytes - 8, 9) == nullptr);
    CHECK(d.status() == both(0x80));
    CHECK(changes == 1);
    CHECK(flash->rom(0, 4) == nullptr);
    d.array();
    CHECK(changes == 2);
    CHECK(d.word(0) == 0x5a5a5a5a);
}

TEST_CASE("programming clears bits, erasing sets them, and the file keeps them", "[flash]") {
    const TemporaryFile file(whole('\xff'));
    {
        const auto flash = opened({.path = file.path()});
        Driver d{*flash};
        d.program(0x40, 0x12345678);
        CHECK(d.word(0) == both(0x80)); // the status, without asking
        d.program(0x40, 0xffff0000);
        d.array();
        CHECK(d.word(0x40) == 0x12340000);
        CHECK(d.word(0x44) == 0xffffffff);
        d.program(0x4'0000, 1);
        d.erase(0x3'fffc);
        d.array();
        CHECK(d.word(0x40) == 0xffffffff);
        CHECK(d.word(0x4'0000) == 1);
        d.program(0x48, 7);
        CHECK(refused({.path = file.path()}) == file.path() + ": in use by another machine");
    }
    const auto again = opened({.path = file.path()});
    CHECK(again->read(0x48, 4) == 7);
    CHECK(again->read(0x4'0000, 4) == 1);
}

TEST_CASE("a buffer is programmed at once", "[flash]") {
    const TemporaryFile file(whole('\xff'));
    const auto flash = opened({.path = file.path(), .snapshot = true});
    Driver d{*flash};
    d.command(0x1000, 0xe8);
    CHECK(d.word(0x1000) == both(0x80));
    d.command(0x1000, 1); // two words
    flash->write(0x1008, 4, 0x11111111);
    flash->write(0x1014, 4, 0x22222222);
    d.command(0x1000, 0xd0);
    CHECK(d.status() == both(0x80));
    d.array();
    CHECK(d.word(0x1008) == 0x11111111);
    CHECK(d.word(0x100c) == 0xffffffff);
    CHECK(d.word(0x1014) == 0x22222222);
    // Not confirmed, and beyond the buffer.
    d.command(0x1000, 0xe8);
    d.command(0x1000, 0);
    flash->write(0x1020, 4, 0);
    d.command(0x1000, 0xff);
    CHECK((d.status() & 0x10) != 0);
    d.command(0, 0x50);
    CHECK(d.status() == both(0x80));
    d.command(0x1000, 0xe8);
    d.command(0x1000, 1);
    flash->write(0x1024, 4, 0);
    flash->write(0x2000, 4, 0);
    CHECK((d.status() & 0x10) != 0);
    d.array();
    CHECK(d.word(0x1020) == 0xffffffff);
    CHECK(d.word(0x1024) == 0xffffffff);
    std::string why_not;
    CHECK(system::read_file(file.path(), kBytes, why_not).value()[0x1008] == 0xff);
}

TEST_CASE("a bank that is read-only fails to change", "[flash]") {
    const TemporaryFile file("code"); // and may be smaller
    const auto flash = opened({.path = file.path(), .read_only = true});
    Driver d{*flash};
    CHECK(d.word(0) == 0x65646f63);
    CHECK(d.word(0x8000) == 0);
    d.program(0, 0);
    CHECK(d.status() == both(0x90));
    d.command(0, 0x50);
    d.erase(0);
    CHECK(d.status() == both(0xa0));
    d.array();
    CHECK(d.word(0) == 0x65646f63);
}

TEST_CASE("locks, identification and the query table", "[flash]") {
    const auto flash = opened({});
    Driver d{*flash};
    d.command(0, 0x60);
    d.command(0, 0xd0);
    CHECK(d.status() == both(0x80));
    d.command(0, 0x90);
    CHECK(d.word(0) == both(0x89));
    CHECK(d.word(4) == both(0x18));
    CHECK(d.word(0x8000'8) == 0);
    d.command(0x55 * 4, 0x98);
    const auto query = [&d](u64 index) { return d.word(index * 4) & 0xff; };
    CHECK(d.word(0x10 * 4) == both('Q'));
    CHECK(query(0x11) == 'R');
    CHECK(query(0x12) == 'Y');
    CHECK(query(0x13) == 1);
    CHECK(query(0x27) == 19); // half a MiB a chip
    CHECK(query(0x2a) == 11);
    CHECK(query(0x2c) == 1);
    CHECK(query(0x2d) == 3);
    CHECK(query(0x30) == 2); // sectors of 128 KiB a chip
    CHECK(query(0x31) == 'P');
    CHECK(query(0x0f) == 0);
    CHECK(query(0x41) == 0);
    CHECK(flash->read(0x11 * 4 + 2, 1) == 'R'); // the other chip
    d.command(0, 0xf0);
    CHECK(d.word(0) == 0);
    d.command(0, 0x20);
    d.command(0, 0x12);
    CHECK(d.status() == both(0xb0));
    flash->reset();
    CHECK(flash->rom(0, 4) != nullptr);
}

TEST_CASE("files that are no flash", "[flash]") {
    const TemporaryFile large(std::string(kBytes + 1, 'x')), small("x");
    CHECK(refused({.path = "/nonexistent"}) == "/nonexistent: No such file or directory");
    CHECK(refused({.path = "/", .read_only = true}) == "/: not a file");
    CHECK(refused({.path = large.path(), .read_only = true}) ==
          large.path() + ": larger than a flash bank of 64 MiB");
    CHECK(refused({.path = small.path()}).starts_with(small.path() + ": a flash bank that is"));
    const TemporaryFile empty("");
    CHECK(opened({.path = empty.path(), .snapshot = true})->read(0, 8) == 0);
}

TEST_CASE("random writes keep flash within its bank", "[flash]") {
    const auto flash = opened({});
    u64 random = test::seed(3);
    for (int i = 0; i < 100'000; ++i) {
        random = random * 6364136223846793005 + 1442695040888963407;
        const unsigned bytes = 1u << (random >> 62);
        const u64 offset = (random >> 20) % kBytes & ~u64{bytes - 1};
        static constexpr u8 kCodes[] = {0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98,
                                        0xd0, 0xe8, 0xff, 0x00, 0x01, 0x02, 0x12, 0xf0};
        if ((random >> 19 & 1) != 0) {
            flash->write(offset, bytes, kCodes[random >> 40 & 15]);
        } else {
            (void)flash->read(offset, bytes);
        }
    }
}

} // namespace
} // namespace ulna::devices
