#include "tests/fuzz/engine_runner.h"

#include <csignal>
#include <cstring>
#include <sys/mman.h>

namespace ulna::fuzz {

namespace {

constexpr u32 kSvc = 0xd4000001;

// The code area: words after the case are SVC #0, which ends it.
class CodeArea final : public frontend::CodeSource {
  public:
    std::span<const u32> words(GuestAddr pc) override {
        if (pc < FUZZ_CODE_ADDRESS || pc >= FUZZ_CODE_ADDRESS + 4096 || pc % 4 != 0) {
            return {};
        }
        return {reinterpret_cast<const u32*>(pc), (FUZZ_CODE_ADDRESS + 4096 - pc) / 4};
    }
};
CodeArea code_area;

struct Faulting {
    runtime::Engine* engine = nullptr;
    ir::CpuState* state = nullptr;
    int signal = 0;
    int code = 0;
    u64 address = 0;
} faulting;

void on_signal(int signal, siginfo_t* info, void* context) {
    faulting.signal = signal;
    faulting.code = info->si_code;
    faulting.address = reinterpret_cast<u64>(info->si_addr);
    bool resumed = false;
    if (faulting.engine == nullptr ||
        !faulting.engine->on_host_fault(signal, context, *faulting.state, resumed)) {
        std::signal(signal, SIG_DFL); // ours: crash for real
    }
}

void map_areas() {
    static const bool once = [] {
        for (const auto& [address, bytes] :
             {std::pair{FUZZ_CODE_ADDRESS, 4096ull}, {FUZZ_DATA_ADDRESS, u64{kDataBytes}}}) {
            if (mmap(reinterpret_cast<void*>(address), bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED) {
                std::perror("insn_fuzz: mmap");
                std::exit(2);
            }
        }
        static char stack[1 << 16];
        const stack_t alternate{.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof stack};
        sigaltstack(&alternate, nullptr);
        struct sigaction action = {};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
            sigaction(signal, &action, nullptr);
        }
        return true;
    }();
    (void)once;
}

} // namespace

std::unique_ptr<EngineRunner>
EngineRunner::create(const std::string& name, runtime::EngineConfig config, std::string& why_not) {
    map_areas();
    config.code = &code_area;
    auto runner = std::unique_ptr<EngineRunner>(new EngineRunner);
    runner->name_ = name;
    runner->engine_ = runtime::Engine::create(config, why_not);
    if (runner->engine_ == nullptr) {
        return nullptr;
    }
    runner->state_ = runner->engine_->new_thread();
    return runner;
}

EngineRunner::~EngineRunner() {
    if (state_ != nullptr) {
        engine_->delete_thread(state_);
    }
}

FuzzResult EngineRunner::run(const FuzzCase& test) {
    auto* code = reinterpret_cast<u32*>(FUZZ_CODE_ADDRESS);
    auto* data = reinterpret_cast<u8*>(FUZZ_DATA_ADDRESS);
    std::memcpy(code, test.words, test.count * 4);
    code[test.count] = kSvc;
    engine_->invalidate(FUZZ_CODE_ADDRESS, 4096);
    fill_data(data, test.data_seed);

    ir::CpuState& s = *state_;
    std::memcpy(s.x, test.state.x, sizeof s.x);
    s.sp = test.state.sp;
    std::memcpy(s.v, test.state.v, sizeof s.v);
    s.nzcv = static_cast<u32>(test.state.nzcv);
    s.fpsr = static_cast<u32>(test.state.fpsr);
    if (s.fpcr != test.state.fpcr) {
        s.fpcr = test.state.fpcr;
        s.guest_mxcsr = backend::mxcsr_of_fpcr(s.fpcr);
    }
    s.excl_bytes = 0;
    s.pc = FUZZ_CODE_ADDRESS;
    faulting = {engine_.get(), state_, 0, 0, 0};
    const ir::ExitReason reason = engine_->run(s);
    faulting.engine = nullptr;

    FuzzResult out{};
    std::memcpy(out.state.x, s.x, sizeof s.x);
    out.state.sp = s.sp;
    std::memcpy(out.state.v, s.v, sizeof s.v);
    out.state.nzcv = s.nzcv;
    out.state.fpcr = s.fpcr;
    out.state.fpsr = s.fpsr;
    out.data_hash = hash_data(data);
    switch (reason) {
    case ir::ExitReason::Svc:
        break;
    case ir::ExitReason::Fault:
        out.signal = static_cast<u32>(faulting.signal);
        out.code = static_cast<u32>(faulting.code);
        out.address = faulting.address;
        break;
    case ir::ExitReason::Undefined:
        out.signal = SIGILL;
        break;
    case ir::ExitReason::Breakpoint:
        out.signal = SIGTRAP;
        break;
    default:
        out.signal = SIGBUS;
        break; // Alignment, MisalignedPc
    }
    if (out.signal != 0) {
        out.pc = s.pc;
    }
    return out;
}

} // namespace ulna::fuzz
