// Guest faults in tests: one in translated code leaves the block as the runtime would make it, one
// in the interpreter leaves interpret().
#pragma once

#include <csetjmp>
#include <csignal>
#include <ucontext.h>

#include "tests/unit/x64_harness.h"

namespace ulna::test {

// Handles SIGSEGV on an alternate stack for as long as it lives; faults elsewhere go to the handler
// that was there before.
class FaultHandler {
  public:
    explicit FaultHandler(X64Runner& runner) {
        runner_ = &runner;
        stack_t stack{};
        stack.ss_sp = memory_;
        stack.ss_size = sizeof memory_;
        sigaltstack(&stack, &old_stack_);
        struct sigaction action {};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigaction(SIGSEGV, &action, &old_);
    }
    ~FaultHandler() {
        sigaction(SIGSEGV, &old_, nullptr);
        sigaltstack(&old_stack_, nullptr);
        runner_ = nullptr;
    }
    FaultHandler(const FaultHandler&) = delete;

    // Of the faulting host instruction in the runner's code.
    [[nodiscard]] static u64 fault_offset() { return fault_offset_; }

    // interpret(), with a fault as ExitReason::Fault at the guest instruction.
    static ir::ExitReason interpret(const ir::Block& block, ir::CpuState& state) {
        if (sigsetjmp(out_of_interpreter_, 1) != 0) {
            interpreting_ = false;
            state.pc = ir::interpreter_guest_pc;
            state.exit_reason = static_cast<u32>(ir::ExitReason::Fault);
            return ir::ExitReason::Fault;
        }
        interpreting_ = true;
        const ir::ExitReason reason = ir::interpret(block, state);
        interpreting_ = false;
        return reason;
    }

  private:
    static void on_fault(int signal, siginfo_t* info, void* context) {
        const auto rip =
            static_cast<u64>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
        fault_offset_ = rip - reinterpret_cast<u64>(runner_->code());
        if (fault_offset_ < X64Runner::kCodeBytes) {
            ir::CpuState& state = *runner_->state;
            runner_->save_fault(context, fault_offset_);
            backend::redirect_to_exit(context, state, ir::ExitReason::Fault);
        } else if (interpreting_) {
            siglongjmp(out_of_interpreter_, 1);
        } else if ((old_.sa_flags & SA_SIGINFO) != 0) {
            old_.sa_sigaction(signal, info, context);
        } else {
            std::signal(signal, SIG_DFL);
        }
    }

    static inline X64Runner* runner_ = nullptr;
    static inline u64 fault_offset_ = 0;
    static inline struct sigaction old_ {};
    static inline sigjmp_buf out_of_interpreter_;
    static inline volatile bool interpreting_ = false;
    stack_t old_stack_{};
    alignas(16) char memory_[64 << 10];
};

} // namespace ulna::test
