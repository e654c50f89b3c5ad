// What a translation saw of its code, though that has changed meanwhile.
#include "runtime/jit/code_snapshot.h"

#include <algorithm>
#include <random>
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
    REQUIRE(snapshot.read(kPage + 0x3fc, bytes, 8)); // nobody has looked at the first
    CHECK((bytes[0] == 3 && bytes[1] == 2));
    CHECK_FALSE(snapshot.read(kPage + 0x1800, bytes, 4));
    snapshot.start(kPage);
    CHECK(snapshot.words(kPage + 0x800).empty());
    REQUIRE(snapshot.read(kPage + 0x800, bytes, 4));
    CHECK(bytes[0] == 3);
}

TEST_CASE("a snapshot is put together from pieces", "[runtime][persist]") {
    // A process's code is seen in pieces; those of one translation may lie anywhere in the page.
    std::mt19937 random{1};
    const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    for (unsigned round = 0; round < 300; ++round) {
        Changing source;
        CodeSnapshot snapshot{source};
        snapshot.start(kPage);
        std::vector<u32> seen(1024); // 0: not yet
        for (u32 now = 2; now < 20; ++now) {
            source.code.assign(1024, now);
            const unsigned first = below(1024), count = 1 + below(std::min(128u, 1024 - first));
            const auto taken =
                snapshot.take(kPage + first * 4, source.words(kPage + first * 4).first(count));
            REQUIRE(taken.size() == count);
            for (unsigned i = 0; i < count; ++i) {
                u32& word = seen[first + i];
                word = word == 0 ? now : word;
                REQUIRE(taken[i] == word);
            }
            const unsigned from = below(1024), words = 1 + below(1024 - from);
            std::vector<u32> bytes(words);
            REQUIRE(snapshot.read(kPage + from * 4, bytes.data(), words * 4));
            for (unsigned i = 0; i < words; ++i) {
                REQUIRE(bytes[i] == (seen[from + i] == 0 ? now : seen[from + i]));
            }
            const auto gap = std::find(seen.begin() + from, seen.end(), 0u);
            CHECK(snapshot.words(kPage + from * 4).size() ==
                  static_cast<std::size_t>(gap - seen.begin() - from));
        }
    }
}
