// -g: the program under gdb, as the rest of user mode sees it. Without it none of this is there,
// and nothing asks for it but what happens rarely.
//
// It is of the first process only: forked children, those that borrow memory and what execve starts
// have none.
#pragma once

#include <memory>

#include "runtime/debug/gdb_server.h"
#include "runtime/user/gdb_target.h"

namespace ulna::user {

class Debugger {
  public:
    // Waits for debuggers at a TCP port of this host's, or at the path of a Unix socket. Null, with
    // a reason, when it cannot. Never destroyed.
    [[nodiscard]] static Debugger*
    listen(const std::string& port_or_path, AddressSpace& space, std::string& why_not);

    // On the program's first thread, before it runs.
    void start(GuestThread& first);

    [[nodiscard]] ThreadControl& threads() { return program_.control(); }
    // Code was not to be fetched here, although it is there. True: this thread stops.
    [[nodiscard]] bool stops_at(const GuestThread& thread, GuestAddr pc);
    // The instruction at its PC would access what is watched: all threads stop before it.
    void met_watchpoint(const GuestThread& thread, GuestAddr address);
    // Reports the end of the process, which it is just before.
    void exited(const GuestThread& thread, int status);
    void killed(const GuestThread& thread, int signal);

    // Around a fork. The child has no debugger afterwards.
    void before_fork();
    void after_fork(bool in_child);

  private:
    explicit Debugger(AddressSpace& space) : program_{space} {}
    void end_of(const GuestThread& thread);

    GdbProgram program_;
    std::unique_ptr<runtime::debug::GdbServer> server_;
    std::mutex end_; // held from then on
};

// The one that a thread is under; null: none.
[[nodiscard]] Debugger* debugger_of(const GuestThread& thread);

} // namespace ulna::user
