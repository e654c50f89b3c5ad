// The Arm harness under an emulator, or on a real CPU: one process that executes batches of
// programs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ir/support/types.h"
#include "tests/insn/machine.h"

namespace ulna::fuzz {

class Peer {
  public:
    // Null with a reason when it cannot be started. `command` is the emulator with its arguments.
    static std::unique_ptr<Peer>
    create(std::vector<std::string> command, const std::string& harness, std::string& why_not);
    ~Peer();
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    // Shared with the peer: to be written before start() and read after wait().
    [[nodiscard]] MachineBatch& batch() { return *batch_; }
    [[nodiscard]] u8* window(unsigned i) { return windows_ + u64{i} * kWindowBytes; }

    void start();
    // False: it died, or did not end in time; another process takes over for the next batch.
    [[nodiscard]] bool wait();

  private:
    Peer() = default;
    bool launch();
    void stop();

    std::vector<std::string> command_;
    MachineBatch* batch_ = nullptr;
    u8* windows_ = nullptr;
    std::string shared_path_;
    int shared_ = -1, to_ = -1, from_ = -1, child_ = -1;
};

} // namespace ulna::fuzz
