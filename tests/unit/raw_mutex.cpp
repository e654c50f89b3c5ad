#include "runtime/jit/raw_mutex.h"

#include <mutex>
#include <thread>
#include <vector>

#include "tests/support/catch.h"

namespace ulna::runtime {

TEST_CASE("raw mutex: one thread at a time, and nobody is left waiting", "[runtime]") {
    constexpr unsigned kThreads = 4, kRounds = 50'000;
    RawMutex mutex;
    unsigned sum = 0;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kThreads; ++i) {
        threads.emplace_back([&] {
            for (unsigned round = 0; round < kRounds; ++round) {
                const std::lock_guard lock{mutex};
                ++sum;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(sum == kThreads * kRounds);
}

} // namespace ulna::runtime
