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
    for (u64 seed = first_seed; seed < first_seed + count; ++seed) {
        RandomBlock random(seed, block, mode_of(seed));
        random.faults = true;
        random.whole(ops);
        INFO("seed " << seed << "\n" << print(block));
        REQUIRE(verify(block) == "");
        REQUIRE(compare_all(runner(), block, seed) == "");
    }
}

// Every form of the operation, each with a few operands; the first form that fails is reported.
std::string failure_of(Opcode op) {
    Block block;
    u64 seed = 0;
    for (const Form& form : forms_of(op)) {
        const unsigned rounds = forms_of(op).size() < 200 ? 8 : 2;
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
    for (u64 seed = 1; seed <= 1000; ++seed) {
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
    for (u64 seed = 1; seed <= 1500; ++seed) {
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
                          random.below(2) != 0 ? 0x20000 : 0x8000);
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
