#include "tests/fuzz/oracle_peer.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ulna::fuzz {

std::unique_ptr<Peer>
Peer::create(std::vector<std::string> command, const std::string& harness, std::string& why_not) {
    if (access(harness.c_str(), X_OK) != 0) {
        why_not = harness + ": the harness program is not built";
        return nullptr;
    }
    signal(SIGPIPE, SIG_IGN);
    auto peer = std::unique_ptr<Peer>(new Peer);
    constexpr u64 kBytes = MACHINE_SHARED_BYTES;
    peer->shared_ = memfd_create("ulna-fuzz", 0); // inherited: the harness opens it by its number
    if (peer->shared_ < 0 || ftruncate(peer->shared_, static_cast<off_t>(kBytes)) != 0) {
        why_not = "no shared memory";
        return nullptr;
    }
    void* const memory =
        mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, peer->shared_, 0);
    if (memory == MAP_FAILED) {
        why_not = "no shared memory";
        return nullptr;
    }
    peer->batch_ = static_cast<MachineBatch*>(memory);
    peer->windows_ = static_cast<u8*>(memory) + MACHINE_BATCH_BYTES;
    peer->shared_path_ = "/proc/self/fd/" + std::to_string(peer->shared_);
    peer->command_ = std::move(command);
    peer->command_.push_back(harness);
    peer->command_.push_back(peer->shared_path_);
    peer->batch_->program_count = peer->batch_->run_count = 0;
    if (!peer->launch()) {
        why_not = peer->command_[0] + ": cannot be started";
        return nullptr;
    }
    peer->start();
    if (!peer->wait()) {
        why_not = peer->command_[0] + ": cannot be started";
        return nullptr;
    }
    return peer;
}

Peer::~Peer() {
    stop();
    close(shared_);
}

bool Peer::launch() {
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) {
        return false;
    }
    child_ = fork();
    if (child_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(to[0], 0);
        dup2(from[1], 1);
        std::vector<char*> arguments;
        for (std::string& argument : command_) {
            arguments.push_back(argument.data());
        }
        arguments.push_back(nullptr);
        execvp(arguments[0], arguments.data());
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    to_ = to[1];
    from_ = from[0];
    return child_ > 0;
}

void Peer::stop() {
    if (child_ > 0) {
        close(to_);
        close(from_);
        kill(child_, SIGKILL);
        waitpid(child_, nullptr, 0);
        child_ = -1;
    }
}

void Peer::start() {
    const char byte = 0;
    if (write(to_, &byte, 1) != 1) {
        return; // wait() sees that it is gone
    }
}

bool Peer::wait() {
    constexpr int kMilliseconds = 20'000;
    pollfd ready{from_, POLLIN, 0};
    int count;
    do {
        count = poll(&ready, 1, kMilliseconds);
    } while (count < 0 && errno == EINTR);
    char byte;
    if (count == 1 && read(from_, &byte, 1) == 1) {
        return true;
    }
    stop();
    launch();
    return false;
}

} // namespace ulna::fuzz
