// What both engines share: threads, safe points, statistics.
#pragma once

#include <utility>

#include "runtime/debug/statistics.h"
#include "runtime/engine.h"
#include "runtime/jit/block_table.h"
#include "runtime/jit/engine_thread.h"
#include "runtime/jit/lifter.h"
#include "runtime/jit/page_index.h"

namespace ulna::runtime {

class EngineBase : public Engine {
  public:
    explicit EngineBase(const EngineConfig& config);

    [[nodiscard]] ir::CpuState* new_thread() override;
    void delete_thread(ir::CpuState* state) override;
    [[nodiscard]] ir::ExitReason step(ir::CpuState& state, frontend::CodeSource& code) override;
    void request_safepoint(ir::CpuState& state) override;
    void use_code_addresses(ir::CpuState& state, bool privileged, unsigned set) override;
    void forget_code_addresses(ir::CpuState& state, bool privileged, unsigned set) override;
    void run_without_ranges(ir::CpuState& state) override {
        thread_of(state).no_ranges_next = true;
    }
    void add_mode(u32 bits) override;
    void set_tag_memory(const ir::TagMemory& memory) override;
    void invalidate(GuestAddr start, u64 bytes) override;
    void before_fork() override;
    void after_fork(bool in_child) override;
    [[nodiscard]] std::string stats() const override;

  protected:
    // Why there is no translation to run.
    enum class Miss : u8 { None, FetchFault, MisalignedPc, CacheFull, FirstRun };
    [[nodiscard]] static ir::ExitReason exit_for(Miss miss);

    // Prepares the architecture-independent part's counterpart in a new thread.
    virtual void prepare_thread(EngineThread& thread) = 0;
    // Forgets blocks of the range. `caller` may be null.
    virtual void invalidate_blocks(GuestAddr start, u64 bytes, EngineThread* caller) = 0;
    // The thread was asked where it is.
    virtual void take_sample(EngineThread&) {}
    // With all locks held; the flag of the calling thread's caches is already set.
    virtual void fork_child() = 0;

    // Threads may run blocks with these bits until their next safe point.
    void remove_mode(u32 bits);

    // Does what CpuState::pending asks for; true when the caller of run() asked.
    [[nodiscard]] bool take_pending(EngineThread& thread);
    // For on_host_fault(): true when the thread was interpreting; it goes on in fault_landing.
    [[nodiscard]] bool leave_interpreter(EngineThread& thread, void* ucontext) const;
    // Executes what `options` make of the code at `key`, which leaves no trace in the engine.
    [[nodiscard]] static ir::ExitReason
    lift_and_interpret(EngineThread& thread,
                       ir::BlockKey key,
                       frontend::CodeSource& code,
                       const frontend::TranslateOptions& options);
    // IC IVAU.
    void invalidate_line(EngineThread& thread);
    [[nodiscard]] ir::BlockMode mode_of(const ir::CpuState& state) const {
        const u32 common = process_mode_.load(std::memory_order_relaxed);
        const u32 bits =
            ir::BlockMode::from_registers(state.fpcr, state.sp).bits | state.mode_bits | common;
        const bool checks =
            (common & ir::BlockMode::kTags) != 0 && (state.pstate & ir::pstate::TCO) == 0;
        return {checks ? bits : bits & ~ir::BlockMode::kTagCheck};
    }
    [[nodiscard]] ir::BlockKey key_of(const ir::CpuState& state) const {
        return {state.pc, mode_of(state)};
    }
    // The same in a machine, where it also says what is at pc; without a value, fetching it faults.
    [[nodiscard]] std::optional<ir::BlockKey> located_key_of(const ir::CpuState& state) const {
        ir::BlockKey key = key_of(state);
        if (system_) {
            const std::optional<u64> page = code_.page_of(key.pc);
            if (!page || !BlockTable::representable(align_down(key.pc, 4), true)) {
                return std::nullopt;
            }
            key.page = *page;
        }
        return key;
    }
    // Of the block that the dispatcher is to run.
    [[nodiscard]] std::optional<ir::BlockKey> next_key(EngineThread& thread) const {
        auto key = located_key_of(thread.state);
        if (key && std::exchange(thread.no_ranges_next, false)) {
            key->mode.bits |= ir::BlockMode::kNoRanges;
        }
        return key;
    }
    // PSTATE.BTYPE is set and the instruction at pc does not accept it.
    [[nodiscard]] bool is_wrong_target(const ir::CpuState& state) const;
    // -d exec, cpu.
    static void log_execution(const ir::CpuState& state);

    // The thread that the calling host thread runs or ran last; null when it is gone.
    static thread_local EngineThread* current_;
    // The same if it is a thread of this engine, else null.
    [[nodiscard]] EngineThread* caller() const {
        return current_ != nullptr && current_->engine == this ? current_ : nullptr;
    }

    // Moves a thread's own counters into the common ones.
    void collect_counters(EngineThread& thread) const;

    frontend::CodeSource& code_;
    const frontend::TranslateOptions step_options_;
    const bool system_;                // of a whole machine
    std::atomic<u32> process_mode_{0}; // bits of BlockMode that all threads share
    ir::TagMemory tag_memory_;         // of all threads; under translation_mutex_
    mutable debug::Statistics statistics_;
    mutable ThreadRegistry registry_;
    PageFilter filter_;
    mutable std::mutex translation_mutex_;
    Lifter lifter_; // under translation_mutex_
    const u64 cache_line_bytes_;
};

[[nodiscard]] std::unique_ptr<Engine> make_jit_engine(const EngineConfig& config,
                                                      std::string& why_not);
[[nodiscard]] std::unique_ptr<Engine> make_interpreter_engine(const EngineConfig& config);

} // namespace ulna::runtime
