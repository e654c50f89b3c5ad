#include "runtime/system/host_signals.h"

#include <csignal>
#include <memory>

#include "ir/support/check.h"
#include "runtime/fault_safe_copy.h"
#include "runtime/system/vcpu.h"

namespace ulna::system {

namespace {

runtime::Engine* g_engine = nullptr;

void on_signal(int signal, siginfo_t*, void* context) {
    if (runtime::recover_copy(context)) {
        return;
    }
    bool resumed = false;
    Vcpu* const vcpu = Vcpu::current();
    const bool ours =
        vcpu != nullptr && g_engine->on_host_fault(signal, context, vcpu->state(), resumed);
    if (!ours || !resumed) { // a fault of our own: die of it where it happened
        std::signal(signal, SIG_DFL);
    }
}

} // namespace

void handle_host_signals(runtime::Engine& engine) {
    g_engine = &engine;
    struct sigaction action {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGTRAP}) {
        CHECK(sigaction(signal, &action, nullptr) == 0);
    }
}

void use_signal_stack() {
    constexpr std::size_t kBytes = 64 << 10;
    thread_local const std::unique_ptr<u8[]> stack{new u8[kBytes]};
    const stack_t where{.ss_sp = stack.get(), .ss_flags = 0, .ss_size = kBytes};
    CHECK(sigaltstack(&where, nullptr) == 0);
}

} // namespace ulna::system
