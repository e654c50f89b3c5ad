// The compile server: takes requests from a listening socket, compiles them, most urgent first.
#pragma once

#include <memory>
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

    // Until nobody has asked for anything for `idle_seconds`.
    void run(unsigned idle_seconds);

  private:
    struct Job {
        std::unique_ptr<runtime::JobMemory> memory;
        u32 priority;
        pid_t client; // 0: not one that we see
    };

    // Takes what has come; waits for it when there is nothing to do. False: nothing came.
    [[nodiscard]] bool accept_jobs(unsigned idle_seconds);
    void accept_job(int socket);
    void work_on(Job job);
    [[nodiscard]] runtime::CompileAnswer make_answer(const runtime::CompileRequest& request);

    const int socket_;
    const bool compiles_twice_;
    std::vector<Job> queue_;
    backend::tier2::Compiler compiler_;
    KnownAnswers known_;
};

} // namespace ulna::tier2_server
