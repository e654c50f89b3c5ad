#include "runtime/system/monitor_console.h"

#include <csignal>
#include <utility>

namespace ulna::system {

namespace {
constexpr std::string_view kPrompt = "(ulna) ";
constexpr u8 kBackspace = 8, kDelete = 127, kKill = 21; // Ctrl-U
} // namespace

MonitorConsole::MonitorConsole(Machine& machine, Monitor& monitor, devices::CharacterBackend& to)
    : machine_{machine}, monitor_{monitor}, to_{to}, thread_{[this] { run(); }} {}

MonitorConsole::~MonitorConsole() {
    {
        const std::lock_guard lock{mutex_};
        quit_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void MonitorConsole::prompt() {
    write("\nulna's monitor; help lists commands\n" + std::string{kPrompt});
}

// --- Keys, in the event loop

void MonitorConsole::receive(std::span<const u8> bytes) {
    for (const u8 byte : bytes) {
        take(byte);
    }
}

void MonitorConsole::take(u8 byte) {
    if (byte == '\r' || byte == '\n') {
        write("\n");
        const std::lock_guard lock{mutex_};
        lines_.push_back(std::exchange(line_, ""));
        changed_.notify_all();
    } else if (byte == kBackspace || byte == kDelete) {
        if (!line_.empty()) {
            line_.pop_back();
            write("\b \b");
        }
    } else if (byte == kKill) {
        for (; !line_.empty(); line_.pop_back()) {
            write("\b \b");
        }
    } else if (byte >= ' ' && line_.size() < kMostBytes) {
        line_ += static_cast<char>(byte);
        write({reinterpret_cast<const char*>(&byte), 1});
    }
}

// A terminal in raw mode wants both.
void MonitorConsole::write(std::string_view text) {
    std::string bytes;
    for (const char c : text) {
        bytes += c == '\n' ? "\r\n" : std::string{c};
    }
    to_.write({reinterpret_cast<const u8*>(bytes.data()), bytes.size()});
}

// --- Commands, in the thread

void MonitorConsole::run() {
    sigset_t all;
    sigfillset(&all);
    static_cast<void>(pthread_sigmask(SIG_BLOCK, &all, nullptr));
    for (;;) {
        std::string line;
        {
            std::unique_lock lock{mutex_};
            changed_.wait(lock, [&] { return quit_ || !lines_.empty(); });
            if (quit_) {
                return;
            }
            line = std::move(lines_.front());
            lines_.pop_front();
        }
        const std::string output = monitor_.execute(line);
        const std::lock_guard lock{machine_.lock()};
        write(output + std::string{kPrompt});
    }
}

} // namespace ulna::system
