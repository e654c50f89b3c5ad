// Semihosting in a machine: memory as the calling CPU sees it, the program's own console, the
// machine's end.
#pragma once

#include <mutex>

#include "runtime/devices/pl031.h"
#include "runtime/system/semihosting.h"

namespace ulna::system {

class Machine;

class MachineSemihosting final : public SemihostingHost {
  public:
    MachineSemihosting(Machine& machine, const devices::Pl031& clock, std::string command_line)
        : machine_{machine}, clock_{clock}, semihosting_{*this, std::move(command_line)} {}

    // In the thread of the CPU, without the machine's lock.
    void call(Cpu& cpu);

    // --- for snapshots, while no CPU runs
    [[nodiscard]] std::string why_no_snapshot() const;
    void visit_state(devices::StateVisitor& visit) { semihosting_.files().visit_state(visit); }

    // --- SemihostingHost
    bool read(Cpu& cpu, GuestAddr from, void* to, u64 bytes) override;
    bool write(Cpu& cpu, GuestAddr to, const void* from, u64 bytes) override;
    void write_console(std::string_view text) override; // to standard error, as QEMU does
    // Standard input is the serial port's, which nobody can share.
    std::optional<char> read_console() override { return std::nullopt; }
    void exit(int status) override;
    i64 seconds_since_1970() override;

  private:
    Machine& machine_;
    const devices::Pl031& clock_;
    std::mutex mutex_;
    Semihosting semihosting_;
};

} // namespace ulna::system
