// Tier 2 is the back end under test (unit/x64_harness.h).
#include "tests/support/tier2_backend.h"
#include "tests/unit/x64_harness.h"

namespace ulna::test {

std::unique_ptr<backend::Backend> make_test_backend() {
    std::string why_not;
    return make_tier2_backend(why_not);
}

unsigned test_effort(unsigned count) {
    constexpr unsigned kSlower = 50;
    return count / kSlower + 1;
}

} // namespace ulna::test
