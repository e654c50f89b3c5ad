// The compile server: takes requests from a listening socket, compiles them, most urgent first.
#pragma once

#include <memory>
#include <vector>

#include <sys/types.h>

#include "backend/llvm/tier2.h"
#include "runtime/tier2/job_memory.h"

namespace ulna::tier2_server {

class Server {
  public:
    // Non-blocking, listening; taken over.
    explicit Server(int listening_socket);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Until nobody has asked for anything for `idle_seconds`.
    void run(unsigned idle_seconds);

  private:
    struct Job {
        std::unique_ptr<runtime::JobMemory> memory;
        u32 priority;
        pid_t client;
    };

    // Takes what has come; waits for it when there is nothing to do. False: nothing came.
    [[nodiscard]] bool accept_jobs(unsigned idle_seconds);
    void accept_job(int socket);
    void work_on(Job job);

    const int socket_;
    std::vector<Job> queue_;
    backend::tier2::Compiler compiler_;
};

} // namespace ulna::tier2_server
