// The x86-64 back end against the interpreter: every operation alone, and random blocks of them in
// all configurations.
#include <set>

#include "ir/opt/pipeline.h"
#include "tests/unit/x64_random.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

bool is_evaluated(Opcode op) {
    const Effects effects = info(op).effects;
    return (effects == Effects::Pure || effects == Effects::Sticky) && op != Opcode::Const &&
           op != Opcode::ConstVec;
}

bool is_core(Opcode op) { return is_evaluated(op) && op < Opcode::FAdd && op != Opcode::FCmp; }

std::vector<Opcode> all_of(bool (*predicate)(Opcode)) {
    std::vector<Opcode> ops;
    for (unsigned i = 0; i < kOpcodeCount; ++i) {
        if (predicate(static_cast<Opcode>(i))) {
            ops.push_back(static_cast<Opcode>(i));
        }
    }
    return ops;
}

X64Runner& runner() {
    static X64Runner instance;
    return instance;
}

void random_blocks(const std::vector<Opcode>& ops, u64 first_seed, unsigned count, bool passes) {
    Block block;
    for (u64 seed = first_seed; seed < first_seed + count; ++seed) {
        RandomBlock random(seed, block);
        random.begin();
        const unsigned length = 5 + random.below(60);
        for (unsigned i = 0; i < length; ++i) {
            if (random.below(4) == 0) {
                random.next_instruction();
            }
            switch (random.below(16)) {
            case 0:
                random.memory_operation();
                break;
            case 1:
                random.atomic_operation();
                break;
            case 2:
                if (random.below(4) == 0) {
                    random.side_exit();
                }
                break;
            case 3:
            case 4:
            case 5:
            case 6: {
                constexpr Type kTypes[] = {Type::I64,  Type::I32, Type::V128,
                                           Type::Nzcv, Type::F64, Type::I64};
                random.observe(random.value(kTypes[random.below(std::size(kTypes))]));
                break;
            }
            default:
                random.operation(ops[random.below(ops.size())]);
                break;
            }
        }
        random.end();
        if (passes) {
            run_passes(block, {});
        }
        const std::string text = print(block);
        for (u64 state = 0; state < 3; ++state) {
            const std::string difference =
                compare_with_interpreter(runner(), block, seed * 16 + state);
            if (!difference.empty()) {
                INFO("seed " << seed << "\n" << text);
                FAIL(difference);
            }
        }
    }
}

void each_operation(bool (*predicate)(Opcode), unsigned count) {
    Block block;
    std::set<std::string> failing;
    std::string report;
    for (const Opcode op : all_of(predicate)) {
        for (u64 seed = 1; seed <= count && failing.count(info(op).text) == 0; ++seed) {
            RandomBlock random(seed * 1000 + static_cast<u64>(op), block);
            random.begin();
            if (!random.operation(op)) {
                continue;
            }
            const ValueId result = static_cast<ValueId>(block.insts.size() - 1);
            random.observe({result, block.insts[result].type});
            if (random.below(2) != 0) {
                random.observe({result, block.insts[result].type});
            }
            const std::string difference = compare_with_interpreter(runner(), block, seed);
            if (!difference.empty()) {
                failing.insert(info(op).text);
                report += print(block) + difference + "\n";
            }
        }
    }
    INFO(report);
    REQUIRE(failing.empty());
}

} // namespace

TEST_CASE("x64: every core operation alone equals the interpreter", "[x64]") {
    REQUIRE(runner().available());
    runner().options = {};
    each_operation(is_core, 300);
    runner().options.spill_everything = true;
    each_operation(is_core, 60);
}

TEST_CASE("x64: random blocks of core operations", "[x64]") {
    const auto ops = all_of(is_core);
    runner().options = {};
    random_blocks(ops, 1, 1500, false);
    random_blocks(ops, 100'000, 1500, true);
    runner().options.spill_everything = true;
    random_blocks(ops, 200'000, 300, false);
    runner().options = {};
    runner().options.mask_tags = true;
    random_blocks(ops, 300'000, 300, true);
    runner().options = {};
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
        do {
            (void)interpret(block, *reference);
        } while (reference->pc == block.key.pc);
        const GuestMemory expected = guest_memory();
        runner().reset();
        randomise(*runner().state, seed, 0);
        std::memcpy(counter, &rounds, sizeof rounds);
        (void)runner().run(block);
        INFO("seed " << seed << "\n" << print(block));
        REQUIRE(difference(*reference, *runner().state) == "");
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
