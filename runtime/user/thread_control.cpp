#include "runtime/user/thread_control.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "runtime/user/guest_cpu.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

constexpr u64 bit_of(int signal) { return u64{1} << (signal - 1); }

// The thread takes it as any other, when it may run.
void send(const GuestThread& thread, int signal) {
    host_syscall(SYS_tgkill, static_cast<u64>(getpid()), static_cast<u64>(thread.tid),
                 static_cast<u64>(signal));
}

} // namespace

ThreadControl::Entry& ThreadControl::entry_of(const GuestThread& thread) {
    return entries_.at(static_cast<u64>(thread.tid));
}

void ThreadControl::park(Lock& lock, Entry& entry) {
    while (entry.order == Order::Stay) {
        entry.away = true;
        changed_.notify_all();
        changed_.wait(lock);
    }
    entry.away = false;
}

// --- threads

void ThreadControl::add(GuestThread& thread) {
    const std::lock_guard lock{mutex_};
    entries_.try_emplace(static_cast<u64>(thread.tid),
                         Entry{.thread = &thread, .order = order_of_new_});
    user::watch(*thread.cpu, watched_);
}

void ThreadControl::remove(GuestThread& thread) {
    const std::lock_guard lock{mutex_};
    entries_.erase(static_cast<u64>(thread.tid));
    changed_.notify_all();
}

ThreadControl::Turn ThreadControl::wait(const GuestThread& thread) {
    Lock lock{mutex_};
    Entry& entry = entry_of(thread);
    park(lock, entry);
    return {entry.order, resumption_};
}

void ThreadControl::stop_at_call(const GuestThread& thread, Stop::Kind kind, u64 number) {
    Lock lock{mutex_};
    if (!attached_ || !caught_.has(number)) {
        return;
    }
    Entry& entry = entry_of(thread);
    park(lock, entry); // another thread's stop comes first
    if (attached_) {
        stop_all({.kind = kind,
                  .thread = static_cast<u64>(thread.tid),
                  .signal = SIGTRAP,
                  .call = number});
    }
    park(lock, entry);
}

void ThreadControl::enter_call(const GuestThread& thread) {
    const std::lock_guard lock{mutex_};
    Entry& entry = entry_of(thread);
    entry.in_call = entry.away = true;
    changed_.notify_all();
}

void ThreadControl::leave_call(const GuestThread& thread) {
    Lock lock{mutex_};
    Entry& entry = entry_of(thread);
    park(lock, entry);
    entry.in_call = false;
}

void ThreadControl::stop_all(const Stop& stop) {
    stopped_ = true;
    stop_ = stop;
    order_of_new_ = Order::Stay;
    for (auto& [id, entry] : entries_) {
        entry.order = Order::Stay;
        process().engine->request_safepoint(*entry.thread->cpu);
    }
    on_stop_();
}

void ThreadControl::report(const Stop& stop) {
    const std::lock_guard lock{mutex_};
    if (attached_ && !stopped_) {
        stop_all(stop);
    }
}

void ThreadControl::report_step(const GuestThread& thread, const Turn& turn) {
    const std::lock_guard lock{mutex_};
    if (attached_ && !stopped_ && turn.resumption == resumption_) {
        stop_all({.thread = static_cast<u64>(thread.tid), .signal = SIGTRAP});
    }
}

int ThreadControl::report_signal(const GuestThread& thread, const siginfo_t& info) {
    Lock lock{mutex_};
    Entry& entry = entry_of(thread);
    const int signal = info.si_signo;
    const bool is_debuggers = (entry.unreported & bit_of(signal)) != 0;
    entry.unreported &= ~bit_of(signal);
    if (is_debuggers || (passed_ & bit_of(signal)) != 0) {
        return signal;
    }
    park(lock, entry); // another thread's stop comes first
    if (!attached_) {
        return signal;
    }
    entry.reporting = true;
    entry.info = info;
    stop_all({.thread = static_cast<u64>(thread.tid), .signal = signal});
    park(lock, entry);
    entry.reporting = false;
    entry.info = {};
    return attached_ ? std::exchange(entry.signal, 0) : signal;
}

void ThreadControl::end(const GuestThread& thread) {
    Lock lock{mutex_};
    Entry& entry = entry_of(thread);
    park(lock, entry); // the debugger has the program stopped, and is not told meanwhile
    entry.away = true;
    attached_ = false;
    stop_.reset();
    changed_.notify_all();
}

// --- the debugger

void ThreadControl::attach() {
    const std::lock_guard lock{mutex_};
    attached_ = true;
    passed_ = 0;
    if (!stopped_) {
        stop_all({});
    }
    stop_.reset();
}

void ThreadControl::detach() {
    const std::lock_guard lock{mutex_};
    attached_ = stopped_ = false;
    stop_.reset();
    order_of_new_ = Order::Run;
    for (auto& [id, entry] : entries_) {
        entry.order = Order::Run;
    }
    changed_.notify_all();
}

// A new thread goes on if all but a few do.
void ThreadControl::resume(const std::map<u64, Resumption>& threads) {
    const std::lock_guard lock{mutex_};
    stopped_ = false;
    stop_.reset();
    ++resumption_;
    order_of_new_ = Order::Stay;
    for (auto& [id, entry] : entries_) {
        const auto found = threads.find(id);
        const Resumption wanted = found != threads.end() ? found->second : Resumption{};
        entry.order = wanted.order;
        order_of_new_ = wanted.order == Order::Run ? Order::Run : order_of_new_;
        if (wanted.order == Order::Stay) {
            continue; // what it reported is decided later
        }
        if (entry.reporting) {
            entry.signal = wanted.signal;
        } else if (wanted.signal != 0) {
            entry.unreported |= bit_of(wanted.signal);
            send(*entry.thread, wanted.signal);
        }
    }
    changed_.notify_all();
}

void ThreadControl::watch(std::vector<ir::WatchedRange> ranges) {
    const std::lock_guard lock{mutex_};
    watched_ = std::move(ranges);
    for (auto& [id, entry] : entries_) {
        user::watch(*entry.thread->cpu, watched_);
    }
}

void ThreadControl::catch_calls(runtime::debug::CaughtCalls calls) {
    const std::lock_guard lock{mutex_};
    caught_ = std::move(calls);
}

void ThreadControl::after_fork(bool in_child) {
    if (in_child) {
        user::watch(*current_thread()->cpu, {});
    }
    mutex_.unlock();
}

void ThreadControl::interrupt() {
    const std::lock_guard lock{mutex_};
    if (attached_ && !stopped_ && !entries_.empty()) {
        stop_all({.thread = entries_.begin()->first, .signal = SIGINT});
    }
}

void ThreadControl::wait_until_parked() {
    Lock lock{mutex_};
    changed_.wait(lock, [this] {
        return std::ranges::all_of(entries_, [](const auto& each) { return each.second.away; });
    });
}

std::optional<ThreadControl::Stop> ThreadControl::take_stop() {
    const std::lock_guard lock{mutex_};
    return std::exchange(stop_, std::nullopt);
}

std::vector<u64> ThreadControl::ids() {
    const std::lock_guard lock{mutex_};
    std::vector<u64> ids;
    for (const auto& [id, entry] : entries_) {
        ids.push_back(id);
    }
    return ids;
}

} // namespace ulna::user
