// What executes a program on Ulna's side: every configuration of the same translation.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ir/block.h"
#include "tests/insn/test_machine.h"

namespace ulna::insn {

class Executor {
  public:
    virtual ~Executor() = default;
    [[nodiscard]] virtual const char* name() const = 0;
    // The program in a slot is another one now.
    virtual void program_changed(unsigned slot) = 0;
    // False: no verdict, because the program does not end.
    [[nodiscard]] virtual bool run(unsigned slot, const MachineState& in, MachineResult& out) = 0;
};

// The IR interpreter without passes, one guest instruction a block: the simplest machine that Ulna
// can be, so the one that the others are compared with. It counts what it executes.
class Stepper final : public Executor {
  public:
    explicit Stepper(const frontend::CpuModel& cpu);
    [[nodiscard]] const char* name() const override { return "step"; }
    void program_changed(unsigned slot) override { ++generation_[slot]; }
    [[nodiscard]] bool run(unsigned slot, const MachineState& in, MachineResult& out) override;

    [[nodiscard]] u64 executed() const { return executed_; }
    [[nodiscard]] const std::vector<u64>& executed_rows() const { return rows_; }

  private:
    struct Step {
        ir::Block block;
        u64 generation = 0;
        int row = -1; // of insn.def
    };
    const Step& step_at(GuestAddr pc, u64 fpcr, u64 sp);

    static constexpr unsigned kMaxSteps = 4096;
    frontend::TranslateOptions options_;
    std::unique_ptr<ir::CpuState> state_ = std::make_unique<ir::CpuState>();
    std::vector<Step> steps_;
    u64 generation_[kPrograms] = {};
    u64 executed_ = 0;
    std::vector<u64> rows_;
};

// One of Ulna's engines.
class EngineExecutor final : public Executor {
  public:
    // Null when the host lacks what the engine needs.
    static std::unique_ptr<EngineExecutor>
    create(const char* name, runtime::EngineConfig config, std::string& why_not);
    ~EngineExecutor() override;
    [[nodiscard]] const char* name() const override { return name_; }
    void program_changed(unsigned slot) override;
    [[nodiscard]] bool run(unsigned slot, const MachineState& in, MachineResult& out) override;

  private:
    EngineExecutor() = default;
    const char* name_ = "";
    std::unique_ptr<runtime::Engine> engine_;
    ir::CpuState* state_ = nullptr;
};

// Interpreter with passes, JIT, JIT with every value spilled; without the JIT, and a reason, where
// the host lacks what it needs.
[[nodiscard]] std::vector<std::unique_ptr<Executor>> make_engines(const frontend::CpuModel& cpu,
                                                                  std::string& why_not);
// The JIT with tier 2 in the place of tier 1, which is slow; null with a reason when built without
// LLVM.
[[nodiscard]] std::unique_ptr<Executor> make_tier2_engine(const frontend::CpuModel& cpu,
                                                          std::string& why_not);

} // namespace ulna::insn
