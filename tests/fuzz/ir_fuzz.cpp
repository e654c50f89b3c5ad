// Random IR blocks of all operations: interpreter against passes against translated code, in every
// configuration (compare_all). A difference is reduced to the fewest instructions that show it.
//
//     ir_fuzz [--seed N] [--count N] [--core] [--tier2]      --core: integer operations only
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <immintrin.h>
#include <string_view>

#include "tests/unit/x64_random.h"
#ifdef ULNA_TIER2
#include "tests/support/tier2_backend.h"
#endif

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

sigjmp_buf after_crash;

// The interpreter and translated code own nothing that leaving them like this would leak.
void on_crash(int signal, siginfo_t*, void*) { siglongjmp(after_crash, signal); }

void catch_crashes() {
    static char stack[1 << 16]; // translated code runs on its own stack, which is small
    const stack_t alternate{.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof stack};
    sigaltstack(&alternate, nullptr);
    struct sigaction action = {};
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_ONSTACK | SA_SIGINFO;
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
        sigaction(signal, &action, nullptr);
    }
}

// What differs, crashes included; empty when nothing.
std::string failure_of(X64Runner& runner, const Block& block, u64 state_seed) {
    if (const int signal = sigsetjmp(after_crash, 1); signal != 0) {
        constexpr u32 kAllMasked = 0x1f80;
        _mm_setcsr(kAllMasked);
        return "signal " + std::to_string(signal) + "\n";
    }
    return compare_all(runner, block, state_seed);
}

// Tries simpler blocks as long as one still fails.
class Shrinker {
  public:
    Shrinker(X64Runner& runner, u64 state_seed) : runner_{runner}, state_seed_{state_seed} {}

    void run(Block& block) {
        for (bool simpler = true; simpler;) {
            simpler = !std::holds_alternative<ExitDirect>(block.exit) &&
                      attempt(block, [](Block& b) { b.exit = ExitDirect{0x40000}; });
            for (std::size_t i = block.insts.size(); i-- > 0;) {
                const ValueId id = static_cast<ValueId>(i);
                simpler |= attempt(block, [&](Block& b) { b.insts[id].dead = true; }) ||
                           (!is_leaf(block.insts[id]) && !makes_address(block, id) &&
                            attempt(block, [&](Block& b) { make_leaf(b.insts[id], id); }));
            }
        }
    }

  private:
    static bool is_leaf(const Inst& inst) {
        return inst.op == Opcode::Get || inst.op == Opcode::Const || inst.op == Opcode::ConstVec ||
               inst.type == Type::Void;
    }
    // Part of an address: must stay as it is, or the access leaves the memory.
    static bool makes_address(const Block& block, ValueId id) {
        for (std::size_t i = id + 1u; i < block.insts.size(); ++i) {
            const Inst& user = block.insts[i];
            const bool indexed = user.op == Opcode::Load || user.op == Opcode::Store;
            const bool string = user.op == Opcode::MemCopy || user.op == Opcode::MemSet;
            if (may_fault(user.op) &&
                (user.args[0] == id || ((indexed || string) && user.args[1] == id) ||
                 (string && user.args[2] == id))) {
                return true;
            }
            if (user.op == Opcode::Add && (user.args[0] == id || user.args[1] == id) &&
                makes_address(block, static_cast<ValueId>(i))) {
                return true;
            }
        }
        return false;
    }
    // A value of the same type out of nothing.
    static void make_leaf(Inst& inst, unsigned number) {
        const Type type = inst.type;
        const Slot slot = type == Type::I64    ? x_slot(number % 31)
                          : type == Type::V128 ? v_slot(number % 32)
                                               : Slot::NZCV;
        inst.arg_count = 0;
        inst.aux = 0;
        const bool in_slot = type == Type::I64 || type == Type::V128 || type == Type::Nzcv;
        inst.op = in_slot ? Opcode::Get : Opcode::Const;
        inst.imm = in_slot ? static_cast<u64>(slot) : 1;
    }
    // Without dead instructions, renumbered; fails when one of them is used.
    static bool compact(Block& block) {
        std::vector<ValueId> renamed(block.insts.size(), kNoValue);
        std::vector<Inst> kept;
        bool possible = true;
        const auto rename = [&](ValueId id) {
            possible &= renamed[id] != kNoValue;
            return renamed[id];
        };
        for (std::size_t i = 0; i < block.insts.size(); ++i) {
            Inst inst = block.insts[i];
            if (inst.dead) {
                continue;
            }
            for (unsigned k = 0; k < inst.arg_count; ++k) {
                inst.args[k] = inst.args[k] == kNoValue ? kNoValue : rename(inst.args[k]);
            }
            renamed[i] = static_cast<ValueId>(kept.size());
            kept.push_back(inst);
        }
        if (const ValueId id = block.exit_value(); id != kNoValue) {
            block.set_exit_value(rename(id));
        }
        block.insts = std::move(kept);
        forget_idle_guest_instructions(block);
        return possible;
    }
    static void forget_idle_guest_instructions(Block& block) {
        std::vector<GuestAddr> pcs;
        unsigned last = ~0u;
        for (Inst& inst : block.insts) {
            if (inst.guest_index != last) {
                last = inst.guest_index;
                pcs.push_back(block.guest_pcs[last]);
            }
            inst.guest_index = static_cast<u16>(pcs.size() - 1);
        }
        block.guest_words.assign(pcs.size(), 0);
        block.guest_pcs = std::move(pcs);
    }
    template <class F> bool attempt(Block& block, F change) {
        Block candidate = block;
        change(candidate);
        if (!compact(candidate) || !verify(candidate).empty() ||
            failure_of(runner_, candidate, state_seed_).empty()) {
            return false;
        }
        block = std::move(candidate);
        return true;
    }

    X64Runner& runner_;
    const u64 state_seed_;
};

std::unique_ptr<backend::Backend> make_backend(bool tier2, std::string& why_not) {
    if (!tier2) {
        return backend::make_host_backend(why_not);
    }
#ifdef ULNA_TIER2
    return make_tier2_backend(why_not);
#else
    why_not = "built without LLVM";
    return nullptr;
#endif
}

[[noreturn]] void usage() {
    std::fprintf(stderr, "usage: ir_fuzz [--seed N] [--count N] [--core] [--tier2]\n");
    std::exit(2);
}

} // namespace

int main(int argc, char** argv) {
    u64 seed = 1, count = 10'000;
    bool core = false, tier2 = false;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (option == "--core") {
            core = true;
        } else if (option == "--tier2") {
            tier2 = true;
        } else if (i + 1 < argc && option == "--seed") {
            seed = std::strtoull(argv[++i], nullptr, 0);
        } else if (i + 1 < argc && option == "--count") {
            count = std::strtoull(argv[++i], nullptr, 0);
        } else {
            usage();
        }
    }
    catch_crashes();
    std::string why_not;
    static X64Runner runner(make_backend(tier2, why_not));
    if (!runner.available()) {
        std::fprintf(stderr, "ir_fuzz: %s\n", why_not.c_str());
        return 2;
    }
    const FaultHandler handler(runner);
    std::vector<Opcode> ops;
    for (unsigned i = 0; i < kOpcodeCount; ++i) {
        const auto op = static_cast<Opcode>(i);
        if (has_forms(op) && (!core || (op < Opcode::FAdd && op != Opcode::FCmp))) {
            ops.push_back(op);
        }
    }
    Block block;
    unsigned failures = 0;
    for (u64 last = seed + count; seed < last; ++seed) {
        RandomBlock random(seed, block, mode_of(seed));
        random.faults = true;
        random.whole(ops);
        if (const std::string errors = verify(block); !errors.empty()) {
            std::printf("seed %lu: generated block: %s\n%s\n", seed, errors.c_str(),
                        print(block).c_str());
            return 1;
        }
        for (u64 state = seed * 4; state < seed * 4 + 2; ++state) {
            if (failure_of(runner, block, state).empty()) {
                continue;
            }
            Shrinker{runner, state}.run(block);
            std::printf("seed %lu, state %lu\n%s%s\n", seed, state, print(block).c_str(),
                        failure_of(runner, block, state).c_str());
            std::fflush(stdout);
            if (++failures == 20) {
                return 1;
            }
            break;
        }
    }
    std::printf("ir_fuzz: %lu blocks, %u differences\n", count, failures);
    return failures != 0;
}
