#include "runtime/system/gdb_target.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "ir/support/bits.h"
#include "ir/support/check.h"
#include "runtime/system/cpu_registers.h"

namespace ulna::system {

using devices::PhysAddr;
using runtime::debug::GdbFeature;
using runtime::debug::GdbOrder;
using runtime::debug::GdbPoint;
using runtime::debug::GdbResumption;
using runtime::debug::GdbStop;
using runtime::debug::GdbThread;

GdbMachine::GdbMachine(Machine& machine, Monitor monitor)
    : machine_{machine},
      monitor_{std::move(monitor)},
      stop_fd_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    CHECK(stop_fd_ >= 0);
    machine_.run_control().on_stop([this] {
        const u64 one = 1;
        static_cast<void>(::write(stop_fd_, &one, sizeof one));
    });
}

GdbMachine::~GdbMachine() {
    machine_.run_control().on_stop({});
    close(stop_fd_);
}

// --- CPUs

Vcpu* GdbMachine::cpu_of(u64 thread) {
    const auto& cpus = machine_.cpus();
    return thread >= 1 && thread <= cpus.size() ? cpus[thread - 1].get() : nullptr;
}

std::vector<GdbThread> GdbMachine::threads() {
    std::vector<GdbThread> threads;
    for (const auto& cpu : machine_.cpus()) {
        threads.push_back({.id = cpu->index() + u64{1},
                           .description = "CPU#" + std::to_string(cpu->index()) +
                                          (cpu->is_on() ? " [running]" : " [off]")});
    }
    return threads;
}

std::span<const GdbFeature> GdbMachine::features() const { return cpu_features(); }

bool GdbMachine::read_register(u64 thread, unsigned n, std::span<u8> to) {
    Vcpu* const cpu = cpu_of(thread);
    return cpu != nullptr && read_numbered(cpu->cpu(), n, to);
}

bool GdbMachine::write_register(u64 thread, unsigned n, std::span<const u8> from) {
    Vcpu* const cpu = cpu_of(thread);
    return cpu != nullptr && write_numbered(cpu->cpu(), n, from);
}

// --- Memory

template <class Visit> u64 GdbMachine::each_page(u64 thread, GuestAddr at, u64 count, Visit visit) {
    constexpr u64 kPageBytes = u64{1} << ir::kTlbPageLog2;
    Vcpu* const cpu = cpu_of(thread);
    u64 done = 0;
    while (cpu != nullptr && done < count) {
        const TranslationResult result = cpu->look_up(at + done);
        const auto* const page = std::get_if<Translation>(&result);
        const u64 offset = (at + done) % kPageBytes;
        const u64 piece = std::min(count - done, kPageBytes - offset);
        if (page == nullptr || !visit(page->page + offset, done, piece)) {
            break;
        }
        done += piece;
    }
    return done;
}

u64 GdbMachine::read_memory(u64 thread, GuestAddr at, std::span<u8> to) {
    return each_page(thread, at, to.size(), [&](PhysAddr place, u64 done, u64 piece) {
        return machine_.peek(place, &to[done], piece);
    });
}

bool GdbMachine::write_memory(u64 thread, GuestAddr at, std::span<const u8> from) {
    std::vector<u8> bytes{from.begin(), from.end()};
    return each_page(thread, at, bytes.size(), [&](PhysAddr place, u64 done, u64 piece) {
               return machine_.poke(place, &bytes[done], piece);
           }) == bytes.size();
}

// --- Breakpoints and watchpoints

namespace {

WatchedRange range_of(GdbPoint kind, GuestAddr at, u64 bytes) {
    const auto untagged = static_cast<u64>(sign_extend(at, 56));
    return runtime::debug::watched_by(kind, untagged, bytes);
}

} // namespace

bool GdbMachine::insert(GdbPoint kind, GuestAddr at, u64 bytes) {
    DebuggerPoints points = machine_.debugger_points();
    if (!is_breakpoint(kind)) {
        if (bytes == 0) {
            return false;
        }
        points.watched.push_back(range_of(kind, at, bytes));
    } else if (at % sizeof(u32) != 0) {
        return false;
    } else {
        points.breakpoints.push_back(at);
    }
    machine_.set_debugger_points(std::move(points));
    return true;
}

bool GdbMachine::remove(GdbPoint kind, GuestAddr at, u64 bytes) {
    DebuggerPoints points = machine_.debugger_points();
    const auto erase_one = [](auto& list, const auto& value) {
        const auto found = std::ranges::find(list, value);
        const bool there = found != list.end();
        if (there) {
            list.erase(found);
        }
        return there;
    };
    const bool found = is_breakpoint(kind) ? erase_one(points.breakpoints, at)
                                           : erase_one(points.watched, range_of(kind, at, bytes));
    machine_.set_debugger_points(std::move(points));
    return found;
}

// --- Running

void GdbMachine::drain() {
    u64 count = 0;
    static_cast<void>(!::read(stop_fd_, &count, sizeof count));
}

void GdbMachine::resume(std::span<const GdbResumption> threads) {
    std::vector<RunControl::Order> orders(machine_.cpus().size(), RunControl::Order::Stay);
    for (const GdbResumption& thread : threads) {
        if (cpu_of(thread.thread) != nullptr) {
            orders[thread.thread - 1] = thread.order == GdbOrder::Run    ? RunControl::Order::Run
                                        : thread.order == GdbOrder::Step ? RunControl::Order::Step
                                                                         : RunControl::Order::Stay;
        }
    }
    drain();
    machine_.run_control().resume(orders);
}

std::optional<GdbStop> GdbMachine::take_stop() {
    using Reason = RunControl::Stop::Reason;
    drain();
    if (!machine_.run_control().wait_until_parked()) {
        return std::nullopt;
    }
    const auto stop = machine_.run_control().take_stop();
    if (!stop) {
        return std::nullopt;
    }
    constexpr int kInterrupted = 2, kTrapped = 5;
    GdbStop result{.thread = stop->cpu + u64{1}, .signal = kTrapped, .address = stop->address};
    switch (stop->reason) {
    case Reason::Start:
    case Reason::Requested:
    case Reason::PowerOff:
        result.signal = kInterrupted;
        break;
    case Reason::Step:
        break;
    case Reason::Breakpoint:
        result.kind = GdbStop::Kind::Breakpoint;
        break;
    case Reason::Watchpoint:
        name_watchpoint(result, machine_.debugger_points().watched);
        break;
    }
    return result;
}

void GdbMachine::attach() {
    RunControl& control = machine_.run_control();
    control.stop();
    static_cast<void>(control.wait_until_parked());
    static_cast<void>(control.take_stop());
    drain();
}

void GdbMachine::detach() {
    {
        const Pause pause{machine_.run_control()};
        machine_.set_debugger_points({});
    }
    machine_.run_control().resume();
}

// After a reset the debugger goes on with CPUs that are ready to be looked at.
std::optional<std::string> GdbMachine::command(std::string_view line) {
    if (!monitor_) {
        return std::nullopt;
    }
    std::string answer = monitor_(line);
    RunControl& control = machine_.run_control();
    if (control.wait_until_restarted() && control.is_stopped()) {
        static_cast<void>(control.wait_until_parked());
    }
    return answer;
}

} // namespace ulna::system
