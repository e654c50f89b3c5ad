#include "runtime/tier2/profile.h"

#include "tests/support/catch.h"

using namespace ulna;
using runtime::HotProfile;

namespace {

constexpr GuestAddr kSite = 0x1000;

void add(HotProfile& profile, GuestAddr target, unsigned times) {
    for (unsigned i = 0; i < times; ++i) {
        static_cast<void>(profile.add({{target, {}}, kSite}));
    }
}

} // namespace

TEST_CASE("hot profile: samples are counted by block, in a machine by page, too", "[runtime]") {
    HotProfile profile;
    const ir::BlockMode machine{ir::BlockMode::level_bits(1)};
    CHECK(profile.add({{0x2000, {}}}) == 1);
    CHECK(profile.add({{0x2000, {}}}) == 2);
    CHECK(profile.add({{0x2000, machine, 5}}) == 1);
    CHECK(profile.add({{0x2000, machine, 6}}) == 1);
    CHECK(profile.add({{0x2000, machine, 5}}) == 2);
}

TEST_CASE("hot profile: targets that cover nearly all, the likeliest first", "[runtime]") {
    HotProfile profile;
    CHECK(profile.likely_targets(kSite).empty());
    add(profile, 0x2000, 3);
    CHECK(profile.likely_targets(kSite).empty()); // too little is known
    add(profile, 0x3000, 40);
    CHECK(profile.likely_targets(kSite) == std::vector<GuestAddr>{0x3000, 0x2000});
    add(profile, 0x3000, 40);
    CHECK(profile.likely_targets(kSite) == std::vector<GuestAddr>{0x3000});
    for (GuestAddr target = 0x4000; target < 0xc000; target += 0x1000) {
        add(profile, target, 40);
    }
    CHECK(profile.likely_targets(kSite).empty()); // too many
}

TEST_CASE("hot profile: it begins anew when it is full", "[runtime]") {
    HotProfile profile;
    constexpr GuestAddr kMost = 1u << 16;
    for (GuestAddr i = 0; i < kMost; ++i) {
        REQUIRE(profile.add({{0x10'0000 + 4 * i, {}}}) == 1);
    }
    CHECK(profile.add({{0x10'0000, {}}}) == 1); // and not 2
    CHECK(profile.add({{0x10'0000, {}}}) == 2);
}
