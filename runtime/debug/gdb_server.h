// Where gdb connects to: a socket, and a thread that talks with whoever is there. One debugger at a
// time.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "runtime/debug/gdb_target.h"
#include "runtime/file_descriptor.h"

namespace ulna::runtime::debug {

class GdbServer {
  public:
    // Listens at "tcp:[HOST]:PORT" (no HOST: this host's own programs only), or at "unix:PATH".
    // Null, with a reason, when it cannot. Who connects is served after start().
    [[nodiscard]] static std::unique_ptr<GdbServer>
    listen(GdbTarget& target, const std::string& where, std::string& why_not);
    ~GdbServer(); // tells the debugger that the target has ended
    GdbServer(const GdbServer&) = delete;
    GdbServer& operator=(const GdbServer&) = delete;

    void start();
    void set_exit_status(int status) { exit_status_ = status; }
    // The port of TCP, which the host chose if it was given as 0.
    [[nodiscard]] unsigned port() const;

  private:
    GdbServer(GdbTarget& target, FileDescriptor listener, std::string path);
    void run();
    void serve(int client);

    GdbTarget& target_;
    const FileDescriptor listener_;
    const std::string path_; // of a Unix socket, to be removed
    const int quit_;
    std::atomic<int> exit_status_ = 0;
    std::thread thread_;
};

} // namespace ulna::runtime::debug
