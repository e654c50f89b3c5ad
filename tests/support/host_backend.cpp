// Tier 1 is the back end under test (unit/x64_harness.h).
#include "tests/unit/x64_harness.h"

namespace ulna::test {

std::unique_ptr<backend::Backend> make_test_backend() {
    std::string why_not;
    return backend::make_host_backend(why_not);
}

unsigned test_effort(unsigned count) { return count; }

} // namespace ulna::test
