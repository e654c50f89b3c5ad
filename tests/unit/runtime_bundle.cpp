// Bundles: what is put together comes apart again as it was.
#include "runtime/persist/bundle.h"

#include <algorithm>
#include <cstring>

#include "runtime/jit/code_memory.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::runtime;

namespace {

constexpr u32 kDisplacementAt = 8, kStubAt = 16;

// Translations as the persistent cache has them, each with a link to `target`.
class Records {
  public:
    void add(GuestAddr pc, GuestAddr target, u64 guest_bytes = 8, u8 guest_byte = 7) {
        backend::CompiledBlock block;
        block.key = {pc, {mode}};
        block.code.assign(40, static_cast<u8>(pc >> 4));
        const u32 to_stub = kStubAt - (kDisplacementAt + 4);
        std::memcpy(block.code.data() + kDisplacementAt, &to_stub, sizeof to_stub);
        block.links = {{kDisplacementAt, kStubAt, target}};
        block.guest_pcs = {pc, pc + 4};
        block.faults = {{3, 1}};
        const GuestRange range{pc, guest_bytes};
        const std::vector<u8> bytes(guest_bytes, guest_byte);
        std::vector<u8>& record = records_.emplace_back();
        append_record(record, block,
                      {.ranges = {&range, 1},
                       .masks_tags = masks_tags,
                       .is_region = is_region,
                       .guest_bytes = bytes});
    }
    [[nodiscard]] std::vector<StoredBlock> blocks() const {
        std::vector<StoredBlock> blocks(records_.size());
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            REQUIRE(decode_record(records_[i], blocks[i]));
        }
        return blocks;
    }
    u32 mode = 0;
    bool masks_tags = false, is_region = false;

  private:
    std::vector<std::vector<u8>> records_;
};

// How many blocks each of the records and bundles has that are made of all.
std::vector<std::size_t> sizes(std::span<const StoredBlock> blocks) {
    std::vector<std::size_t> counts;
    std::vector<u8> out;
    u32 bytes = 0;
    while (!blocks.empty()) {
        counts.push_back(append_bundle(out, blocks, bytes));
        CHECK(bytes % 8 == 0);
        blocks = blocks.subspan(counts.back());
    }
    return counts;
}

bool same(std::span<const u8> a, std::span<const u8> b) { return std::ranges::equal(a, b); }

} // namespace

TEST_CASE("bundle: its blocks are linked to each other and come out unlinked", "[persist]") {
    Records records;
    records.add(0x1000, 0x1008);
    records.add(0x1008, 0x5000);
    records.add(0x1004, 0x1000, 16); // overlaps both
    records.add(0x2000, 0x2000);
    const std::vector<StoredBlock> blocks = records.blocks();
    std::vector<u8> out;
    u32 bytes = 0;
    REQUIRE(append_bundle(out, blocks, bytes) == 4);
    CHECK(bytes == out.size());
    CHECK(read_head(out).is_bundle());
    CHECK(read_head(out).bytes() == bytes);
    StoredBlock none;
    CHECK_FALSE(decode_record(out, none));
    StoredBundle bundle;
    REQUIRE(decode_bundle(out, bundle));
    REQUIRE(bundle.ranges.size() == 2);
    CHECK((bundle.ranges[0].low == 0x1000 && bundle.ranges[0].bytes == 0x14));
    CHECK((bundle.ranges[1].low == 0x2000 && bundle.ranges[1].bytes == 8));
    const LinkedBlocks& linked = bundle.linked;
    const u8 to[] = {1, LinkedBlocks::kOutside, 0, 3};
    CHECK(same(linked.linked_to, to));
    for (std::size_t i = 0; i < 4; ++i) {
        const LinkedBlocks::Block& block = linked.blocks[i];
        CHECK(block.code_offset % kCodeAlign == 0);
        u32 displacement = 0;
        const u32 at = block.code_offset + kDisplacementAt;
        std::memcpy(&displacement, linked.code.data() + at, sizeof displacement);
        const u32 wanted = to[i] == LinkedBlocks::kOutside ? block.code_offset + kStubAt
                                                           : linked.blocks[to[i]].code_offset;
        CHECK(at + 4 + displacement == wanted);
        std::vector<u8> code;
        const auto alone = block_of(bundle, i, code);
        REQUIRE(alone.has_value());
        CHECK(alone->key == blocks[i].key);
        CHECK(same(alone->code, blocks[i].code));
        CHECK(same(alone->ranges, blocks[i].ranges));
        CHECK(same(alone->guest_bytes, blocks[i].guest_bytes));
        CHECK(same(alone->links, blocks[i].links));
        CHECK(same(alone->faults, blocks[i].faults));
        std::vector<u8> again, before;
        append_record(again, *alone);
        append_record(before, blocks[i]);
        CHECK(again == before);
    }
    std::vector<u8> code;
    CHECK_FALSE(block_of(bundle, 4, code).has_value());
}

TEST_CASE("bundle: only what goes together does", "[persist]") {
    Records records;
    for (GuestAddr pc = 0x1000; pc < 0x1000 + 70 * 16; pc += 16) {
        records.add(pc, 0);
    }
    CHECK(sizes(records.blocks()) == std::vector<std::size_t>{32, 32, 6});
    Records mixed;
    mixed.add(0x1000, 0);
    mixed.add(0x1010, 0);
    mixed.mode = ir::BlockMode::kShared;
    mixed.add(0x1020, 0);
    mixed.masks_tags = true;
    mixed.add(0x1030, 0);
    mixed.add(0x1040, 0);
    mixed.is_region = true;
    mixed.add(0x1050, 0);
    mixed.add(0x1060, 0);
    CHECK(sizes(mixed.blocks()) == std::vector<std::size_t>{2, 1, 2, 1, 1});
    Records changed; // between two translations
    changed.add(0x1000, 0);
    changed.add(0x1004, 0, 8, 9);
    changed.add(0x2000, 0);
    CHECK(sizes(changed.blocks()) == std::vector<std::size_t>{1, 2});
}

TEST_CASE("bundle: one that makes no sense is refused, whatever its checksum says", "[persist]") {
    Records records;
    records.add(0x1000, 0x1008);
    records.add(0x1008, 0x1000);
    std::vector<u8> good;
    u32 bytes = 0;
    REQUIRE(append_bundle(good, records.blocks(), bytes) == 2);
    StoredBundle bundle;
    unsigned accepted = 0;
    for (std::size_t at = sizeof(u64); at < good.size(); ++at) {
        for (const u8 flip : {0x01, 0x80, 0xff}) {
            std::vector<u8> bad = good;
            bad[at] ^= flip;
            CHECK_FALSE(decode_bundle(bad, bundle));
            seal_record(bad);
            if (!decode_bundle(bad, bundle)) {
                continue;
            }
            ++accepted; // what it says is within bounds
            const LinkedBlocks& linked = bundle.linked;
            std::vector<u8> code;
            std::size_t links = 0;
            for (std::size_t i = 0; i < linked.blocks.size(); ++i) {
                const LinkedBlocks::Block& block = linked.blocks[i];
                CHECK(block.code_offset + u64{block.code_bytes} <= linked.code.size());
                links += block.link_count;
                (void)block_of(bundle, i, code);
            }
            CHECK(links == linked.links.size());
            CHECK(linked.linked_to.size() == links);
        }
    }
    CHECK(accepted != 0);
    std::vector<u8> shifted(good.size() + 4);
    std::ranges::copy(good, shifted.begin() + 4);
    CHECK_FALSE(decode_bundle(std::span(shifted).subspan(4), bundle)); // not aligned
    for (std::size_t length = 0; length < good.size(); ++length) {
        CHECK_FALSE(decode_bundle(std::span(good).first(length), bundle));
    }
}
