#include "tools/tier2/server.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>

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

void Server::run(unsigned idle_seconds, unsigned workers) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < workers; ++i) {
        threads.emplace_back([this] { work(); });
    }
    while (accept_jobs(idle_seconds) || is_working()) {
    }
    {
        const std::lock_guard lock(mutex_);
        ends_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads) {
        thread.join();
    }
}

bool Server::is_working() {
    const std::lock_guard lock(mutex_);
    return !queue_.empty() || !in_work_.empty();
}

bool Server::accept_jobs(unsigned idle_seconds) {
    pollfd waiting{socket_, POLLIN, 0};
    int ready;
    do {
        ready = ::poll(&waiting, 1, static_cast<int>(idle_seconds * 1000));
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
    if (memory == nullptr) {
        return;
    }
    // The answer will take its place.
    const std::span<const u8> message = memory->message();
    auto job = std::make_unique<Job>();
    job->request.assign(message.begin(), message.end());
    job->key = KnownAnswers::key_of(job->request);
    job->priority = greeting.priority;
    job->client = *client;
    job->memory = std::move(memory);
    {
        const std::lock_guard lock(mutex_);
        job->memory->accept();
        queue_.push_back(std::move(job));
    }
    changed_.notify_one();
}

std::unique_ptr<Server::Job> Server::next_job() {
    std::unique_ptr<Job>* best = nullptr;
    for (std::unique_ptr<Job>& job : queue_) {
        const bool is_in_work =
            std::find(in_work_.begin(), in_work_.end(), job->key) != in_work_.end();
        if (!is_in_work && (best == nullptr || job->priority > (*best)->priority)) {
            best = &job;
        }
    }
    if (best == nullptr) {
        return nullptr;
    }
    std::unique_ptr<Job> job = std::move(*best);
    queue_.erase(queue_.begin() + (best - queue_.data()));
    return job;
}

void Server::work() {
    backend::tier2::Compiler compiler;
    std::unique_lock lock(mutex_);
    for (;;) {
        const std::unique_ptr<Job> job = next_job();
        if (job == nullptr) {
            if (ends_) {
                return;
            }
            changed_.wait(lock);
            continue;
        }
        if (is_gone(job->client) || job->memory->state() == JobState::Abandoned) {
            continue;
        }
        if (const std::vector<u8>* const known = known_.find(job->key)) {
            [[maybe_unused]] const bool fits = job->memory->put(*known);
        } else {
            in_work_.push_back(job->key);
            lock.unlock();
            runtime::CompileAnswer answer = make_answer(compiler, job->request);
            if (!job->memory->put(encode(answer))) {
                answer = {};
                answer.refusal = "too long";
                [[maybe_unused]] const bool fits = job->memory->put(encode(answer));
            }
            lock.lock();
            std::erase(in_work_, job->key);
            known_.add(job->key, std::move(answer));
            changed_.notify_all();
        }
        job->memory->set_state(JobState::Done);
    }
}

runtime::CompileAnswer Server::make_answer(backend::tier2::Compiler& compiler,
                                           std::span<const u8> request_bytes) const {
    runtime::CompileRequest request;
    runtime::CompileAnswer answer;
    if (!decode(request_bytes, request)) {
        answer.refusal = "malformed request";
        return answer;
    }
    answer = compile(compiler, request);
    if (compiles_twice_) {
        runtime::CompileAnswer again = compile(compiler, request);
        again.nanoseconds = answer.nanoseconds;
        if (encode(again) != encode(answer)) {
            answer = {};
            answer.refusal = runtime::kCameOutDifferently;
        }
    }
    return answer;
}

} // namespace ulna::tier2_server
