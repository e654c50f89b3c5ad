// QARMA64 against the test vectors of its paper (R. Avanzi, IACR ToSC 2017, appendix A).
#include "ir/helpers.h"
#include "ir/pauth.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {
constexpr u64 kPlain = 0xfb62'3599'da6e'8127, kTweak = 0x477d'469d'ec0b'8762;
constexpr u64 kWhitening = 0x84be'85ce'9804'e94b, kCore = 0xec28'02d4'e0a4'88e9;
} // namespace

TEST_CASE("QARMA64 of the paper", "[ir][pauth]") {
    CHECK(qarma64(kQarma5, kPlain, kTweak, kWhitening, kCore) == 0xc003'b939'99b3'3765);
    CHECK(qarma64({5, true}, kPlain, kTweak, kWhitening, kCore) == 0x544b'0ab9'5bda'7c3a);
    CHECK(qarma64(kQarma3, kPlain, kTweak, kWhitening, kCore) !=
          qarma64({3, false}, kPlain, kTweak, kWhitening, kCore));
}

TEST_CASE("the helper takes the key that is named", "[ir][pauth]") {
    auto state = std::make_unique<CpuState>();
    state->pac_keys[6] = kCore; // APDBKeyLo, Hi
    state->pac_keys[7] = kWhitening;
    const auto compute = kHelpers[static_cast<unsigned>(HelperId::ComputePac)];
    const auto selector = [](u64 key, PacAlgorithm algorithm) {
        return key | static_cast<u64>(algorithm) << 8;
    };
    CHECK(compute(*state, kPlain, kTweak, selector(3, PacAlgorithm::Qarma5), 0) ==
          0xc003'b939'99b3'3765);
    CHECK(compute(*state, kPlain, kTweak, selector(3, PacAlgorithm::Qarma3), 0) ==
          qarma64(kQarma3, kPlain, kTweak, kWhitening, kCore));
    CHECK(compute(*state, kPlain, kTweak, selector(2, PacAlgorithm::Qarma5), 0) !=
          0xc003'b939'99b3'3765);
}
