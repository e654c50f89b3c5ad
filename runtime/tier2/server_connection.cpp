#include "runtime/tier2/server_connection.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/file_descriptor.h"

namespace ulna::runtime {

namespace {

constexpr unsigned kWaitMilliseconds = 50;
constexpr std::chrono::milliseconds kLookPeriod{500};
// Servers accept what comes at once.
constexpr std::chrono::seconds kLostAfter{1};

int new_socket() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

// In the abstract name space, which needs no directory. Returns the length for bind() and
// connect().
socklen_t fill_address(const std::string& name, sockaddr_un& address) {
    address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

// Anybody may take a name; what comes from another user is not executed.
bool is_own_peer(int socket) {
    ucred peer{};
    socklen_t bytes = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
           peer.uid == ::geteuid();
}

} // namespace

ServerConnection::ServerConnection(u64 configuration, ServerKind kind, StartServer start_server)
    : configuration_{configuration}, kind_{kind}, start_server_{start_server} {}

// A name space of processes (a container's, say) has its own server: it ends with those that are in
// it, and sees which of its clients have ended.
std::string ServerConnection::socket_name() const {
    struct stat space {};
    if (::stat("/proc/self/ns/pid", &space) != 0) {
        space = {};
    }
    char name[96];
    std::snprintf(name, sizeof name, "ulna-tier2-%u-%u-%016llx-%llx", static_cast<unsigned>(kind_),
                  ::geteuid(), static_cast<unsigned long long>(configuration_),
                  static_cast<unsigned long long>(space.st_ino));
    return name;
}

ServerConnection::Reached ServerConnection::connect_to_server(int& socket) const {
    socket = new_socket();
    sockaddr_un address;
    const socklen_t bytes = fill_address(socket_name(), address);
    if (socket >= 0 && ::connect(socket, reinterpret_cast<sockaddr*>(&address), bytes) == 0 &&
        is_own_peer(socket)) {
        return Reached::Yes;
    }
    const Reached result = errno == EAGAIN ? Reached::Busy : Reached::No;
    if (socket >= 0) {
        ::close(socket);
    }
    socket = -1;
    return result;
}

// Whoever has the name has the right to start a server, which takes over the listening socket:
// requests can be sent before it runs.
bool ServerConnection::start() {
    constexpr int kBacklog = 128;
    const FileDescriptor socket(new_socket());
    sockaddr_un address;
    const socklen_t bytes = fill_address(socket_name(), address);
    if (socket.get() < 0) {
        return false;
    }
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), bytes) != 0) {
        return errno == EADDRINUSE; // another process was faster
    }
    return ::listen(socket.get(), kBacklog) == 0 && start_server_(socket.get(), kind_);
}

bool ServerConnection::send(int memory_fd, u32 priority) {
    int reached = -1;
    Reached result = connect_to_server(reached);
    if (result == Reached::No) {
        if (!start()) {
            give_up(nullptr);
            return false;
        }
        result = connect_to_server(reached);
    }
    const FileDescriptor socket(reached);
    if (result != Reached::Yes) {
        return false;
    }
    Greeting greeting{priority};
    iovec data{&greeting, sizeof greeting};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &memory_fd, sizeof memory_fd);
    return ::sendmsg(socket.get(), &message, MSG_NOSIGNAL) == sizeof greeting;
}

bool ServerConnection::submit(u64 job, std::span<const u8> request, u32 priority) {
    if (gone_) {
        return false;
    }
    int fd = -1;
    auto memory = JobMemory::create(request, fd);
    const FileDescriptor memory_fd(fd);
    if (memory == nullptr || !send(memory_fd.get(), priority)) {
        return false;
    }
    jobs_.push_back({job, std::move(memory), priority, Clock::now()});
    return true;
}

std::optional<CompileService::Finished> ServerConnection::take_done() {
    for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
        if (job->memory->state() == JobState::Done) {
            const std::span<const u8> answer = job->memory->message();
            Finished finished{job->number, {answer.begin(), answer.end()}};
            jobs_.erase(job);
            return finished;
        }
    }
    return {};
}

std::optional<CompileService::Finished> ServerConnection::take_finished(ir::CpuState* waits) {
    for (;;) {
        if (auto finished = take_done()) {
            return finished;
        }
        if (jobs_.empty() || gone_) {
            return {};
        }
        if (Clock::now() - last_look_ > kLookPeriod) {
            last_look_ = Clock::now();
            look_after_server();
        }
        if (waits == nullptr || is_wanted_elsewhere(*waits)) {
            return {};
        }
        if (!jobs_.empty()) {
            const JobMemory& first = *jobs_.front().memory;
            const JobState known = first.state();
            if (known != JobState::Done) {
                first.wait_while(known, kWaitMilliseconds);
            }
        }
    }
}

// A server that has nothing to do goes; one that dies while it works does not come back for us.
void ServerConnection::look_after_server() {
    for (const Job& job : jobs_) {
        if (job.memory->is_orphan()) {
            give_up("the compile server has died: going on without tier 2");
            return;
        }
    }
    // None are left when there is no server to be had.
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
        const bool is_late = Clock::now() - jobs_[i].sent > kLostAfter;
        if (is_late && jobs_[i].memory->state() == JobState::Sent) {
            send_again(jobs_[i]);
        }
    }
}

// It was sent just as a server went, or was not received in time; or the server does not get its
// turn, and will find it abandoned.
void ServerConnection::send_again(Job& job) {
    int fd = -1;
    auto memory = JobMemory::create(job.memory->message(), fd);
    const FileDescriptor memory_fd(fd);
    if (memory == nullptr || !send(memory_fd.get(), job.priority)) {
        return; // it is tried again
    }
    job.memory->set_state(JobState::Abandoned);
    job.memory = std::move(memory);
    job.sent = Clock::now();
}

void ServerConnection::give_up(const char* warning) {
    gone_ = true;
    jobs_.clear();
    if (warning != nullptr) {
        std::fprintf(stderr, "ulna: %s\n", warning);
    }
}

void ServerConnection::after_fork_in_child() {
    for (Job& job : jobs_) { // its memory is the parent's, and not mapped here
        [[maybe_unused]] JobMemory* const not_ours = job.memory.release();
    }
    jobs_.clear();
}

} // namespace ulna::runtime
