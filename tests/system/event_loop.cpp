#include "runtime/devices/event_loop.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "runtime/devices/output_queue.h"

#include "tests/support/catch.h"

namespace ulna::devices {
namespace {

constexpr u64 kMillisecond = 1'000'000;

// Stops a loop that a broken test would leave running for ever.
struct Running {
    std::mutex lock;
    EventLoop loop{lock};
    std::unique_ptr<EventLoop::Timer> limit;
    bool timed_out = false;

    void run() {
        {
            const std::lock_guard hold(lock);
            limit = loop.add_timer([this] {
                timed_out = true;
                loop.stop();
            });
            limit->set(monotonic_ns() + 5000 * kMillisecond);
        }
        loop.run();
        CHECK_FALSE(timed_out);
    }
};

TEST_CASE("timers go off in the order of their deadlines", "[event_loop]") {
    Running r;
    std::string order;
    const u64 start = monotonic_ns();
    auto third = r.loop.add_timer([&] {
        order += "c";
        r.loop.stop();
    });
    auto first = r.loop.add_timer([&] { order += "a"; });
    std::unique_ptr<EventLoop::Timer> second;
    second = r.loop.add_timer([&] {
        order += "b";
        CHECK_FALSE(second->is_set());
        if (order.size() < 4) {
            second->set(0); // the past: at once, and again
        }
    });
    auto never = r.loop.add_timer([&] { order += "x"; });
    third->set(start + 20 * kMillisecond);
    never->set(start + 1);
    second->set(start + 5 * kMillisecond);
    first->set(start + 1000 * kMillisecond);
    first->set(start + 2 * kMillisecond);
    never->cancel();
    auto destroyed = r.loop.add_timer([&] { order += "x"; });
    destroyed->set(start);
    destroyed.reset();
    r.run();
    CHECK(order == "abbbc");
    CHECK(monotonic_ns() >= start + 20 * kMillisecond);
}

TEST_CASE("a timer set by another thread wakes a loop that waits for a later one", "[event_loop]") {
    Running r;
    auto late = r.loop.add_timer([&] { r.loop.stop(); });
    auto soon = r.loop.add_timer([&] { r.loop.stop(); });
    late->set(monotonic_ns() + 4000 * kMillisecond);
    const u64 start = monotonic_ns();
    std::thread other([&] {
        usleep(5000);
        const std::lock_guard hold(r.lock);
        soon->set(monotonic_ns() + kMillisecond);
    });
    r.run();
    other.join();
    CHECK(monotonic_ns() - start < 3000 * kMillisecond);
}

TEST_CASE("what other threads post runs in the loop, with the lock held", "[event_loop]") {
    Running r;
    const auto loop_thread = std::this_thread::get_id();
    std::thread other([&] {
        r.loop.post([&] {
            CHECK(std::this_thread::get_id() == loop_thread);
            std::thread([&] { CHECK_FALSE(r.lock.try_lock()); }).join();
            r.loop.post([&] { r.loop.stop(); });
        });
    });
    r.run();
    other.join();
}

TEST_CASE("handlers of descriptors may remove themselves and others", "[event_loop]") {
    Running r;
    int a[2], b[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, b) == 0);
    REQUIRE(write(a[1], "x", 1) == 1);
    REQUIRE(write(b[1], "x", 1) == 1);
    int calls = 0;
    const auto handler = [&](u32 events) {
        CHECK((events & EPOLLIN) != 0);
        ++calls;
        r.loop.remove_fd(a[0]);
        r.loop.remove_fd(b[0]);
        r.loop.post([&] { r.loop.stop(); });
    };
    r.loop.add_fd(a[0], EPOLLIN, handler);
    r.loop.add_fd(b[0], EPOLLIN, handler);
    r.run();
    CHECK(calls == 1);
    for (const int fd : {a[0], a[1], b[0], b[1]}) {
        close(fd);
    }
}

TEST_CASE("a hang-up is not reported while nothing is watched", "[event_loop]") {
    Running r;
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    int calls = 0;
    r.loop.add_fd(pair[0], EPOLLIN, [&](u32) {
        ++calls;
        r.loop.change_fd(pair[0], 0);
    });
    close(pair[1]);
    auto end = r.loop.add_timer([&] { r.loop.stop(); });
    end->set(monotonic_ns() + 10 * kMillisecond);
    r.run();
    CHECK(calls == 1);
    r.loop.remove_fd(pair[0]);
    close(pair[0]);
}

TEST_CASE("what epoll does not take is always ready", "[event_loop]") {
    Running r;
    const int null = open("/dev/null", O_RDWR);
    int calls = 0;
    auto end = r.loop.add_timer([&] { r.loop.stop(); });
    r.loop.add_fd(null, 0, [&](u32 events) {
        CHECK(events == EPOLLIN);
        if (++calls == 3) {
            r.loop.change_fd(null, 0);
            end->set(monotonic_ns() + 10 * kMillisecond);
        }
    });
    std::thread other([&] {
        usleep(3000);
        const std::lock_guard hold(r.lock);
        r.loop.change_fd(null, EPOLLIN);
    });
    r.run();
    other.join();
    CHECK(calls == 3);
    close(null);
}

TEST_CASE("a machine's own time passes when its keeper says so", "[event_loop]") {
    struct Clock final : MachineClock {
        u64 now_ns() const override { return now; }
        u64 now = 0;
    } clock;
    std::mutex lock;
    EventLoop loop{lock, &clock};
    CHECK(loop.has_clock());
    std::string order;
    const auto note = [&](char c) { return [&order, c] { order += c; }; };
    auto late = loop.add_timer(note('c')), second = loop.add_timer(note('b')),
         first = loop.add_timer(note('a'));
    auto of_host = loop.add_timer(note('h'), EventLoop::Time::Host);
    CHECK_FALSE(loop.next_machine_deadline());
    late->set(200);
    first->set(100);
    second->set(100); // of one deadline: in the order in which they were set
    CHECK(loop.next_machine_deadline() == 100);
    loop.turn(/*waits=*/false);
    CHECK(order == "");
    of_host->set(0);
    loop.turn(/*waits=*/true);
    CHECK(order == "h");
    clock.now = 99;
    CHECK(loop.now_ns() == 99);
    loop.call_due_machine_timers();
    CHECK(order == "h");
    clock.now = 100;
    loop.call_due_machine_timers();
    CHECK(order == "hab");
    CHECK(loop.next_machine_deadline() == 200);
    late->cancel();
    CHECK_FALSE(loop.next_machine_deadline());
}

TEST_CASE("output of a machine with a clock waits for its reader", "[event_loop]") {
    struct Clock final : MachineClock {
        u64 now_ns() const override { return 0; }
    } clock;
    std::mutex lock;
    EventLoop loop{lock, &clock};
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    constexpr std::size_t kBytes = 1 << 20;
    std::thread reader([&] {
        std::array<u8, 4096> bytes;
        std::size_t got = 0;
        while (got < kBytes) {
            usleep(100);
            const ssize_t count = read(ends[0], bytes.data(), bytes.size());
            got += count > 0 ? static_cast<std::size_t>(count) : kBytes;
        }
    });
    OutputQueue output{loop, ends[1], [] {}};
    const std::vector<u8> line(1000, 'x');
    for (std::size_t sent = 0; sent < kBytes; sent += line.size()) {
        output.write(line);
        CHECK_FALSE(output.congested());
    }
    output.flush();
    reader.join();
    close(ends[0]);
    close(ends[1]);
}

} // namespace
} // namespace ulna::devices
