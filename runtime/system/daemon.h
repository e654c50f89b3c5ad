// The program in the background (-daemonize), and the file with its number (-pidfile).
#pragma once

#include <string>

#include "runtime/file_descriptor.h"

namespace ulna::system {

class Daemon {
  public:
    // Before there are threads. The parent waits here until the child is ready, or has ended, and
    // exits: with status 0, or 1. Returns in the child. False, with a reason: it cannot be.
    [[nodiscard]] bool enter(std::string& why_not);
    // Lets the parent go, and with it the terminal. Nothing happens without enter().
    void ready();

  private:
    runtime::FileDescriptor waiting_; // of the parent
};

class PidFile {
  public:
    // False with a reason. An empty path: nothing.
    [[nodiscard]] bool write(const std::string& path, std::string& why_not);
    ~PidFile();
    PidFile() = default;
    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;

  private:
    std::string path_;             // to be removed
    runtime::FileDescriptor file_; // locked, so that nobody else takes it
};

} // namespace ulna::system
