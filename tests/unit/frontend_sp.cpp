// The alignment of SP: what blocks assume, where they find out, and what they do with a misaligned
// one.
#include <algorithm>
#include <vector>

#include "frontend/frontend.h"
#include "ir/verifier.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

constexpr GuestAddr kBase = 0x400000;

class Words final : public frontend::CodeSource {
  public:
    explicit Words(std::vector<u32> words) : words_{std::move(words)} {}
    std::span<const u32> words(GuestAddr pc) override {
        return std::span<const u32>{words_}.subspan((pc - kBase) / 4);
    }

  private:
    std::vector<u32> words_;
};

Block lifted(std::vector<u32> words, u32 mode = 0) {
    Words source{std::move(words)};
    Block block;
    frontend::translate({kBase, {mode}}, source, {}, block);
    INFO(verify(block));
    CHECK(verify(block).empty());
    return block;
}

std::vector<Inst> checks(const Block& block) {
    std::vector<Inst> found;
    std::ranges::copy_if(block.insts, std::back_inserter(found), [](const Inst& inst) {
        return inst.op == Opcode::ExitIf && inst.aux == kExitIfContextSync;
    });
    return found;
}

bool leaves(const Block& block, ExitReason reason, GuestAddr pc) {
    const auto* exit = std::get_if<ExitTo>(&block.exit);
    return exit != nullptr && exit->reason == reason && exit->pc == pc;
}

constexpr u32 kSvc = 0xd4000001, kNop = 0xd503201f;
constexpr u32 kSubSp32 = 0xd10083ff, kAddSp8 = 0x910023ff, kStpPre16 = 0xa9bf7bfd,
              kLdpPost32 = 0xa8c27bfd, kMovSpX9 = 0x9100013f, kSubSpX1 = 0xcb2163ff,
              kAndSpX9 = 0x927ced3f, kStrPre8 = 0xf81f8fe0, kLdrSp = 0xf94003e0,
              kLdrX1 = 0xf9400020, kPrfmSp = 0xf98003e0, kLdrLit = 0x580003e0,
              kMovX0Sp = 0x910003e0, kUndefinedBySp = 0xf8200be0; // STR (register), option 000

constexpr u32 kMisaligned = BlockMode::kMisalignedSp;

} // namespace

TEST_CASE("frames are made and left without checks", "[frontend]") {
    const Block block = lifted({kSubSp32, kStpPre16, kLdrSp, kLdpPost32, kAndSpX9, kSvc});
    CHECK(checks(block).empty());
    CHECK(leaves(block, ExitReason::Svc, kBase + 24));
}

TEST_CASE("a value of unknown alignment is looked at where SP gets it", "[frontend]") {
    for (const u32 word : {kMovSpX9, kSubSpX1}) {
        const Block block = lifted({kNop, word, kLdrSp, kSvc});
        REQUIRE(checks(block).size() == 1);
        CHECK(checks(block)[0].imm == kBase + 8);
        CHECK(leaves(block, ExitReason::Svc, kBase + 16));
    }
}

TEST_CASE("a block ends where SP loses its alignment", "[frontend]") {
    for (const u32 word : {kAddSp8, kStrPre8}) {
        const Block block = lifted({word, kLdrSp, kSvc});
        CHECK(checks(block).empty());
        CHECK(leaves(block, ExitReason::ContextSync, kBase + 4));
    }
}

TEST_CASE("with a misaligned SP, accesses by it raise an exception and changes end the block",
          "[frontend]") {
    Block block = lifted({kLdrX1, kMovX0Sp, kPrfmSp, kLdrLit, kLdrSp, kSvc}, kMisaligned);
    CHECK(leaves(block, ExitReason::SpAlignment, kBase + 16));
    CHECK(std::ranges::count_if(block.insts,
                                [](const Inst& inst) { return accesses_memory(inst.op); }) == 2);
    block = lifted({kStrPre8, kSvc}, kMisaligned);
    CHECK(leaves(block, ExitReason::SpAlignment, kBase));
    CHECK(block.insts.empty());
    for (const u32 word : {kMovSpX9, kAddSp8, kSubSp32}) {
        CHECK(leaves(lifted({word, kSvc}, kMisaligned), ExitReason::ContextSync, kBase + 4));
    }
    CHECK(leaves(lifted({kUndefinedBySp}, kMisaligned), ExitReason::Undefined, kBase));
}

TEST_CASE("the mode follows from SP", "[ir]") {
    CHECK_FALSE(BlockMode::from_registers(0, 0x7ff0).misaligned_sp());
    CHECK(BlockMode::from_registers(0, 0x7ff8).misaligned_sp());
    CHECK(BlockMode::from_registers(u64{3} << 22, 1).rounding() == Rounding::Zero);
}
