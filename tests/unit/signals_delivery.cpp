// Delivery and restart rules, without running guest code: the engine only takes requests for safe
// points.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <vector>

#include "runtime/user/safe_syscall.h"
#include "runtime/user/signal_frame.h"
#include "runtime/user/signals.h"

#include "tests/support/catch.h"
#include "tests/unit/no_engine.h"

using namespace ulna;
using namespace ulna::user;
using ulna::test::NoEngine;

namespace {

constexpr GuestAddr kAfterSvc = 0x40'0104;
constexpr u64 kHandler = 0x50'0000;

// Makes the test's own thread a guest thread for its lifetime; signal dispositions are put back.
class GuestFixture {
  public:
    GuestFixture() {
        static bool initialised = [] {
            init_signals();
            return true;
        }();
        (void)initialised;
        process().engine = std::make_unique<NoEngine>();
        thread.cpu = process().engine->new_thread();
        thread.signals = new_thread_signals(nullptr);
        give_own_table(*thread.signals);
        thread.cpu->sp = reinterpret_cast<u64>(stack_.data()) + stack_.size() - 64;
        thread.cpu->pc = kAfterSvc;
        thread.cpu->x[0] = 77;
        enter_host_thread(thread);
        set_current_thread(&thread);
        unblock_signals(thread);
    }
    ~GuestFixture() {
        set_host_mask(host_mask_for(0));
        for (const int signal : touched_) {
            install_host_default(signal);
        }
        set_current_thread(nullptr);
        leave_host_thread(thread);
        process().engine->delete_thread(thread.cpu);
        process().engine.reset();
        delete_thread_signals(thread.signals);
    }
    GuestFixture(const GuestFixture&) = delete;
    GuestFixture& operator=(const GuestFixture&) = delete;

    void handle(int signal, u64 flags = 0, SignalSet mask = 0) {
        touched_.push_back(signal);
        REQUIRE(set_action(thread, signal, {.handler = kHandler, .flags = flags, .mask = mask}) ==
                0);
    }
    void send(int signal, int value = 0) {
        siginfo_t info = {};
        info.si_signo = signal;
        info.si_code = SI_QUEUE;
        info.si_pid = getpid();
        info.si_value.sival_int = value;
        REQUIRE(host_syscall(SYS_rt_tgsigqueueinfo, static_cast<u64>(getpid()),
                             static_cast<u64>(gettid()), static_cast<u64>(signal),
                             reinterpret_cast<u64>(&info)) == 0);
    }
    const RtSigframe& frame() { return *reinterpret_cast<const RtSigframe*>(thread.cpu->sp); }
    // Frames from the newest to the oldest.
    std::vector<int> frames() {
        std::vector<int> signals;
        u64 sp = thread.cpu->sp;
        while (true) {
            const auto& at = *reinterpret_cast<const RtSigframe*>(sp);
            signals.push_back(at.info.si_signo);
            if (at.uc.mcontext.pc != kHandler) {
                return signals;
            }
            sp = at.uc.mcontext.sp;
        }
    }
    SignalSet host_mask() {
        SignalSet mask = 0;
        host_syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, reinterpret_cast<u64>(&mask), sizeof mask);
        return mask;
    }

    GuestThread thread;

  private:
    std::vector<u8> stack_ = std::vector<u8>(256 << 10);
    std::vector<int> touched_;
};

} // namespace

TEST_CASE("a signal waits in the slot with the host's signals blocked", "[signals]") {
    GuestFixture f;
    f.handle(SIGUSR1);
    f.handle(SIGUSR2);
    f.send(SIGUSR1, 5);
    CHECK(f.thread.signals->slot_full == 1);
    CHECK(f.thread.cpu->pending != 0);
    CHECK(f.thread.cpu->pc == kAfterSvc);
    CHECK((f.host_mask() & signal_bit(SIGUSR2)) != 0);
    CHECK((f.host_mask() & kSynchronous) == 0);
    f.send(SIGUSR2);
    CHECK(f.thread.signals->slot.si_signo == SIGUSR1);
    deliver_pending(f.thread, nullptr);
    CHECK(f.frames() == std::vector{SIGUSR2, SIGUSR1});
    CHECK(f.thread.signals->slot_full == 0);
    CHECK(f.thread.signals->mask == (signal_bit(SIGUSR1) | signal_bit(SIGUSR2)));
    CHECK(f.host_mask() == f.thread.signals->mask);
}

TEST_CASE("the mask of a handler holds the next signal back", "[signals]") {
    GuestFixture f;
    f.handle(SIGUSR1, 0, signal_bit(SIGUSR2));
    f.handle(SIGUSR2);
    f.send(SIGUSR1);
    f.send(SIGUSR2);
    deliver_pending(f.thread, nullptr);
    CHECK(f.frames() == std::vector{SIGUSR1});
    REQUIRE(change_mask(f.thread, 0) == 0);
    CHECK(f.thread.signals->slot.si_signo == SIGUSR2);
}

TEST_CASE("real-time signals keep their order and values", "[signals]") {
    GuestFixture f;
    const int signal = SIGRTMIN + 3;
    f.handle(signal, SA_NODEFER | SA_SIGINFO);
    for (int value = 1; value <= 5; ++value) {
        f.send(signal, value);
    }
    deliver_pending(f.thread, nullptr);
    u64 sp = f.thread.cpu->sp;
    for (int value = 5; value >= 1; --value) { // the newest frame lies on top
        const auto& frame = *reinterpret_cast<const RtSigframe*>(sp);
        CHECK(frame.info.si_value.sival_int == value);
        sp = frame.uc.mcontext.sp;
    }
}

TEST_CASE("a synchronous signal goes first, what its handler blocks stays pending", "[signals]") {
    GuestFixture f;
    f.handle(SIGUSR1);
    f.handle(SIGSEGV, SA_SIGINFO, signal_bit(SIGUSR1));
    f.send(SIGUSR1, 9);
    raise_fault(f.thread, SIGSEGV, SEGV_MAPERR, 0x1234);
    deliver_pending(f.thread, nullptr);
    CHECK(f.frames() == std::vector{SIGSEGV});
    CHECK(f.frame().info.si_addr == reinterpret_cast<void*>(0x1234));
    CHECK(f.frame().uc.mcontext.fault_address == 0x1234);
    CHECK(f.frame().uc.mcontext.pc == kAfterSvc);
    REQUIRE(change_mask(f.thread, 0) == 0);
    REQUIRE(f.thread.signals->slot_full == 1);
    CHECK(f.thread.signals->slot.si_value.sival_int == 9);
}

TEST_CASE("a sent synchronous signal is held while the guest blocks it", "[signals]") {
    GuestFixture f;
    f.handle(SIGSEGV);
    REQUIRE(change_mask(f.thread, signal_bit(SIGSEGV)) == 0);
    f.send(SIGSEGV);
    deliver_pending(f.thread, nullptr);
    CHECK(f.thread.cpu->pc == kAfterSvc);
    CHECK(f.thread.signals->held == signal_bit(SIGSEGV));
    REQUIRE(change_mask(f.thread, 0) == 0);
    REQUIRE(has_signal_work(f.thread));
    deliver_pending(f.thread, nullptr);
    CHECK(f.frames() == std::vector{SIGSEGV});
}

TEST_CASE("SA_RESETHAND is for one signal", "[signals]") {
    GuestFixture f;
    f.handle(SIGUSR1, u64{SA_RESETHAND});
    f.send(SIGUSR1);
    deliver_pending(f.thread, nullptr);
    CHECK(action_of(*f.thread.signals, SIGUSR1).handler == kHandlerDefault);
}

TEST_CASE("restart rules", "[signals]") {
    struct Row {
        i64 result;
        u64 flags;
        bool with_signal;
        u64 x0, pc_in_frame;
    };
    constexpr GuestAddr kSvc = kAfterSvc - 4;
    constexpr u64 kEintr = static_cast<u64>(-EINTR);
    const Row row = GENERATE(
        Row{kRestartSys, SA_RESTART, true, 77, kSvc}, Row{kRestartSys, 0, true, kEintr, kAfterSvc},
        Row{kRestartNoIntr, 0, true, 77, kSvc},
        Row{kRestartNoHand, SA_RESTART, true, kEintr, kAfterSvc},
        Row{kRestartNoHand, 0, false, 77, kSvc}, Row{kRestartSys, 0, false, 77, kSvc},
        Row{12, 0, true, 12, kAfterSvc}, Row{-EINTR, SA_RESTART, true, kEintr, kAfterSvc},
        Row{kSigreturnDone, 0, true, 77, kAfterSvc});
    GuestFixture f;
    f.handle(SIGUSR1, row.flags);
    if (row.with_signal) {
        f.send(SIGUSR1);
    }
    deliver_pending(f.thread, &row.result);
    if (row.with_signal) {
        CHECK(f.frame().uc.mcontext.regs[0] == row.x0);
        CHECK(f.frame().uc.mcontext.pc == row.pc_in_frame);
    } else {
        CHECK(f.thread.cpu->x[0] == row.x0);
        CHECK(f.thread.cpu->pc == row.pc_in_frame);
    }
}

TEST_CASE("a blocking call is not made when a signal came first", "[signals]") {
    GuestFixture f;
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    f.handle(SIGUSR1);
    f.send(SIGUSR1);
    char byte;
    CHECK(blocking_syscall(SYS_read, static_cast<u64>(fds[0]), reinterpret_cast<u64>(&byte), 1) ==
          kRestartNoIntr);
    CHECK(block_signals() == false);
    CHECK(change_mask(f.thread, signal_bit(SIGUSR1)) == kRestartNoIntr);
    deliver_pending(f.thread, nullptr);
    CHECK(block_signals());
    unblock_signals(f.thread);
    close(fds[0]);
    close(fds[1]);
}

TEST_CASE("a temporary mask ends with the call, or with the delivery", "[signals]") {
    GuestFixture f;
    f.handle(SIGUSR1);
    REQUIRE(change_mask(f.thread, signal_bit(SIGUSR1) | signal_bit(SIGHUP)) == 0);
    begin_temporary_mask(f.thread, 0);
    CHECK(end_temporary_mask(f.thread, 3) == 3);
    CHECK(f.thread.signals->mask == (signal_bit(SIGUSR1) | signal_bit(SIGHUP)));

    f.send(SIGUSR1); // stays with the kernel
    const SignalSet open_mask = 0;
    begin_temporary_mask(f.thread, open_mask);
    const i64 result = end_temporary_mask(
        f.thread,
        blocking_syscall(SYS_rt_sigsuspend, reinterpret_cast<u64>(&open_mask), sizeof open_mask));
    CHECK(result == -EINTR);
    deliver_pending(f.thread, &result);
    CHECK(f.frame().uc.sigmask == (signal_bit(SIGUSR1) | signal_bit(SIGHUP)));
    CHECK(f.thread.signals->mask == signal_bit(SIGUSR1));
    CHECK(f.host_mask() == signal_bit(SIGUSR1));
}
