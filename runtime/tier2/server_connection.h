// The compile server as a client sees it: one per user, build and process name space, found by an
// abstract socket, started by the first who needs it. Clients that wait for each answer have one of
// their own.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "runtime/tier2/compile_service.h"
#include "runtime/tier2/job_memory.h"
#include "runtime/tier2/launch.h"

namespace ulna::runtime {

class ServerConnection final : public CompileService {
  public:
    // Starts a server that accepts on the socket; false when it cannot be.
    using StartServer = bool (*)(int listening_socket, ServerKind kind);

    // `configuration` tells builds apart.
    ServerConnection(u64 configuration, ServerKind kind, StartServer start_server);

    [[nodiscard]] bool submit(u64 job, std::span<const u8> request, u32 priority) override;
    [[nodiscard]] std::optional<Finished> take_finished(ir::CpuState* waits) override;
    [[nodiscard]] bool is_gone() const override { return gone_; }
    void after_fork_in_child() override;

    // What a client sends with the descriptor.
    struct Greeting {
        u32 priority;
    };

  private:
    using Clock = std::chrono::steady_clock;
    struct Job {
        u64 number;
        std::unique_ptr<JobMemory> memory;
        u32 priority;
        Clock::time_point sent;
    };
    enum class Reached : u8 { Yes, Busy, No };

    [[nodiscard]] std::string socket_name() const;
    [[nodiscard]] Reached connect_to_server(int& socket) const;
    [[nodiscard]] bool start();
    [[nodiscard]] bool send(int memory_fd, u32 priority);
    [[nodiscard]] std::optional<Finished> take_done();
    void look_after_server();
    void send_again(Job& job);
    void give_up(const char* warning);

    const u64 configuration_;
    const ServerKind kind_;
    const StartServer start_server_;
    std::vector<Job> jobs_; // under way
    Clock::time_point last_look_{};
    bool gone_ = false;
};

} // namespace ulna::runtime
