#include "runtime/devices/character_backend.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/devices/console.h"
#include "runtime/devices/output_queue.h"
#include "runtime/devices/pty_backend.h"
#include "runtime/devices/socket_backend.h"

namespace ulna::devices {

namespace {

class Null : public CharacterBackend {
  public:
    void write(std::span<const u8>) override {}
};

// Output into a file, no input.
class File : public CharacterBackend {
  public:
    File(EventLoop& loop, int fd) : fd_(fd), output_(loop, fd, [] {}) {}
    ~File() override {
        output_.flush();
        close(fd_);
    }
    void write(std::span<const u8> bytes) override { output_.write(bytes); }
    void flush() override { output_.flush(); }

  private:
    int fd_;
    OutputQueue output_;
};

std::unique_ptr<CharacterBackend>
make_file(const std::string& path, EventLoop& loop, std::string& why_not) {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0) {
        why_not = "cannot write " + path + ": " + std::strerror(errno);
        return nullptr;
    }
    return std::make_unique<File>(loop, fd);
}

} // namespace

bool is_console(std::string_view words) { return words == "stdio" || words == "mon:stdio"; }

bool is_socket(std::string_view words) {
    return words.starts_with("unix:") || words.starts_with("tcp:") || words.starts_with("fd:");
}

std::unique_ptr<CharacterBackend>
make_character_backend(std::string_view words, EventLoop& loop, std::string& why_not) {
    constexpr std::string_view kFile = "file:";
    if (words == "null" || words == "none") {
        return std::make_unique<Null>();
    }
    if (is_console(words)) {
        return std::make_unique<Console>(loop, STDIN_FILENO, STDOUT_FILENO);
    }
    if (words.starts_with(kFile)) {
        return make_file(std::string(words.substr(kFile.size())), loop, why_not);
    }
    if (words.starts_with("pty:")) {
        return std::make_unique<PtyBackend>(words, loop);
    }
    if (is_socket(words)) {
        return SocketBackend::create(words, loop, why_not);
    }
    why_not = "unknown character device '" + std::string(words) +
              "': there are null, stdio, mon:stdio, file:PATH, "
              "unix:PATH and tcp:HOST:PORT";
    return nullptr;
}

} // namespace ulna::devices
