// Watchpoints: which accesses meet one, the operation in the interpreter and in translated code,
// and what is lifted with it. What a debugger makes of them: tests/debugger.
#include <algorithm>
#include <random>

#include "frontend/frontend.h"
#include "ir/builder.h"
#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "tests/unit/ir_refused.h"
#include "tests/unit/runtime_guest.h"
#include "tests/unit/x64_random.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

TEST_CASE("watchpoints: accesses meet what they overlap, as far as they do what counts",
          "[ir][watch]") {
    constexpr WatchedRange kWritten{.start = 0x1008, .bytes = 4, .writes = true};
    using std::nullopt;
    CHECK(kWritten.first_met(0x1008, 4, Access::Writes) == 0x1008);
    CHECK(kWritten.first_met(0x100b, 1, Access::Writes) == 0x100b);
    CHECK(kWritten.first_met(0x1000, 16, Access::ReadsAndWrites) == 0x1008);
    CHECK(kWritten.first_met(0x1000, 16, Access::Reads) == nullopt);
    CHECK(kWritten.first_met(0x1000, 8, Access::Writes) == nullopt);
    CHECK(kWritten.first_met(0x100c, 8, Access::Writes) == nullopt);
    CHECK(kWritten.first_met(~u64{0}, 1, Access::Writes) == nullopt);

    constexpr WatchedRange kRanges[] = {{.start = 0x2000, .bytes = 8, .reads = true}, kWritten};
    const Watched watched = Watched::of(kRanges);
    CHECK(watched.first_met(0x1ffc, 8, Access::Reads) == 0x2000);
    CHECK(watched.first_met(0x1800, 8, Access::ReadsAndWrites) == nullopt);
    // The quick look lets through nothing that would meet one.
    for (GuestAddr at = 0xff0; at < 0x2010; ++at) {
        const bool far = at - watched.start >= watched.bytes;
        CHECK((!far || !watched.first_met(at, Watched::kMostAccessBytes, Access::ReadsAndWrites)));
    }
    CHECK(Watched::of({}).bytes == 0);
    constexpr WatchedRange kLow[] = {{.start = 2, .bytes = 4, .reads = true}};
    CHECK(Watched::of(kLow).start == 0);
}

TEST_CASE("watchpoints: text form and rules of the operation", "[ir][watch]") {
    constexpr const char* kText = "block 0x1000 mode=0x4000000\n"
                                  "  insn 0x1000 0x00000000\n"
                                  "  %0 = get.i64 x1\n"
                                  "  watch [%0 + 0x10] 8 reads_and_writes\n"
                                  "  watch [%0] 16 writes\n"
                                  "  exit direct 0x1004\n";
    Block block;
    REQUIRE(parse(kText, block) == "");
    CHECK(verify(block) == "");
    CHECK(print(block) == kText);
    CHECK(is_refused("watch [%0] 8"));
    CHECK(is_refused("watch [%0] 8 reads acquire"));
}

TEST_CASE("x64: watchpoints agree with the interpreter", "[x64][watch]") {
    X64Runner runner;
    if (!runner.available()) {
        return;
    }
    const FaultHandler handler{runner};
    const GuestAddr memory = reinterpret_cast<u64>(guest_memory().bytes);
    std::mt19937_64 random{30};
    const auto below = [&](u64 n) { return random() % n; };
    unsigned met = 0, passed = 0;
    for (unsigned i = 0; i < 3000; ++i) {
        std::vector<WatchedRange> ranges(below(4));
        for (WatchedRange& range : ranges) {
            const u64 kind = 1 + below(3);
            range = {.start = memory + below(256),
                     .bytes = 1 + below(24),
                     .reads = (kind & 1) != 0,
                     .writes = (kind & 2) != 0};
        }
        Block block;
        block.reset({0x10000, {BlockMode::kWatches}});
        Builder b{block};
        for (unsigned n = 0; n < 1 + below(4); ++n) {
            b.begin_guest_instruction(0x10000 + 4 * n, 0);
            const Value unknown = b.and_(b.get(x_slot(static_cast<unsigned>(below(31)))), b.c64(0));
            const Value base = b.xor_(unknown, b.c64(memory + below(256) | below(3) << kTagShift));
            b.watch(base,
                    {.size_log2 = static_cast<u8>(below(5)),
                     .access = static_cast<Access>(1 + below(3))},
                    static_cast<i64>(below(64)) - 16);
            b.set(x_slot(static_cast<unsigned>(below(31))), base);
        }
        block.exit = ExitDirect{0x20000};
        REQUIRE(verify(block) == "");
        const u64 seed = random();
        const auto expected = std::make_unique<CpuState>();
        randomise(*expected, seed, 0);
        expected->watched = Watched::of(ranges);
        (void)FaultHandler::interpret(block, *expected);
        const bool stops = static_cast<ExitReason>(expected->exit_reason) == ExitReason::Watchpoint;
        (stops ? met : passed) += 1;
        for_each_translation(runner, block, [&](const Block& translated) {
            randomise(*runner.state, seed, 0);
            runner.state->watched = Watched::of(ranges);
            (void)runner.run(translated);
            std::string text = difference(*expected, *runner.state);
            if (stops && expected->exit_arg != runner.state->exit_arg) {
                text += "addresses differ\n";
            }
            INFO(print(block));
            REQUIRE(text == "");
        });
        runner.state->watched = {};
    }
    CHECK((met > 300 && passed > 300));
}

TEST_CASE("engine: a thread stops before what it watches, and others do not",
          "[runtime][engine][watch]") {
    GuestArea area{4 * 4096};
    const FaultHandling faults;
    const auto engine = make_engine(any_engine(), area);
    GuestCpu cpu{*engine}, other{*engine};
    area.put(0, {a64::ldr(2, 1), a64::kSvc});
    area.cell(8192) = 42;
    cpu->x[1] = other->x[1] = area.at(8192);
    const WatchedRange ranges[] = {{.start = area.at(8192), .bytes = 1, .reads = true}};
    for (int i = 0; i < 3; ++i) {
        cpu->watched = Watched::of(ranges);
        cpu->mode_bits |= BlockMode::kWatches;
        CHECK(cpu.run(area.at(0)) == ExitReason::Watchpoint);
        CHECK((cpu->pc == area.at(0) && cpu->exit_arg == area.at(8192) && cpu->x[2] == 0));
        CHECK(other.run(area.at(0)) == ExitReason::Svc);
        cpu->mode_bits &= ~BlockMode::kWatches;
        CHECK(cpu.run(area.at(0)) == ExitReason::Svc);
        CHECK(std::exchange(cpu->x[2], 0) == 42);
    }
}

TEST_CASE("frontend: accesses that are watched, with and without checks of tags",
          "[frontend][watch]") {
    struct Source final : frontend::CodeSource {
        u32 word = 0;
        std::span<const u32> words(GuestAddr) override { return {&word, 1}; }
    } source;
    const auto watches = [&](u32 word, u32 mode) {
        source.word = word;
        frontend::TranslateOptions options;
        options.max_instructions = 1;
        Block block;
        block.reset({0x1000, {mode}});
        frontend::translate(block.key, source, options, block);
        CHECK(verify(block) == "");
        return std::ranges::count_if(block.insts,
                                     [](const Inst& inst) { return inst.op == Opcode::Watch; });
    };
    struct Row {
        u32 word;
        unsigned watches;
    };
    constexpr u32 kChecked = BlockMode::kTags | 1u << BlockMode::kTagCheckShift;
    for (const Row& row : {Row{0xf9400020, 1},    // ldr x0, [x1]
                           Row{0xf94003e0, 1},    // ldr x0, [sp]
                           Row{0xf86b6be0, 1},    // ldr x0, [sp, x11]
                           Row{0x58000040, 1},    // ldr x0, #8
                           Row{0xa9400820, 1},    // ldp x0, x2, [x1]
                           Row{0xad400420, 2},    // ldp q0, q1, [x1]
                           Row{0xc85f7fe0, 1},    // ldxr x0, [sp]
                           Row{0xf8220020, 1},    // ldadd x2, x0, [x1]
                           Row{0x4c402020, 4},    // ld1 {v0.16b - v3.16b}, [x1]
                           Row{0xd50b7420, 4},    // dc zva, x0
                           Row{0x91000420, 0}}) { // add x0, x1, #1
        INFO(std::hex << row.word);
        CHECK(watches(row.word, BlockMode::kWatches) == row.watches);
        CHECK(watches(row.word, BlockMode::kWatches | kChecked) == row.watches);
        CHECK(watches(row.word, kChecked) == 0);
    }
}
