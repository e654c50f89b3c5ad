// Translations of machines at another address: what moving them makes is what translating the same
// code there would have made, to the byte.
#include <algorithm>
#include <array>
#include <random>

#include "backend/backend.h"
#include "frontend/frontend.h"
#include "ir/opt/pipeline.h"
#include "tests/support/catch.h"
#include "tests/support/seed.h"

using namespace ulna;

namespace {

constexpr u64 kPageBytes = 4096;

// One page of code, wherever it is asked for.
class PageOfCode final : public frontend::CodeSource {
  public:
    std::span<const u32> words(GuestAddr pc) override {
        return std::span<const u32>{code}.subspan(pc % kPageBytes / 4);
    }
    std::array<u32, kPageBytes / 4> code{};
};

class Translations {
  public:
    Translations() : backend_{backend::make_host_backend(why_not_)} {}
    [[nodiscard]] bool available() const { return backend_ != nullptr; }

    backend::CompiledBlock at(GuestAddr pc, ir::BlockMode mode, bool spills = false) {
        frontend::TranslateOptions options;
        options.system = true;
        frontend::translate({pc, mode, 7}, source, options, block_);
        ir::run_passes(block_, {});
        backend::CompiledBlock compiled;
        backend_->compile(block_, {.spill_everything = spills}, compiled);
        return compiled;
    }

    PageOfCode source;

  private:
    std::string why_not_;
    std::unique_ptr<backend::Backend> backend_;
    ir::Block block_;
};

void check_equal(const backend::CompiledBlock& moved, const backend::CompiledBlock& made) {
    CHECK(moved.key == made.key);
    REQUIRE(moved.code == made.code);
    REQUIRE(moved.links.size() == made.links.size());
    for (std::size_t i = 0; i < made.links.size(); ++i) {
        CHECK(moved.links[i].target == made.links[i].target);
        CHECK(moved.links[i].stub_offset == made.links[i].stub_offset);
    }
    CHECK(moved.guest_pcs == made.guest_pcs);
    CHECK(moved.faults.size() == made.faults.size());
}

// Addresses whose neighbours have the same form in the code: 8 bytes, 4, sign-extended.
constexpr std::pair<GuestAddr, GuestAddr> kMoves[] = {
    {0xffff'8000'1234'5000, 0xffff'a7c1'0804'0000},
    {0x0000'aaaa'c000'3000, 0x0000'ffff'8000'7000},
    {0x0000'0000'4765'4000, 0x0000'0000'5210'9000},
    {0xffff'ffff'8765'4000, 0xffff'ffff'9210'9000},
};

} // namespace

TEST_CASE("a moved translation is what would be made there", "[x64][persist]") {
    Translations translations;
    if (!translations.available()) {
        return; // the host lacks what it needs
    }
    const u64 seed = test::seed(1);
    INFO("seed " << seed);
    std::mt19937_64 random{seed};
    const auto encodings = frontend::encodings();
    // Those with addresses more often than the others: ADR, ADRP, LDR (literal), branches.
    constexpr std::pair<u32, u32> kFrequent[] = {
        {0x1f00'0000, 0x1000'0000}, {0x3b00'0000, 0x1800'0000}, {0xff00'0010, 0x5400'0000},
        {0x7e00'0000, 0x3400'0000}, {0x7e00'0000, 0x3600'0000}, {0x7c00'0000, 0x1400'0000},
        {0xffff'fc1f, 0xd63f'0000}, {0x7f80'0000, 0x1100'0000}, {0x3b20'0c00, 0x3800'0400},
    };
    for (unsigned round = 0; round < 4000; ++round) {
        for (u32& word : translations.source.code) {
            word = static_cast<u32>(random());
            if (random() % 2 == 0) {
                const auto [mask, bits] = kFrequent[random() % std::size(kFrequent)];
                word = (word & ~mask) | bits;
            } else {
                const frontend::EncodingInfo& encoding = encodings[random() % encodings.size()];
                word = (word & ~encoding.mask) | encoding.bits;
            }
            if (random() % 4 == 0 && (word & 0x7c00'0000) == 0x1400'0000) { // to near by
                word = (word & 0xfc00'0000) | (static_cast<u32>(random() % 64 - 32) & 0x3ff'ffff);
            }
        }
        const u64 offset = random() % (kPageBytes / 4) * 4;
        const ir::BlockMode mode{ir::BlockMode::level_bits(random() % 2) |
                                 (random() % 4 == 0 ? ir::BlockMode::kNoRanges : 0) |
                                 (random() % 4 == 0 ? ir::BlockMode::kBti : 0) |
                                 ir::BlockMode::kShared};
        const auto [from, to] = kMoves[round % std::size(kMoves)];
        const bool spills = random() % 4 == 0;
        backend::CompiledBlock moved = translations.at(from + offset, mode, spills);
        const bool fits = moved.move_to(to + offset);
        const backend::CompiledBlock made = translations.at(to + offset, mode, spills);
        // Where addresses are small, those of ADRP may take more bytes here or there.
        const bool alike =
            std::ranges::equal(moved.addresses, made.addresses, {}, &backend::AddressSite::form,
                               &backend::AddressSite::form);
        const bool is_small =
            from == static_cast<u64>(i64{static_cast<i32>(from)}) || from <= ones(32);
        CHECK((alike || is_small));
        CHECK((fits || !alike));
        if (fits && alike) {
            check_equal(moved, made);
        }
    }
}

TEST_CASE("an address that does not fit where it moves to is noticed", "[x64][persist]") {
    Translations translations;
    if (!translations.available()) {
        return; // the host lacks what it needs
    }
    translations.source.code.fill(0xd503'201f); // NOP
    translations.source.code[0] = 0x9400'0100;  // BL
    const ir::BlockMode mode{ir::BlockMode::level_bits(1)};
    backend::CompiledBlock low = translations.at(0x4000'0000, mode);
    CHECK_FALSE(low.move_to(0xffff'8000'0000'0000));
    backend::CompiledBlock high = translations.at(0xffff'8000'0000'0000, mode);
    CHECK(high.move_to(0x4000'0000)); // in more bytes than needed
}
