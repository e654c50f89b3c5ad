#include "runtime/jit/block_table.h"

#include <thread>

#include "runtime/jit/page_index.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::runtime;

namespace {
ir::BlockKey key(GuestAddr pc, u32 mode = 0) { return {pc, {mode}}; }
} // namespace

TEST_CASE("block table: keys differ by pc and mode", "[runtime]") {
    BlockTable table{4};
    table.insert(key(0x1000), 11);
    table.insert(key(0x1000, 8), 22);
    table.insert(key(0x1004), 33);
    CHECK(table.find(key(0x1000)) == 11);
    CHECK(table.find(key(0x1000, 8)) == 22);
    CHECK(table.find(key(0x1004)) == 33);
    CHECK(table.find(key(0x1008)) == 0);
    CHECK(table.find(key(0)) == 0);
}

TEST_CASE("block table: keys differ by what few keys have", "[runtime]") {
    BlockTable table{2};
    const ir::BlockMode counts{ir::BlockMode::kCounts}, machine{ir::BlockMode::level_bits(1)};
    table.insert(key(0x1000), 11);
    table.insert({0x1000, counts}, 22);
    table.insert({0x1000, machine, 5}, 33);
    table.insert({0x1000, machine, 6}, 44);
    for (u64 i = 1; i <= 100; ++i) { // it grows
        table.insert({0x2000 + i * 4, machine, i}, i);
    }
    CHECK(table.find(key(0x1000)) == 11);
    CHECK(table.find({0x1000, counts}) == 22);
    CHECK(table.find({0x1000, machine, 5}) == 33);
    CHECK(table.find({0x1000, machine, 6}) == 44);
    CHECK(table.find({0x1000, machine, 7}) == 0);
    table.remove({0x1000, counts});
    CHECK(table.find({0x1000, counts}) == 0);
    CHECK(table.find(key(0x1000)) == 11);
}

TEST_CASE("block table: a removed key is absent, and can come back", "[runtime]") {
    BlockTable table{4};
    table.insert(key(0x1000), 11);
    table.remove(key(0x1000));
    table.remove(key(0x2000)); // never there
    CHECK(table.find(key(0x1000)) == 0);
    table.insert(key(0x1000), 12);
    CHECK(table.find(key(0x1000)) == 12);
}

TEST_CASE("block table: growing keeps every live key", "[runtime]") {
    BlockTable table{2};
    for (u64 i = 1; i <= 5000; ++i) {
        table.insert(key(i * 4), i);
        if (i % 3 == 0) {
            table.remove(key(i * 4));
        }
    }
    for (u64 i = 1; i <= 5000; ++i) {
        REQUIRE(table.find(key(i * 4)) == (i % 3 == 0 ? 0 : i));
    }
}

TEST_CASE("block table: what is in a layer hides what is below, until they merge", "[runtime]") {
    const u64 more = GENERATE(10u, 1000u, 5000u); // less than a layer holds, more, more than below
    BlockTable table;
    for (u64 i = 1; i <= 1500; ++i) {
        table.insert(key(i * 4), i);
    }
    table.start_layer();
    table.insert(key(4), 7); // there already
    table.remove(key(8));
    for (u64 i = 1; i <= more; ++i) {
        table.insert(key(0x10000 + i * 4), i);
    }
    table.start_layer(); // a child's child
    table.insert(key(8), 8);
    table.remove(key(12));
    for (u64 i = 1; i <= more; ++i) {
        table.insert(key(0x100000 + i * 4), i);
    }
    CHECK(table.find(key(4)) == 7);
    CHECK(table.find(key(8)) == 8);
    CHECK(table.find(key(12)) == 0);
    for (u64 i = 4; i <= 1500; ++i) {
        REQUIRE(table.find(key(i * 4)) == i);
    }
    for (u64 i = 1; i <= more; ++i) {
        REQUIRE(table.find(key(0x10000 + i * 4)) == i);
        REQUIRE(table.find(key(0x100000 + i * 4)) == i);
    }
    CHECK(table.find(key(0x10000)) == 0);
}

TEST_CASE("block table: readers see complete entries while it grows", "[runtime]") {
    BlockTable table{2};
    std::atomic<u64> published{0};
    std::atomic<bool> wrong{false};
    constexpr u64 kLast = 20000;
    std::thread reader{[&] {
        for (u64 seen = 0; seen < kLast;) {
            seen = published.load(std::memory_order_acquire);
            for (u64 i = seen > 50 ? seen - 50 : 1; i <= seen; ++i) {
                if (table.find(key(i * 4)) != i) {
                    wrong = true;
                }
            }
        }
    }};
    for (u64 i = 1; i <= kLast; ++i) {
        table.insert(key(i * 4), i);
        published.store(i, std::memory_order_release);
    }
    reader.join();
    CHECK_FALSE(wrong);
}

TEST_CASE("page filter: never misses a marked page", "[runtime]") {
    PageFilter filter;
    CHECK_FALSE(filter.may_contain(0, 1u << 20));
    filter.mark(0x5555'1234'5678);
    CHECK(filter.may_contain(0x5555'1234'5000, 1));
    CHECK(filter.may_contain(0x5555'1234'5fff, 64));
    CHECK(filter.may_contain(0x5555'1234'4fff, 2));
    CHECK_FALSE(filter.may_contain(0x5555'1234'6000, 4096));
    CHECK_FALSE(filter.may_contain(0x5555'1234'5000, 0));
    CHECK(filter.may_contain(0, u64{1} << 47)); // too large to look at
}

TEST_CASE("page index: visits a range's blocks and forgets those it is told to", "[runtime]") {
    PageIndex index;
    index.add(0x1000, 1);
    index.add(0x1000, 2);
    index.add(0x2000, 3);
    index.add(0x9000, 4);
    const auto visit = [&](GuestAddr start, u64 bytes, u32 drop) {
        std::vector<BlockIndex> seen;
        index.for_overlapping(start, bytes, [&](BlockIndex block) {
            seen.push_back(block);
            return block == drop;
        });
        std::sort(seen.begin(), seen.end());
        return seen;
    };
    CHECK(visit(0x1fff, 1, kNoBlock) == std::vector<BlockIndex>{1, 2});
    CHECK(visit(0x1fff, 2, 2) == std::vector<BlockIndex>{1, 2, 3});
    CHECK(visit(0, u64{1} << 40, kNoBlock) == std::vector<BlockIndex>{1, 3, 4});
    index.add(0x1000, 5); // takes the freed node
    CHECK(visit(0x1000, 4, kNoBlock) == std::vector<BlockIndex>{1, 5});
    CHECK(visit(0x3000, 0x1000, kNoBlock).empty());
}
