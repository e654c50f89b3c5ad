#include "runtime/devices/virtio/image_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/devices/virtio/nbd_client.h"
#include "runtime/host_socket.h"

extern char** environ;

namespace ulna::devices::virtio {

using runtime::FileDescriptor;

namespace {

constexpr char kProgram[] = "qemu-nbd";
constexpr int kFirstPassedFd = 3; // sd_listen_fds(3): a server finds its socket there

// A folder that only we can enter, with a socket in it; both are gone with this.
class PrivateSocket {
  public:
    PrivateSocket() {
        const char* base = std::getenv("XDG_RUNTIME_DIR");
        folder_ = std::string(base != nullptr && *base != 0 ? base : "/tmp") + "/ulna-nbd-XXXXXX";
        if (mkdtemp(folder_.data()) == nullptr) {
            folder_.clear();
            return;
        }
        path_ = folder_ + "/socket";
        std::string why_not;
        listener_ = runtime::listen_unix(path_, 1, why_not);
    }
    ~PrivateSocket() {
        if (!folder_.empty()) {
            unlink(path_.c_str());
            rmdir(folder_.c_str());
        }
    }
    PrivateSocket(const PrivateSocket&) = delete;
    PrivateSocket& operator=(const PrivateSocket&) = delete;

    [[nodiscard]] int listener() const { return listener_.get(); }
    [[nodiscard]] const std::string& path() const { return path_; }
    void close_listener() { listener_ = FileDescriptor(); }

  private:
    std::string folder_, path_;
    FileDescriptor listener_;
};

// Starts the server with the socket as systemd would pass it: the connection can be made at once,
// and waits in the socket. Between fork and exec only what is safe in a program of threads.
pid_t start_server(int listener,
                   const std::string& path,
                   const std::string& format,
                   bool read_only) {
    std::array<char, 32> listen_pid{};
    char listen_fds[] = "LISTEN_FDS=1";
    std::vector<char*> environment{listen_pid.data(), listen_fds};
    for (char** at = environ; *at != nullptr; ++at) {
        environment.push_back(*at);
    }
    environment.push_back(nullptr);
    const std::string format_option = "--format=" + format, image_option = path;
    std::vector<const char*> arguments{kProgram, format_option.c_str(), "--discard=unmap"};
    if (read_only) {
        arguments.push_back("--read-only");
    }
    arguments.insert(arguments.end(), {"--", image_option.c_str(), nullptr});
    const pid_t child = fork();
    if (child != 0) {
        return child;
    }
    setsid(); // the terminal's Ctrl-C is not meant for it
    std::snprintf(listen_pid.data(), listen_pid.size(), "LISTEN_PID=%d", getpid());
    if (dup2(listener, kFirstPassedFd) == kFirstPassedFd) {
        fcntl(kFirstPassedFd, F_SETFD, 0); // dup2 onto itself leaves it to be closed
        execvpe(kProgram, const_cast<char* const*>(arguments.data()), environment.data());
    }
    _exit(127);
}

class ServedImage final : public BlockBackend {
  public:
    ServedImage(std::unique_ptr<NbdClient> client, pid_t server)
        : client_(std::move(client)), server_(server) {}
    ~ServedImage() override {
        client_.reset(); // the server writes what it has, and ends
        waitpid(server_, nullptr, 0);
    }
    u64 bytes() const override { return client_->bytes(); }
    bool read_only() const override { return client_->read_only(); }
    int do_read(u64 offset, Scatter to) override { return client_->read(offset, to); }
    int do_write(u64 offset, Scatter from) override { return client_->write(offset, from); }
    int do_flush() override { return client_->flush(); }
    int do_discard(u64 offset, u64 bytes) override { return client_->discard(offset, bytes); }
    int do_write_zeroes(u64 offset, u64 bytes) override {
        return client_->write_zeroes(offset, bytes);
    }

  private:
    std::unique_ptr<NbdClient> client_;
    pid_t server_;
};

} // namespace

std::unique_ptr<BlockBackend> open_served_image(const std::string& path,
                                                const std::string& format,
                                                bool read_only,
                                                std::string& why_not) {
    PrivateSocket socket;
    const pid_t server =
        socket.listener() >= 0 ? start_server(socket.listener(), path, format, read_only) : -1;
    if (server < 0) {
        why_not = "cannot start " + std::string(kProgram) + ": " + std::strerror(errno);
        return nullptr;
    }
    socket.close_listener(); // so that the connection breaks if the server ends
    auto client = NbdClient::connect({.path = socket.path()}, read_only, why_not);
    if (client == nullptr) {
        int status = 0;
        waitpid(server, &status, 0);
        const bool is_absent = WIFEXITED(status) && WEXITSTATUS(status) == 127;
        why_not = "cannot use '" + path + "' as a disk: " +
                  (is_absent ? format + " images need " + kProgram + " (package qemu-utils)"
                             : std::string(kProgram) + " does not take it");
        return nullptr;
    }
    return std::make_unique<ServedImage>(std::move(client), server);
}

} // namespace ulna::devices::virtio
