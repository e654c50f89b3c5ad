#include "runtime/engine_base.h"

#include <cstdio>
#include <utility>

#include "ir/interpreter.h"
#include "ir/support/check.h"
#include "runtime/debug/log.h"
#include "runtime/debug/perf_files.h"
#include "runtime/jit/host_context.h"

namespace ulna::runtime {

namespace {

frontend::TranslateOptions one_instruction(frontend::TranslateOptions options) {
    options.max_instructions = 1;
    return options;
}

[[noreturn]] void land(void* thread) {
    std::longjmp(static_cast<EngineThread*>(thread)->fault_landing, 1);
}

ir::ExitReason interpret(EngineThread& thread, const ir::Block& block) {
    if (setjmp(thread.fault_landing) != 0) { // a guest access faulted (leave_interpreter)
        thread.interpreting.store(false, std::memory_order_relaxed);
        return ir::ExitReason::Fault;
    }
    thread.interpreting.store(true, std::memory_order_relaxed);
    const ir::ExitReason reason = ir::interpret(block, thread.state);
    thread.interpreting.store(false, std::memory_order_relaxed);
    return reason;
}

} // namespace

thread_local EngineThread* EngineBase::current_ = nullptr;

EngineBase::EngineBase(const EngineConfig& config)
    : code_{*config.code},
      step_options_{one_instruction(config.translate)},
      system_{config.translate.system},
      lifter_{config, filter_, statistics_},
      // CTR_EL0.IminLine: log2 of words in the smallest instruction cache line (DDI 0487 D24.2.34).
      cache_line_bytes_{u64{4} << (config.translate.cpu->ctr_el0 & 0xf)} {}

ir::CpuState* EngineBase::new_thread() {
    EngineThread* const thread = EngineThread::allocate();
    if (thread == nullptr) {
        return nullptr;
    }
    thread->engine = this;
    prepare_thread(*thread);
    if (system_) {
        thread->use_code_addresses(false, 0);
        thread->use_code_addresses(true, 0);
    }
    registry_.add(*thread);
    const TranslationLock lock{translation_mutex_};
    thread->state.tag_memory = tag_memory_;
    return &thread->state;
}

void EngineBase::delete_thread(ir::CpuState* state) {
    EngineThread& thread = thread_of(*state);
    registry_.remove(thread);
    collect_counters(thread);
    if (current_ == &thread) {
        current_ = nullptr;
    }
    EngineThread::release(&thread);
}

void EngineBase::collect_counters(EngineThread& thread) const {
    debug::count(statistics_.entries, std::exchange(thread.entries, 0));
    debug::count(statistics_.indirect_misses, std::exchange(thread.indirect_misses, 0));
}

std::string EngineBase::stats() const {
    registry_.for_each([this](EngineThread& thread) { collect_counters(thread); });
    return statistics_.text();
}

// --- the interpreter

bool EngineBase::leave_interpreter(EngineThread& thread, void* ucontext) const {
    if (!thread.interpreting.load(std::memory_order_relaxed)) {
        return false;
    }
    thread.state.pc = ir::interpreter_guest_pc;
    debug::count(statistics_.faults);
    divert(ucontext, land, &thread);
    return true;
}

ir::ExitReason EngineBase::lift_and_interpret(EngineThread& thread,
                                              ir::BlockKey key,
                                              frontend::CodeSource& code,
                                              const frontend::TranslateOptions& options) {
    static thread_local ir::Block block;
    frontend::translate(key, code, options, block);
    thread.state.btype = 0;
    return interpret(thread, block);
}

ir::ExitReason EngineBase::step(ir::CpuState& state, frontend::CodeSource& code) {
    EngineThread& thread = thread_of(state);
    current_ = &thread;
    if (!is_aligned(state.pc, 4)) {
        return ir::ExitReason::MisalignedPc;
    }
    if (is_wrong_target(state)) {
        return ir::ExitReason::BranchTarget;
    }
    if (code.words(state.pc).empty()) {
        return ir::ExitReason::FetchFault;
    }
    const ir::ExitReason reason = lift_and_interpret(thread, key_of(state), code, step_options_);
    state.pc = ir::untagged(state.pc);
    if (reason == ir::ExitReason::InvalidateCache) {
        invalidate_line(thread);
        return ir::ExitReason::Lookup;
    }
    return reason == ir::ExitReason::ContextSync ? ir::ExitReason::Lookup : reason;
}

// ---

void EngineBase::request_safepoint(ir::CpuState& state) {
    pending_of(state).fetch_or(kPendingSafepoint);
}

void EngineBase::use_code_addresses(ir::CpuState& state, bool privileged, unsigned set) {
    thread_of(state).use_code_addresses(privileged, set);
}

void EngineBase::forget_code_addresses(ir::CpuState& state, bool privileged, unsigned set) {
    thread_of(state).forget_code_addresses(privileged, set);
}

void EngineBase::add_mode(u32 bits) {
    if ((process_mode_.load(std::memory_order_relaxed) & bits) != bits) {
        process_mode_.fetch_or(bits);
        registry_.flag_all(kPendingFlush);
    }
}

void EngineBase::remove_mode(u32 bits) {
    if ((process_mode_.fetch_and(~bits) & bits) != 0) {
        registry_.flag_all(kPendingFlush);
    }
}

// A thread is flagged after it has been told where the tags are.
void EngineBase::set_tag_memory(const ir::TagMemory& memory) {
    if ((process_mode_.load(std::memory_order_relaxed) & ir::BlockMode::kTags) != 0) {
        return;
    }
    {
        const TranslationLock lock{translation_mutex_};
        tag_memory_ = memory;
        registry_.for_each([&](EngineThread& thread) { thread.state.tag_memory = memory; });
    }
    add_mode(ir::BlockMode::kTags);
}

bool EngineBase::is_wrong_target(const ir::CpuState& state) const {
    if (state.btype == 0 || !is_aligned(state.pc, 4)) {
        return false;
    }
    const std::optional<u32> word = code_.guarded_word(state.pc);
    return word && !frontend::accepts_btype(*word, state.btype);
}

bool EngineBase::take_pending(EngineThread& thread) {
    const u32 bits = pending_of(thread.state).exchange(0);
    if ((bits & kPendingSample) != 0) {
        take_sample(thread);
    }
    thread.state.indirect_site = 0;
    thread.state.at_safe_point_of_region = 0;
    if ((bits & kPendingFlush) != 0) {
        thread.drop_host_addresses();
    }
    return (bits & kPendingSafepoint) != 0;
}

void EngineBase::invalidate(GuestAddr start, u64 bytes) {
    debug::count(statistics_.invalidations);
    if (filter_.may_contain(start, bytes)) {
        invalidate_blocks(start, bytes, caller());
    }
}

void EngineBase::invalidate_line(EngineThread& thread) {
    constexpr u64 kTagMask = (u64{1} << 56) - 1; // the address may be tagged
    const GuestAddr line = thread.state.exit_arg & kTagMask & ~(cache_line_bytes_ - 1);
    invalidate(line, cache_line_bytes_);
}

ir::ExitReason EngineBase::exit_for(Miss miss) {
    return miss == Miss::MisalignedPc ? ir::ExitReason::MisalignedPc : ir::ExitReason::FetchFault;
}

void EngineBase::before_fork() {
    translation_mutex_.lock();
    registry_.lock_for_fork();
}

void EngineBase::after_fork(bool in_child) {
    if (in_child) {
        registry_.keep_only(caller());
        debug::perf_after_fork(); // while all code can still be read
        fork_child();
    }
    registry_.unlock_after_fork();
    translation_mutex_.unlock();
}

void EngineBase::log_execution(const ir::CpuState& state) {
    if (!debug::log_wants(state.pc)) {
        return;
    }
    if (debug::log_enabled(debug::Item::Exec)) {
        debug::log_printf("Trace: [%016llx]\n", static_cast<unsigned long long>(state.pc));
    }
    if (!debug::log_enabled(debug::Item::Cpu)) {
        return;
    }
    std::string text;
    char cell[64];
    const auto add = [&](const char* format, auto... values) {
        std::snprintf(cell, sizeof cell, format, values...);
        text += cell;
    };
    add(" PC=%016llx ", static_cast<unsigned long long>(state.pc));
    for (unsigned i = 0; i < 31; ++i) {
        add("X%02u=%016llx%c", i, static_cast<unsigned long long>(state.x[i]),
            i % 3 == 1 ? '\n' : ' ');
    }
    const auto flag = [&](unsigned bit, char name) { return (state.nzcv & bit) != 0 ? name : '-'; };
    add(" SP=%016llx\n", static_cast<unsigned long long>(state.sp));
    add("PSTATE=%08x %c%c%c%c EL0t\n", state.nzcv << 28, flag(8, 'N'), flag(4, 'Z'), flag(2, 'C'),
        flag(1, 'V'));
    if (debug::log_enabled(debug::Item::Fpu) || debug::log_enabled(debug::Item::Vpu)) {
        add("FPCR=%08llx FPSR=%08x\n", static_cast<unsigned long long>(state.fpcr), state.fpsr);
        for (unsigned i = 0; i < 32; ++i) {
            add("Q%02u=%016llx:%016llx%c", i, static_cast<unsigned long long>(state.v[i].hi),
                static_cast<unsigned long long>(state.v[i].lo), i % 2 == 1 ? '\n' : ' ');
        }
    }
    debug::log_text(text);
}

} // namespace ulna::runtime
