// The engine that interprets IR: for hosts without what the JIT needs, and the reference for it.
//
// Same life of a block as in the JIT, with IR in place of code: look-ups take no lock, forgotten
// blocks stay in memory until their generation is retired and every thread has left it.

#include "runtime/engine_base.h"

#include "ir/interpreter.h"
#include "ir/support/check.h"
#include "runtime/debug/log.h"
#include "runtime/jit/block_table.h"

namespace ulna::runtime {

namespace {

using ir::ExitReason;

class InterpreterEngine final : public EngineBase {
  public:
    explicit InterpreterEngine(const EngineConfig& config);

    [[nodiscard]] ExitReason run(ir::CpuState& state) override;
    bool on_host_fault(int signal, void* ucontext, ir::CpuState& state, bool& resumed) override;
    [[nodiscard]] bool in_translated_code(const void*) const override { return false; }

  private:
    struct StoredBlock {
        ir::Block block;
        GuestAddr low, high;
        bool forgotten = false;
    };
    struct Generation {
        explicit Generation(u64 n) : number{n} {}
        u64 number;
        u64 bytes = 0;
        BlockTable table;
        PageIndex pages;
        std::vector<std::unique_ptr<StoredBlock>> blocks;
    };
    struct Found {
        const ir::Block* block = nullptr;
        Miss miss = Miss::None;
    };

    void prepare_thread(EngineThread&) override {}
    void invalidate_blocks(GuestAddr start, u64 bytes, EngineThread* caller) override;
    void fork_child() override {} // private memory: nothing is shared with the parent

    [[nodiscard]] ExitReason dispatch(EngineThread& thread);
    [[nodiscard]] Found find_or_translate(ir::BlockKey key);
    const ir::Block* store(const ir::Block& block, const GuestExtent& extent);
    void restart_when_full();

    const u64 most_bytes_;
    std::unique_ptr<Generation> current_generation_;
    std::vector<std::unique_ptr<Generation>> retired_;
    std::atomic<const BlockTable*> table_;
};

InterpreterEngine::InterpreterEngine(const EngineConfig& config)
    : EngineBase{config},
      most_bytes_{config.code_cache_bytes},
      current_generation_{std::make_unique<Generation>(1)},
      table_{&current_generation_->table} {}

ExitReason InterpreterEngine::run(ir::CpuState& state) {
    EngineThread& thread = thread_of(state);
    current_ = &thread;
    if (setjmp(thread.fault_landing) != 0) { // a guest access faulted (leave_interpreter)
        thread.interpreting.store(false, std::memory_order_relaxed);
        registry_.leave(thread);
        return ExitReason::Fault;
    }
    return dispatch(thread);
}

ExitReason InterpreterEngine::dispatch(EngineThread& thread) {
    ir::CpuState& state = thread.state;
    const bool log = debug::log_enabled(debug::Item::Exec) || debug::log_enabled(debug::Item::Cpu);
    for (;;) {
        if (pending_of(state).load(std::memory_order_relaxed) != 0 && take_pending(thread)) {
            return ExitReason::Safepoint;
        }
        if (state.btype != 0 && is_wrong_target(state)) {
            return ExitReason::BranchTarget;
        }
        registry_.enter(thread);
        const auto key = next_key(thread);
        const Found found = key ? find_or_translate(*key) : Found{nullptr, Miss::FetchFault};
        if (found.block == nullptr) {
            registry_.leave(thread);
            if (found.miss != Miss::CacheFull) {
                return exit_for(found.miss);
            }
            restart_when_full();
            continue;
        }
        if (log) {
            log_execution(state);
        }
        state.btype = 0;
        thread.interpreting.store(true, std::memory_order_relaxed);
        const ExitReason reason = ir::interpret(*found.block, state);
        thread.interpreting.store(false, std::memory_order_relaxed);
        registry_.leave(thread);
        ++thread.entries;
        switch (reason) {
        case ExitReason::Lookup:
        case ExitReason::ContextSync:
        case ExitReason::Safepoint:
            break;
        case ExitReason::RangeMiss:
            thread.no_ranges_next = true;
            break;
        case ExitReason::InvalidateCache:
            invalidate_line(thread);
            break;
        default:
            return reason;
        }
    }
}

InterpreterEngine::Found InterpreterEngine::find_or_translate(ir::BlockKey key) {
    if ((key.pc & 3) != 0) {
        return {nullptr, Miss::MisalignedPc};
    }
    if (!BlockTable::representable(key.pc, system_)) {
        return {nullptr, Miss::FetchFault};
    }
    const auto find = [&] {
        const u64 value = table_.load(std::memory_order_acquire)->find(key);
        return reinterpret_cast<const ir::Block*>(value);
    };
    if (const ir::Block* block = find(); block != nullptr) {
        return {block};
    }
    const TranslationLock lock{translation_mutex_};
    if (const ir::Block* block = find(); block != nullptr) {
        return {block};
    }
    if (current_generation_->bytes > most_bytes_) {
        return {nullptr, Miss::CacheFull};
    }
    if (!lifter_.lift(key)) {
        return {nullptr, Miss::FetchFault};
    }
    return {store(lifter_.block(), lifter_.extent())};
}

const ir::Block* InterpreterEngine::store(const ir::Block& block, const GuestExtent& extent) {
    Generation& generation = *current_generation_;
    const auto index = static_cast<BlockIndex>(generation.blocks.size());
    generation.blocks.push_back(
        std::make_unique<StoredBlock>(StoredBlock{block, extent.low, extent.high}));
    const ir::Block& stored = generation.blocks.back()->block;
    generation.bytes += sizeof(StoredBlock) + stored.insts.size() * sizeof(ir::Inst) +
                        stored.guest_pcs.size() * (sizeof(GuestAddr) + sizeof(u32));
    for (GuestAddr page : extent.pages) {
        generation.pages.add(page, index);
    }
    generation.table.insert(stored.key, reinterpret_cast<u64>(&stored));
    return &stored;
}

void InterpreterEngine::restart_when_full() {
    const TranslationLock lock{translation_mutex_};
    if (current_generation_->bytes <= most_bytes_) {
        return; // another thread was faster
    }
    const u64 number = current_generation_->number + 1;
    retired_.push_back(std::move(current_generation_));
    current_generation_ = std::make_unique<Generation>(number);
    table_.store(&current_generation_->table, std::memory_order_release);
    registry_.publish_generation(number);
    debug::count(statistics_.cache_restarts);
    const u64 oldest = registry_.oldest_active();
    std::erase_if(retired_, [&](const auto& generation) { return generation->number < oldest; });
}

void InterpreterEngine::invalidate_blocks(GuestAddr start, u64 bytes, EngineThread*) {
    const TranslationLock lock{translation_mutex_};
    Generation& generation = *current_generation_;
    generation.pages.for_overlapping(start, bytes, [&](BlockIndex index) {
        StoredBlock& stored = *generation.blocks[index];
        if (!stored.forgotten && (stored.high <= start || stored.low > start + (bytes - 1))) {
            return false;
        }
        if (!stored.forgotten) {
            stored.forgotten = true;
            generation.table.remove(stored.block.key);
            debug::count(statistics_.invalidated_blocks);
        }
        return true;
    });
}

bool InterpreterEngine::on_host_fault(int, void* ucontext, ir::CpuState& state, bool& resumed) {
    resumed = false;
    return leave_interpreter(thread_of(state), ucontext);
}

} // namespace

std::unique_ptr<Engine> make_interpreter_engine(const EngineConfig& config) {
    return std::make_unique<InterpreterEngine>(config);
}

} // namespace ulna::runtime
