#include "runtime/system/vcpu.h"

#include <chrono>

#include "ir/support/check.h"
#include "runtime/devices/state_visitor.h"
#include "runtime/system/debug_exceptions.h"
#include "runtime/system/exception_log.h"
#include "runtime/system/fields.h"
#include "runtime/system/machine.h"
#include "runtime/system/machine_semihosting.h"
#include "runtime/system/pmu.h"
#include "runtime/system/pointer_auth.h"
#include "runtime/system/tag_instructions.h"

namespace ulna::system {

using ir::ExitReason;

namespace {
thread_local Vcpu* t_current = nullptr;

// Of BlockMode, what a machine decides.
u32 mode_bits(unsigned el, bool fp_disabled, bool on_sp_el0, bool uao) {
    using ir::BlockMode;
    return BlockMode::level_bits(el) | (fp_disabled ? BlockMode::kFpDisabled : 0) |
           (on_sp_el0 ? BlockMode::kOnSpEl0 : 0) | (uao ? BlockMode::kUao : 0);
}
} // namespace

Vcpu* Vcpu::current() { return t_current; }
void Vcpu::set_current(Vcpu* cpu) { t_current = cpu; }

namespace {
ir::CpuState& state_of_new_thread(runtime::Engine& engine) {
    ir::CpuState* const state = engine.new_thread();
    if (state == nullptr) {
        out_of_memory("a virtual CPU");
    }
    return *state;
}
} // namespace

Vcpu::Vcpu(Machine& machine, runtime::Engine& engine, unsigned index)
    : machine_{machine}, engine_{engine}, tlb_{state_of_new_thread(engine)} {
    cpu_.state = &tlb_.state();
    cpu_.state->runtime = this;
    cpu_.state->find_host_address = reinterpret_cast<u64>(
        static_cast<ir::FindHostAddress>([](ir::CpuState& state, u64 address, u64 mem) {
            Vcpu& vcpu = *static_cast<Vcpu*>(state.runtime);
            const auto info = ir::MemInfo::unpack(static_cast<u16>(mem));
            const bool commits = (mem & ir::kStoresAreCommitted) != 0;
            const auto range_bytes = static_cast<unsigned>((mem & ~ir::kStoresAreCommitted) >> 16);
            return range_bytes != 0 ? vcpu.find_host_range(address, info, range_bytes)
                                    : vcpu.find_host_address(address, info, commits);
        }));
    cpu_.state->commit_store = reinterpret_cast<u64>(static_cast<ir::CommitStore>(
        [](ir::CpuState& state) { static_cast<Vcpu*>(state.runtime)->commit_store(); }));
    cpu_.state->copy_or_set = reinterpret_cast<u64>(static_cast<ir::CopyOrSet>(
        [](ir::CpuState& state, u64 to, u64 source, u64 left, ir::CopyOrSetInfo how) {
            static_cast<void>(
                static_cast<Vcpu*>(state.runtime)->copy_or_set(to, source, left, how));
            return left;
        }));
    cpu_.index = index;
    cpu_.host = this;
}

Vcpu::~Vcpu() { engine_.delete_thread(cpu_.state); }

// --- running

void Vcpu::run() {
    t_current = this;
    set_host_thread();
    while (wait_until_on()) {
        while (!machine_.stopping() && is_on()) {
            enter(machine_.run_control().wait(index()));
        }
    }
    t_current = nullptr;
}

void Vcpu::set_host_thread() { host_thread_.store(gettid()); }

// False: the machine stops.
bool Vcpu::wait_until_on() {
    std::unique_lock lock{idle_mutex_};
    if (power_.load() == Power::Off) {
        machine_.run_control().cpu_off(index());
    }
    idle_.wait(lock, [&] { return machine_.stopping() || power_.load() != Power::Off; });
    if (machine_.stopping()) {
        return false;
    }
    power_up();
    return true;
}

bool Vcpu::come_up() {
    if (power_.load() == Power::Starting) {
        const std::lock_guard lock{idle_mutex_};
        power_up();
    }
    return is_on();
}

void Vcpu::power_up() {
    if (power_.load() == Power::Starting) {
        log_reset(cpu_);
        reset(cpu_, start_el_, entry_);
        cpu_.state->x[0] = context_;
        forget_everything();
        debug_changed(cpu_);
        wait_.reset();
        power_.store(Power::On);
    }
}

void Vcpu::enter(RunControl::Order order) {
    if (machine_.stopping() || !is_on()) { // a snapshot may have turned it off
        return;
    }
    serve_requests();
    const bool by_debugger = order == RunControl::Order::Step; // who means this code, no handler
    if (!by_debugger) {
        static_cast<void>(take_pending_interrupt(cpu_));
    }
    note_virtual_interrupts();
    update_translated_state(cpu_);
    cpu_.state->mode_bits =
        (cpu_.state->mode_bits & ~mode_bits(3, true, true, true)) |
        mode_bits(cpu_.pstate.el, !fp_enabled(cpu_), !cpu_.pstate.sp_sel, cpu_.pstate.uao);
    use_code_tables();
    const bool stepping = by_debugger || is_stepping();
    const auto exception = stepping ? debug_exception() : std::nullopt;
    if (exception) {
        raise(*exception);
    } else if (is_illegal_state()) {
        raise(illegal_state(cpu_.state->pc));
    } else {
        run_translated_or_one(stepping);
    }
    if (by_debugger) {
        machine_.run_control().report({.cpu = index(), .reason = RunControl::Stop::Reason::Step});
    }
}

void Vcpu::run_translated_or_one(bool stepping) {
    in_guest_.store(true);
    // Who asks after this sees that we are in there, and gets us out.
    if (forget_requested_.load()) {
        in_guest_.store(false);
        return;
    }
    if (!stepping) {
        stepped_ = Stepped::Nothing;
    }
    const bool steps = stepping && step_state(cpu_) == StepState::ActiveNotPending;
    const ExitReason reason = stepping ? execute_one() : engine_.run(*cpu_.state);
    const bool accesses_tags =
        reason == ExitReason::System && (is_tag_access(static_cast<u32>(cpu_.state->exit_arg)) ||
                                         is_set_with_tags(static_cast<u32>(cpu_.state->exit_arg)));
    // These use translations, too, and wait for no other CPU.
    if (reason == ExitReason::MemoryAccess || accesses_tags) {
        stepping ? after_step(reason, steps) : on_exit(reason);
        in_guest_.store(false);
        return;
    }
    in_guest_.store(false);
    stepping ? after_step(reason, steps) : on_exit(reason);
}

// With PSTATE.IL, every instruction that can be fetched is this exception (DDI 0487 D1.3.5.5: a
// misaligned PC and instruction aborts come first).
bool Vcpu::is_illegal_state() {
    return cpu_.pstate.il && is_aligned(cpu_.state->pc, 4) && code_page(cpu_.state->pc);
}

// HCR_EL2.VI and its like are lines, too.
void Vcpu::note_virtual_interrupts() {
    constexpr u64 kByHypervisor = u64{1} << 63;
    const std::atomic_ref<u64> seen{cpu_.state->irq_lines};
    const bool any = cpu_.has_el2 && (effective_hcr(cpu_) & hcr::kVirtualInterrupts) != 0;
    if (any != ((seen.load(std::memory_order_relaxed) & kByHypervisor) != 0)) {
        any ? seen.fetch_or(kByHypervisor) : seen.fetch_and(~kByHypervisor);
    }
}

void Vcpu::raise(const Exception& exception) {
    take_exception(cpu_, exception);
    if (RoundRobin* const turns = machine_.round_robin()) {
        turns->note_exception();
    }
}

void Vcpu::serve_requests() {
    if (pmu_due_.load(std::memory_order_relaxed) && pmu_due_.exchange(false)) {
        update_pmu(cpu_);
        machine_.update_timers(*this);
    }
    if (forget_requested_.load()) {
        serve_forgetting();
    }
}

void Vcpu::on_exit(ExitReason reason) {
    ir::CpuState& state = *cpu_.state;
    switch (reason) {
    case ExitReason::System:
        execute(static_cast<u32>(state.exit_arg));
        break;
    case ExitReason::MemoryAccess:
        on_memory_access();
        break;
    case ExitReason::FetchFault:
        on_fetch_fault();
        break;
    case ExitReason::Undefined:
        raise(undefined(state.pc));
        break;
    case ExitReason::FpDisabled:
        if (const auto trap = fp_access_trap(cpu_, state.pc)) {
            raise(*trap);
        }
        break;
    case ExitReason::Alignment:
        raise(misaligned_access(state.exit_arg, state.pc));
        break;
    case ExitReason::MisalignedPc:
        raise(pc_alignment(state.pc));
        break;
    case ExitReason::SpAlignment:
        on_misaligned_sp();
        break;
    case ExitReason::PacFail:
        raise(failed_authentication(word_at(state.pc), state.pc));
        break;
    case ExitReason::PacTrap:
        raise(trapped(ExceptionClass::Pauth, 0, key_trap_target(cpu_), state.pc));
        break;
    case ExitReason::BranchTarget:
        raise(branch_target(static_cast<u8>(state.btype), state.pc));
        break;
    case ExitReason::Mops:
        raise(memory_copy_set(static_cast<u32>(state.exit_arg), state.pc));
        break;
    case ExitReason::InstructionLimit:
        run_to_limit();
        break;
    case ExitReason::Safepoint:
        break; // what was asked for is looked at before the guest goes on
    default:
        UNREACHABLE(
            "the engine handles this exit itself, or translated code of a machine has none");
    }
}

// Fewer instructions are left than the next block has: one by one.
void Vcpu::run_to_limit() {
    const ir::CpuState& state = *cpu_.state;
    ExitReason reason = ExitReason::Lookup;
    while (reason == ExitReason::Lookup && state.instructions_left != 0 && state.btype == 0 &&
           !machine_.stop_points().has(state.pc)) {
        reason = execute_one();
        after_step(reason, /*steps=*/false);
    }
}

void Vcpu::execute(u32 word) {
    const bool counts = ir::BlockMode{cpu_.state->mode_bits}.counts();
    if (is_set_with_tags(word)) { // which may be done in parts
        const GuestAddr pc = cpu_.state->pc;
        execute_system(cpu_, word);
        cpu_.state->instructions_left -= counts && cpu_.state->pc == pc + 4;
        return;
    }
    if (counts) {
        --cpu_.state->instructions_left;
    }
    constexpr u32 kWithoutCRm = 0xffff'f0ff, kDsb = 0xd503'309f, kDsbNxs = 0xd503'303f;
    if ((word & kWithoutCRm) != kDsb && (word & kWithoutCRm) != kDsbNxs) {
        execute_system(cpu_, word);
        return;
    }
    machine_.wait_until_forgotten(*this);
    cpu_.state->sync_due = 0;
    cpu_.state->pc += 4;
}

// --- requests

void Vcpu::set_line(u32 bit, bool asserted) {
    const std::atomic_ref<u64> seen{cpu_.state->irq_lines};
    if (asserted) {
        cpu_.lines.fetch_or(bit);
        seen.fetch_or(bit);
        engine_.request_safepoint(*cpu_.state);
        wake();
    } else {
        cpu_.lines.fetch_and(~bit);
        seen.fetch_and(~u64{bit});
    }
}

void Vcpu::request_pmu_update() {
    pmu_due_.store(true);
    engine_.request_safepoint(*cpu_.state);
    wake();
}

void Vcpu::wake() {
    const std::lock_guard lock{idle_mutex_};
    idle_.notify_all();
}

bool Vcpu::start(GuestAddr entry, u64 context, u8 el) {
    const std::lock_guard lock{idle_mutex_};
    if (power_.load() != Power::Off) {
        return false;
    }
    entry_ = entry;
    context_ = context;
    start_el_ = el;
    power_.store(Power::Starting);
    machine_.run_control().cpu_on(index());
    idle_.notify_all();
    return true;
}

// A CPU is never starting when it is parked: it parks after its reset.
void Vcpu::visit_state(devices::StateVisitor& visit) {
    system::visit_state(cpu_, visit);
    visit.enumerator(cpu_.psci, PsciMethod::Smc);
    bool on = is_on();
    visit(on);
    visit_wait(visit);
    if (visit.loading() && on != is_on()) {
        const std::lock_guard lock{idle_mutex_};
        power_.store(on ? Power::On : Power::Off);
        on ? machine_.run_control().cpu_on(index()) : machine_.run_control().cpu_off(index());
        idle_.notify_all();
    }
}

// What round_robin.h has of WFI and WFE; elsewhere a wait is over when a CPU parks.
void Vcpu::visit_wait(devices::StateVisitor& visit) {
    bool waits = wait_.has_value(), is_limited = waits && wait_->until.has_value(),
         for_event = waits && wait_->for_event;
    u64 until = is_limited ? *wait_->until : 0;
    visit(waits, is_limited, for_event, until, last_wait_, waits_here_);
    if (visit.loading()) {
        wait_.reset();
        if (waits && machine_.round_robin() != nullptr) {
            wait_ = Wait{is_limited ? std::optional{until} : std::nullopt, for_event};
        }
    }
}

void Vcpu::forget_past() {
    stepped_ = Stepped::Nothing;
    request_forgetting({});
    debug_changed(cpu_);
}

bool Vcpu::has_to_wake(bool for_event) const {
    return machine_.stopping() || wakes_from_wfi(cpu_) || forget_requested_.load() ||
           pmu_due_.load() || (for_event && cpu_.event.load());
}

bool Vcpu::waits() {
    if (wait_ && (has_to_wake(wait_->for_event) || (wait_->until && *wait_->until <= counter()))) {
        wait_.reset();
    }
    return wait_.has_value();
}

void Vcpu::idle(std::optional<u64> until, bool for_event) {
    if (machine_.round_robin() != nullptr) {
        wait_ = {until, for_event};
        return;
    }
    std::unique_lock lock{idle_mutex_};
    const auto awake = [&] {
        return has_to_wake(for_event) || machine_.run_control().wants(index());
    };
    if (!until) {
        idle_.wait(lock, awake);
        return;
    }
    const u64 now = counter();
    if (*until > now) {
        const std::chrono::nanoseconds left{(*until - now) *
                                            (1'000'000'000 / ir::kCounterFrequency)};
        idle_.wait_for(lock, left, awake);
    }
}

void Vcpu::wait_for_interrupt(Cpu&, std::optional<u64> until) { idle(until, false); }

// Spinlocks wait here for one another, mostly for moments, and what ends the wait may be a store
// that nobody tells of (the monitor's event): a pause first, then short sleeps.
void Vcpu::wait_for_event(Cpu&, std::optional<u64> until) {
    constexpr unsigned kPauses = 64;
    constexpr u64 kNapTicks = ir::kCounterFrequency / 10'000; // 100 us
    const GuestAddr pc = cpu_.state->pc;
    waits_here_ = pc == last_wait_ ? waits_here_ + 1 : 0;
    last_wait_ = pc;
    if (waits_here_ < kPauses) {
        machine_.yield();
    } else {
        const u64 nap = counter() + kNapTicks;
        idle(until ? std::min(*until, nap) : nap, true);
    }
}

void Vcpu::send_event() { machine_.send_event(); }

// --- time and interrupts

u64 Vcpu::counter() { return machine_.counter(); }
u64 Vcpu::cycles(Cpu& cpu) { // of 1 GHz, as CpuHost has them
    const RoundRobin* const turns = machine_.round_robin();
    return turns != nullptr ? turns->now_ns() : CpuHost::cycles(cpu);
}
u64 Vcpu::instructions(Cpu&) {
    const RoundRobin* const turns = machine_.round_robin();
    return turns != nullptr ? turns->instructions_of(*this) : 0;
}
u64 Vcpu::cycles_per_instruction() const {
    const RoundRobin* const turns = machine_.round_robin();
    return turns != nullptr ? u64{1} << turns->time().shift : 0;
}
void Vcpu::timer_changed(Cpu&) { machine_.update_timers(*this); }
void Vcpu::pmu_interrupt(Cpu&, bool asserted) { machine_.set_pmu_interrupt(index(), asserted); }
GicAccess Vcpu::read_gic(Cpu&, u16 encoding, u64& value) {
    return machine_.read_gic(*this, encoding, value);
}
GicAccess Vcpu::write_gic(Cpu&, u16 encoding, u64 value) {
    return machine_.write_gic(*this, encoding, value);
}

// --- power

PsciResult Vcpu::cpu_on(Cpu&, u64 mpidr, GuestAddr entry, u64 context) {
    Vcpu* const other = machine_.find_cpu(mpidr);
    if (other == nullptr) {
        return PsciResult::InvalidParameters;
    }
    const u8 most_privileged_nonsecure = cpu_.has_el2 ? 2 : 1; // DEN0022, "Initial Core state"
    if (other->start(entry, context, most_privileged_nonsecure)) {
        return PsciResult::Success;
    }
    return other->is_starting() ? PsciResult::OnPending : PsciResult::AlreadyOn;
}
void Vcpu::cpu_off(Cpu&) { power_.store(Power::Off); }
i32 Vcpu::affinity_info(Cpu&, u64 mpidr) {
    const Vcpu* const other = machine_.find_cpu(mpidr);
    return other == nullptr       ? static_cast<i32>(PsciResult::InvalidParameters)
           : other->is_on()       ? 0
           : other->is_starting() ? 2
                                  : 1;
}
void Vcpu::system_off(Cpu&) { machine_.power_off(Cause::GuestShutdown); }
void Vcpu::system_reset(Cpu&) { machine_.request_reset(Cause::GuestReset); }

bool Vcpu::semihosting(Cpu&) {
    MachineSemihosting* const answers = machine_.semihosting();
    if (answers != nullptr) {
        answers->call(cpu_);
    }
    return answers != nullptr;
}

} // namespace ulna::system
