// Sleeps, and how they go on after an interruption (restart.h).
#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "runtime/user/guest_memory.h"
#include "runtime/user/restart.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

u64 address(const void* pointer) { return reinterpret_cast<u64>(pointer); }

constexpr i64 kNanoseconds = 1'000'000'000;

i64 nanoseconds(const timespec& time) { return time.tv_sec * kNanoseconds + time.tv_nsec; }

timespec time_of(i64 nanoseconds) {
    return {nanoseconds / kNanoseconds, nanoseconds % kNanoseconds};
}

// A relative sleep is not changed by settings of the clock (hrtimer_nanosleep).
int clock_of_relative(int clock) { return clock == CLOCK_REALTIME ? CLOCK_MONOTONIC : clock; }

// What the kernel restarts (ERESTARTNOHAND), and what fails with EINTR after stops (signal(7)),
// which here come where an Arm kernel has none.
constexpr u32 kRestartedCalls[] = {
    4,   // io_getevents
    22,  // epoll_pwait
    72,  // pselect6
    73,  // ppoll
    115, // clock_nanosleep
    133, // rt_sigsuspend
    137, // rt_sigtimedwait
    188, // msgrcv
    189, // msgsnd
    192, // semtimedop
    193, // semop
    292, // io_pgetevents
    441, // epoll_pwait2
};

bool is_absolute_futex_wait(u64 operation) {
    const u64 command = operation & FUTEX_CMD_MASK;
    return command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2;
}

i64 sleep_relatively(GuestThread& thread, int clock, GuestAddr request, GuestAddr left_at) {
    timespec left = {};
    const i64 result =
        blocking_syscall(SYS_clock_nanosleep, static_cast<u64>(clock), 0, request, address(&left));
    if (result == kRestartNoIntr && !get_guest(request, left)) { // a signal was there before
        return -EFAULT;
    }
    if (result != -EINTR && result != kRestartNoIntr) {
        return result;
    }
    thread.sleep.left_at = left_at;
    return sleep_on_later(thread, clock_of_relative(clock), left);
}

} // namespace

bool is_restart(i64 result) {
    return result == kRestartSys || result == kRestartNoIntr || result == kRestartNoHand ||
           result == kRestartBlock;
}

i64 without_own_handler(const GuestThread& thread, i64 result) {
    constexpr u32 kFutex = 98;
    const ir::CpuState& cpu = *thread.cpu;
    const u32 number = static_cast<u32>(cpu.x[8]);
    const bool restarts = std::ranges::find(kRestartedCalls, number) != std::end(kRestartedCalls) ||
                          (number == kFutex && is_absolute_futex_wait(cpu.x[1]));
    return result == -EINTR && restarts ? kRestartNoHand : result;
}

i64 sleep_on_later(GuestThread& thread, int clock, const timespec& left) {
    timespec now;
    host_syscall(SYS_clock_gettime, static_cast<u64>(clock), address(&now));
    thread.sleep.clock = clock;
    thread.sleep.until = time_of(nanoseconds(now) + nanoseconds(left));
    const GuestAddr left_at = thread.sleep.left_at;
    return left_at == 0 || put_guest(left_at, left) ? kRestartBlock : -EFAULT;
}

i64 sys_nanosleep(GuestThread& thread, const SyscallArgs& args_) {
    return sleep_relatively(thread, CLOCK_MONOTONIC, args_[0], args_[1]);
}

i64 sys_clock_nanosleep(GuestThread& thread, const SyscallArgs& args_) {
    const auto clock = static_cast<int>(args_[0]);
    if ((args_[1] & TIMER_ABSTIME) != 0) {
        return blocking_syscall(SYS_clock_nanosleep, args_[0], args_[1], args_[2], args_[3]);
    }
    return sleep_relatively(thread, clock, args_[2], args_[3]);
}

i64 sys_restart_syscall(GuestThread& thread, const SyscallArgs&) {
    const SleepState& sleep = thread.sleep;
    if (sleep.clock < 0) {
        return -EINTR;
    }
    const auto clock = static_cast<u64>(sleep.clock);
    const i64 result =
        blocking_syscall(SYS_clock_nanosleep, clock, TIMER_ABSTIME, address(&sleep.until), 0);
    if (result != -EINTR) {
        return result;
    }
    timespec now;
    host_syscall(SYS_clock_gettime, clock, address(&now));
    const i64 left = nanoseconds(sleep.until) - nanoseconds(now);
    return sleep_on_later(thread, sleep.clock, time_of(std::max<i64>(left, 0)));
}

} // namespace ulna::user
