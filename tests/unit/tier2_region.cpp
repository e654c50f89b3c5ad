// Regions of several blocks on tier 2 against the interpreter: random control flow among random
// blocks, calls and returns, safe points, and faults on every way.
#include "backend/llvm/tier2.h"
#include "ir/opt/pipeline.h"
#include "tests/unit/x64_random.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::backend;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

constexpr GuestAddr kBase = 0x10000, kStride = 0x1000;
constexpr unsigned kMaxSteps = 60;

std::vector<Opcode> cheap_operations() {
    std::vector<Opcode> ops;
    for (unsigned i = 0; i < kOpcodeCount; ++i) {
        const auto op = static_cast<Opcode>(i);
        if (has_forms(op) && op < Opcode::FAdd && op != Opcode::FCmp && op != Opcode::Crc32) {
            ops.push_back(op);
        }
    }
    return ops;
}

// Blocks at kBase + n * kStride that go to each other, or out of the region. A counter in memory
// makes every cycle end: block 0 leaves when it has come to zero.
class RandomRegion {
  public:
    RandomRegion(u64 seed, u32& pending) : random_{seed}, pending_{pending} {
        const unsigned count = 2 + below(5);
        blocks_.resize(count);
        for (unsigned i = 0; i < count; ++i) {
            make_block(i, seed * 64 + i);
        }
    }
    [[nodiscard]] std::vector<const Block*> blocks() const {
        std::vector<const Block*> all;
        for (const Block& block : blocks_) {
            all.push_back(&block);
        }
        return all;
    }
    [[nodiscard]] const std::vector<tier2::IndirectGuess>& guesses() const { return guesses_; }
    [[nodiscard]] const Block* at(GuestAddr pc) const {
        for (const Block& block : blocks_) {
            if (block.key.pc == pc) {
                return &block;
            }
        }
        return nullptr;
    }
    [[nodiscard]] std::string text() const {
        std::string all;
        for (const Block& block : blocks_) {
            all += print(block);
        }
        return all;
    }
    static u64& counter() { return *reinterpret_cast<u64*>(guest_memory().bytes + 1016); }

  private:
    unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
    GuestAddr target() {
        const unsigned n = below(static_cast<unsigned>(blocks_.size()) + 1);
        return n == blocks_.size() ? 0x90000 + below(4) * 4 : kBase + n * kStride;
    }
    // One of two, guessed or not.
    Value indirect_target(RandomBlock& random, GuestAddr from) {
        const GuestAddr first = target(), second = target();
        for (const GuestAddr guess : {first, second, target()}) {
            if (below(2) == 0) {
                guesses_.push_back({from, guess});
            }
        }
        Builder& b = random.builder();
        return b.select(random.value(Type::I1), b.c64(first), b.c64(second));
    }
    void make_block(unsigned index, u64 seed) {
        static const std::vector<Opcode> ops = cheap_operations();
        Block& block = blocks_[index];
        RandomBlock random(seed, block);
        random.faults = true;
        random.begin();
        block.key.pc = kBase + index * kStride;
        block.guest_pcs[0] = block.key.pc;
        Builder& b = random.builder();
        // The way out, in every block.
        const Value address = b.c64(reinterpret_cast<u64>(&counter()));
        const Value left = b.sub(b.load(Type::I64, address, {.size_log2 = 3}), b.c64(1));
        b.store(address, left, {.size_log2 = 3});
        // There is pending work now and then, which only translated code notices.
        if (below(2) == 0) {
            const Value now = b.zext(b.icmp(Cond::EQ, left, b.c64(below(kMaxSteps))), Type::I32);
            b.store(b.c64(reinterpret_cast<u64>(&pending_)), now, {.size_log2 = 2});
        }
        b.exit_if(b.icmp(Cond::EQ, left, b.c64(0)), 0x80000);
        for (unsigned n = 2 + below(10); n > 0; --n) {
            random.anything(ops);
            if (below(12) == 0) {
                b.exit_if(random.value(Type::I1), target());
            }
        }
        switch (below(8)) {
        case 0:
        case 1:
            block.exit = ExitDirect{target()};
            break;
        case 2:
            block.exit = ExitCall{target(), target()};
            break;
        case 3:
            block.exit = ExitCallIndirect{indirect_target(random, block.key.pc).id, target()};
            break;
        case 4:
            block.exit = ExitReturn{b.c64(target()).id};
            break;
        case 5:
            block.exit = ExitIndirect{indirect_target(random, block.key.pc).id};
            break;
        default:
            block.exit = ExitCond{random.value(Type::I1).id, target(), target()};
            break;
        }
        // As the frontend numbers them: inside the block's own page.
        for (std::size_t i = 0; i < block.guest_pcs.size(); ++i) {
            block.guest_pcs[i] = block.key.pc + i * 4;
        }
        REQUIRE(verify(block) == "");
    }

    std::mt19937_64 random_;
    u32& pending_;
    std::vector<Block> blocks_;
    std::vector<tier2::IndirectGuess> guesses_;
};

// The interpreter, until the guest has left the region.
void interpret_region(const RandomRegion& region, CpuState& state, const Block*& last) {
    state.pc = kBase;
    for (;;) {
        const Block* const block = region.at(state.pc);
        if (block == nullptr) {
            return;
        }
        last = block;
        if (FaultHandler::interpret(*block, state) != ExitReason::Lookup) {
            return;
        }
    }
}

} // namespace

TEST_CASE("tier 2: random regions equal the interpreter", "[tier2]") {
    static X64Runner runner;
    REQUIRE(runner.available());
    const FaultHandler handler(runner);
    tier2::Compiler compiler;
    tier2::CompiledRegion compiled;
    auto reference = std::make_unique<CpuState>();
    unsigned regions = 0, safe_points = 0;
    for (u64 seed = 1; seed <= 250; ++seed) {
        const RandomRegion region(seed, runner.state->pending);
        tier2::Options options;
        options.verify = true;
        const auto blocks = region.blocks();
        INFO("seed " << seed << "\n" << region.text());
        const tier2::Refusal refusal =
            compiler.compile({blocks, region.guesses()}, options, compiled);
        if (refusal == tier2::Refusal::Operation) { // memory copy or set
            continue;
        }
        REQUIRE(refusal == tier2::Refusal::None);
        ++regions;
        for (u64 state = 0; state < 3; ++state) {
            const u64 rounds = 1 + (seed + state * 7) % kMaxSteps;
            randomise(*reference, seed + state, 0);
            RandomRegion::counter() = rounds;
            const Block* last = nullptr;
            interpret_region(region, *reference, last);
            const GuestMemory expected = guest_memory();
            runner.reset();
            const u64 entry = runner.add(compiled.code);
            for (const tier2::RegionEntry& at : compiled.entries) {
                runner.name_entry(at.pc, entry + at.code_offset);
            }
            randomise(*runner.state, seed + state, 0);
            runner.state->pending = 0;
            RandomRegion::counter() = rounds;
            // Ways into the middle of the region come back as look-ups; go on in the interpreter
            // until it is at an entry again.
            ExitReason reason = runner.enter(entry);
            while (reason == ExitReason::Lookup || reason == ExitReason::Safepoint) {
                if (reason == ExitReason::Safepoint) {
                    ++safe_points;
                    runner.state->exit_reason = static_cast<u32>(ExitReason::Lookup);
                }
                runner.state->pending = 0;
                const Block* const block = region.at(runner.state->pc);
                if (block == nullptr) {
                    break;
                }
                reason = FaultHandler::interpret(*block, *runner.state);
                if (reason == ExitReason::Lookup) {
                    if (const u64 host = runner.find(runner.state->pc); host != 0) {
                        reason = runner.enter(host);
                    }
                }
            }
            INFO("state " << state);
            REQUIRE(difference(*reference, *runner.state, shows_nzcv(*last, *reference)) == "");
            REQUIRE(std::memcmp(&expected, &guest_memory(), sizeof expected) == 0);
        }
    }
    REQUIRE(regions >= 100);
    REQUIRE(safe_points >= 20);
}

// Its passes are made once and run on module after module.
TEST_CASE("tier 2: code does not depend on what was compiled before", "[tier2]") {
    static u32 pending;
    tier2::Compiler used;
    for (u64 seed = 1; seed <= 20; ++seed) {
        const RandomRegion region(seed, pending);
        const auto blocks = region.blocks();
        tier2::CompiledRegion first, again;
        tier2::Compiler fresh;
        const tier2::Options options{.codegen_level = seed % 8 == 0 ? 1u : 2u};
        INFO("seed " << seed);
        const tier2::Refusal refusal = fresh.compile({blocks, region.guesses()}, options, first);
        REQUIRE(used.compile({blocks, region.guesses()}, options, again) == refusal);
        REQUIRE(again.code.code == first.code.code);
        REQUIRE(again.code.faults.size() == first.code.faults.size());
        REQUIRE(again.code.locations.size() == first.code.locations.size());
    }
}

namespace {
// A block that adds to a register.
void make_adder(Block& block, GuestAddr pc, unsigned reg, u64 n) {
    block.reset({pc, {}});
    Builder b(block);
    b.begin_guest_instruction(pc, 0);
    b.set(x_slot(reg), b.add(b.get(x_slot(reg)), b.c64(n)));
}
} // namespace

TEST_CASE("tier 2: small functions are inlined with a check of where they return to", "[tier2]") {
    for (const bool indirect : {false, true}) {
        X64Runner runner;
        Block caller, callee, after;
        make_adder(caller, 0x1000, 0, 1);
        make_adder(callee, 0x2000, 1, 10);
        make_adder(after, 0x1004, 2, 100);
        {
            Builder b(caller);
            caller.exit = ExitCall{0x2000, 0x1004};
            if (indirect) {
                caller.exit = ExitCallIndirect{b.get(x_slot(9)).id, 0x1004};
            }
        }
        {
            Builder b(callee);
            callee.exit = ExitReturn{b.get(x_slot(30)).id};
        }
        after.exit = ExitDirect{0x3000};
        const Block* const blocks[] = {&caller, &callee, &after};
        const tier2::IndirectGuess guesses[] = {{0x1000, 0x2000}};
        tier2::Compiler compiler;
        tier2::CompiledRegion compiled;
        REQUIRE(compiler.compile({blocks, guesses}, {}, compiled) == tier2::Refusal::None);
        REQUIRE(compiled.entries.size() == 1);
        const u64 entry = runner.add(compiled.code);
        runner.state->x[9] = 0x2000;
        runner.state->x[30] = 0x1004;
        REQUIRE(runner.enter(entry) == ExitReason::Lookup);
        REQUIRE(runner.state->pc == 0x3000);
        REQUIRE(runner.state->x[1] == 10);
        REQUIRE(runner.state->x[2] == 100);
        runner.state->x[30] = 0x4444; // returns elsewhere
        REQUIRE(runner.enter(entry) == ExitReason::Lookup);
        REQUIRE(runner.state->pc == 0x4444);
        REQUIRE(runner.state->x[1] == 20);
        REQUIRE(runner.state->x[2] == 100);
    }
}

// What others have changed must be seen behind ISB: by what is linked, not by what is in the
// region.
TEST_CASE("tier 2: a block that synchronizes leaves the region", "[tier2]") {
    X64Runner runner;
    Block caller, callee, rest, after;
    make_adder(caller, 0x1000, 0, 1);
    make_adder(callee, 0x2000, 1, 10);
    make_adder(rest, 0x2004, 1, 100);
    make_adder(after, 0x1004, 2, 1000);
    caller.exit = ExitDirect{0x2000};
    callee.exit = ExitDirect{0x2004, true};
    rest.exit = ExitDirect{0x1004};
    after.exit = ExitDirect{0x2004};
    const Block* const blocks[] = {&caller, &callee, &rest, &after};
    tier2::Compiler compiler;
    tier2::CompiledRegion compiled;
    REQUIRE(compiler.compile({blocks}, {}, compiled) == tier2::Refusal::None);
    REQUIRE(compiled.code.links.size() == 1);
    REQUIRE(compiled.code.links[0].target == 0x2004);
    REQUIRE(runner.enter(runner.add(compiled.code)) == ExitReason::Lookup);
    REQUIRE(runner.state->pc == 0x2004);
    REQUIRE(runner.state->x[0] == 1);
    REQUIRE(runner.state->x[1] == 10);
    REQUIRE(runner.state->x[2] == 0);
}

TEST_CASE("tier 2: a loop notices pending work", "[tier2]") {
    X64Runner runner;
    Block head, body;
    head.reset({0x1000, {}});
    {
        Builder b(head);
        b.begin_guest_instruction(0x1000, 0);
        b.set(x_slot(0), b.add(b.get(x_slot(0)), b.c64(1)));
        b.set(x_slot(9), b.add(b.get(x_slot(9)), b.c64(2)));
        head.exit = ExitDirect{0x2000};
    }
    body.reset({0x2000, {}});
    {
        Builder b(body);
        b.begin_guest_instruction(0x2000, 0);
        b.set(x_slot(1), b.add(b.get(x_slot(1)), b.c64(3)));
        b.set(v_slot(2), b.vpair(b.get(x_slot(0)), b.c64(0)));
        const Value last = b.icmp(Cond::EQ, b.get(x_slot(0)), b.c64(5));
        b.store(b.get(x_slot(8)), b.zext(last, Type::I32), {.size_log2 = 2});
        body.exit = ExitDirect{0x1000};
    }
    const Block* const blocks[] = {&head, &body};
    tier2::Compiler compiler;
    tier2::CompiledRegion compiled;
    REQUIRE(compiler.compile({blocks}, {}, compiled) == tier2::Refusal::None);
    runner.state->x[8] = reinterpret_cast<u64>(&runner.state->pending);
    REQUIRE(runner.enter(runner.add(compiled.code)) == ExitReason::Safepoint);
    REQUIRE(runner.state->pc == 0x1000);
    REQUIRE(runner.state->x[0] == 5);
    REQUIRE(runner.state->x[9] == 10);
    REQUIRE(runner.state->x[1] == 15);
    REQUIRE(runner.state->v[2].lo == 5);
}

TEST_CASE("tier 2: regions that are refused say why, and are counted", "[tier2]") {
    tier2::Compiler compiler;
    tier2::CompiledRegion compiled;
    REQUIRE(compiler.compile({}, {}, compiled) == tier2::Refusal::NoBlocks);
    Block first, second;
    first.reset({0x1000, {}});
    second.reset({0x2000, BlockMode::from_fpcr(1u << 22)});
    const Block* const blocks[] = {&first, &second};
    REQUIRE(compiler.compile({blocks}, {}, compiled) == tier2::Refusal::MixedModes);
    REQUIRE(compiler.refusals()[static_cast<unsigned>(tier2::Refusal::MixedModes)] == 1);
}
