// What a translation saw of its code, though that has changed meanwhile.
#include "runtime/jit/code_snapshot.h"

#include <vector>

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::runtime;

namespace {

constexpr GuestAddr kPage = 0xffff'8000'0040'1000;

class Changing final : public frontend::CodeSource {
  public:
    std::span<const u32> words(GuestAddr pc) override {
        return std::span<const u32>{code}.subspan((pc - kPage) / 4);
    }
    std::vector<u32> code = std::vector<u32>(1024, 1);
};

} // namespace

TEST_CASE("a snapshot keeps each word as it was first seen", "[runtime][persist]") {
    Changing source;
    CodeSnapshot snapshot{source};
    const auto see = [&](GuestAddr pc) { return snapshot.take(pc, source.words(pc)); };
    snapshot.start(kPage + 0x800);
    CHECK(snapshot.words(kPage + 0x800).empty());
    CHECK(see(kPage + 0x800).size() == 512);
    source.code.assign(1024, 2);
    CHECK(see(kPage + 0x800)[0] == 1);
    CHECK(see(kPage + 0x900)[0] == 1);
    CHECK(see(kPage + 0x400)[0] == 2); // lower: not seen before
    CHECK(see(kPage + 0x400)[256] == 1);
    source.code.assign(1024, 3);
    u32 bytes[3];
    REQUIRE(snapshot.read(kPage + 0x7fc, bytes, sizeof bytes));
    CHECK((bytes[0] == 2 && bytes[1] == 1 && bytes[2] == 1));
    CHECK_FALSE(snapshot.read(kPage + 0x3fc, bytes, 4)); // nobody has looked
    CHECK_FALSE(snapshot.read(kPage + 0x1800, bytes, 4));
    snapshot.start(kPage);
    CHECK_FALSE(snapshot.read(kPage + 0x800, bytes, 4));
}

TEST_CASE("a snapshot leaves alone what lies behind a breakpoint", "[runtime][persist]") {
    Changing source;
    CodeSnapshot snapshot{source};
    snapshot.start(kPage);
    const auto all = source.words(kPage);
    CHECK(snapshot.take(kPage + 0x100, all.subspan(0x40, 4)).size() == 4);
    CHECK(snapshot.take(kPage + 0x110, {}).empty()); // there it is
    const auto behind = snapshot.take(kPage + 0x200, all.subspan(0x80));
    CHECK(behind.data() == all.data() + 0x80);
    const auto before = snapshot.take(kPage, all.first(8));
    CHECK(before.data() == all.data());
    CHECK(snapshot.words(kPage + 0x100).size() == 4);
    CHECK(snapshot.words(kPage).empty());
    CHECK(snapshot.take(kPage + 0xf0, all.subspan(0x3c, 8)).size() == 8); // up to what is known
}
