#include "runtime/system/monitor_console.h"

#include <memory>
#include <utility>

namespace ulna::system {

namespace {
constexpr std::string_view kPrompt = "(ulna) ";
constexpr u8 kBackspace = 8, kDelete = 127, kKill = 21; // Ctrl-U
} // namespace

class MonitorConsole::Line final : public devices::virtio::Worker::Job {
  public:
    Line(MonitorConsole& console, std::string text) : console_{console}, text_{std::move(text)} {}
    void work() override { output_ = console_.monitor_.execute(text_); }
    void finish() override { console_.write(output_ + std::string{kPrompt}); }

  private:
    MonitorConsole& console_;
    std::string text_, output_;
};

MonitorConsole::MonitorConsole(Machine& machine, Monitor& monitor, devices::CharacterBackend& to)
    : monitor_{monitor}, to_{to}, worker_{machine.lock()} {}

void MonitorConsole::prompt() {
    write("\nulna's monitor; help lists commands\n" + std::string{kPrompt});
}

void MonitorConsole::receive(std::span<const u8> bytes) {
    for (const u8 byte : bytes) {
        take(byte);
    }
}

void MonitorConsole::take(u8 byte) {
    if (byte == '\r' || byte == '\n') {
        write("\n");
        worker_.add(std::make_unique<Line>(*this, std::exchange(line_, "")));
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

} // namespace ulna::system
