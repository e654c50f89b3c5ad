// A program as gdb sees it: the process's threads by their ids, and memory through the guest's
// mappings.
#pragma once

#include "runtime/debug/gdb_target.h"
#include "runtime/file_descriptor.h"
#include "runtime/user/address_space.h"
#include "runtime/user/thread_control.h"

namespace ulna::user {

class GdbProgram final : public runtime::debug::GdbTarget {
  public:
    explicit GdbProgram(AddressSpace& space);

    [[nodiscard]] ThreadControl& control() { return control_; }
    // In a forked child: closes what it has.
    void abandon();

    [[nodiscard]] std::span<const runtime::debug::GdbFeature> features() const override;
    [[nodiscard]] std::vector<runtime::debug::GdbThread> threads() override;
    [[nodiscard]] bool read_register(u64 thread, unsigned n, std::span<u8> to) override;
    [[nodiscard]] bool write_register(u64 thread, unsigned n, std::span<const u8> from) override;
    [[nodiscard]] u64 read_memory(u64 thread, GuestAddr at, std::span<u8> to) override;
    [[nodiscard]] bool write_memory(u64 thread, GuestAddr at, std::span<const u8> from) override;
    [[nodiscard]] bool insert(runtime::debug::GdbPoint kind, GuestAddr at, u64 bytes) override;
    [[nodiscard]] bool remove(runtime::debug::GdbPoint kind, GuestAddr at, u64 bytes) override;
    void resume(std::span<const runtime::debug::GdbResumption> threads) override;
    void interrupt() override { control_.interrupt(); }
    [[nodiscard]] int stop_fd() const override { return stop_fd_.get(); }
    [[nodiscard]] std::optional<runtime::debug::GdbStop> take_stop() override;
    void attach() override;
    void detach() override;
    void kill() override;
    [[nodiscard]] bool is_attached() const override { return false; }
    [[nodiscard]] std::vector<std::string_view> documents() const override;
    [[nodiscard]] std::optional<std::string> document(std::string_view name, u64 thread) override;
    [[nodiscard]] bool pass_signals(std::span<const int> signals) override;
    [[nodiscard]] bool catch_calls(runtime::debug::CaughtCalls calls) override;
    [[nodiscard]] std::optional<std::string> command(std::string_view) override {
        return std::nullopt;
    }

  private:
    void drain();
    void use_breakpoints(GuestAddr changed);
    [[nodiscard]] bool insert_watchpoint(const ir::WatchedRange& range);
    [[nodiscard]] bool remove_watchpoint(const ir::WatchedRange& range);

    AddressSpace& space_;
    runtime::FileDescriptor stop_fd_, memory_fd_;
    std::vector<GuestAddr> breakpoints_; // one may be there twice
    ThreadControl control_;
};

} // namespace ulna::user
