#include "runtime/system/run_control.h"

#include <chrono>
#include <thread>

#include "runtime/system/stop_points.h"
#include "tests/support/catch.h"

namespace ulna::system {
namespace {

using Order = RunControl::Order;
using Reason = RunControl::Stop::Reason;

// A CPU that counts how often it ran.
struct CountingCpu {
    RunControl& control;
    unsigned index;
    std::atomic<u64> runs = 0;
    std::atomic<bool> quit = false;
    std::thread thread{[this] {
        while (!quit.load()) {
            const Order order = control.wait(index);
            ++runs;
            if (order == Order::Step) {
                control.report({.cpu = index, .reason = Reason::Step});
            }
            std::this_thread::yield();
        }
        control.cpu_off(index);
    }};

    void await_a_run() {
        const u64 before = runs.load();
        while (runs.load() == before) {
            std::this_thread::yield();
        }
    }
};

TEST_CASE("a pause waits for a reset, or for the end", "[system]") {
    RunControl control{1, [] {}};
    control.end();
    std::atomic<bool> paused = false;
    const auto pause_elsewhere = [&] {
        return std::thread{[&] {
            const Pause pause{control};
            paused.store(true);
        }};
    };
    std::thread waits = pause_elsewhere();
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    CHECK_FALSE(paused.load());
    control.restart(); // and the first CPU is to start
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    CHECK_FALSE(paused.load());
    control.cpu_off(0);
    waits.join();
    CHECK(paused.exchange(false));
    control.end();
    waits = pause_elsewhere();
    control.finish();
    waits.join();
    CHECK(paused.load());
}

TEST_CASE("who was stopped before a reset is afterwards", "[system]") {
    RunControl control{2, [] {}};
    unsigned calls = 0;
    control.on_stop([&] { ++calls; });
    control.stop();
    control.end();
    CHECK_FALSE(control.wait_until_parked());
    control.restart();
    CHECK(control.wait_until_restarted());
    CHECK(control.is_stopped());
    CHECK(calls == 2);
    CHECK(control.take_stop()->reason == Reason::Requested);
    control.resume({Order::Step, Order::Stay});
    control.end();
    control.restart();
    CHECK(control.wait(0) == Order::Run);
    CHECK(control.wait(1) == Order::Run);
    control.end();
    control.finish();
    CHECK_FALSE(control.wait_until_restarted());
}

TEST_CASE("one thread asks for each CPU whether it may run", "[system]") {
    unsigned kicks = 0;
    RunControl control{2, [&] { ++kicks; }};
    control.restart();
    control.cpu_on(1);
    CHECK(control.admit(0) == Order::Run);
    CHECK(control.admit(1) == Order::Run);
    control.stop();
    CHECK(control.wants(0));
    CHECK_FALSE(control.admit(0));
    CHECK_FALSE(control.admit(1));
    CHECK(control.wait_until_parked());
    const unsigned before = kicks;
    control.resume({Order::Step, Order::Stay});
    CHECK(kicks == before + 1); // the thread may be waiting for something else
    CHECK(control.admit(0) == Order::Step);
    CHECK_FALSE(control.admit(1));
    control.report({.cpu = 0, .reason = Reason::Step});
    CHECK_FALSE(control.admit(0));
    CHECK(control.wait_until_parked());
    control.end();
    CHECK(control.admit(0).has_value());
}

TEST_CASE("CPUs stop, step and go on as they are told", "[system]") {
    RunControl control{2, [] {}};
    control.cpu_on(0);
    control.cpu_on(1);
    CountingCpu cpu{control, 0}, other{control, 1};
    cpu.await_a_run();
    other.await_a_run();
    control.stop();
    CHECK(control.wait_until_parked());
    CHECK(control.is_stopped());
    CHECK(control.take_stop()->reason == Reason::Requested);
    CHECK_FALSE(control.take_stop());
    const u64 before = cpu.runs.load(), others = other.runs.load();
    // One steps, and the other stays.
    control.resume({Order::Step, Order::Stay});
    while (cpu.runs.load() == before) {
        std::this_thread::yield();
    }
    CHECK(control.wait_until_parked());
    CHECK(cpu.runs.load() == before + 1);
    CHECK(other.runs.load() == others);
    // A pause within a stop changes nothing, nor does its end.
    { const Pause pause{control}; }
    CHECK(cpu.runs.load() == before + 1);
    control.resume();
    cpu.await_a_run();
    {
        const Pause pause{control};
        const u64 paused = cpu.runs.load();
        std::this_thread::yield();
        CHECK(cpu.runs.load() == paused);
        CHECK_FALSE(control.is_stopped());
    }
    cpu.await_a_run();
    control.stop();
    cpu.quit = other.quit = true;
    control.end();
    CHECK_FALSE(control.wait_until_parked());
    cpu.thread.join();
    other.thread.join();
}

TEST_CASE("a CPU that is off is parked, and the first stop counts", "[system]") {
    unsigned kicks = 0, stops = 0;
    RunControl control{2, [&] { ++kicks; }};
    control.on_stop([&] { ++stops; });
    control.report({.cpu = 1, .reason = Reason::Breakpoint, .address = 0x40});
    control.report({.cpu = 0, .reason = Reason::Step});
    CHECK(control.wait_until_parked());
    CHECK((kicks == 2 && stops == 2));
    CHECK(control.wants(0));
    CHECK(control.take_stop()->cpu == 1);
    control.resume({Order::Run, Order::Stay});
    CHECK_FALSE(control.wants(0));
    CHECK(control.wants(1));
}

TEST_CASE("it is known why CPUs are stopped, and told when that changes", "[system]") {
    RunControl control{2, [] {}};
    std::vector<bool> changes;
    control.on_change([&](bool stopped) { changes.push_back(stopped); });
    CHECK_FALSE(control.why_stopped());
    control.report({.reason = Reason::Breakpoint});
    control.stop();
    CHECK(control.why_stopped() == Reason::Breakpoint);
    control.resume({Order::Stay, Order::Step});
    CHECK_FALSE(control.why_stopped());
    control.resume();
    control.stop();
    CHECK(control.why_stopped() == Reason::Requested);
    control.report({.reason = Reason::PowerOff});
    CHECK(control.why_stopped() == Reason::PowerOff);
    control.end();
    control.restart();
    CHECK(control.why_stopped() == Reason::Start);
    CHECK(changes == std::vector<bool>{true, false, true});
}

TEST_CASE("code ends before a stop point", "[system]") {
    const u32 words[8] = {};
    StopPoints points;
    CHECK(points.before(0x1000, words).size() == 8);
    CHECK(points.want(0, {0x1008, 0x2000}));
    CHECK(points.before(0x1000, words).size() == 2);
    CHECK(points.before(0x1008, words).empty());
    CHECK(points.before(0x100c, words).size() == 8);
    CHECK(points.has(0x1008));
    CHECK_FALSE(points.has(0x100c));
    // What two want is there while one does; what was there before is nothing new.
    CHECK_FALSE(points.want(1, {0x1008}));
    CHECK_FALSE(points.want(0, {}));
    CHECK(points.has(0x2000)); // until it has been met a few times
    for (unsigned i = 0; i < 100; ++i) {
        points.met_in_vain(0x2000);
        points.met_in_vain(0x1008);
    }
    CHECK_FALSE(points.has(0x2000));
    CHECK(points.has(0x1008));
    CHECK(points.want(0, {0x2000}));
}

TEST_CASE("ranges overlap by their bytes", "[system]") {
    const WatchedRange range{.start = 0x100, .bytes = 8};
    CHECK(range.overlaps(0x107, 1));
    CHECK(range.overlaps(0xff, 2));
    CHECK(range.overlaps(0x0, 0x1000));
    CHECK_FALSE(range.overlaps(0x108, 8));
    CHECK_FALSE(range.overlaps(0xf8, 8));
    const WatchedRange last{.start = ~u64{7}, .bytes = 8};
    CHECK(last.overlaps(~u64{0}, 1));
    CHECK_FALSE(last.overlaps(0, 8));
}

} // namespace
} // namespace ulna::system
