// MemCopy and MemSet where they stop: at faults and for pending work, with every register that
// their host instructions borrow holding something, on translated code and the interpreter. And the
// blocks that FEAT_MOPS becomes.
#include <algorithm>
#include <array>

#include "frontend/frontend.h"
#include "ir/builder.h"
#include "ir/opt/pipeline.h"
#include "ir/verifier.h"
#include "runtime/user/memory_copy.h"
#include "tests/support/catch.h"
#include "tests/unit/x64_faults.h"

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

constexpr u64 kPage = 4096;

// Two pages with room around them; nothing may touch what is behind.
class Pages {
  public:
    Pages() {
        memory_ = static_cast<u8*>(
            mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        mprotect(memory_, kPage, PROT_NONE);
        mprotect(memory_ + 3 * kPage, kPage, PROT_NONE);
        refill();
    }
    ~Pages() { munmap(memory_, 4 * kPage); }
    Pages(const Pages&) = delete;

    void refill() {
        for (u64 i = 0; i < 2 * kPage; ++i) {
            first()[i] = static_cast<u8>(i * 11 + (i >> 8));
        }
    }
    [[nodiscard]] u8* first() { return memory_ + kPage; }
    [[nodiscard]] u64 low() { return reinterpret_cast<u64>(first()); }
    [[nodiscard]] u64 high() { return low() + 2 * kPage; } // faults from here on
    [[nodiscard]] std::vector<u8> content() { return {first(), first() + 2 * kPage}; }

  private:
    u8* memory_;
};

struct Operands {
    u64 to, from, left;
};

Block block_of(Opcode op, Slot slot, Slot to, Slot from) {
    Block block;
    block.reset({0x1000, {}});
    Builder b(block);
    b.begin_guest_instruction(0x1000, 0);
    b.begin_guest_instruction(0x1004, 0);
    if (op == Opcode::MemCopy) {
        b.mem_copy(b.get(to), b.get(from), b.get(slot), slot);
    } else {
        b.mem_set(b.get(to), b.get(slot), b.get(from), slot);
    }
    b.set(slot, b.c64(0));
    block.exit = ExitDirect{0x1008};
    CHECK(verify(block).empty());
    return block;
}

struct Result {
    ExitReason reason;
    GuestAddr pc;
    std::array<u64, 32> x;
    std::vector<u8> memory;
    u32 borrowed;
    friend bool operator==(const Result&, const Result&) = default;
};

Result result_of(ExitReason reason, const CpuState& state, Pages& pages) {
    Result result{reason, state.pc, {}, pages.content(), state.borrowed_gprs | state.string_op};
    std::copy(std::begin(state.x), std::end(state.x), result.x.begin());
    result.x[31] = state.sp;
    return result;
}

void fill(CpuState& state, Slot slot, Slot to, Slot from, const Operands& operands) {
    for (unsigned n = 0; n < 31; ++n) {
        state.x[n] = 0x1000 + n;
    }
    state.sp = 0x7000;
    const auto x = [&](Slot s) -> u64& { return state.x[static_cast<unsigned>(s)]; };
    x(to) = operands.to;
    x(from) = operands.from;
    x(slot) = operands.left;
}

// All pinned, all in memory, and a count in each register that is lent.
constexpr std::array<std::array<Slot, 3>, 4> kSlots = {{
    {x_slot(2), x_slot(0), x_slot(1)},
    {x_slot(10), x_slot(11), x_slot(12)},
    {x_slot(30), x_slot(1), x_slot(0)},
    {x_slot(0), x_slot(30), x_slot(20)},
}};

// The interpreter's result, after translated code has had the same in every configuration.
Result on_all_engines(Opcode op, const Operands& operands, u32 pending = 0) {
    static Pages pages;
    X64Runner runner;
    FaultHandler handler(runner);
    Result expected{};
    for (const auto& [slot, to, from] : kSlots) {
        const Block block = block_of(op, slot, to, from);
        Operands here = operands;
        here.to += pages.low();
        here.from += op == Opcode::MemCopy ? pages.low() : 0;
        CpuState& state = *runner.state;
        runner.reset();
        fill(state, slot, to, from, here);
        state.pending = pending;
        pages.refill();
        const Result wanted = result_of(FaultHandler::interpret(block, state), state, pages);
        for (const bool spill : {false, true}) {
            for (const bool mask : {false, true}) {
                runner.reset();
                runner.options = {};
                runner.options.spill_everything = spill;
                runner.options.mask_tags = mask;
                fill(state, slot, to, from, here);
                state.pending = pending;
                pages.refill();
                Result actual = result_of(runner.run(block), state, pages);
                if (actual.reason == ExitReason::Safepoint) {
                    actual.reason = ExitReason::Lookup; // as the interpreter says it
                }
                CHECK((actual == wanted));
            }
        }
        expected = wanted;
        expected.x[2] = wanted.x[static_cast<unsigned>(slot)];
    }
    return expected;
}

constexpr u64 minus(u64 n) { return u64{0} - n; }

} // namespace

TEST_CASE("a copy or set that faults has done what comes before the page", "[x64][ir]") {
    const u64 bytes = GENERATE(1, 7, 16, 31, 64, 65, 200, 3000);
    const u64 missing = GENERATE(1, 5, 33, 64);
    if (missing > bytes) {
        return;
    }
    const u64 end = 2 * kPage + missing;
    const Result store = on_all_engines(Opcode::MemCopy, {end, 3500, minus(bytes)});
    CHECK(store.reason == ExitReason::Fault);
    CHECK(store.pc == 0x1004);
    CHECK(store.x[2] == minus(missing));
    CHECK(on_all_engines(Opcode::MemCopy, {3500, end, minus(bytes)}).x[2] == minus(missing));
    CHECK(on_all_engines(Opcode::MemSet, {end, 0x5a, minus(bytes)}).x[2] == minus(missing));
    // downwards, into the page before
    const u64 low = minus(missing);
    CHECK(on_all_engines(Opcode::MemCopy, {low, 100, bytes}).x[2] == missing);
    CHECK(on_all_engines(Opcode::MemCopy, {100, low, bytes}).x[2] == missing);
    // overlapping closely, which no second attempt may see
    CHECK(on_all_engines(Opcode::MemCopy, {end, end - 3, minus(bytes)}).x[2] == minus(missing));
    CHECK(on_all_engines(Opcode::MemCopy, {low, low + 3, bytes}).x[2] == missing);
}

TEST_CASE("copies and sets that complete leave nothing behind", "[x64][ir]") {
    const u64 bytes = GENERATE(0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 32, 33, 63, 64, 65, 127, 2000);
    const u64 distance = GENERATE(0, 1, 8, 15, 31, 32, 63, 64, 65, 1000);
    for (const u64 to : {u64{3000}, 3000 + distance, 3000 - distance}) {
        const Operands up{to + bytes, 3000 + bytes, minus(bytes)}, down{to, 3000, bytes};
        for (const Operands& operands : {up, down}) {
            const Result result = on_all_engines(Opcode::MemCopy, operands);
            CHECK(result.reason == ExitReason::Lookup);
            CHECK(result.x[2] == 0);
            CHECK(result.borrowed == 0);
        }
    }
    CHECK(on_all_engines(Opcode::MemSet, {3000 + bytes, 0xab77, minus(bytes)}).x[2] == 0);
}

TEST_CASE("pending work stops long copies and sets, not short ones", "[x64][ir]") {
    constexpr u64 kLong = 300'000;
    X64Runner runner;
    std::vector<u8> from(kLong), to(kLong);
    for (u64 i = 0; i < kLong; ++i) {
        from[i] = static_cast<u8>(i * 3 + (i >> 10));
    }
    const u64 to_end = reinterpret_cast<u64>(to.data()) + kLong;
    const u64 from_end = reinterpret_cast<u64>(from.data()) + kLong;
    const Block block = block_of(Opcode::MemCopy, x_slot(2), x_slot(0), x_slot(1));
    for (const bool down : {false, true}) {
        std::fill(to.begin(), to.end(), u8{0});
        runner.reset();
        CpuState& state = *runner.state;
        const Operands operands = down ? Operands{to_end - kLong, from_end - kLong, kLong}
                                       : Operands{to_end, from_end, minus(kLong)};
        fill(state, x_slot(2), x_slot(0), x_slot(1), operands);
        state.pending = 1;
        const u64 entry = runner.add(block);
        unsigned stops = 0;
        for (; runner.enter(entry) == ExitReason::Safepoint; ++stops) {
            REQUIRE(state.pc == 0x1004);
            REQUIRE(state.x[0] == operands.to);
            REQUIRE(state.x[1] == operands.from);
            REQUIRE(state.x[30] == 0x1000 + 30);
            REQUIRE((down ? state.x[2] : minus(state.x[2])) < kLong);
            REQUIRE(stops < 1000);
        }
        CHECK(stops >= kLong / kStringChunkBytes);
        CHECK(to == from);
        CHECK(state.x[2] == 0);
        CHECK(state.string_op == 0);
    }
    CHECK(on_all_engines(Opcode::MemCopy, {6000, 3000, minus(2500)}, 1).x[2] == 0);
    CHECK(on_all_engines(Opcode::MemSet, {6000, 1, minus(2500)}, 1).x[2] == 0);
}

// --- FEAT_MOPS

namespace {

class Words final : public frontend::CodeSource {
  public:
    explicit Words(std::vector<u32> words) : words_{std::move(words)} {}
    std::span<const u32> words(GuestAddr pc) override {
        return std::span<const u32>{words_}.subspan((pc - 0x1000) / 4);
    }

  private:
    std::vector<u32> words_;
};

Block lifted(std::vector<u32> words) {
    Words source{std::move(words)};
    Block block;
    frontend::TranslateOptions options;
    options.max_instructions = 3;
    frontend::translate({0x1000, {}}, source, options, block);
    CHECK(verify(block).empty());
    return block;
}

long count(const Block& block, Opcode op) {
    return std::ranges::count_if(block.insts,
                                 [&](const Inst& inst) { return !inst.dead && inst.op == op; });
}

constexpr u32 kCPYP = 0x1d010440, kCPYM = 0x1d410440, kCPYE = 0x1d810440; // [x0]!, [x1]!, x2!
constexpr u32 kSETM = 0x19c14440;

} // namespace

TEST_CASE("prologue, main and epilogue in one block become one copy without checks", "[frontend]") {
    Block block = lifted({kCPYP, kCPYM, kCPYE, 0});
    run_passes(block, {});
    CHECK(count(block, Opcode::MemCopy) == 1);
    CHECK(count(block, Opcode::RaiseIf) == 0);
}

TEST_CASE("registers of another implementation raise an exception with a syndrome", "[frontend]") {
    CpuState state;
    state.nzcv = 2;
    CHECK(interpret(lifted({kCPYE, 0}), state) == ExitReason::Mops);
    CHECK(state.pc == 0x1000);
    CHECK(state.exit_arg == (1u << 18 | 1u << 17 | 1u << 16 | 0 << 10 | 1 << 5 | 2));
    state.nzcv = 0;
    state.x[2] = 5; // counts down
    CHECK(interpret(lifted({kSETM, 0}), state) == ExitReason::Mops);
    CHECK(state.exit_arg == (1u << 24 | 1u << 16 | 0 << 10 | 1 << 5 | 2));
}

TEST_CASE("the kernel makes a prologue's operands of every format", "[user]") {
    constexpr u64 kIss = 1 << 5 | 2, kSet = 1 << 24, kEpilogue = 1 << 18, kWrong = 1 << 17,
                  kOptionA = 1 << 16;
    struct Row {
        u64 iss;
        u32 nzcv;
        Operands before, after;
        GuestAddr pc;
    };
    const Row rows[] = {
        {kOptionA, 0, {1000, 2000, minus(30)}, {970, 1970, 30}, 0xffc},    // forward
        {kOptionA, 0, {1000, 2000, 30}, {1000, 2000, 30}, 0xffc},          // backward
        {kOptionA | kWrong, 2, {1000, 2000, 30}, {1000, 2000, 30}, 0xffc}, // B, forward
        {kOptionA | kWrong, 10, {1000, 2000, 30}, {970, 1970, 30}, 0xffc}, // B, backward
        {kEpilogue | kWrong,
         0,
         {1000, 2000, minus(30)},
         {970, 1970, 30},
         0xff8}, // A on a B machine
        {kSet | kOptionA, 0, {1000, 7, minus(30)}, {970, 7, 30}, 0xffc},
        {kSet | kOptionA | kWrong, 2, {1000, 7, 30}, {1000, 7, 30}, 0xffc},
    };
    for (const Row& row : rows) {
        CpuState state;
        fill(state, x_slot(2), x_slot(0), x_slot(1), row.before);
        state.pc = 0x1000;
        state.nzcv = row.nzcv;
        user::restart_memory_copy(state, kIss | row.iss);
        CHECK(state.x[0] == row.after.to);
        CHECK(state.x[1] == row.after.from);
        CHECK(state.x[2] == row.after.left);
        CHECK(state.pc == row.pc);
    }
}
