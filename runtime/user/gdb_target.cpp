#include "runtime/user/gdb_target.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "ir/support/check.h"
#include "runtime/debug/gdb_signals.h"
#include "runtime/user/debugged_code.h"
#include "runtime/user/debugged_memory.h"
#include "runtime/user/gdb_registers.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/own_file.h"
#include "runtime/user/signals_state.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

using runtime::FileDescriptor;
using runtime::debug::GdbFeature;
using runtime::debug::GdbPoint;
using runtime::debug::GdbResumption;
using runtime::debug::GdbStop;
using runtime::debug::GdbThread;

// A debugger writes where the guest may not, as through ptrace: only this file of /proc does that.
GdbProgram::GdbProgram(AddressSpace& space)
    : space_{space},
      stop_fd_{
          renumbered(FileDescriptor{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}, high_descriptor())},
      memory_fd_{renumbered(FileDescriptor{open("/proc/self/mem", O_RDWR | O_CLOEXEC)},
                            high_descriptor())},
      control_{[this] {
          const u64 one = 1;
          static_cast<void>(!::write(stop_fd_.get(), &one, sizeof one));
      }} {
    CHECK(stop_fd_);
}

void GdbProgram::abandon() {
    stop_fd_ = FileDescriptor{};
    memory_fd_ = FileDescriptor{};
}

// --- Threads

std::vector<GdbThread> GdbProgram::threads() {
    std::vector<GdbThread> threads;
    for (const u64 id : control_.ids()) {
        GdbThread& thread = threads.emplace_back(GdbThread{.id = id, .description = ""});
        control_.with(id, [&](const ThreadControl::View& view) {
            thread.description = view.in_call ? "in a system call" : "stopped";
            return true;
        });
    }
    return threads;
}

std::span<const GdbFeature> GdbProgram::features() const { return thread_features(); }

bool GdbProgram::read_register(u64 thread, unsigned n, std::span<u8> to) {
    return control_.with(thread, [&](const ThreadControl::View& view) {
        return read_numbered(*view.thread.cpu, n, to);
    });
}

// Not of a thread in a system call, which would write its result over it.
bool GdbProgram::write_register(u64 thread, unsigned n, std::span<const u8> from) {
    return control_.with(thread, [&](const ThreadControl::View& view) {
        return !view.in_call && write_numbered(*view.thread.cpu, n, from);
    });
}

// --- Memory

u64 GdbProgram::read_memory(u64, GuestAddr at, std::span<u8> to) {
    return read_debugged(space_, memory_fd_.get(), at, to);
}

bool GdbProgram::write_memory(u64, GuestAddr at, std::span<const u8> from) {
    return write_debugged(space_, memory_fd_.get(), at, from) == from.size();
}

// --- Breakpoints and watchpoints

void GdbProgram::use_breakpoints(GuestAddr changed) {
    if (stop_points().want(0, breakpoints_)) {
        process().engine->invalidate(changed, sizeof(u32));
    }
}

bool GdbProgram::insert(GdbPoint kind, GuestAddr at, u64 bytes) {
    if (!is_breakpoint(kind)) {
        return insert_watchpoint(watched_by(kind, untag(at), bytes));
    }
    if (at % sizeof(u32) != 0 || !space_.owns(untag(at), sizeof(u32))) {
        return false;
    }
    breakpoints_.push_back(untag(at));
    use_breakpoints(untag(at));
    return true;
}

bool GdbProgram::insert_watchpoint(const ir::WatchedRange& range) {
    if (range.bytes == 0 || range.start + range.bytes < range.start) {
        return false;
    }
    std::vector<ir::WatchedRange> watched{control_.watched().begin(), control_.watched().end()};
    watched.push_back(range);
    control_.watch(std::move(watched));
    return true;
}

bool GdbProgram::remove_watchpoint(const ir::WatchedRange& range) {
    std::vector<ir::WatchedRange> watched{control_.watched().begin(), control_.watched().end()};
    const auto found = std::ranges::find(watched, range);
    if (found == watched.end()) {
        return false;
    }
    watched.erase(found);
    control_.watch(std::move(watched));
    return true;
}

bool GdbProgram::remove(GdbPoint kind, GuestAddr at, u64 bytes) {
    if (!is_breakpoint(kind)) {
        return remove_watchpoint(watched_by(kind, untag(at), bytes));
    }
    const auto found = std::ranges::find(breakpoints_, untag(at));
    if (found == breakpoints_.end()) {
        return false;
    }
    breakpoints_.erase(found);
    use_breakpoints(untag(at));
    return true;
}

// --- Running

void GdbProgram::drain() {
    u64 count = 0;
    static_cast<void>(!::read(stop_fd_.get(), &count, sizeof count));
}

void GdbProgram::resume(std::span<const GdbResumption> threads) {
    std::map<u64, ThreadControl::Resumption> orders;
    for (const GdbResumption& each : threads) {
        orders[each.thread] = {each.order, runtime::debug::linux_signal(each.signal)};
    }
    drain();
    control_.resume(orders);
}

std::optional<GdbStop> GdbProgram::take_stop() {
    drain();
    control_.wait_until_parked();
    auto stop = control_.take_stop();
    if (stop) {
        if (stop->kind == GdbStop::Kind::Watchpoint) {
            name_watchpoint(*stop, control_.watched());
        }
        stop->signal = runtime::debug::gdb_signal(stop->signal);
    }
    return stop;
}

void GdbProgram::attach() {
    report_signals(first_signal_table(), Reported::Ends);
    control_.attach();
    control_.wait_until_parked();
    drain();
}

void GdbProgram::detach() {
    breakpoints_.clear();
    use_breakpoints(0);
    control_.watch({});
    control_.catch_calls({});
    control_.detach();
    report_signals(first_signal_table(), Reported::Nothing);
}

void GdbProgram::kill() { host_syscall(SYS_kill, static_cast<u64>(getpid()), SIGKILL); }

// --- Signals, and what else gdb asks for

bool GdbProgram::pass_signals(std::span<const int> signals) {
    SignalSet set = 0;
    for (const int signal : signals) {
        const int ours = runtime::debug::linux_signal(signal);
        set |= ours != 0 ? signal_bit(ours) : 0;
    }
    control_.pass_silently(set);
    return true;
}

bool GdbProgram::catch_calls(runtime::debug::CaughtCalls calls) {
    control_.catch_calls(std::move(calls));
    return true;
}

std::vector<std::string_view> GdbProgram::documents() const {
    return {"auxv", "exec-file", "siginfo"};
}

std::optional<std::string> GdbProgram::document(std::string_view name, u64 thread) {
    if (name == "auxv") {
        return std::string{process().auxv.begin(), process().auxv.end()};
    }
    if (name == "exec-file") {
        return process().exe_path;
    }
    std::string info;
    control_.with(thread, [&](const ThreadControl::View& view) {
        if (view.signal.si_signo != 0) {
            info.assign(reinterpret_cast<const char*>(&view.signal), sizeof view.signal);
        }
        return true;
    });
    return info.empty() ? std::nullopt : std::optional{info};
}

} // namespace ulna::user
