// A machine as gdb sees it: its CPUs are threads, 1 and up; memory is as the chosen CPU translates
// addresses.
#pragma once

#include <functional>

#include "runtime/debug/gdb_target.h"
#include "runtime/system/machine.h"

namespace ulna::system {

class GdbMachine final : public runtime::debug::GdbTarget {
  public:
    // What "monitor ..." answers.
    using Monitor = std::function<std::string(std::string_view line)>;
    GdbMachine(Machine& machine, Monitor monitor);
    ~GdbMachine() override;

    [[nodiscard]] std::span<const runtime::debug::GdbFeature> features() const override;
    [[nodiscard]] std::vector<runtime::debug::GdbThread> threads() override;
    [[nodiscard]] bool read_register(u64 thread, unsigned n, std::span<u8> to) override;
    [[nodiscard]] bool write_register(u64 thread, unsigned n, std::span<const u8> from) override;
    [[nodiscard]] u64 read_memory(u64 thread, GuestAddr at, std::span<u8> to) override;
    [[nodiscard]] bool write_memory(u64 thread, GuestAddr at, std::span<const u8> from) override;
    [[nodiscard]] bool insert(runtime::debug::GdbPoint kind, GuestAddr at, u64 bytes) override;
    [[nodiscard]] bool remove(runtime::debug::GdbPoint kind, GuestAddr at, u64 bytes) override;
    void resume(std::span<const runtime::debug::GdbResumption> threads) override;
    void interrupt() override { machine_.run_control().stop(); }
    [[nodiscard]] int stop_fd() const override { return stop_fd_; }
    [[nodiscard]] std::optional<runtime::debug::GdbStop> take_stop() override;
    void attach() override;
    void detach() override;
    void kill() override { machine_.stop(0, Cause::HostUser); }
    [[nodiscard]] std::optional<std::string> command(std::string_view line) override;

  private:
    [[nodiscard]] Vcpu* cpu_of(u64 thread);
    // In pieces of one page each: `visit` gets a physical address, and what is there; false ends
    // it. The bytes that were visited.
    template <class Visit> u64 each_page(u64 thread, GuestAddr at, u64 count, Visit visit);
    void drain();

    Machine& machine_;
    const Monitor monitor_;
    const int stop_fd_;
};

} // namespace ulna::system
