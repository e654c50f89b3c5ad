#include "runtime/tier2/sampler.h"

#include <csignal>
#include <cstring>
#include <ctime>

#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/host_clone.h"

namespace ulna::runtime {

namespace {

// A sample costs some 25 us on a virtual machine, most of it for waking up: after the first ones
// they are taken less often. (A thousand a second are 3 % of int_hash.)
constexpr long kPeriodNanoseconds = 1'000'000;
constexpr unsigned kShortPeriods = 64, kMediumPeriods = 256;
timespec period_after(unsigned periods) {
    const long factor = periods < kShortPeriods ? 1 : periods < kMediumPeriods ? 4 : 16;
    return {0, factor * kPeriodNanoseconds};
}
// Periods without an answer until the sampler rests: the guest waits for something.
constexpr unsigned kPatience = 20;

// The memory: stack, thread-local variables (errno, locale...), which end where the thread pointer
// points, and the libc's description of the thread, which begins there.
constexpr std::size_t kStackBytes = 32u << 10, kVariableBytes = 16u << 10,
                      kDescriptionBytes = 8u << 10;
constexpr std::size_t kMemoryBytes = kStackBytes + kVariableBytes + kDescriptionBytes;

void futex_wait(std::atomic<u32>& word, u32 value, const timespec* timeout) {
    ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, timeout, nullptr, 0);
}

// Near the end of the ids, another one for each process.
pid_t out_of_the_way() {
    constexpr pid_t kLeastLimit = 32768; // of /proc/sys/kernel/pid_max, unless it was lowered
    return kLeastLimit - 1 - ::getpid() % (kLeastLimit / 2);
}

class AllSignalsBlocked {
  public:
    AllSignalsBlocked() {
        const u64 all = ~u64{0}; // those that libc keeps for itself, too
        ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before_, sizeof before_);
    }
    ~AllSignalsBlocked() {
        ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof before_);
    }
    AllSignalsBlocked(const AllSignalsBlocked&) = delete;

  private:
    u64 before_ = 0;
};

} // namespace

Sampler::~Sampler() {
    stop();
    if (memory_ != nullptr) {
        ::munmap(memory_, kMemoryBytes);
    }
}

bool Sampler::allocate() {
    if (memory_ == nullptr) {
        void* const memory = ::mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memory_ = memory == MAP_FAILED ? nullptr : static_cast<u8*>(memory);
    }
    return memory_ != nullptr;
}

void Sampler::start() {
    if (thread_.load(std::memory_order_relaxed) != 0) {
        return;
    }
    const std::lock_guard lock{mutex_};
    if (thread_ != 0 || !allowed_ || !allocate()) {
        return;
    }
    // What the x86-64 psABI and libc expect at the thread pointer: its own address.
    u8* const description = memory_ + kStackBytes + kVariableBytes;
    const u64 self = reinterpret_cast<u64>(description);
    constexpr std::size_t kThreadSelf = 16; // tcbhead_t::self
    std::memcpy(description, &self, sizeof self);
    std::memcpy(description + kThreadSelf, &self, sizeof self);
    command_ = kAsk;
    const AllSignalsBlocked blocked; // it takes no signal of the guest's
    if (!clone_thread(out_of_the_way())) {
        [[maybe_unused]] const bool made = clone_thread(0);
    }
}

// With an id that no process of the guest's would get: who is the first of a PID namespace may
// count on those that follow. It takes rights in that namespace. 0: the next one.
bool Sampler::clone_thread(pid_t number) {
    clone_args args = {};
    // Without CLONE_SYSVSEM, which would give the guest a list of semaphores' undos (kcmp shows
    // it).
    args.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |
                 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    const u64 thread = reinterpret_cast<u64>(&thread_);
    const u64 variables = reinterpret_cast<u64>(memory_ + kStackBytes + kVariableBytes);
    const u64 stack = reinterpret_cast<u64>(memory_);
    if (number == 0) {
        return ulna_clone_call(SYS_clone, args.flags, stack + kStackBytes, thread, thread,
                               variables, main, this) > 0;
    }
    args.child_tid = args.parent_tid = thread;
    args.stack = stack;
    args.stack_size = kStackBytes;
    args.tls = variables;
    args.set_tid = reinterpret_cast<u64>(&number);
    args.set_tid_size = 1;
    return ulna_clone_call(SYS_clone3, reinterpret_cast<u64>(&args), sizeof args, 0, 0, 0, main,
                           this) > 0;
}

void Sampler::stop() {
    const std::lock_guard lock{mutex_};
    if (thread_ == 0) {
        return;
    }
    command_ = kStop;
    ::syscall(SYS_futex, &command_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    for (pid_t alive; (alive = thread_) != 0;) {
        ::syscall(SYS_futex, &thread_, FUTEX_WAIT, alive, nullptr, nullptr, 0);
    }
}

void Sampler::allow(bool on) {
    if (!on) {
        stop();
    }
    const std::lock_guard lock{mutex_};
    allowed_ = on;
}

void Sampler::wake() {
    u32 rests = kRest;
    if (command_.compare_exchange_strong(rests, kAsk)) {
        ::syscall(SYS_futex, &command_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
}

void Sampler::unlock_after_fork(bool in_child) {
    if (in_child) {
        thread_ = 0;
    }
    mutex_.unlock();
}

void Sampler::main(void* self) {
    static_cast<Sampler*>(self)->run();
    ::syscall(SYS_exit, 0);
}

void Sampler::run() {
    unsigned unanswered = 0, periods = 0;
    for (u32 command; (command = command_) != kStop;) {
        if (command == kRest) {
            futex_wait(command_, kRest, nullptr);
            unanswered = 0;
            continue;
        }
        const timespec period = period_after(periods++);
        futex_wait(command_, kAsk, &period);
        unanswered = registry_.flag_all(kPendingSample) != 0 ? 0 : unanswered + 1;
        if (unanswered >= kPatience) {
            command_.compare_exchange_strong(command, kRest);
        }
    }
}

} // namespace ulna::runtime
