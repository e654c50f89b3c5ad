#include "runtime/devices/terminal.h"

#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <initializer_list>

namespace ulna::devices {

namespace {
// Signal handlers read these.
volatile sig_atomic_t raw_fd = -1;
termios before, raw;

bool in_foreground(int fd) { return tcgetpgrp(fd) == getpgrp(); }

void restore_and_die(int signal) {
    leave_raw_mode();
    // The handler was for one time (SA_RESETHAND): now the signal does what it does by default.
    raise(signal);
}

// The shell has had the terminal in between.
void become_raw_again(int) {
    if (raw_fd >= 0 && in_foreground(raw_fd)) {
        tcsetattr(raw_fd, TCSANOW, &raw);
    }
}

void handle(int signal, void (*handler)(int), int flags) {
    struct sigaction old;
    if (sigaction(signal, nullptr, &old) != 0 || (old.sa_flags & SA_SIGINFO) != 0 ||
        old.sa_handler != SIG_DFL) {
        return; // somebody else cares, or nobody is to care (nohup)
    }
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(signal, &action, nullptr);
}
} // namespace

bool enter_raw_mode(int fd) {
    // In the background tcsetattr() would stop the program.
    if (raw_fd >= 0 || !in_foreground(fd) || tcgetattr(fd, &before) != 0) {
        return false;
    }
    raw = before;
    raw.c_iflag &=
        ~static_cast<tcflag_t>(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
    raw.c_cflag = (raw.c_cflag & ~static_cast<tcflag_t>(CSIZE | PARENB)) | CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSANOW, &raw) != 0) {
        return false;
    }
    raw_fd = fd;
    std::atexit(leave_raw_mode);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT}) {
        handle(signal, restore_and_die, SA_RESETHAND | SA_NODEFER);
    }
    handle(SIGCONT, become_raw_again, SA_RESTART);
    return true;
}

void leave_raw_mode() {
    if (raw_fd >= 0) {
        const int fd = raw_fd;
        raw_fd = -1;
        if (in_foreground(fd)) {
            tcsetattr(fd, TCSANOW, &before);
        }
    }
}

} // namespace ulna::devices
