#include "tests/insn/executors.h"

#include <csignal>
#include <cstring>

#include "frontend/a64/decoder.h"
#include "ir/guest_access.h"
#include "ir/interpreter.h"
#ifdef ULNA_TIER2
#include "tests/support/tier2_backend.h"
#endif

namespace ulna::insn {

namespace {

using ir::ExitReason;

// Reasons that the dispatcher of an engine handles.
bool goes_on(ExitReason reason) {
    return reason == ExitReason::Lookup || reason == ExitReason::ContextSync ||
           reason == ExitReason::InvalidateCache || reason == ExitReason::Safepoint;
}

void finish(const ir::CpuState& state, ExitReason reason, MachineResult& out) {
    get_state(state, out.state);
    out.pc = state.pc;
    switch (reason) {
    case ExitReason::Svc:
        if (state.pc == MACHINE_OUT + 4) {
            out.pc = MACHINE_LEAVE;
        } else {
            out.signal = SIGSYS;
        }
        break;
    case ExitReason::Undefined:
    case ExitReason::Mops: // the machine has no kernel that would restart the copy
    case ExitReason::PacFail:
        out.signal = SIGILL;
        break;
    case ExitReason::Breakpoint:
        out.signal = SIGTRAP;
        break;
    case ExitReason::FetchFault:
        out.signal = SIGSEGV;
        out.address = state.pc;
        out.code = state.pc >= MACHINE_DATA &&
                           state.pc < MACHINE_DATA + u64{kRuns} * kWindowStride &&
                           (state.pc - MACHINE_DATA) % kWindowStride < kWindowBytes
                       ? SEGV_ACCERR
                       : SEGV_MAPERR;
        break;
    case ExitReason::MisalignedPc:
        out.signal = SIGBUS;
        out.code = BUS_ADRALN;
        out.address = state.pc;
        break;
    case ExitReason::SpAlignment:
        out.signal = SIGBUS;
        out.code = BUS_ADRALN;
        out.address = state.sp;
        break;
    case ExitReason::Alignment:
        out.signal = SIGBUS;
        out.code = BUS_ADRALN;
        out.address = ir::untagged(state.exit_arg); // as the kernel shows it
        break;
    default:
        out.signal = SIGALRM; // a defect: it should not have stopped
        break;
    }
}

void fault(const ir::CpuState& state, const Machine::Guard& guard, MachineResult& out) {
    get_state(state, out.state);
    out.pc = state.pc;
    out.signal = static_cast<u32>(guard.signal);
    out.code = static_cast<u32>(guard.code);
    out.address = guard.address;
}

} // namespace

// --- Stepper

Stepper::Stepper(const frontend::CpuModel& cpu) : rows_(frontend::encodings().size()) {
    options_.cpu = &cpu;
    options_.max_instructions = 1;
    steps_.resize(MACHINE_EXECUTABLE_BYTES / 4 + 1); // the last: MACHINE_OUT
    for (u64& generation : generation_) {
        generation = 1;
    }
}

const Stepper::Step& Stepper::step_at(GuestAddr pc, u64 fpcr, u64 sp) {
    Step& step = pc == MACHINE_OUT ? steps_.back() : steps_[(pc - MACHINE_LEAVE) / 4];
    const u64 generation = pc < MACHINE_CODE ? 1 : generation_[(pc - MACHINE_CODE) / kCodeBytes];
    const auto mode = ir::BlockMode::from_registers(fpcr, sp);
    if (step.generation == generation && step.block.key.mode == mode) {
        return step;
    }
    step.generation = generation;
    step.block.reset({pc, mode});
    frontend::translate(step.block.key, Machine::get(), options_, step.block);
    const auto* row = frontend::decode(*reinterpret_cast<const u32*>(pc), options_.cpu->features);
    step.row = pc < MACHINE_CODE || row == nullptr ? -1 : row->index;
    return step;
}

bool Stepper::run(unsigned slot, const MachineState& in, MachineResult& out) {
    ir::CpuState& state = *state_;
    out = {};
    set_state(state, in);
    state.pc = Machine::code_address(slot);
    sigjmp_buf landing;
    Machine::Guard guard{landing};
    if (sigsetjmp(landing, 0) != 0) {
        state.pc = ir::interpreter_guest_pc;
        fault(state, guard, out);
        return true;
    }
    for (unsigned steps = 0; steps < kMaxSteps; ++steps) {
        if (state.pc % 4 != 0) {
            finish(state, ExitReason::MisalignedPc, out);
            return true;
        }
        if (Machine::get().words(state.pc).empty()) {
            finish(state, ExitReason::FetchFault, out);
            return true;
        }
        const Step& step = step_at(state.pc, state.fpcr, state.sp);
        if (step.row >= 0) {
            ++rows_[static_cast<unsigned>(step.row)];
            ++executed_;
        }
        const ExitReason reason = ir::interpret(step.block, state);
        if (!goes_on(reason) && reason != ExitReason::MisalignedPc) {
            finish(state, reason, out);
            return true;
        }
    }
    return false;
}

// --- EngineExecutor

std::unique_ptr<EngineExecutor>
EngineExecutor::create(const char* name, runtime::EngineConfig config, std::string& why_not) {
    config.code = &Machine::get();
    config.code_cache_bytes = 4u << 20;
    auto executor = std::unique_ptr<EngineExecutor>(new EngineExecutor);
    executor->name_ = name;
    executor->engine_ = runtime::Engine::create(config, why_not);
    if (executor->engine_ == nullptr) {
        return nullptr;
    }
    executor->state_ = executor->engine_->new_thread();
    return executor;
}

EngineExecutor::~EngineExecutor() {
    if (state_ != nullptr) {
        engine_->delete_thread(state_);
    }
}

void EngineExecutor::program_changed(unsigned slot) {
    engine_->invalidate(Machine::code_address(slot), kCodeBytes);
}

bool EngineExecutor::run(unsigned slot, const MachineState& in, MachineResult& out) {
    ir::CpuState& state = *state_;
    out = {};
    set_state(state, in);
    state.pc = Machine::code_address(slot);
    Machine::Guard guard{*engine_, state};
    const ExitReason reason = engine_->run(state);
    if (reason == ExitReason::Fault) {
        fault(state, guard, out);
    } else {
        finish(state, reason, out);
    }
    return true;
}

std::vector<std::unique_ptr<Executor>> make_engines(const frontend::CpuModel& cpu,
                                                    std::string& why_not) {
    std::vector<std::unique_ptr<Executor>> engines;
    const auto add = [&](const char* name, runtime::EngineConfig config) {
        config.translate.cpu = &cpu;
        if (auto engine = EngineExecutor::create(name, config, why_not)) {
            engines.push_back(std::move(engine));
        }
    };
    runtime::EngineConfig config;
    config.kind = runtime::EngineKind::Interpreter;
    add("interp", config);
    config.kind = runtime::EngineKind::Jit;
    config.fp_trap_budget = ~0u;
    add("jit", config);
    config.fp_trap_budget = 1000;
    config.compile.mask_tags = true;
    add("jit-tags", config);
    config.compile.mask_tags = false;
    config.fp_trap_budget = 0;
    config.compile.spill_everything = true;
    config.compile.baseline_host = true;
    add("jit-spill", config);
    return engines;
}

std::unique_ptr<Executor> make_tier2_engine(const frontend::CpuModel& cpu, std::string& why_not) {
#ifdef ULNA_TIER2
    runtime::EngineConfig config;
    config.translate.cpu = &cpu;
    config.make_backend = test::make_tier2_backend;
    return EngineExecutor::create("tier2", config, why_not);
#else
    (void)cpu;
    why_not = "built without LLVM";
    return nullptr;
#endif
}

} // namespace ulna::insn
