// The x86-64 back end against the interpreter: every operation alone, and random blocks of them in
// all configurations.
#include "ir/opt/pipeline.h"
#include "tests/unit/x64_random.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

std::vector<Opcode> all_of(bool (*predicate)(Opcode)) {
    std::vector<Opcode> ops;
    for (unsigned i = 0; i < kOpcodeCount; ++i) {
        if (predicate(static_cast<Opcode>(i))) {
            ops.push_back(static_cast<Opcode>(i));
        }
    }
    return ops;
}
bool is_core(Opcode op) { return has_forms(op) && op < Opcode::FAdd && op != Opcode::FCmp; }

X64Runner& runner() {
    static X64Runner instance;
    return instance;
}

void random_blocks(const std::vector<Opcode>& ops, u64 first_seed, unsigned count) {
    const FaultHandler handler(runner());
    Block block;
    for (u64 seed = first_seed; seed < first_seed + test_effort(count); ++seed) {
        RandomBlock random(seed, block, mode_of(seed));
        random.faults = true;
        random.whole(ops);
        INFO("seed " << seed << "\n" << print(block));
        REQUIRE(verify(block) == "");
        REQUIRE(compare_all(runner(), block, seed) == "");
    }
}

u64 seed_of(Opcode op) { return static_cast<u64>(op) * 7; }

// Every form of the operation, each with a few operands; the first form that fails is reported.
std::string failure_of(Opcode op) {
    Block block;
    u64 seed = 0;
    const std::size_t forms = forms_of(op).size();
    const std::size_t step = 1 + forms / (test_effort(static_cast<unsigned>(forms)) + 2);
    for (std::size_t i = seed_of(op) % step; i < forms; i += step) {
        const Form& form = forms_of(op)[i];
        const unsigned rounds = test_effort(forms < 200 ? 8 : 2);
        for (unsigned round = 0; round < rounds; ++round) {
            ++seed;
            RandomBlock random(seed * 1000 + static_cast<u64>(op), block, mode_of(seed));
            random.begin();
            const Value result = random.operation(form);
            random.observe(result);
            if (random.below(2) != 0) {
                random.observe(result);
            }
            const std::string difference = compare_all(runner(), block, seed);
            if (!difference.empty()) {
                return print(block) + difference + "\n";
            }
        }
    }
    return {};
}

} // namespace

TEST_CASE("x64: every form of every operation alone equals the interpreter", "[x64]") {
    REQUIRE(runner().available());
    std::string report;
    for (const Opcode op : all_of(has_forms)) {
        report += failure_of(op);
    }
    INFO(report);
    REQUIRE(report.empty());
}

// EFLAGS made before an operation may serve a condition behind it.
TEST_CASE("x64: operations keep the flags that they say they keep", "[x64]") {
    Block block;
    u64 seed = 0;
    for (const Opcode op : all_of(has_forms)) {
        for (std::size_t i = 0; i < forms_of(op).size();
             i += 1 + forms_of(op).size() / test_effort(100)) {
            ++seed;
            RandomBlock random(seed, block, mode_of(seed));
            random.begin();
            Builder& b = random.builder();
            const Value left = b.get(x_slot(3)), right = b.get(x_slot(20));
            const Value condition = b.icmp(static_cast<Cond>(seed % 14), left, right);
            const Value result = random.operation(forms_of(op)[i]);
            b.set(x_slot(25), b.select(condition, left, right));
            b.set(x_slot(26), b.zext(b.not_(condition), Type::I64)); // so it exists as a value, too
            random.observe(result);
            block.exit = ExitCond{condition.id, 0x50000, 0x60000};
            INFO(print(block));
            REQUIRE(compare_with_interpreter(runner(), block, seed) == "");
        }
    }
}

TEST_CASE("x64: random blocks of core operations", "[x64]") {
    random_blocks(all_of(is_core), 1, 1500);
}

TEST_CASE("x64: random blocks of all operations", "[x64]") {
    random_blocks(all_of(has_forms), 100'000, 2000);
}

// Flags at the end of such a loop are made on the way out only.
TEST_CASE("x64: loops of one block", "[x64]") {
    const auto ops = all_of(is_core);
    runner().options = {};
    Block block;
    auto reference = std::make_unique<CpuState>();
    u8* const counter = guest_memory().bytes + 1016; // beyond what random accesses reach
    for (u64 seed = 1; seed <= test_effort(1000); ++seed) {
        RandomBlock random(seed, block);
        random.begin();
        for (u64 i = random.below(20); i > 0; --i) {
            switch (random.below(6)) {
            case 0:
                random.memory_operation();
                break;
            case 1:
            case 2:
                random.observe(random.value(random.below(2) != 0 ? Type::I64 : Type::V128));
                break;
            default:
                random.operation(ops[random.below(ops.size())]);
                break;
            }
        }
        Builder& b = random.builder();
        random.next_instruction();
        const Value address = b.c64(reinterpret_cast<u64>(counter));
        const Value count = b.load(Type::I64, address, {.size_log2 = 3});
        const Value left = b.sub(count, b.c64(1));
        const bool by_result = random.below(2) != 0;
        const Value flags = by_result ? b.logic_flags(left) : b.sub_flags(count, b.c64(1));
        b.store(address, left, {.size_log2 = 3});
        b.set(Slot::NZCV, flags);
        if (random.below(3) == 0) {
            random.observe(random.value(Type::I64));
        }
        const Cond stay = random.below(2) != 0 ? Cond::NE : by_result ? Cond::GT : Cond::HI;
        block.exit = ExitCond{b.testcond(stay, flags).id, block.key.pc, 0x20000};
        if (random.below(2) != 0) {
            run_passes(block, {});
        }
        randomise(*reference, seed, 0);
        const u64 rounds = 1 + seed % 5;
        std::memcpy(counter, &rounds, sizeof rounds);
        ExitReason reason;
        do {
            reason = interpret(block, *reference);
        } while (reason == ExitReason::Lookup && reference->pc == block.key.pc);
        const GuestMemory expected = guest_memory();
        runner().reset();
        randomise(*runner().state, seed, 0);
        std::memcpy(counter, &rounds, sizeof rounds);
        (void)runner().run(block);
        INFO("seed " << seed << "\n" << print(block));
        REQUIRE(difference(*reference, *runner().state, shows_nzcv(block, *reference)) == "");
        REQUIRE(std::memcmp(&expected, &guest_memory(), sizeof expected) == 0);
    }
}

// So are flags that only a side exit shows.
TEST_CASE("x64: flags shown by side exits", "[x64]") {
    runner().options = {};
    Block block;
    for (u64 seed = 1; seed <= test_effort(1500); ++seed) {
        RandomBlock random(seed, block);
        random.begin();
        Builder& b = random.builder();
        for (u64 i = 1 + random.below(4); i > 0; --i) {
            random.next_instruction();
            const Type type = random.below(2) != 0 ? Type::I64 : Type::I32;
            const Value left = random.value(type), right = random.value(type);
            const Value flags = random.below(3) == 0   ? b.add_flags(left, right)
                                : random.below(2) == 0 ? b.sub_flags(left, right)
                                                       : b.logic_flags(left);
            if (random.below(3) == 0) {
                random.observe(random.below(2) == 0 ? b.sub(left, right) : b.add(left, right));
            }
            b.set(Slot::NZCV, flags);
            if (random.below(3) == 0) {
                random.observe(random.value(Type::I64));
            }
            if (random.below(8) == 0) {
                random.memory_operation();
            }
            for (u64 k = random.below(3); k > 0; --k) {
                b.exit_if(b.testcond(static_cast<Cond>(random.below(16)), flags),
                          random.below(2) != 0 ? 0x20000 : 0x9000); // no target of end()
            }
            if (random.below(6) == 0) {
                random.observe(b.get(Slot::NZCV));
            }
        }
        random.end();
        if (random.below(2) != 0) {
            run_passes(block, {});
        }
        INFO("seed " << seed << "\n" << print(block));
        REQUIRE(compare_with_interpreter(runner(), block, seed) == "");
    }
}

namespace {
// Runs what `build` makes with several states, with and without passes.
template <class F> void check_block(F build, BlockMode mode = {}) {
    Block block;
    block.reset({0x10000, mode});
    Builder b(block);
    b.begin_guest_instruction(0x10000, 0);
    build(b);
    INFO(print(block));
    REQUIRE(verify(block) == "");
    for (u64 seed = 1; seed <= test_effort(40); ++seed) {
        REQUIRE(compare_all(runner(), block, seed) == "");
    }
}
// A signaling compare, which raises Invalid for every NaN.
Value compare_signaling(Builder& b) {
    const Value nan = b.constant(Type::F64, 0x7ff8'0000'0000'0000);
    return b.fcmp(nan, b.vtof(b.get(v_slot(2)), Type::F64), true);
}
} // namespace

// The compare is made where its flags are consumed, if nobody can see FPSR before.
TEST_CASE("x64: an FP compare raises its flags before a side exit", "[x64]") {
    check_block([](Builder& b) {
        const Value flags = compare_signaling(b);
        b.exit_if(b.testbit(b.get(x_slot(0)), 0), 0x20000);
        b.block().exit = ExitCond{b.testcond(Cond::GT, flags).id, 0x30000, 0x40000};
    });
}
TEST_CASE("x64: an FP compare raises its flags before an access that leaves the block", "[x64]") {
    check_block([](Builder& b) {
        const Value flags = compare_signaling(b);
        const Value address = b.c64(reinterpret_cast<u64>(guest_memory().bytes) + 1);
        (void)b.load(Type::I64, address, {.size_log2 = 3, .aligned = true});
        b.block().exit = ExitCond{b.testcond(Cond::GT, flags).id, 0x30000, 0x40000};
    });
}
TEST_CASE("x64: an FP compare is not made after a helper that reads or writes FPSR", "[x64]") {
    check_block([](Builder& b) {
        const Value flags = compare_signaling(b);
        b.set(x_slot(1), b.call(HelperId::ReadFpsr));
        b.call(HelperId::WriteFpsr, {b.c64(0)});
        b.block().exit = ExitCond{b.testcond(Cond::GT, flags).id, 0x30000, 0x40000};
    });
}
TEST_CASE("x64: an FP compare raises its flags when only AL looks at them", "[x64]") {
    check_block([](Builder& b) {
        const Value flags = compare_signaling(b);
        b.block().exit = ExitCond{b.testcond(Cond::AL, flags).id, 0x30000, 0x40000};
    });
}

// Flushed half-precision lanes may be denormal as the single-precision lanes that FCVTN reads.
TEST_CASE("x64: FCVTN of half-precision results sees denormals", "[x64]") {
    check_block(
        [](Builder& b) {
            // 1.0 and 0.0 in turn: as words, denormals.
            const Value halves = b.vconst(shape::D1, 0x0000'3c00'0000'3c00);
            const u64 current = static_cast<u64>(Rounding::Current);
            const Value rounded = b.vec(Opcode::FRInt, shape::H4, {halves}, current);
            b.set(v_slot(5), b.vec(Opcode::VFCvtN, shape::H4, {rounded}, current));
        },
        BlockMode::from_fpcr(u64{1} << 24));
}

// LLVM folds constants as if it rounded to nearest where it is told that it may be any way.
TEST_CASE("x64: x - x is -0 where sums are rounded down", "[x64]") {
    check_block(
        [](Builder& b) {
            const Value x = b.vconst(shape::D1, 0x9a61'c6e7'7b7d'6a92);
            b.set(v_slot(5), b.vec(Opcode::FSub, shape::S4, {x, x}));
        },
        BlockMode::from_fpcr(u64{2} << 22));
}
// LLVM 14 to 19 read the source of the truncation.
TEST_CASE("x64: narrowed lanes as a double", "[x64]") {
    check_block([](Builder& b) {
        const Value narrow = b.vec(Opcode::VXtn, shape::H4, {b.get(v_slot(10))});
        b.set(v_slot(8), b.ftov(b.vtof(narrow, Type::F64)));
    });
}
