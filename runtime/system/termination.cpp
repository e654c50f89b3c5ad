#include "runtime/system/termination.h"

#include <cerrno>
#include <csignal>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace ulna::system {

namespace {

constexpr int kSignals[] = {SIGTERM, SIGHUP, SIGINT};

volatile sig_atomic_t caught = 0;
volatile sig_atomic_t wake_fd = -1;
struct sigaction before[std::size(kSignals)];

void on_signal(int signal) {
    const int error = errno; // of whatever it came into
    for (std::size_t i = 0; i < std::size(kSignals); ++i) {
        if (kSignals[i] == signal) {
            sigaction(signal, &before[i], nullptr);
        }
    }
    caught = signal;
    constexpr u64 kOne = 1;
    static_cast<void>(!write(wake_fd, &kOne, sizeof kOne)); // a full counter wakes as well
    errno = error;
}

} // namespace

Termination::Termination(devices::EventLoop& loop, std::function<void()> stop)
    : loop_{loop}, wake_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    wake_fd = wake_.get();
    loop_.add_fd(wake_.get(), EPOLLIN, [this, stop = std::move(stop)](u32) {
        u64 ignored = 0;
        static_cast<void>(!read(wake_.get(), &ignored, sizeof ignored));
        stop();
    });
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK | SA_RESTART; // it may come in translated code
    for (std::size_t i = 0; i < std::size(kSignals); ++i) {
        sigaction(kSignals[i], nullptr, &before[i]);
        if (before[i].sa_handler != SIG_IGN) { // nohup
            sigaction(kSignals[i], &action, nullptr);
        }
    }
}

Termination::~Termination() {
    for (std::size_t i = 0; i < std::size(kSignals); ++i) {
        sigaction(kSignals[i], &before[i], nullptr);
    }
    loop_.remove_fd(wake_.get());
}

std::optional<int> Termination::signal() {
    return caught != 0 ? std::optional<int>{caught} : std::nullopt;
}

} // namespace ulna::system
