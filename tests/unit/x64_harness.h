// Runs blocks through the x86-64 back end with the smallest possible runtime: code goes to one RWX
// buffer, links are patched at once, lookups find what the test has compiled.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "ir/interpreter.h"
#include "tests/support/fp_traps.h"

namespace ulna::test {

// The back end under test: tier 1, or in tier2_tests, which has the same tests, tier 2. Null when
// the host lacks what it needs.
[[nodiscard]] std::unique_ptr<backend::Backend> make_test_backend();
// How many of `count` random cases to take: tier 2 compiles a hundred times slower.
[[nodiscard]] unsigned test_effort(unsigned count);
// As many of the rows, from a random one on.
template <class Rows> auto some_of(const Rows& rows, u64 first) {
    std::vector<std::decay_t<decltype(*std::begin(rows))>> chosen;
    const auto count = static_cast<unsigned>(std::size(rows));
    for (unsigned i = 0; i < std::min(count, test_effort(count)); ++i) {
        chosen.push_back(std::begin(rows)[(first + i) % count]);
    }
    return chosen;
}

class X64Runner {
  public:
    X64Runner() : X64Runner(make_test_backend()) {}
    explicit X64Runner(std::unique_ptr<backend::Backend> backend) : backend_{std::move(backend)} {
        if (!backend_) {
            return;
        }
        code_ = static_cast<u8*>(map(kCodeBytes, PROT_READ | PROT_WRITE | PROT_EXEC));
        return_stack_ = static_cast<u8*>(map(kStackBytes, PROT_READ | PROT_WRITE));
        stubs_ = backend_->make_stubs({lookup, link});
        std::memcpy(code_, stubs_.code.data(), stubs_.code.size());
        start_ = used_ = (stubs_.code.size() + 63) & ~std::size_t{63};
        state = std::make_unique<ir::CpuState>();
        state->runtime = this;
        prepare();
    }
    ~X64Runner() {
        munmap(code_, kCodeBytes);
        munmap(return_stack_, kStackBytes);
    }
    X64Runner(const X64Runner&) = delete;

    [[nodiscard]] bool available() const { return backend_ != nullptr; }

    // Forgets all blocks and all state.
    void reset() {
        used_ = start_;
        blocks_.clear();
        links_.clear();
        *state = ir::CpuState{};
        state->runtime = this;
        prepare();
    }

    // Compiles and places a block; later lookups of its PC find it.
    u64 add(const ir::Block& block) {
        if (traps_fp) {
            ir::Block trapping = block;
            trapping.key.mode.bits |= ir::BlockMode::kTrapsFp;
            backend_->compile(trapping, options, compiled);
        } else {
            backend_->compile(block, options, compiled);
        }
        return place();
    }
    // The same for code from elsewhere.
    u64 add(const backend::CompiledBlock& code) {
        compiled = code;
        return place();
    }
    // Makes lookups of a PC find a further entry of code.
    void name_entry(GuestAddr pc, u64 entry) { blocks_[pc] = entry; }
    // 0: nothing has been compiled for the PC.
    [[nodiscard]] u64 find(GuestAddr pc) const {
        const auto found = blocks_.find(pc);
        return found == blocks_.end() ? 0 : found->second;
    }

    ir::ExitReason enter(u64 entry) {
        ir::BlockMode mode = ir::BlockMode::from_fpcr(state->fpcr);
        if (traps_fp) {
            mode.bits |= ir::BlockMode::kTrapsFp;
            handle_fp_traps(*state);
        }
        state->guest_mxcsr = backend::mxcsr_of(mode, state->fpsr);
        using Enter = u32 (*)(ir::CpuState*, u64);
        const auto function = reinterpret_cast<Enter>(code_ + stubs_.enter);
        range_missed_ = false;
        const u32 reason = function(state.get(), entry);
        if (range_missed_) { // as the interpreter says it
            state->exit_reason = static_cast<u32>(ir::ExitReason::RangeMiss);
            return ir::ExitReason::RangeMiss;
        }
        return static_cast<ir::ExitReason>(reason);
    }
    ir::ExitReason run(const ir::Block& block) { return enter(add(block)); }

    std::unique_ptr<ir::CpuState> state;
    backend::CompileOptions options;
    bool traps_fp = false; // BlockMode::kTrapsFp is added to the mode of all blocks
    backend::CompiledBlock compiled;
    unsigned lookups = 0, linked = 0;

    [[nodiscard]] backend::Backend& backend() { return *backend_; }
    [[nodiscard]] u8* code() { return code_; }
    [[nodiscard]] u8* return_stack() { return return_stack_; }

    // Makes the state what the guest has at a fault of the host instruction at `offset` in the
    // code, in the block added last; its pc is kNoPc when that is no fault site.
    void save_fault(const void* ucontext, u64 offset) {
        state->pc = ir::kNoPc;
        for (std::size_t i = 0; i < compiled.faults.size(); ++i) {
            const backend::FaultSite& site = compiled.faults[i];
            if (last_offset_ + site.code_offset != offset) {
                continue;
            }
            state->pc = compiled.guest_pcs[site.guest_index];
            if (compiled.location_ends.empty()) {
                backend::save_pinned(ucontext, *state);
            } else {
                const std::size_t begin = i == 0 ? 0 : compiled.location_ends[i - 1];
                backend::save_located(
                    ucontext,
                    std::span(compiled.locations).subspan(begin, compiled.location_ends[i] - begin),
                    *state);
            }
        }
    }

    static constexpr std::size_t kCodeBytes = 16u << 20, kStackBytes = 64u << 10;

  private:
    struct Link {
        u8* displacement;
        GuestAddr target;
    };

    u64 place() {
        u8* const at = code_ + used_;
        std::memcpy(at, compiled.code.data(), compiled.code.size());
        used_ += (compiled.code.size() + 63) & ~std::size_t{63};
        for (const backend::LinkSite& site : compiled.links) {
            links_[reinterpret_cast<u64>(at) + site.stub_offset] = {at + site.displacement_offset,
                                                                    site.target};
        }
        const u64 entry = reinterpret_cast<u64>(at);
        blocks_[compiled.key.pc] = entry;
        last_offset_ = static_cast<u64>(at - code_);
        return entry;
    }

    static void* map(std::size_t bytes, int protection) {
        return mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    void prepare() {
        backend_->prepare_state(*state, stubs_, reinterpret_cast<u64>(code_),
                                reinterpret_cast<u64>(return_stack_) + kStackBytes);
        state->machine_jump_cache[0] = state->machine_jump_cache[1] = state->jump_cache;
    }
    static u64 lookup(ir::CpuState& state) {
        auto& self = *static_cast<X64Runner*>(state.runtime);
        ++self.lookups;
        const auto found = self.blocks_.find(state.pc);
        if (found == self.blocks_.end()) {
            return 0;
        }
        state.jump_cache[state.pc >> 2 & (ir::kJumpCacheEntries - 1)] = {state.pc, found->second};
        return found->second;
    }
    static u64 link(ir::CpuState& state, u64 stub) {
        auto& self = *static_cast<X64Runner*>(state.runtime);
        const Link& link = self.links_.at(stub);
        const auto found = self.blocks_.find(link.target);
        if (found == self.blocks_.end() || state.pending != 0) {
            state.pc = link.target & ~backend::kWithoutRanges;
            self.range_missed_ = state.pc != link.target;
            return 0;
        }
        ++self.linked;
        const u32 distance =
            static_cast<u32>(found->second - reinterpret_cast<u64>(link.displacement) - 4);
        std::memcpy(link.displacement, &distance, 4);
        return found->second;
    }

    std::unique_ptr<backend::Backend> backend_;
    backend::Stubs stubs_;
    u8* code_ = nullptr;
    u8* return_stack_ = nullptr;
    std::size_t start_ = 0, used_ = 0;
    u64 last_offset_ = 0;
    bool range_missed_ = false;
    std::map<u64, u64> blocks_;
    std::map<u64, Link> links_;
};

} // namespace ulna::test
