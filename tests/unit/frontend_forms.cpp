// What the frontend builds is what the verifier accepts: random words of every encoding, each
// lifted alone.
#include <random>

#include "frontend/frontend.h"
#include "ir/opt/pipeline.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

struct OneWord final : frontend::CodeSource {
    u32 word = 0;
    std::span<const u32> words(GuestAddr) override { return {&word, 1}; }
};

void verify_each(const Block& block, const char* pass, void* name) {
    const std::string errors = verify(block);
    if (!errors.empty()) {
        FAIL(static_cast<const char*>(name) << ", after " << pass << ":\n"
                                            << errors << print(block));
    }
}

} // namespace

TEST_CASE("every encoding lifts to IR that verifies, before and after the passes", "[frontend]") {
    std::mt19937_64 random{7};
    OneWord source;
    Block block;
    for (const frontend::EncodingInfo& row : frontend::encodings()) {
        for (unsigned i = 0; i < 400; ++i) {
            source.word = (static_cast<u32>(random()) & ~row.mask) | row.bits;
            // Modes of all kinds: with tag checks, disabled keys, a misaligned SP...
            const u32 mode_bits = static_cast<u32>(random()) & ((1u << ir::kBlockModeBits) - 1);
            const BlockKey key{0x400000, BlockMode{mode_bits}};
            frontend::translate(key, source, {}, block);
            verify_each(block, "lifting", const_cast<char*>(row.name));
            run_passes(block, {true, verify_each, const_cast<char*>(row.name)});
        }
    }
}
