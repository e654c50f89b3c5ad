#include "runtime/user/debugger.h"

#include "runtime/debug/gdb_signals.h"
#include "runtime/host_socket.h"
#include "runtime/option_values.h"
#include "runtime/user/clone_child.h"
#include "runtime/user/debugged_code.h"
#include "runtime/user/own_file.h"

namespace ulna::user {

namespace {

runtime::debug::GdbListener listen_at(const std::string& port_or_path, std::string& why_not) {
    constexpr int kBacklog = 1;
    constexpr u64 kMostPort = 0xffff;
    const auto port = runtime::parse_number(port_or_path);
    runtime::debug::GdbListener listener;
    if (port && (*port == 0 || *port > kMostPort)) {
        why_not = "ports are 1 to 65535";
    } else if (port) {
        listener.socket = runtime::listen_loopback(static_cast<u16>(*port), kBacklog, why_not);
    } else {
        listener = {runtime::listen_unix(port_or_path, kBacklog, why_not), port_or_path};
    }
    return listener;
}

} // namespace

Debugger*
Debugger::listen(const std::string& port_or_path, AddressSpace& space, std::string& why_not) {
    runtime::debug::GdbListener listener = listen_at(port_or_path, why_not);
    if (!listener.socket) {
        return nullptr;
    }
    auto* const debugger = new Debugger{space};
    debugger->server_ = std::make_unique<runtime::debug::GdbServer>(
        debugger->program_, std::move(listener), high_descriptor());
    return debugger;
}

// The server's thread is the host libc's: as with a guest's first one.
void Debugger::start(GuestThread& first) {
    threads().add(first);
    block_signals_again();
    server_->start();
    take_back_libc_signals(*first.signals);
    unblock_signals(first);
}

bool Debugger::stops_at(const GuestThread& thread, GuestAddr pc) {
    if (debugger_of(thread) == nullptr || !stop_points().is_wanted(pc)) {
        return false;
    }
    threads().report({.kind = runtime::debug::GdbStop::Kind::Breakpoint,
                      .thread = static_cast<u64>(thread.tid),
                      .signal = SIGTRAP,
                      .address = pc});
    return true;
}

void Debugger::met_watchpoint(const GuestThread& thread, GuestAddr address) {
    threads().report({.kind = runtime::debug::GdbStop::Kind::Watchpoint,
                      .thread = static_cast<u64>(thread.tid),
                      .signal = SIGTRAP,
                      .address = address});
}

// --- the end. Whoever comes second waits for the process to be gone.

void Debugger::end_of(const GuestThread& thread) {
    threads().end(thread);
    end_.lock();
}

void Debugger::exited(const GuestThread& thread, int status) {
    end_of(thread);
    server_->set_exit_status(status & 0xff);
    server_.reset();
}

void Debugger::killed(const GuestThread& thread, int signal) {
    end_of(thread);
    server_->set_killed_by(runtime::debug::gdb_signal(signal));
    server_.reset();
}

// --- forks

void Debugger::before_fork() { threads().before_fork(); }

void Debugger::after_fork(bool in_child) {
    threads().after_fork(in_child);
    if (in_child) {
        server_->abandon();
        static_cast<void>(server_.release()); // its thread is not here
        program_.abandon();
        process().debugger = nullptr;
    }
}

Debugger* debugger_of(const GuestThread& thread) {
    Debugger* const debugger = process().debugger;
    return debugger != nullptr && !thread.signals->group->borrows_memory ? debugger : nullptr;
}

} // namespace ulna::user
