#include "runtime/user/thread_control.h"

#include <atomic>
#include <thread>

#include "tests/support/catch.h"
#include "tests/unit/no_engine.h"

using namespace ulna;
using namespace ulna::user;

namespace {

using Order = ThreadControl::Order;

// Two threads, which the test plays or lets wait.
struct Threads {
    Threads() {
        process().engine = std::make_unique<test::NoEngine>();
        for (GuestThread* const thread : {&one, &two}) {
            thread->cpu = process().engine->new_thread();
            thread->tid = thread == &one ? 1 : 2;
            control.add(*thread);
        }
        control.attach();
    }
    ~Threads() {
        process().engine->delete_thread(one.cpu);
        process().engine->delete_thread(two.cpu);
        process().engine.reset();
    }
    unsigned stops = 0;
    ThreadControl control{[this] { ++stops; }};
    GuestThread one, two;
};

// A thread in wait(), and how it went on.
struct Waiting {
    Waiting(ThreadControl& control, GuestThread& thread)
        : host{[&] {
              turn = control.wait(thread);
              went_on = true;
          }} {}
    ~Waiting() { host.join(); }
    ThreadControl::Turn turn;
    std::atomic<bool> went_on = false;
    std::thread host;
};

siginfo_t info_of(int signal) {
    siginfo_t info = {};
    info.si_signo = signal;
    return info;
}

} // namespace

TEST_CASE("threads stay at first, then go as they are told", "[user][debugger]") {
    Threads threads;
    Waiting first{threads.control, threads.one};
    {
        Waiting second{threads.control, threads.two};
        threads.control.wait_until_parked();
        CHECK(threads.control.ids() == std::vector<u64>{1, 2});
        CHECK_FALSE((first.went_on || second.went_on));
        threads.control.resume({{2, {Order::Step}}});
        second.host.join();
        CHECK(second.turn.order == Order::Step);
        second.host = std::thread{[] {}};
    }
    CHECK_FALSE(first.went_on);
    threads.control.detach();
}

TEST_CASE("the first stop counts, and asks all for a safe point", "[user][debugger]") {
    Threads threads;
    threads.control.resume({{1, {Order::Run}}, {2, {Order::Run}}});
    const auto turn = threads.control.wait(threads.one);
    threads.control.report({.thread = 2, .signal = SIGTRAP});
    CHECK((threads.one.cpu->pending != 0 && threads.two.cpu->pending != 0));
    threads.control.report({.thread = 1, .signal = SIGTRAP});
    threads.control.report_step(threads.one, turn);
    threads.control.interrupt();
    CHECK(threads.stops == 1);
    const auto stop = threads.control.take_stop();
    REQUIRE(stop);
    CHECK(stop->thread == 2);
    CHECK_FALSE(threads.control.take_stop());
    // A step of an earlier resumption says nothing.
    threads.control.resume({{1, {Order::Run}}});
    threads.control.report_step(threads.one, turn);
    CHECK(threads.stops == 1);
    threads.control.interrupt();
    CHECK(threads.control.take_stop()->signal == SIGINT);
    threads.control.detach();
}

TEST_CASE("a thread in a system call counts as waiting", "[user][debugger]") {
    Threads threads;
    threads.control.resume({{1, {Order::Run}}, {2, {Order::Run}}});
    threads.control.enter_call(threads.one);
    threads.control.remove(threads.two);
    threads.control.interrupt();
    threads.control.wait_until_parked();
    CHECK(threads.control.with(1, [](const auto& view) { return view.in_call; }));
    CHECK_FALSE(threads.control.with(2, [](const auto&) { return true; }));
    std::atomic<bool> back = false;
    std::thread host{[&] {
        threads.control.leave_call(threads.one);
        back = true;
    }};
    CHECK_FALSE(back);
    threads.control.resume({{1, {Order::Run}}});
    host.join();
    CHECK(threads.control.with(1, [](const auto& view) { return !view.in_call; }));
}

TEST_CASE("signals are reported before they are taken", "[user][debugger]") {
    Threads threads;
    threads.control.resume({{1, {Order::Run}}, {2, {Order::Run}}});
    static_cast<void>(threads.control.wait(threads.one));
    threads.control.enter_call(threads.two);
    const auto report = [&](int wanted) {
        int taken = -1;
        std::thread host{
            [&] { taken = threads.control.report_signal(threads.one, info_of(SIGUSR1)); }};
        threads.control.wait_until_parked();
        CHECK(threads.control.take_stop()->signal == SIGUSR1);
        CHECK(threads.control.with(
            1, [](const auto& view) { return view.signal.si_signo == SIGUSR1; }));
        // What another thread does decides nothing.
        threads.control.resume({{2, {Order::Run}}});
        threads.control.interrupt();
        threads.control.resume({{1, {Order::Run, wanted}}, {2, {Order::Run}}});
        host.join();
        return taken;
    };
    CHECK(report(SIGUSR1) == SIGUSR1);
    CHECK(report(0) == 0);
    CHECK(report(SIGHUP) == SIGHUP);
    threads.control.pass_silently(u64{1} << (SIGUSR1 - 1));
    CHECK(threads.control.report_signal(threads.one, info_of(SIGUSR1)) == SIGUSR1);
    threads.control.pass_silently(0);
    threads.control.detach();
    CHECK(threads.control.report_signal(threads.one, info_of(SIGUSR1)) == SIGUSR1);
    CHECK(threads.stops == 6);
}
