// The compile server: takes requests from a listening socket, compiles them, most urgent first, as
// many at a time as it has workers.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <sys/types.h>

#include "backend/llvm/tier2.h"
#include "runtime/tier2/job_memory.h"
#include "tools/tier2/known_answers.h"

namespace ulna::tier2_server {

class Server {
  public:
    // The socket: non-blocking, listening; taken over. With `compiles_twice` it answers only what
    // comes out the same the second time: for tests.
    Server(int listening_socket, bool compiles_twice);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Until nobody has asked for anything for `idle_seconds`. Everything is accepted by the thread
    // that calls this (JobMemory::accept).
    void run(unsigned idle_seconds, unsigned workers);

  private:
    struct Job {
        std::unique_ptr<runtime::JobMemory> memory;
        u32 priority;
        pid_t client; // 0: not one that we see
        std::vector<u8> request;
        KnownAnswers::Key key;
    };

    // Takes what comes within the time. False: nothing came.
    [[nodiscard]] bool accept_jobs(unsigned idle_seconds);
    void accept_job(int socket);
    void work();
    // The most urgent job; null when there is none that can be begun. An equal request that is
    // being compiled is waited for: its answer will be known.
    [[nodiscard]] std::unique_ptr<Job> next_job();
    [[nodiscard]] runtime::CompileAnswer make_answer(backend::tier2::Compiler& compiler,
                                                     std::span<const u8> request) const;
    [[nodiscard]] bool is_working();

    const int socket_;
    const bool compiles_twice_;

    std::mutex mutex_; // of all below, and of the list that a JobMemory is in while it lives
    std::condition_variable changed_;
    std::vector<std::unique_ptr<Job>> queue_;
    std::vector<KnownAnswers::Key> in_work_;
    KnownAnswers known_;
    bool ends_ = false;
};

} // namespace ulna::tier2_server
