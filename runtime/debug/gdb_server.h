// Where gdb connects to: a socket, and a thread that talks with whoever is there. One debugger at a
// time.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "runtime/debug/gdb_target.h"
#include "runtime/file_descriptor.h"

namespace ulna::runtime::debug {

struct GdbListener {
    FileDescriptor socket;
    std::string path; // of a Unix socket, to be removed
};

class GdbServer {
  public:
    // Who connects is served after start(). Descriptors are numbered from `lowest_fd` on: a program
    // has those below.
    GdbServer(GdbTarget& target, GdbListener listener, int lowest_fd = 0);
    ~GdbServer(); // tells the debugger that the target has ended
    GdbServer(const GdbServer&) = delete;
    GdbServer& operator=(const GdbServer&) = delete;

    void start();
    // How the target has ended.
    void set_exit_status(int status) { exit_status_ = status; }
    void set_killed_by(int gdb_signal) { killed_by_ = gdb_signal; }
    // In a forked child, where the thread is not: closes what it has.
    void abandon();
    // The port of TCP, which the host chose if it was given as 0.
    [[nodiscard]] unsigned port() const;

  private:
    void run();
    void serve(int client);

    GdbTarget& target_;
    const int lowest_fd_;
    FileDescriptor listener_;
    std::string path_;
    FileDescriptor quit_, client_;
    std::atomic<int> exit_status_ = 0, killed_by_ = 0;
    std::thread thread_;
};

} // namespace ulna::runtime::debug
