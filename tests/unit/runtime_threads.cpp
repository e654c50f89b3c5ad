// Several guest threads on one engine: translation, invalidation and the full cache while others
// run.
#include <atomic>
#include <thread>

#include "tests/unit/runtime_guest.h"

using namespace ulna;
using namespace ulna::test;
using namespace ulna::test::a64;
using ir::ExitReason;

namespace {

// `count` functions of 64 bytes at `offset`: x0 += x4 (1), then a jump to the next; the last
// returns.
void put_chain(GuestArea& area, u64 offset, u32 count) {
    for (u32 i = 0; i < count; ++i) {
        area.put(offset + i * 64, {add_reg(0, 0, 4), i + 1 == count ? kRet : b(15)});
    }
}

bool run_chain(GuestCpu& cpu, GuestArea& area, u64 entry, u64 rounds, u64 count) {
    cpu->x[0] = 0;
    cpu->x[2] = rounds;
    cpu->x[4] = 1;
    cpu->x[1] = area.at(entry);
    return cpu.run(area.at(0)) == ExitReason::Svc && cpu->x[0] == rounds * count;
}

} // namespace

TEST_CASE("engine: a cache that is too small restarts again and again", "[runtime][engine]") {
    const auto kind = any_engine();
    constexpr u64 kTiny = 128u << 10;
    constexpr u32 kFunctions = 20'000;
    GuestArea area{4u << 20};
    const auto engine = make_engine(kind, area, kTiny);
    engine->add_mode(ir::BlockMode::kShared);
    area.put(0, {blr(1), subs(2, 2, 1), b_ne(-2), kSvc});
    put_chain(area, 4096, kFunctions);
    SECTION("one thread") {
        GuestCpu cpu{*engine};
        CHECK(run_chain(cpu, area, 4096, 5, kFunctions));
    }
    SECTION("four threads") {
        std::atomic<unsigned> good{0};
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                GuestCpu cpu{*engine};
                good += run_chain(cpu, area, 4096, 4, kFunctions) ? 1 : 0;
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(good == 4);
    }
    const std::string stats = engine->stats();
    INFO(stats);
    CHECK(stats.find("restarts of a full code cache                               0") ==
          std::string::npos);
}

TEST_CASE("engine: threads run while another invalidates under them", "[runtime][engine]") {
    const auto kind = any_engine();
    constexpr u32 kFunctions = 40;
    GuestArea area{1u << 20};
    const auto engine = make_engine(kind, area);
    engine->add_mode(ir::BlockMode::kShared);
    area.put(0, {blr(1), subs(2, 2, 1), b_ne(-2), kSvc});
    put_chain(area, 4096, kFunctions);
    std::atomic<bool> stop{false};
    std::atomic<u64> wrong{0}, runs{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
            GuestCpu cpu{*engine};
            while (!stop) {
                wrong += run_chain(cpu, area, 4096, 50, kFunctions) ? 0 : 1;
                ++runs;
            }
        });
    }
    for (unsigned i = 0; i < 300; ++i) {
        engine->invalidate(area.at(4096 + (i * 7 % kFunctions) * 64), 64);
        std::this_thread::sleep_for(std::chrono::microseconds{200});
    }
    stop = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
    CHECK(runs > 0);
}

TEST_CASE("engine: an invalidation reaches code that another thread is looping in",
          "[runtime][engine]") {
    const auto kind = any_engine();
    GuestArea area{1u << 20};
    const auto engine = make_engine(kind, area);
    engine->add_mode(ir::BlockMode::kShared);
    // Loop: call f through x1 and store its result at x2, until it is 2.
    area.put(0, {blr(1), str(0, 2), sub(3, 0, 2), cbnz(3, -3), kSvc});
    area.put(4096, {movz(0, 1), kRet});
    std::atomic<bool> good{false};
    std::thread guest{[&] {
        GuestCpu cpu{*engine};
        cpu->x[1] = area.at(4096);
        cpu->x[2] = area.at(0x8000);
        good = cpu.run(area.at(0)) == ExitReason::Svc && cpu->x[0] == 2;
    }};
    while (area.cell(0x8000) != 1) {
        std::this_thread::yield();
    }
    area.put(4096, {movz(0, 2)});
    engine->invalidate(area.at(4096), 4);
    guest.join();
    CHECK(good);
}
