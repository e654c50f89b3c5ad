#include "tools/tier2/server.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/tier2/server_connection.h"
#include "tools/tier2/compile_job.h"

namespace ulna::tier2_server {

namespace {

using runtime::JobMemory;
using runtime::JobState;
using Greeting = runtime::ServerConnection::Greeting;

// Of our own user; 0: in a process name space that we do not see. Nothing: another user's.
std::optional<pid_t> client_of(int socket) {
    ucred peer{};
    socklen_t bytes = sizeof peer;
    const bool known = ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0;
    return known && peer.uid == ::geteuid() ? std::optional{peer.pid} : std::nullopt;
}

bool is_gone(pid_t client) { return client != 0 && ::kill(client, 0) != 0 && errno == ESRCH; }

// A descriptor that came with a greeting; -1: none did.
int receive(int socket, Greeting& greeting) {
    iovec data{&greeting, sizeof greeting};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != sizeof greeting) {
        return -1;
    }
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) {
        return -1;
    }
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

} // namespace

Server::Server(int listening_socket, bool compiles_twice)
    : socket_{listening_socket}, compiles_twice_{compiles_twice} {}
Server::~Server() { ::close(socket_); }

void Server::run(unsigned idle_seconds) {
    while (accept_jobs(idle_seconds) || !queue_.empty()) {
        if (queue_.empty()) {
            continue; // somebody looked whether we are there
        }
        const auto first =
            std::max_element(queue_.begin(), queue_.end(),
                             [](const Job& a, const Job& b) { return a.priority < b.priority; });
        Job job = std::move(*first);
        queue_.erase(first);
        work_on(std::move(job));
    }
}

bool Server::accept_jobs(unsigned idle_seconds) {
    const int milliseconds = queue_.empty() ? static_cast<int>(idle_seconds * 1000) : 0;
    pollfd waiting{socket_, POLLIN, 0};
    int ready;
    do {
        ready = ::poll(&waiting, 1, milliseconds);
    } while (ready < 0 && errno == EINTR);
    bool any = false;
    for (int socket; (socket = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
        any = true;
        accept_job(socket);
        ::close(socket);
    }
    return any;
}

// The client has sent everything before we see it, or never will.
void Server::accept_job(int socket) {
    const timeval soon{0, 100'000};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    const std::optional<pid_t> client = client_of(socket);
    Greeting greeting{};
    const int fd = client ? receive(socket, greeting) : -1;
    if (fd < 0) {
        return;
    }
    auto memory = JobMemory::open(fd);
    ::close(fd);
    if (memory != nullptr) {
        memory->accept();
        queue_.push_back({std::move(memory), greeting.priority, *client});
    }
}

void Server::work_on(Job job) {
    if (is_gone(job.client) || job.memory->state() == JobState::Abandoned) {
        return;
    }
    // The answer takes its place.
    const std::span<const u8> message = job.memory->message();
    const std::vector<u8> bytes(message.begin(), message.end());
    const std::vector<u8>* const known = known_.find(bytes);
    if (known == nullptr || !job.memory->put(*known)) {
        runtime::CompileRequest request;
        runtime::CompileAnswer answer;
        if (decode(bytes, request)) {
            answer = make_answer(request);
        } else {
            answer.refusal = "malformed request";
        }
        if (!job.memory->put(encode(answer))) {
            answer = {};
            answer.refusal = "too long";
            [[maybe_unused]] const bool fits = job.memory->put(encode(answer));
        }
        known_.add(bytes, std::move(answer));
    }
    job.memory->set_state(JobState::Done);
}

runtime::CompileAnswer Server::make_answer(const runtime::CompileRequest& request) {
    runtime::CompileAnswer answer = compile(compiler_, request);
    if (compiles_twice_) {
        runtime::CompileAnswer again = compile(compiler_, request);
        again.nanoseconds = answer.nanoseconds;
        if (encode(again) != encode(answer)) {
            answer = {};
            answer.refusal = runtime::kCameOutDifferently;
        }
    }
    return answer;
}

} // namespace ulna::tier2_server
