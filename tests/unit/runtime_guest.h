// Small guest programs for engine tests: an assembler of the few instructions they need, memory to
// run them in, and the host signal handler that hands faults to the engine.
#pragma once

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <sys/mman.h>
#include <vector>

#include "runtime/engine.h"
#include "tests/support/catch.h"

namespace ulna::test {

// --- encodings (DDI 0487 C6.2)
namespace a64 {
inline constexpr u32 kRet = 0xd65f03c0, kSvc = 0xd4000001, kNop = 0xd503201f, kIsb = 0xd5033fdf;
constexpr u32 movz(unsigned rd, u32 imm16, unsigned hw = 0) {
    return 0xd2800000 | hw << 21 | imm16 << 5 | rd;
}
constexpr u32 movk(unsigned rd, u32 imm16, unsigned hw) {
    return 0xf2800000 | hw << 21 | imm16 << 5 | rd;
}
constexpr u32 add(unsigned rd, unsigned rn, u32 imm12) {
    return 0x91000000 | imm12 << 10 | rn << 5 | rd;
}
constexpr u32 sub(unsigned rd, unsigned rn, u32 imm12) {
    return 0xd1000000 | imm12 << 10 | rn << 5 | rd;
}
constexpr u32 subs(unsigned rd, unsigned rn, u32 imm12) {
    return 0xf1000000 | imm12 << 10 | rn << 5 | rd;
}
constexpr u32 add_reg(unsigned rd, unsigned rn, unsigned rm) {
    return 0x8b000000 | rm << 16 | rn << 5 | rd;
}
constexpr u32 ldr(unsigned rt, unsigned rn, u32 bytes = 0) {
    return 0xf9400000 | bytes / 8 << 10 | rn << 5 | rt;
}
constexpr u32 str(unsigned rt, unsigned rn, u32 bytes = 0) {
    return 0xf9000000 | bytes / 8 << 10 | rn << 5 | rt;
}
constexpr u32 str_w(unsigned rt, unsigned rn) { return 0xb9000000 | rn << 5 | rt; }
constexpr u32 b(i32 words) { return 0x14000000 | (static_cast<u32>(words) & 0x03ff'ffff); }
constexpr u32 bl(i32 words) { return 0x94000000 | (static_cast<u32>(words) & 0x03ff'ffff); }
constexpr u32 b_ne(i32 words) { return 0x54000001 | (static_cast<u32>(words) & 0x7ffff) << 5; }
constexpr u32 cbz(unsigned rt, i32 words) {
    return 0xb4000000 | (static_cast<u32>(words) & 0x7ffff) << 5 | rt;
}
constexpr u32 cbnz(unsigned rt, i32 words) {
    return 0xb5000000 | (static_cast<u32>(words) & 0x7ffff) << 5 | rt;
}
constexpr u32 br(unsigned rn) { return 0xd61f0000 | rn << 5; }
constexpr u32 blr(unsigned rn) { return 0xd63f0000 | rn << 5; }
constexpr u32 brk(u32 imm16) { return 0xd4200000 | imm16 << 5; }
constexpr u32 ic_ivau(unsigned rt) { return 0xd50b7520 | rt; }
constexpr u32 msr_fpcr(unsigned rt) { return 0xd51b4400 | rt; }
constexpr u32 fadd_s(unsigned rd, unsigned rn, unsigned rm) {
    return 0x1e202800 | rm << 16 | rn << 5 | rd;
}
inline constexpr unsigned kSp = 31, kLr = 30;

// Loads any 64-bit constant.
inline std::vector<u32> mov64(unsigned rd, u64 value) {
    std::vector<u32> words{movz(rd, value & 0xffff)};
    for (unsigned hw = 1; hw < 4; ++hw) {
        words.push_back(movk(rd, value >> (16 * hw) & 0xffff, hw));
    }
    return words;
}
} // namespace a64

// Guest memory, all of it readable and executable for the guest.
class GuestArea final : public frontend::CodeSource {
  public:
    explicit GuestArea(u64 bytes) : bytes_{bytes} {
        void* const memory = mmap(nullptr, bytes + kGuardBytes, PROT_NONE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        REQUIRE(memory != MAP_FAILED);
        REQUIRE(mprotect(memory, bytes, PROT_READ | PROT_WRITE) == 0);
        base_ = reinterpret_cast<u64>(memory);
    }
    ~GuestArea() override { munmap(reinterpret_cast<void*>(base_), bytes_ + kGuardBytes); }
    GuestArea(const GuestArea&) = delete;
    GuestArea& operator=(const GuestArea&) = delete;

    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override {
        if (pc - base_ >= bytes_ || pc % 4 != 0) {
            return {};
        }
        return {reinterpret_cast<const u32*>(pc), (4096 - pc % 4096) / 4};
    }
    [[nodiscard]] GuestAddr at(u64 offset) const { return base_ + offset; }
    [[nodiscard]] GuestAddr end() const { return base_ + bytes_; }
    GuestAddr put(u64 offset, std::span<const u32> code) {
        std::memcpy(reinterpret_cast<void*>(at(offset)), code.data(), code.size_bytes());
        return at(offset);
    }
    GuestAddr put(u64 offset, std::initializer_list<u32> code) {
        return put(offset, std::span{code.begin(), code.size()});
    }
    [[nodiscard]] volatile u64& cell(u64 offset) const {
        return *reinterpret_cast<volatile u64*>(at(offset));
    }

  private:
    static constexpr u64 kGuardBytes = 4096; // behind it nothing can be accessed
    u64 base_ = 0, bytes_;
};

// The engine and state that the calling thread runs, for the signal handler.
struct Running {
    runtime::Engine* engine = nullptr;
    ir::CpuState* state = nullptr;
};
inline thread_local Running running;

inline void on_fault(int signal, siginfo_t*, void* context) {
    bool resumed = false;
    if (running.engine == nullptr ||
        !running.engine->on_host_fault(signal, context, *running.state, resumed)) {
        std::signal(signal, SIG_DFL); // a crash of our own
    }
}

// One host thread's part of the host signal set-up.
class FaultHandling {
  public:
    FaultHandling() : stack_(64 << 10) {
        const stack_t alternate{.ss_sp = stack_.data(), .ss_flags = 0, .ss_size = stack_.size()};
        sigaltstack(&alternate, &old_stack_);
        struct sigaction action = {};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        for (unsigned i = 0; i < 2; ++i) {
            sigaction(kSignals[i], &action, &old_[i]);
        }
    }
    ~FaultHandling() {
        for (unsigned i = 0; i < 2; ++i) {
            sigaction(kSignals[i], &old_[i], nullptr);
        }
        sigaltstack(&old_stack_, nullptr);
        running = {};
    }
    FaultHandling(const FaultHandling&) = delete;
    FaultHandling& operator=(const FaultHandling&) = delete;

  private:
    static constexpr int kSignals[2] = {SIGSEGV, SIGBUS};
    std::vector<char> stack_;
    stack_t old_stack_ = {};
    struct sigaction old_[2] = {};
};

// One guest thread.
class GuestCpu {
  public:
    explicit GuestCpu(runtime::Engine& engine) : engine_{engine}, state_{engine.new_thread()} {
        if (state_ == nullptr) { // not REQUIRE: it may not be used on other threads
            std::abort();
        }
    }
    ~GuestCpu() { engine_.delete_thread(state_); }
    GuestCpu(const GuestCpu&) = delete;
    GuestCpu& operator=(const GuestCpu&) = delete;

    ir::CpuState* operator->() { return state_; }
    ir::CpuState& operator*() { return *state_; }
    ir::ExitReason run(GuestAddr pc) {
        state_->pc = pc;
        return resume();
    }
    ir::ExitReason resume() {
        running = {&engine_, state_};
        return engine_.run(*state_);
    }

  private:
    runtime::Engine& engine_;
    ir::CpuState* state_;
};

enum class Engines : u8 { Jit, JitWithTier0, Interpreter };
inline Engines any_engine() {
    return GENERATE(Engines::Jit, Engines::JitWithTier0, Engines::Interpreter);
}

inline std::unique_ptr<runtime::Engine>
make_engine(Engines which, frontend::CodeSource& code, u64 cache_bytes = 16u << 20) {
    runtime::EngineConfig config;
    config.kind =
        which == Engines::Interpreter ? runtime::EngineKind::Interpreter : runtime::EngineKind::Jit;
    config.tier0 = which == Engines::JitWithTier0;
    config.code = &code;
    config.code_cache_bytes = cache_bytes;
    std::string why_not;
    auto engine = runtime::Engine::create(config, why_not);
    INFO(why_not);
    REQUIRE(engine != nullptr);
    return engine;
}

// A line of `--stats`.
inline u64 statistic_of(const runtime::Engine& engine, const std::string& name) {
    const std::string stats = engine.stats();
    const std::size_t at = stats.find(name);
    REQUIRE(at != std::string::npos);
    return std::stoull(stats.substr(at + name.size()));
}

} // namespace ulna::test
