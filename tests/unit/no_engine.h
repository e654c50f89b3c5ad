// An engine that runs nothing, for what is above it.
#pragma once

#include "runtime/engine.h"

namespace ulna::test {

class NoEngine final : public runtime::Engine {
  public:
    ir::CpuState* new_thread() override { return new ir::CpuState; }
    void delete_thread(ir::CpuState* state) override { delete state; }
    ir::ExitReason run(ir::CpuState&) override { return ir::ExitReason::Halt; }
    ir::ExitReason step(ir::CpuState&, frontend::CodeSource&) override {
        return ir::ExitReason::Halt;
    }
    void add_mode(u32) override {}
    void set_tag_memory(const ir::TagMemory&) override {}
    void invalidate(GuestAddr, u64) override {}
    void request_safepoint(ir::CpuState& state) override { state.pending = 1; }
    void use_code_addresses(ir::CpuState&, bool, unsigned) override {}
    void forget_code_addresses(ir::CpuState&, bool, unsigned) override {}
    void run_without_ranges(ir::CpuState&) override {}
    bool on_host_fault(int, void*, ir::CpuState&, bool&) override { return false; }
    bool in_translated_code(const void*) const override { return false; }
    void before_fork() override {}
    void after_fork(bool) override {}
    std::string stats() const override { return {}; }
};

} // namespace ulna::test
