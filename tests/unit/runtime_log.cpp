#include "runtime/debug/log.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::runtime::debug;

TEST_CASE("log items parse as in QEMU", "[runtime]") {
    std::string bad;
    const auto items = parse_log_items("in_asm,op", bad);
    REQUIRE(items.has_value());
    CHECK(*items == (static_cast<u32>(Item::InAsm) | static_cast<u32>(Item::Op)));
    CHECK(parse_log_items("", bad) == 0u);
    CHECK_FALSE(parse_log_items("op,nonsense", bad).has_value());
    CHECK(bad == "nonsense");
    const auto all = parse_log_items("all", bad);
    REQUIRE(all.has_value());
    CHECK((*all & *items) == *items);
}

TEST_CASE("address ranges parse as in QEMU", "[runtime]") {
    const auto ranges = parse_address_ranges("0x1000..0x1fff,0x3000+16,0x4000-0x10");
    REQUIRE(ranges.has_value());
    REQUIRE(ranges->size() == 3);
    CHECK((*ranges)[0] == std::pair<GuestAddr, GuestAddr>{0x1000, 0x2000});
    CHECK((*ranges)[1] == std::pair<GuestAddr, GuestAddr>{0x3000, 0x3010});
    CHECK((*ranges)[2] == std::pair<GuestAddr, GuestAddr>{0x3ff0, 0x4001});
    const auto last = parse_address_ranges("0xf000000000000000..0xffffffffffffffff,0x10-0x20");
    REQUIRE(last.has_value());
    CHECK((*last)[0] == std::pair<GuestAddr, GuestAddr>{0xf000'0000'0000'0000, ~u64{0}});
    CHECK((*last)[1] == std::pair<GuestAddr, GuestAddr>{0, 0x11});
    CHECK_FALSE(parse_address_ranges("0x1000").has_value());
    CHECK_FALSE(parse_address_ranges("a..b").has_value());
    CHECK_FALSE(parse_address_ranges("0x10.0x20").has_value());
}
