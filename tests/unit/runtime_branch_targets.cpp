// Branch target identification in both engines: guarded pages are a property of the code source.
#include <array>

#include "tests/unit/runtime_guest.h"

using namespace ulna;
using namespace ulna::test;
using namespace ulna::test::a64;
using ir::ExitReason;

namespace {

constexpr u32 kBti = 0xd503241f, kBtiC = 0xd503245f, kBtiJ = 0xd503249f, kBtiJc = 0xd50324df;
constexpr u32 kPaciasp = 0xd503233f, kPacibsp = 0xd503237f, kPaciaz = 0xd503231f;

// An area whose pages from `guarded_from` on are guarded.
class GuardedArea final : public frontend::CodeSource {
  public:
    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override { return area.words(pc); }
    [[nodiscard]] std::optional<u32> guarded_word(GuestAddr pc) override {
        const auto found = area.words(pc);
        return found.empty() || pc < area.at(guarded_from) ? std::nullopt : std::optional{found[0]};
    }
    GuestArea area{4 * 4096};
    u64 guarded_from = 4096;
};

constexpr u64 kTarget = 4096;  // guarded
constexpr u64 kGuarded = 8192; // branches that are guarded themselves

struct Fixture {
    Fixture() : engine{make_engine(any_engine(), code)}, cpu{*engine} {
        engine->add_mode(ir::BlockMode::kBti);
        code.area.put(0, {blr(9), kSvc});             // BTYPE 2
        code.area.put(16, {br(9)});                   // BTYPE 1
        code.area.put(kGuarded, {br(16)});            // BTYPE 1
        code.area.put(kGuarded + 16, {br(9)});        // BTYPE 3
        code.area.put(kGuarded + 32, {blr(9), kSvc}); // BTYPE 2
    }
    // What happens when the code at `from` branches to `word`; twice, since targets are cached.
    ExitReason branch(u64 from, u32 word) {
        code.area.put(kTarget, {word, kNop, movz(0, 77), kSvc});
        engine->invalidate(code.area.at(kTarget), 16);
        const ExitReason first = branch_again(from);
        CHECK(branch_again(from) == first);
        return first;
    }
    ExitReason branch_again(u64 from) {
        cpu->x[9] = cpu->x[16] = code.area.at(kTarget);
        cpu->x[0] = 0;
        cpu->btype = 0;
        const ExitReason reason = cpu.run(code.area.at(from));
        if (reason == ExitReason::Svc) {
            CHECK(cpu->x[0] == 77);
            CHECK(cpu->btype == 0);
        } else {
            CHECK(cpu->pc == code.area.at(kTarget));
        }
        return reason;
    }
    GuardedArea code;
    std::unique_ptr<runtime::Engine> engine;
    GuestCpu cpu;
};

} // namespace

TEST_CASE("engine: what accepts which branch on a guarded page", "[runtime][engine][bti]") {
    Fixture f;
    struct Row {
        u32 word;
        bool call, veneer, jump;
    };
    for (const Row& row : {Row{kNop, false, false, false}, Row{kBti, false, false, false},
                           Row{kBtiC, true, true, false}, Row{kBtiJ, false, true, true},
                           Row{kBtiJc, true, true, true}, Row{kPaciasp, true, true, false},
                           Row{kPacibsp, true, true, false}, Row{kPaciaz, false, false, false}}) {
        INFO(std::hex << row.word);
        const auto expected = [](bool accepted) {
            return accepted ? ExitReason::Svc : ExitReason::BranchTarget;
        };
        CHECK(f.branch(0, row.word) == expected(row.call));
        if (!row.call) {
            CHECK(f.cpu->btype == 2);
        }
        CHECK(f.branch(kGuarded + 32, row.word) == expected(row.call));
        CHECK(f.branch(16, row.word) == expected(row.veneer));
        CHECK(f.branch(kGuarded, row.word) == expected(row.veneer));
        if (!row.veneer) {
            CHECK(f.cpu->btype == 1);
        }
        CHECK(f.branch(kGuarded + 16, row.word) == expected(row.jump));
        if (!row.jump) {
            CHECK(f.cpu->btype == 3);
        }
    }
}

TEST_CASE("engine: other ways to a guarded page, and other pages", "[runtime][engine][bti]") {
    Fixture f;
    CHECK(f.branch(0, brk(1)) == ExitReason::Breakpoint);
    CHECK(f.branch(0, 0) == ExitReason::BranchTarget); // before UDF is looked at
    // Direct branches, returns and falling through set no BTYPE.
    f.code.area.put(32, {b((kTarget - 32) / 4)});
    CHECK(f.branch(32, kNop) == ExitReason::Svc);
    f.code.area.put(48, {kRet});
    f.cpu->x[30] = f.code.area.at(kTarget);
    CHECK(f.branch(48, kNop) == ExitReason::Svc);
    f.code.area.put(kTarget - 4, {kNop});
    CHECK(f.branch(kTarget - 4, kNop) == ExitReason::Svc);
    // The page is guarded no longer, and again.
    CHECK(f.branch(0, kNop) == ExitReason::BranchTarget);
    f.code.guarded_from = 2 * 4096;
    CHECK(f.branch(0, kNop) == ExitReason::Svc);
    f.code.guarded_from = 4096;
    CHECK(f.branch(0, kNop) == ExitReason::BranchTarget);
}

TEST_CASE("engine: the tag of a branch's target is ignored", "[runtime][engine][bti]") {
    constexpr u64 kTag = u64{0xa5} << 56;
    Fixture f;
    f.code.area.put(64, {kRet});
    f.code.area.put(kTarget, {kBtiC, movz(0, 77), kSvc});
    for (const u64 from : {u64{0}, u64{16}, u64{64}, kGuarded}) {
        for (unsigned again = 0; again < 3; ++again) {
            f.cpu->x[9] = f.cpu->x[16] = f.cpu->x[30] = f.code.area.at(kTarget) | kTag;
            f.cpu->x[0] = 0;
            REQUIRE(f.cpu.run(f.code.area.at(from)) == ExitReason::Svc);
            CHECK(f.cpu->x[0] == 77);
            CHECK(f.cpu->pc == f.code.area.at(kTarget) + 12);
        }
    }
    f.cpu->x[9] = (f.code.area.at(kTarget) | kTag) + 2;
    CHECK(f.cpu.run(f.code.area.at(16)) == ExitReason::MisalignedPc);
    CHECK(f.cpu->pc == f.code.area.at(kTarget) + 2);
    CHECK(f.branch(0, kNop) == ExitReason::BranchTarget);
    f.cpu->x[9] = f.code.area.at(kTarget) | kTag;
    CHECK(f.cpu.run(f.code.area.at(16)) == ExitReason::BranchTarget);
}

TEST_CASE("engine: BTYPE that is set before running counts", "[runtime][engine][bti]") {
    Fixture f;
    CHECK(f.branch(0, kNop) == ExitReason::BranchTarget);
    CHECK(f.cpu.resume() == ExitReason::BranchTarget); // a handler returned without a change
    f.cpu->btype = 0;
    CHECK(f.cpu.resume() == ExitReason::Svc);
}

TEST_CASE("engine: nothing is checked before it is asked for", "[runtime][engine][bti]") {
    GuardedArea code;
    const auto engine = make_engine(any_engine(), code);
    GuestCpu cpu{*engine};
    code.area.put(0, {blr(9), kSvc});
    code.area.put(kTarget, {kNop, kRet});
    cpu->x[9] = code.area.at(kTarget);
    CHECK(cpu.run(code.area.at(0)) == ExitReason::Svc);
    engine->add_mode(ir::BlockMode::kBti); // old blocks are not used any more
    CHECK(cpu.run(code.area.at(0)) == ExitReason::BranchTarget);
}
