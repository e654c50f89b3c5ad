// The engine that runs host code: dispatcher, linking, invalidation, faults.
//
// Threads look blocks up without a lock and translate under one. Everything that makes an address
// of translated code invalid works in two steps: first the table and the direct links forget it,
// then the other threads are flagged (kPendingFlush) and drop what they hold - jump cache and
// return stack - at their next safe point, in the dispatcher.

#include "runtime/engine_base.h"

#include <ctime>
#include <utility>

#include "ir/guest_access.h"
#include "ir/support/check.h"
#include "runtime/debug/disassemble.h"
#include "runtime/debug/log.h"
#include "runtime/debug/perf_files.h"
#include "runtime/debug/register_histogram.h"
#include "runtime/jit/executed_blocks.h"
#include "runtime/jit/fp_trap_budget.h"
#include "runtime/jit/host_context.h"
#include "runtime/jit/stored_translations.h"
#include "runtime/tier2/sampler.h"
#include "runtime/tier2/tiering.h"

namespace ulna::runtime {

namespace {

using debug::Item;
using ir::ExitReason;

// A forked child that soon executes another program is not worth a sampler: it needs fewer blocks.
constexpr u32 kBlocksBeforeSamples = 200;

class JitEngine final : public EngineBase {
  public:
    explicit JitEngine(const EngineConfig& config);
    [[nodiscard]] bool start(std::string& why_not);

    [[nodiscard]] ExitReason run(ir::CpuState& state) override;
    bool on_host_fault(int signal, void* ucontext, ir::CpuState& state, bool& resumed) override;
    [[nodiscard]] std::string stats() const override;
    void stop_own_threads() override { sampler_.stop(); }
    void allow_own_threads(bool on) override { sampler_.allow(on); }
    [[nodiscard]] pid_t own_thread() const override { return sampler_.thread(); }
    [[nodiscard]] bool in_translated_code(const void* ucontext) const override {
        return memory_.contains(host_pc(ucontext));
    }

  private:
    struct Found {
        u64 host = 0;
        Miss miss = Miss::None;
    };

    void prepare_thread(EngineThread& thread) override;
    void invalidate_blocks(GuestAddr start, u64 bytes, EngineThread* caller) override;
    void before_fork() override;
    void after_fork(bool in_child) override;
    void fork_child() override;

    // Calls from the stubs.
    static u64 lookup_call(ir::CpuState& state);
    static u64 link_call(ir::CpuState& state, u64 stub);
    u64 lookup(EngineThread& thread);
    u64 link(EngineThread& thread, u64 stub);

    void bring_up_to_date(EngineThread& thread, u64 generation);
    void switch_view(EngineThread& thread, ir::BlockMode mode);
    [[nodiscard]] Found find_or_translate(ir::BlockKey key);
    [[nodiscard]] Found obtain(const TranslationLock& lock, ir::BlockKey key);
    [[nodiscard]] bool is_first_run(ir::BlockKey key) const;
    [[nodiscard]] ExitReason run_first(EngineThread& thread, ir::BlockKey key);
    [[nodiscard]] Found translate(const TranslationLock& lock, ir::BlockKey key);
    void make_room(u64 full_generation);
    void tidy_after_flush();
    void translate_for_tags(EngineThread& thread);
    void take_sample(EngineThread& thread) override;
    [[nodiscard]] bool find_other_pages(EngineThread& thread);
    void dump_host(const TranslationLock& lock, u64 host) const;
    void on_fp_trap(HostTrap trap, void* ucontext, ir::CpuState& state);

    const EngineConfig config_;
    std::unique_ptr<backend::Backend> backend_;
    backend::Stubs stubs_;
    CodeMemory memory_;
    std::unique_ptr<TranslationCache> cache_;
    std::unique_ptr<Tiering> tiering_;           // null: no tier 2
    std::unique_ptr<StoredTranslations> stored_; // null: no persistent cache
    Sampler sampler_{registry_};
    ExitReason (*enter_)(ir::CpuState*, u64) = nullptr;
    bool link_blocks_ = true;
    std::unique_ptr<debug::RegisterHistogram> histogram_; // -d regs
    frontend::TranslateOptions tier0_options_;
    std::unique_ptr<ExecutedBlocks> executed_; // null: no tier 0

    // Under the translation lock.
    backend::CompiledBlock compiled_;
    u32 obtained_ = 0; // since the process began, or was forked
    TaggedAccesses tagged_accesses_;
    std::atomic<bool> retired_exist_{false};
    FpTrapBudget fp_traps_;
};

JitEngine::JitEngine(const EngineConfig& config)
    : EngineBase{config},
      config_{config},
      tier0_options_{config.translate},
      fp_traps_{config.fp_trap_budget} {
    tier0_options_.follow_branches = false;
    constexpr Item kEachBlock[] = {Item::Exec, Item::Cpu, Item::NoChain};
    for (Item item : kEachBlock) {
        link_blocks_ = link_blocks_ && !debug::log_enabled(item);
    }
    if (debug::log_enabled(Item::Regs)) {
        histogram_ = std::make_unique<debug::RegisterHistogram>();
    }
    if (config_.tier0 && link_blocks_ && !debug::shows_translations()) {
        executed_ = std::make_unique<ExecutedBlocks>();
    }
    if (config_.fp_trap_budget != 0) {
        add_mode(ir::BlockMode::kTrapsFp);
    }
}

bool JitEngine::start(std::string& why_not) {
    backend_ = config_.make_backend(why_not);
    if (backend_ == nullptr) {
        return false;
    }
    stubs_ = backend_->make_stubs({.lookup = lookup_call, .link = link_call});
    if (!memory_.create(config_.code_cache_bytes, stubs_.code, TranslationCache::kArenas,
                        why_not)) {
        return false;
    }
    cache_ = std::make_unique<TranslationCache>(memory_, statistics_, system_);
    if (config_.tier2 != nullptr && link_blocks_) {
        tiering_ = std::make_unique<Tiering>(config_, *cache_, statistics_);
    }
    if (config_.persistent != nullptr) {
        using Tiers = PersistentCache::Tiers;
        stored_ = std::make_unique<StoredTranslations>(
            StoredTranslations::Parts{*config_.persistent, *cache_, lifter_, tagged_accesses_,
                                      statistics_},
            StoredTranslations::Options{.tiers = tiering_ != nullptr && !system_ ? Tiers::Both
                                                                                 : Tiers::First,
                                        .system = system_,
                                        .installs_ahead = link_blocks_});
    }
    enter_ = reinterpret_cast<decltype(enter_)>(memory_.stub_base() + stubs_.enter);
    debug::perf_stubs(memory_.stub_base(), static_cast<u32>(stubs_.code.size()));
    return true;
}

std::string JitEngine::stats() const {
    std::string text = EngineBase::stats();
    if (tiering_ != nullptr) {
        text += tiering_->refusals(TranslationLock{translation_mutex_});
    }
    return text + (histogram_ != nullptr ? histogram_->text() : "");
}

void JitEngine::prepare_thread(EngineThread& thread) {
    backend_->prepare_state(thread.state, stubs_, memory_.stub_base(), thread.return_stack_top);
    CHECK(thread.state.return_stack > thread.guard_high &&
          thread.state.return_stack <= thread.return_stack_top);
}

// --- the dispatcher

ExitReason JitEngine::run(ir::CpuState& state) {
    EngineThread& thread = thread_of(state);
    DCHECK(thread.engine == this);
    current_ = &thread;
    for (;;) {
        if (pending_of(state).load(std::memory_order_relaxed) != 0 && take_pending(thread)) {
            return ExitReason::Safepoint;
        }
        if (state.btype != 0 && is_wrong_target(state)) {
            return ExitReason::BranchTarget;
        }
        const u64 generation = registry_.enter(thread);
        bring_up_to_date(thread, generation);
        const auto key = next_key(thread);
        const Found found = key ? find_or_translate(*key) : Found{0, Miss::FetchFault};
        if (found.host == 0 && found.miss != Miss::FirstRun) {
            registry_.leave(thread);
            if (found.miss != Miss::CacheFull) {
                return exit_for(found.miss);
            }
            make_room(generation);
            continue;
        }
        if (!link_blocks_) {
            log_execution(state);
        }
        state.btype = 0;
        const ExitReason reason =
            found.host != 0 ? enter_(&state, found.host) : run_first(thread, *key);
        registry_.leave(thread);
        ++thread.entries;
        state.pc = ir::untagged(state.pc); // of an indirect branch (AArch64.BranchAddr with TBI)
        switch (reason) {
        case ExitReason::Lookup:
            if (thread.tagged_access_pc != ir::kNoPc) {
                translate_for_tags(thread);
            }
            break;
        case ExitReason::InvalidateCache:
            invalidate_line(thread);
            break;
        case ExitReason::ContextSync:
            break; // all that is to do follows from the state
        case ExitReason::RangeMiss:
            thread.no_ranges_next = !find_other_pages(thread);
            break;
        case ExitReason::Safepoint:
            break; // pending says what for
        default:
            return reason;
        }
    }
}

// In the dispatcher, before the thread becomes active.
void JitEngine::take_sample(EngineThread& thread) {
    debug::count(statistics_.samples);
    sampler_.note_answer();
    bool any_installed = false;
    const auto key = located_key_of(thread.state);
    if (const TranslationLock lock{translation_mutex_, std::try_to_lock}; key && lock) {
        const Sample sample{*key, thread.state.indirect_site,
                            thread.state.at_safe_point_of_region != 0};
        any_installed = tiering_->note(lock, sample, thread.state);
    }
    if (any_installed) {
        registry_.flag_all(kPendingFlush);
    }
}

// A region of a machine was left where it begins: it does not know whether its other pages are
// where they were. True: now it does. False: they are not, or it was left for something else; then
// tier 1 goes on.
bool JitEngine::find_other_pages(EngineThread& thread) {
    const auto key = located_key_of(thread.state);
    if (!key || !BlockTable::representable(key->pc, system_)) {
        return false;
    }
    TranslationLock lock{translation_mutex_};
    const std::vector<backend::CodePlace> pages = cache_->pages_of_region(lock, *key);
    const bool privileged = key->mode.privileged();
    bool any_new = false;
    for (const backend::CodePlace& place : pages) {
        if (place == backend::place_of(*key) || thread.code_places.has(privileged, place)) {
            continue;
        }
        if (code_.page_of(place.page) != place.number) {
            const bool is_forgotten = cache_->note_misplaced(lock, *key);
            lock.unlock();
            if (is_forgotten) {
                registry_.flag_all(kPendingFlush);
            }
            return false;
        }
        thread.code_places.enter(privileged, place);
        any_new = true;
    }
    return any_new;
}

// What a thread caches is valid for one generation and one mode.
void JitEngine::bring_up_to_date(EngineThread& thread, u64 generation) {
    const ir::BlockMode mode = mode_of(thread.state);
    if (mode.system()) {
        switch_view(thread, mode);
    }
    if (mode.traps_flushes()) { // which looks at FPSR, too
        thread.state.guest_mxcsr = backend::mxcsr_of(mode, thread.state.fpsr);
    }
    const bool sets_btype_now = mode.bti() && !thread.branches_set_btype;
    thread.branches_set_btype = thread.branches_set_btype || mode.bti();
    if (thread.seen_generation == generation && !sets_btype_now &&
        (thread.seen_mode == mode.bits || mode.system())) {
        return;
    }
    thread.drop_host_addresses();
    if (thread.seen_mode != mode.bits && !mode.system()) {
        thread.seen_mode = mode.bits;
        thread.state.guest_mxcsr = backend::mxcsr_of(mode, thread.state.fpsr);
    }
    if (thread.seen_generation != generation) {
        thread.seen_generation = generation;
        tidy_after_flush();
    }
}

// A machine goes to and fro between EL0 and others: each has jump caches of its own. Frames are
// those of one level.
void JitEngine::switch_view(EngineThread& thread, ir::BlockMode mode) {
    if (thread.current_mode == mode.bits) {
        return;
    }
    thread.current_mode = mode.bits;
    thread.state.guest_mxcsr = backend::mxcsr_of(mode, thread.state.fpsr);
    thread.drop_frames();
    if (thread.machine_jumps.use_mode(mode) && !mode.privileged()) {
        thread.clear_guarded_jump_cache();
    }
}

JitEngine::Found JitEngine::find_or_translate(ir::BlockKey key) {
    if ((key.pc & 3) != 0) {
        return {0, Miss::MisalignedPc};
    }
    if (!BlockTable::representable(key.pc, system_)) {
        return {0, Miss::FetchFault};
    }
    if (const u64 host = cache_->find(key); host != 0) {
        return {host};
    }
    const TranslationLock lock{translation_mutex_};
    if (const u64 host = cache_->find(key); host != 0) {
        return {host};
    }
    return obtain(lock, key);
}

// A block that the current generation does not have.
JitEngine::Found JitEngine::obtain(const TranslationLock& lock, ir::BlockKey key) {
    const u64 host = stored_ != nullptr ? stored_->find(lock, key, obtained_) : 0;
    if (host == 0 && is_first_run(key)) {
        return {0, Miss::FirstRun};
    }
    if (++obtained_ % kBlocksBeforeSamples == 0 && tiering_ != nullptr) {
        sampler_.start();
    }
    return host != 0 ? Found{host} : translate(lock, key);
}

// Much of a program, most of a short one, is executed once, and to translate it costs several times
// what interpreting it does. What is kept of a file shows that the file is used again and again:
// all that is executed of it is worth keeping. (Of a machine's code, what each boot executes once
// is interpreted as fast as it would be found.)
bool JitEngine::is_first_run(ir::BlockKey key) const {
    return executed_ != nullptr && !executed_->contains(key) &&
           (stored_ == nullptr || system_ || !stored_->has_some_at(key.pc));
}

ExitReason JitEngine::run_first(EngineThread& thread, ir::BlockKey key) {
    executed_->add(key);
    debug::count(statistics_.first_runs);
    return lift_and_interpret(thread, key, code_, tier0_options_);
}

JitEngine::Found JitEngine::translate(const TranslationLock& lock, ir::BlockKey key) {
    if (!lifter_.lift(key)) {
        return {0, Miss::FetchFault};
    }
    backend::CompileOptions options = config_.compile;
    options.mask_tags = options.mask_tags || tagged_accesses_.concern(lifter_.block().guest_pcs);
    if (histogram_ != nullptr) {
        options.entry_counter = histogram_->add(lifter_.block());
    }
    {
        const debug::StageTimer timer{statistics_.emit_ticks};
        compiled_.reset();
        backend_->compile(lifter_.block(), options, compiled_);
    }
    const debug::StageTimer timer{statistics_.install_ticks};
    const u64 host = cache_->insert(lock, compiled_, lifter_.extent(), options.mask_tags);
    if (host == 0) {
        return {0, Miss::CacheFull};
    }
    if (stored_ != nullptr) {
        stored_->keep(compiled_, options.mask_tags);
    }
    debug::count(statistics_.host_bytes, compiled_.code.size());
    debug::perf_block(host, static_cast<u32>(compiled_.code.size()), key.pc);
    if (debug::log_enabled(Item::OutAsm) && debug::log_wants(key.pc)) {
        dump_host(lock, host);
    }
    if (tiering_ != nullptr) {
        tiering_->note_new_block(lock, key, current_->state);
        return {cache_->find(key)}; // the region's, if there is one now
    }
    return {host};
}

void JitEngine::dump_host(const TranslationLock& lock, u64 host) const {
    const std::span<const u8> code = cache_->code_at(lock, host);
    debug::log_text("OUT: [size=" + std::to_string(code.size()) + "]\n" +
                    debug::disassemble_host(code, host) + "\n");
}

// --- calls from translated code. The thread stays active. Returning 0 leads to the dispatcher.

u64 JitEngine::lookup_call(ir::CpuState& state) {
    EngineThread& thread = thread_of(state);
    return static_cast<JitEngine*>(thread.engine)->lookup(thread);
}

u64 JitEngine::link_call(ir::CpuState& state, u64 stub) {
    EngineThread& thread = thread_of(state);
    return static_cast<JitEngine*>(thread.engine)->link(thread, stub);
}

u64 JitEngine::lookup(EngineThread& thread) {
    ++thread.indirect_misses;
    if (!link_blocks_ || pending_of(thread.state).load(std::memory_order_relaxed) != 0) {
        return 0;
    }
    const GuestAddr target = thread.state.pc;
    thread.state.pc = ir::untagged(target);
    const u32 btype = thread.state.btype;
    if (btype != 0 && is_wrong_target(thread.state)) {
        return 0; // the dispatcher finds the same
    }
    // On a miss the dispatcher tries again and finds the reason.
    const auto key = located_key_of(thread.state);
    const u64 host = key ? find_or_translate(*key).host : 0;
    if (host != 0 && system_) {
        if (btype == 0) {
            thread.machine_jumps.enter(thread.state.pc, host, key->mode.privileged());
        } else if (!key->mode.privileged()) { // above EL0 they are looked up each time
            thread.cache_jump(thread.state.pc, host, btype);
        }
        thread.state.btype = 0;
    } else if (host != 0) {
        // An invalidation since the look-up has flagged this thread: the entry is gone at its safe
        // point. The caller of an invalidation looks for entries without tag.
        if (thread.state.pc == target) {
            thread.cache_jump(target, host, btype);
        }
        thread.state.btype = 0;
    }
    return host;
}

u64 JitEngine::link(EngineThread& thread, u64 stub) {
    const TranslationLock lock{translation_mutex_};
    const auto ref = cache_->link_at(lock, stub);
    CHECK(ref.has_value());
    thread.state.pc = ref->target.pc;
    if (!ref->usable || !link_blocks_ ||
        pending_of(thread.state).load(std::memory_order_relaxed) != 0 ||
        !BlockTable::representable(ref->target.pc, system_)) {
        thread.no_ranges_next = ref->target.mode.no_ranges();
        return 0;
    }
    u64 host = cache_->find(ref->target);
    if (host == 0) {
        host = obtain(lock, ref->target).host;
    }
    if (host != 0) {
        cache_->connect(lock, *ref, host);
    } else { // the dispatcher goes on, with this block and not with its twin
        thread.no_ranges_next = ref->target.mode.no_ranges();
    }
    return host;
}

// --- invalidation and the full cache

void JitEngine::invalidate_blocks(GuestAddr start, u64 bytes, EngineThread* caller) {
    bool any = false;
    {
        const TranslationLock lock{translation_mutex_};
        cache_->invalidate(lock, start, bytes, [&](GuestAddr pc) {
            any = true;
            if (caller != nullptr) {
                caller->forget_jump(pc);
                caller->drop_frames();
            }
        });
    }
    if (any) {
        registry_.flag_all(kPendingFlush, caller);
    }
}

// Called by a thread that is not active. Other threads go on while it waits for the next arena.
void JitEngine::make_room(u64 full_generation) {
    {
        const TranslationLock lock{translation_mutex_};
        if (cache_->generation(lock) != full_generation) {
            return; // another thread was faster
        }
        if (cache_->start_generation(lock, registry_.oldest_active())) {
            registry_.publish_generation(cache_->generation(lock));
            retired_exist_.store(true, std::memory_order_relaxed);
            registry_.flag_all(kPendingFlush);
            return;
        }
    }
    // A thread is still in the arena that comes next: it was flagged then, and leaves at a safe
    // point.
    registry_.flag_all(kPendingFlush);
    constexpr timespec kPause{0, 50'000};
    nanosleep(&kPause, nullptr);
}

// Gives a retired arena back as soon as its last user has left it.
void JitEngine::tidy_after_flush() {
    if (!retired_exist_.load(std::memory_order_relaxed)) {
        return;
    }
    const TranslationLock lock{translation_mutex_};
    cache_->reclaim(lock, registry_.oldest_active());
    retired_exist_.store(cache_->has_retired(lock), std::memory_order_relaxed);
}

void JitEngine::before_fork() {
    EngineBase::before_fork();
    TranslationLock lock{translation_mutex_, std::adopt_lock};
    cache_->before_fork(lock);
    lock.release(); // after_fork unlocks
    sampler_.lock_for_fork();
    if (config_.persistent != nullptr) {
        config_.persistent->lock_for_fork();
    }
}

void JitEngine::after_fork(bool in_child) {
    if (config_.persistent != nullptr) {
        config_.persistent->unlock_after_fork(in_child);
    }
    sampler_.unlock_after_fork(in_child);
    EngineBase::after_fork(in_child);
}

void JitEngine::fork_child() {
    TranslationLock lock{translation_mutex_, std::adopt_lock};
    CHECK(cache_->after_fork_in_child(lock));
    obtained_ = 0;
    if (tiering_ != nullptr) {
        tiering_->after_fork_in_child();
    }
    lock.release(); // after_fork unlocks
}

// --- faults

bool JitEngine::on_host_fault(int, void* ucontext, ir::CpuState& state, bool& resumed) {
    resumed = false;
    const u64 pc = host_pc(ucontext);
    EngineThread& thread = thread_of(state);
    if (!memory_.contains(pc)) {
        return leave_interpreter(thread, ucontext); // of a step, or a first run
    }
    const HostTrap trap = host_trap(ucontext);
    const u64 address = host_fault_address(ucontext);
    if (trap == HostTrap::PageFault && address >= thread.guard_low && address < thread.guard_high) {
        backend::reset_return_stack(ucontext, state);
        debug::count(statistics_.stack_resets);
        resumed = true;
        return true;
    }
    if (trap == HostTrap::FloatingPoint || trap == HostTrap::SingleStep) {
        on_fp_trap(trap, ucontext, state);
        resumed = true;
        return true;
    }
    // The thread was in translated code: it does not hold the lock.
    const TranslationLock lock{translation_mutex_};
    if (trap == HostTrap::PageFault && memory_.contains(address) &&
        !host_fault_is_write(ucontext)) {
        cache_->take_over(lock, address); // unless another thread was faster
        resumed = true;
        return true;
    }
    const auto fault = cache_->fault_at(lock, pc);
    if (!fault) {
        return false;
    }
    if (fault->is_located) {
        backend::save_located(ucontext, fault->locations, state);
    } else {
        backend::save_pinned(ucontext, state);
    }
    state.pc = fault->pc;
    if (trap == HostTrap::NonCanonical && !fault->masks_tags) {
        thread.tagged_access_pc = fault->pc;
        cache_->forget_at(lock, pc);
        backend::redirect_to_exit(ucontext, state, ExitReason::Lookup);
        resumed = true;
        return true;
    }
    debug::count(statistics_.faults);
    backend::redirect_to_exit(ucontext, state, ExitReason::Fault);
    return true;
}

// A trap costs some 5 us, and a step, which is two, ten times that on a virtual machine.
void JitEngine::on_fp_trap(HostTrap trap, void* ucontext, ir::CpuState& state) {
    constexpr u32 kStepCost = 10;
    constexpr u64 kPageBytes = 4096;
    if (trap == HostTrap::SingleStep) {
        backend::finish_fp_step(ucontext, state);
        return;
    }
    debug::count(statistics_.fp_traps);
    // The handler reads the instruction behind this one, too, which a forked child may not have.
    const u64 pc = host_pc(ucontext), next = pc + backend::kMostTrapBytes;
    if (align_down(next, kPageBytes) != align_down(pc, kPageBytes) && memory_.contains(next)) {
        const TranslationLock lock{translation_mutex_};
        cache_->take_over(lock, next);
    }
    if (!fp_traps_.spend(backend::resolve_fp_trap(ucontext, state) ? 1 : kStepCost)) {
        remove_mode(ir::BlockMode::kTrapsFp);
    }
}

void JitEngine::translate_for_tags(EngineThread& thread) {
    {
        const TranslationLock lock{translation_mutex_};
        tagged_accesses_.add(thread.tagged_access_pc);
    }
    thread.tagged_access_pc = ir::kNoPc;
    debug::count(statistics_.tagged_blocks);
    // The block was forgotten by the fault handler; drop the ways into it that are cached.
    registry_.flag_all(kPendingFlush);
}

} // namespace

std::unique_ptr<Engine> make_jit_engine(const EngineConfig& config, std::string& why_not) {
    auto engine = std::make_unique<JitEngine>(config);
    return engine->start(why_not) ? std::move(engine) : nullptr;
}

} // namespace ulna::runtime
