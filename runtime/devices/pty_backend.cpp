#include "runtime/devices/pty_backend.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <termios.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace ulna::devices {

namespace {

constexpr std::string_view kPrefix = "pty:";

runtime::FileDescriptor master_of(std::string_view words) {
    int fd = -1;
    std::from_chars(words.data() + kPrefix.size(), words.data() + words.size(), fd);
    return runtime::FileDescriptor(fd);
}

// As a terminal program wants it. Opened and closed once: a master only tells of a slave that has
// gone.
bool set_raw(const char* slave) {
    const runtime::FileDescriptor fd(::open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios mode;
    if (!fd || tcgetattr(fd.get(), &mode) != 0) {
        return false;
    }
    cfmakeraw(&mode);
    return tcsetattr(fd.get(), TCSAFLUSH, &mode) == 0;
}

} // namespace

std::string PtyBackend::open(std::string& why_not) {
    runtime::FileDescriptor master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    std::array<char, 128> slave{};
    if (!master || grantpt(master.get()) != 0 || unlockpt(master.get()) != 0 ||
        ptsname_r(master.get(), slave.data(), slave.size()) != 0 || !set_raw(slave.data())) {
        why_not = std::string("cannot open a pseudo terminal: ") + std::strerror(errno);
        return "";
    }
    return std::string(kPrefix) + std::to_string(master.release()) + ":" + slave.data();
}

PtyBackend::PtyBackend(std::string_view words, EventLoop& loop)
    : loop_(loop),
      master_(master_of(words)),
      output_(loop,
              master_.get(),
              [this] {
                  if (sink_ != nullptr) {
                      sink_->output_resumed();
                  }
              }),
      looks_(
          loop, [this] { look(); }, EventLoop::Time::Host) {
    loop_.add_fd(master_.get(), 0, [this](u32) { read_input(); });
    look();
}

PtyBackend::~PtyBackend() {
    flush();
    loop_.remove_fd(master_.get());
}

void PtyBackend::look() {
    pollfd state{.fd = master_.get(), .events = POLLIN, .revents = 0};
    is_there_ = poll(&state, 1, 0) >= 0 && (state.revents & POLLHUP) == 0;
    if (!is_there_) {
        looks_.set(monotonic_ns() + kLookNs);
        return;
    }
    if (sink_ != nullptr) {
        sink_->opened();
    }
    update_interest();
}

void PtyBackend::leave() {
    is_there_ = false;
    looks_.set(monotonic_ns() + kLookNs);
    if (sink_ != nullptr) {
        sink_->closed();
        sink_->output_resumed();
    }
    update_interest();
}

void PtyBackend::connect(CharacterSink* sink) {
    CharacterBackend::connect(sink);
    if (sink_ != nullptr && is_there_) {
        sink_->opened();
    }
    update_interest();
}

void PtyBackend::write(std::span<const u8> bytes) {
    if (is_there_) {
        output_.write(bytes);
    }
}

void PtyBackend::flush() {
    if (is_there_) {
        output_.flush();
    }
}

void PtyBackend::update_interest() {
    const bool wanted = is_there_ && sink_ != nullptr && sink_->room() > 0;
    loop_.change_fd(master_.get(), wanted ? u32{EPOLLIN} : 0);
}

void PtyBackend::read_input() {
    const bool goes_on =
        take_input([this](std::span<u8> to) { return read(master_.get(), to.data(), to.size()); });
    goes_on ? update_interest() : leave();
}

} // namespace ulna::devices
