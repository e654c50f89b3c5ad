// The parts of the decoder comparison (tests/decode) that say when two decoders agree.

#include <sstream>

#include "tests/decode/differences.h"
#include "tests/decode/mnemonics.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::decode;

namespace {

Explanations read(const std::string& text) {
    std::istringstream file{text};
    return read_explanations(file, "differences.txt");
}

} // namespace

TEST_CASE("a difference is explained by instruction, kind and conditions", "[decode]") {
    const Explanations known = read("# comment\n"
                                    "\n"
                                    "rejected SMULHrr,UMULH* Ra!=31 # a choice\n"
                                    "unpredictable LDP_post Rt=Rn,Rt2!=3 # another\n"
                                    "mnemonic LSLV lsl # an alias\n"
                                    "feature FEAT_LSE2 # no instructions\n");
    REQUIRE(known.lines.size() == 2);
    CHECK(known.lines[0].line == 3);
    CHECK(known.lines[0].reason == "a choice");
    CHECK(known.features.contains("FEAT_LSE2"));
    REQUIRE(known.names.size() == 1);
    CHECK(known.names[0].mnemonic == "lsl");

    const auto is_explained = [&](Difference kind, const char* row, const char* llvm, u32 word) {
        SubjectDifferences differences{known, Subject{kind, row, llvm}};
        differences.add(word);
        return differences.unexplained.count == 0;
    };
    constexpr u32 kSmulhRa0 = 0x9b40'0000, kSmulhRa31 = 0x9b40'7c00;
    CHECK(is_explained(Difference::Rejected, "-", "SMULHrr", kSmulhRa0));
    CHECK(is_explained(Difference::Rejected, "-", "UMULHrr", kSmulhRa0));
    CHECK_FALSE(is_explained(Difference::Rejected, "-", "SMULHrr", kSmulhRa31));
    CHECK_FALSE(is_explained(Difference::Accepted, "-", "SMULHrr", kSmulhRa0));
    CHECK_FALSE(is_explained(Difference::Rejected, "-", "SMULH", kSmulhRa0));

    constexpr u32 kRn = 5 << 5, kRt = 5, kRt2 = 3 << 10;
    CHECK(is_explained(Difference::Unpredictable, "LDP_post", "LDPXpost", kRn | kRt));
    CHECK_FALSE(is_explained(Difference::Unpredictable, "LDP_post", "LDPXpost", kRn));
    CHECK_FALSE(is_explained(Difference::Unpredictable, "LDP_post", "LDPXpost", kRn | kRt | kRt2));
}

TEST_CASE("a line of differences.txt that cannot be right is refused", "[decode]") {
    CHECK_THROWS(read("rejected HVC\n"));                // no reason
    CHECK_THROWS(read("refused HVC # reason\n"));        // no such kind
    CHECK_THROWS(read("rejected HVC Rx=31 # reason\n")); // no such field
    CHECK_THROWS(read("rejected HVC Rn # reason\n"));    // no comparison
}

TEST_CASE("words of a group show what they have in common", "[decode]") {
    Group a, b;
    a.add(0xf000'0001);
    b.add(0xf000'0003);
    a.merge(b);
    CHECK(a.count == 2);
    CHECK(a.pattern() == "1111 0000 0000 0000 0000 0000 0000 00x1");
}

TEST_CASE("the text of a row names LLVM's mnemonics", "[decode]") {
    using Names = std::vector<std::string>;
    CHECK(mnemonics("ADD (immediate)") == Names{"add"});
    CHECK(mnemonics("FCVTZ{S,U} (fixed)") == Names{"fcvtzs", "fcvtzu"});
    CHECK(mnemonics("FCMP{E}") == Names{"fcmp", "fcmpe"});
    CHECK(mnemonics("LDRSB/LDRSH (post-index)") == Names{"ldrsb", "ldrsh"});
    CHECK(mnemonics("LDnR (a, b), STn") ==
          Names{"ld1r", "ld2r", "ld3r", "ld4r", "st1", "st2", "st3", "st4"});

    CHECK(same_mnemonic("LDADD", "ldaddalb"));
    CHECK(same_mnemonic("CRC32C", "crc32cx"));
    CHECK(same_mnemonic("PMULL{2}", "pmull2"));
    CHECK_FALSE(same_mnemonic("ADD (immediate)", "adds"));
    CHECK_FALSE(same_mnemonic("SUB (immediate)", "add"));
    CHECK_FALSE(same_mnemonic("CSINC", "csin"));
}
