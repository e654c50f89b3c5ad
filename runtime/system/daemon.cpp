#include "runtime/system/daemon.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ulna::system {

bool Daemon::enter(std::string& why_not) {
    std::array<int, 2> ends{};
    const pid_t child = pipe2(ends.data(), O_CLOEXEC) == 0 ? fork() : -1;
    if (child < 0) {
        why_not = std::string("-daemonize: ") + std::strerror(errno);
        return false;
    }
    const runtime::FileDescriptor reading(ends[0]);
    waiting_ = runtime::FileDescriptor(ends[1]);
    if (child == 0) {
        setsid();
        return true;
    }
    waiting_ = runtime::FileDescriptor();
    char byte = 0;
    _exit(read(reading.get(), &byte, 1) == 1 ? 0 : 1); // none comes if the child ends
}

void Daemon::ready() {
    if (!waiting_) {
        return;
    }
    const runtime::FileDescriptor nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int fd = 0; fd <= 2 && nothing; ++fd) {
        dup2(nothing.get(), fd);
    }
    static_cast<void>(!chdir("/"));
    const char byte = 1;
    static_cast<void>(!::write(waiting_.get(), &byte, 1));
    waiting_ = runtime::FileDescriptor();
}

bool PidFile::write(const std::string& path, std::string& why_not) {
    if (path.empty()) {
        return true;
    }
    const std::string line = std::to_string(getpid()) + "\n";
    file_ = runtime::FileDescriptor(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    if (!file_ || lockf(file_.get(), F_TLOCK, 0) != 0 || ftruncate(file_.get(), 0) != 0 ||
        ::write(file_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
        why_not = "cannot write -pidfile '" + path + "': " + std::strerror(errno);
        return false;
    }
    std::array<char, 4096> full{};
    path_ = realpath(path.c_str(), full.data()) != nullptr ? full.data() : path;
    return true;
}

PidFile::~PidFile() {
    if (!path_.empty()) {
        unlink(path_.c_str());
    }
}

} // namespace ulna::system
