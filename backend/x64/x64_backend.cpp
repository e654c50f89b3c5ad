// The tier-1 back end for x86-64 hosts behind backend.h.
#if defined(__x86_64__)

#include <immintrin.h>

#include "backend/x64/emitter.h"
#include "backend/x64/host_cpu.h"
#include "backend/x64/stubs.h"

namespace ulna::backend {

namespace {

// Called by the call_eval thunk on the C++ stack.
void evaluate_out_of_line(ir::CpuState* state, const ir::OpParams* params) {
    state->scratch[4] = ir::eval(*params, state->scratch, state->fpsr);
}

class X64Backend final : public Backend {
  public:
    // One emitter per thread: it is a few hundred kilobytes of reused buffers.
    void
    compile(const ir::Block& block, const CompileOptions& options, CompiledBlock& out) override {
        thread_local std::unique_ptr<x64::Emitter> emitter;
        if (!emitter) {
            emitter = std::make_unique<x64::Emitter>();
        }
        emitter->compile(block, options, out);
    }

    Stubs make_stubs(const RuntimeCalls& calls) override {
        calls_ = calls;
        return x64::make_stubs();
    }

    void prepare_state(ir::CpuState& state,
                       const Stubs& stubs,
                       u64 stub_base,
                       u64 return_stack_top) override {
        state.thunks.exit = stub_base + stubs.exit;
        state.thunks.link = stub_base + stubs.link;
        state.thunks.lookup = stub_base + stubs.lookup;
        state.thunks.branch = stub_base + stubs.branch;
        for (const bool privileged : {false, true}) {
            state.thunks.machine_branch[privileged] = stub_base + stubs.machine_branch[privileged];
        }
        state.thunks.call_helper = stub_base + stubs.call_helper;
        state.thunks.call_eval = stub_base + stubs.call_eval;
        state.thunks.safepoint = stub_base + stubs.safepoint;
        state.host_flags = x64::kNzcvOfLahf;
        state.runtime_lookup = reinterpret_cast<u64>(calls_.lookup);
        state.runtime_link = reinterpret_cast<u64>(calls_.link);
        state.eval_function = reinterpret_cast<u64>(&evaluate_out_of_line);
        state.helper_table = reinterpret_cast<u64>(&ir::kHelpers);
        state.host_mxcsr = _mm_getcsr();
        state.guest_mxcsr = mxcsr_of(ir::BlockMode::from_fpcr(state.fpcr), state.fpsr);
        state.return_stack = return_stack_top - 16;
        state.return_stack_current = state.return_stack;
        const u64 sentinel = stub_base + stubs.return_sentinel;
        std::memcpy(reinterpret_cast<void*>(state.return_stack), &sentinel, sizeof sentinel);
        // The jump cache is the runtime's: a fresh state has it empty without touching its 64 KiB.
    }

  private:
    RuntimeCalls calls_;
};

} // namespace

u64 host_features() { return x64::optional_host_features(); }

std::unique_ptr<Backend> make_host_backend(std::string& why_not) {
    if (const char* feature = x64::missing_host_feature()) {
        why_not = std::string("this CPU lacks ") + feature + " (x86-64-v3 is needed)";
        return nullptr;
    }
    return std::make_unique<X64Backend>();
}

} // namespace ulna::backend

#endif
