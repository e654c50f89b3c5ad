#include "runtime/devices/console.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "runtime/devices/terminal.h"

namespace ulna::devices {

namespace {
constexpr u8 kEscape = 1; // Ctrl-A
constexpr std::string_view kHelp = "\r\n"
                                   "Ctrl-A H  this help\r\n"
                                   "Ctrl-A X  end the machine\r\n"
                                   "Ctrl-A C  to the monitor and back\r\n"
                                   "Ctrl-A B  send a break\r\n"
                                   "Ctrl-A Ctrl-A  send Ctrl-A\r\n";
} // namespace

Console::Console(EventLoop& loop, int input, int output)
    : loop_(loop),
      input_(input),
      output_(loop,
              output,
              [this] {
                  if (sink_ != nullptr) {
                      sink_->output_resumed();
                  }
              }),
      raw_(enter_raw_mode(input)) {
    loop_.add_fd(input_, EPOLLIN, [this](u32) { read_input(input_); });
}

Console::~Console() {
    loop_.remove_fd(input_);
    output_.flush();
    if (raw_) {
        leave_raw_mode();
    }
}

void Console::write(std::span<const u8> bytes) { output_.write(bytes); }

bool Console::congested() const { return output_.congested(); }

void Console::flush() { output_.flush(); }

void Console::room_grew() {
    if (!waiting_.empty()) {
        deliver();
    }
}

void Console::set_monitor(CharacterSink* monitor, std::function<void()> entered) {
    monitor_ = monitor;
    monitor_entered_ = std::move(entered);
    in_monitor_ = in_monitor_ && monitor_ != nullptr;
}

void Console::say(std::string_view text) {
    output_.write({reinterpret_cast<const u8*>(text.data()), text.size()});
}

void Console::read_input(int fd) {
    std::array<u8, 1024> bytes;
    const ssize_t count = read(fd, bytes.data(), std::min(bytes.size(), kMostWaiting));
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    input_ended_ = count <= 0; // the machine goes on without input
    for (ssize_t i = 0; i < count; ++i) {
        take(bytes[static_cast<std::size_t>(i)]);
    }
    deliver();
}

void Console::take(u8 byte) {
    if (escaped_) {
        escaped_ = false;
        command(byte);
    } else if (byte == kEscape) {
        escaped_ = true;
    } else {
        waiting_.push_back(byte);
    }
}

void Console::command(u8 byte) {
    switch (byte) {
    case kEscape:
        waiting_.push_back(byte);
        break;
    case 'x':
    case 'X':
        if (quit_) {
            quit_();
        }
        break;
    case 'c':
    case 'C':
        if (monitor_ == nullptr) {
            say("\r\nThere is no monitor.\r\n");
            break;
        }
        deliver();
        waiting_.clear(); // what was typed for the other one
        in_monitor_ = !in_monitor_;
        if (in_monitor_ && monitor_entered_) {
            monitor_entered_();
        }
        break;
    case 'b':
    case 'B':
        if (sink_ != nullptr) {
            sink_->receive_break();
        }
        break;
    case 'h':
    case 'H':
    case '?':
        say(kHelp);
        break;
    default:
        break; // a slip of the hand
    }
}

void Console::deliver() {
    CharacterSink* const sink = target();
    if (sink == nullptr) {
        waiting_.clear();
    }
    while (!waiting_.empty() && sink->room() > 0) {
        std::array<u8, 256> bytes;
        const std::size_t count = std::min({bytes.size(), waiting_.size(), sink->room()});
        std::copy_n(waiting_.begin(), count, bytes.begin());
        waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
        sink->receive({bytes.data(), count});
    }
    const bool wants_more = !input_ended_ && waiting_.size() < kMostWaiting;
    loop_.change_fd(input_, wants_more ? u32{EPOLLIN} : 0);
}

} // namespace ulna::devices
