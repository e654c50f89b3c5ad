// How blocks leave: links, indirect branches, calls and returns, safe points, alignment, faults.
#include "ir/builder.h"
#include "ir/eval.h"
#include "ir/parser.h"
#include "ir/verifier.h"
#include "runtime/debug/register_histogram.h"
#include "tests/unit/x64_faults.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

Block parsed(const char* text) {
    Block block;
    const std::string error = parse(text, block);
    INFO(text);
    REQUIRE(error == "");
    return block;
}

// x0 += 1, then to `next`.
Block counting(GuestAddr pc, Exit exit) {
    Block block;
    block.reset({pc, {}});
    Builder b(block);
    b.begin_guest_instruction(pc, 0);
    b.set(x_slot(0), b.add(b.get(x_slot(0)), b.c64(1)));
    block.exit = exit;
    return block;
}

} // namespace

TEST_CASE("x64: direct exits are linked once and then jump", "[x64][exit]") {
    X64Runner runner;
    runner.add(counting(0x2000, ExitTo{ExitReason::Halt, 0x2004}));
    const u64 entry = runner.add(counting(0x1000, ExitDirect{0x2000}));
    for (u64 round = 1; round <= 3; ++round) {
        REQUIRE(runner.enter(entry) == ExitReason::Halt);
        REQUIRE(runner.state->x[0] == 2 * round);
        REQUIRE(runner.state->pc == 0x2004);
        REQUIRE(runner.linked == 1);
    }
}

TEST_CASE("x64: an exit to code that does not exist leaves with its pc", "[x64][exit]") {
    X64Runner runner;
    REQUIRE(runner.run(counting(0x1000, ExitDirect{0x7fff'1234'5678})) == ExitReason::Lookup);
    REQUIRE(runner.state->pc == 0x7fff'1234'5678);
}

TEST_CASE("x64: displacements of links can be patched while others execute them", "[x64][exit]") {
    const std::string kBlock = R"(
  insn 0x1000 0x0
  %0 = get.i64 x9
  %1 = trunc.i32 %0
  %2 = const.i32 5
  %3 = icmp.hi %1, %2
  exitif %3, 0x5000
  %4 = get.i64 x0
  %5 = testbit %4, 3
  exit cond %5, 0x2000, 0x3000
)";
    for (unsigned moved = 0; moved < 16; ++moved) { // by an instruction more
        X64Runner runner;
        std::string text = "block 0x1000 mode=0x2000";
        for (unsigned i = 0; i < moved; ++i) {
            const std::string value = "%" + std::to_string(100 + i);
            text += "\n  insn 0x800 0x0\n  " + value + " = get.i64 x1\n  set x" +
                    std::to_string(i + 5) + ", " + value;
        }
        runner.add(parsed((text + kBlock).c_str()));
        REQUIRE(runner.compiled.links.size() == 3);
        for (const backend::LinkSite& site : runner.compiled.links) {
            CHECK(site.displacement_offset % 8 <= 4);
        }
    }
}

TEST_CASE("x64: indirect branches use the jump cache after one lookup", "[x64][exit]") {
    X64Runner runner;
    Block block;
    block.reset({0x1000, {}});
    Builder b(block);
    b.begin_guest_instruction(0x1000, 0);
    block.exit = ExitIndirect{b.get(x_slot(30)).id};
    const u64 entry = runner.add(block);
    runner.add(counting(0x2000, ExitTo{ExitReason::Halt, 0}));
    runner.state->x[30] = 0x2000;
    REQUIRE(runner.enter(entry) == ExitReason::Halt);
    REQUIRE(runner.enter(entry) == ExitReason::Halt);
    REQUIRE(runner.state->x[0] == 2);
    REQUIRE(runner.lookups == 1);
}

namespace {
// A function at 0x2000 that adds 1 to x0 and returns; callers count in x1.
void add_callee(X64Runner& runner) {
    Block callee;
    callee.reset({0x2000, {}});
    Builder b(callee);
    b.begin_guest_instruction(0x2000, 0);
    b.set(x_slot(0), b.add(b.get(x_slot(0)), b.c64(1)));
    callee.exit = ExitReturn{b.get(x_slot(30)).id};
    runner.add(callee);
}
Block caller(GuestAddr pc, GuestAddr return_to, bool indirect) {
    Block block;
    block.reset({pc, {}});
    Builder b(block);
    b.begin_guest_instruction(pc, 0);
    b.set(x_slot(30), b.c64(return_to));
    if (indirect) {
        block.exit = ExitCallIndirect{b.get(x_slot(5)).id, return_to};
    } else {
        block.exit = ExitCall{0x2000, return_to};
    }
    return block;
}
} // namespace

TEST_CASE("x64: calls and returns pair up on the host", "[x64][exit]") {
    const bool indirect = GENERATE(false, true);
    const bool pairing = GENERATE(true, false);
    const GuestAddr base = GENERATE(0x1000, 0x7f12'3456'7000);
    X64Runner runner;
    runner.options.call_return_pairing = pairing;
    add_callee(runner);
    const u64 entry = runner.add(caller(base, base + 4, indirect));
    runner.add(counting(base + 4, ExitTo{ExitReason::Halt, 0}));
    runner.state->x[5] = 0x2000;
    for (unsigned i = 1; i <= 3; ++i) {
        REQUIRE(runner.enter(entry) == ExitReason::Halt);
        REQUIRE(runner.state->x[0] == 2 * i);
        REQUIRE(runner.state->return_stack_current == runner.state->return_stack);
    }
    if (pairing) {
        REQUIRE(runner.lookups == (indirect ? 1 : 0));
    }
}

TEST_CASE("x64: a return that goes elsewhere is followed", "[x64][exit]") {
    X64Runner runner;
    Block callee = counting(0x2000, ExitReturn{kNoValue});
    Builder b(callee);
    callee.exit = ExitReturn{b.c64(0x3000).id}; // not where the call expects
    runner.add(callee);
    const u64 entry = runner.add(caller(0x1000, 0x1004, false));
    runner.add(counting(0x3000, ExitTo{ExitReason::Halt, 7}));
    REQUIRE(runner.enter(entry) == ExitReason::Halt);
    REQUIRE(runner.state->pc == 7);
    REQUIRE(runner.state->x[0] == 2);
}

TEST_CASE("x64: a return without a call meets the sentinel", "[x64][exit]") {
    X64Runner runner;
    add_callee(runner);
    runner.add(counting(0x3000, ExitTo{ExitReason::Halt, 7}));
    runner.state->x[30] = 0x3000;
    const Block start = counting(0x1000, ExitDirect{0x2000});
    REQUIRE(runner.run(start) == ExitReason::Halt);
    REQUIRE(runner.state->x[0] == 3);
    REQUIRE(runner.state->return_stack_current == runner.state->return_stack);
}

TEST_CASE("x64: frames survive an exit to the runtime", "[x64][exit]") {
    X64Runner runner;
    runner.add(
        counting(0x2000, ExitTo{ExitReason::Svc, 0x2004})); // a system call inside the callee
    Block rest;
    rest.reset({0x2004, {}});
    Builder b(rest);
    b.begin_guest_instruction(0x2004, 0);
    rest.exit = ExitReturn{b.get(x_slot(30)).id};
    const u64 rest_entry = runner.add(rest);
    const u64 entry = runner.add(caller(0x1000, 0x1004, false));
    runner.add(counting(0x1004, ExitTo{ExitReason::Halt, 0}));
    REQUIRE(runner.enter(entry) == ExitReason::Svc);
    const u64 inside = runner.state->return_stack_current;
    REQUIRE(inside < runner.state->return_stack);
    SECTION("kept") {
        REQUIRE(runner.enter(rest_entry) == ExitReason::Halt);
        REQUIRE(runner.lookups == 0);
    }
    SECTION("dropped by the runtime") {
        runner.state->return_stack_current = runner.state->return_stack;
        REQUIRE(runner.enter(rest_entry) == ExitReason::Halt);
        REQUIRE(runner.lookups == 1);
    }
    REQUIRE(runner.state->x[0] == 2);
}

TEST_CASE("x64: backward and indirect branches notice pending work", "[x64][exit]") {
    X64Runner runner;
    const u64 loop = runner.add(counting(0x1000, ExitDirect{0x1000}));
    runner.state->pending = 1;
    const ExitReason left = runner.enter(loop);
    REQUIRE((left == ExitReason::Safepoint || left == ExitReason::Lookup)); // tier 1: by its link
    REQUIRE(runner.linked == 0);
    REQUIRE(runner.state->pc == 0x1000);
    REQUIRE(runner.state->x[0] <= 1); // tier 2 looks where the loop begins, tier 1 where it ends

    Block block;
    block.reset({0x4000, {}});
    Builder b(block);
    b.begin_guest_instruction(0x4000, 0);
    block.exit = ExitIndirect{b.get(x_slot(7)).id};
    runner.state->x[7] = 0x1000;
    REQUIRE(runner.run(block) == ExitReason::Safepoint);
    REQUIRE(runner.state->pc == 0x1000);

    REQUIRE(runner.run(counting(0x5000, ExitDirect{0x9000})) ==
            ExitReason::Lookup); // forward: no check
}

TEST_CASE("x64: exits carry reason and argument", "[x64][exit]") {
    X64Runner runner;
    REQUIRE(runner.run(counting(0x1000, ExitTo{ExitReason::Breakpoint, 0xffff'8000'1234'5678,
                                               kNoValue, 0x1234})) == ExitReason::Breakpoint);
    REQUIRE(runner.state->pc == 0xffff'8000'1234'5678);
    REQUIRE(runner.state->exit_arg == 0x1234);
}

TEST_CASE("x64: a misaligned access that must be aligned leaves at the instruction",
          "[x64][exit]") {
    X64Runner runner;
    const Block block = parsed(R"(block 0x1000
  insn 0x1000 0x0
  %0 = get.i64 x1
  set x0, %0
  insn 0x1004 0x0
  %2 = load.i64 [%0] 8 acquire aligned
  set x2, %2
  exit direct 0x2000
)");
    alignas(16) u64 cells[3] = {1, 2, 3};
    runner.state->x[1] = reinterpret_cast<u64>(cells) + 4;
    REQUIRE(runner.run(block) == ExitReason::Alignment);
    REQUIRE(runner.state->pc == 0x1004);
    REQUIRE(runner.state->exit_arg == runner.state->x[1]);
    REQUIRE(runner.state->x[0] == runner.state->x[1]);
    runner.state->x[1] = reinterpret_cast<u64>(cells + 1);
    REQUIRE(runner.run(block) == ExitReason::Lookup);
    REQUIRE(runner.state->x[2] == 2);
}

TEST_CASE("x64: tags are stripped on request", "[x64][exit]") {
    X64Runner runner;
    runner.options.mask_tags = true;
    alignas(16) u64 cells[2] = {41, 42};
    const Block block = parsed(R"(block 0x1000
  insn 0x1000 0x0
  %0 = get.i64 x1
  %1 = load.i64 [%0 + 8] 8
  set x2, %1
  store [%0], %1 4
  exit direct 0x2000
)");
    runner.state->x[1] = reinterpret_cast<u64>(cells) | u64{0x5a} << 56;
    REQUIRE(runner.run(block) == ExitReason::Lookup);
    REQUIRE(runner.state->x[2] == 42);
    REQUIRE(cells[0] == 42);
}

// --- faults

TEST_CASE("x64: state is exact at a faulting access", "[x64][exit]") {
    X64Runner runner;
    FaultHandler handler(runner);
    // The new x0, x9 and v0 of the first instruction are visible; those of the faulting one are
    // not.
    const Block block = parsed(R"(block 0x1000
  insn 0x1000 0x0
  %0 = get.i64 x0
  %1 = const.i64 5
  %2 = add.i64 %0, %1
  set x0, %2
  set x9, %2
  %5 = get.v128 v1
  set v0, %5
  insn 0x1004 0x0
  %7 = get.i64 x3
  %8 = load.i64 [%7] 8
  set x0, %8
  insn 0x1008 0x0
  set x9, %8
  exit direct 0x2000
)");
    const u64 entry = runner.add(block);
    const auto faults = runner.compiled.faults;
    runner.state->x[0] = 10;
    runner.state->x[3] = 0x10;
    runner.state->v[1] = {3, 4};
    REQUIRE(runner.enter(entry) == ExitReason::Fault);
    REQUIRE(runner.state->x[0] == 15);
    REQUIRE(runner.state->x[9] == 15);
    REQUIRE(runner.state->v[0] == V128{3, 4});
    REQUIRE(faults.size() == 1);
    REQUIRE(faults[0].guest_index == 1);
    REQUIRE(FaultHandler::fault_offset() ==
            entry - reinterpret_cast<u64>(runner.code()) + faults[0].code_offset);
}

TEST_CASE("x64: a fault in a 16-byte exchange finds X30 and X4 in memory", "[x64][exit]") {
    X64Runner runner;
    FaultHandler handler(runner);
    const Block block = parsed(R"(block 0x1000
  insn 0x1000 0x0
  %0 = get.i64 x3
  %1 = get.v128 v1
  %2 = cas.v128 [%0], %1, %1 16
  set v2, %2
  exit direct 0x2000
)");
    runner.state->x[3] = 0x10;
    runner.state->x[4] = 44;
    runner.state->x[30] = 3030;
    REQUIRE(runner.run(block) == ExitReason::Fault);
    REQUIRE(runner.state->x[4] == 44);
    REQUIRE(runner.state->x[30] == 3030);
    REQUIRE(runner.state->borrowed_gprs == 0);
}

// Only tier 1 counts.
TEST_CASE("x64: a block counts its entries, and the histogram weighs registers by them",
          "[x64][exit][tier1]") {
    X64Runner runner;
    runtime::debug::RegisterHistogram histogram;
    const Block block = parsed(R"(block 0x1000
  insn 0x1000 0x0
  %0 = get.i64 x3
  %1 = get.i64 x9
  %2 = add.i64 %0, %1
  set x9, %2
  exit direct 0x2000
)");
    runner.options.entry_counter = histogram.add(block);
    const u64 entry = runner.add(block);
    runner.state->x[3] = 5;
    for (unsigned i = 0; i < 3; ++i) {
        REQUIRE(runner.enter(entry) == ExitReason::Lookup);
    }
    REQUIRE(runner.state->x[9] == 15);
    const std::string text = histogram.text();
    const auto line = [&](const std::string& slot) {
        const auto at = text.find(slot + " ");
        return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
    };
    REQUIRE(line("x3") == "x3                        3 reads              0 writes  33.333 %");
    REQUIRE(line("x9") == "x9                        3 reads              3 writes  66.667 %");
    REQUIRE(line("x10").empty());
}

TEST_CASE("x64: helpers see FPSR bits and preserve registers", "[x64][exit]") {
    X64Runner runner;
    const Block block = parsed(R"(block 0x1000
  insn 0x1000 0x0
  %0 = get.v128 v0
  %1 = vtof.f64 %0
  %2 = const.f64 0
  %3 = fdiv.f64 %1, %2
  %4 = ftov %3
  set v0, %4
  %6 = call.i64 ReadFpsr
  set x0, %6
  %8 = get.i64 x4
  set x1, %8
  exit direct 0x2000
)");
    runner.state->v[0] = {0x3ff0'0000'0000'0000, 0};
    runner.state->x[4] = 8;
    REQUIRE(runner.run(block) == ExitReason::Lookup);
    REQUIRE(runner.state->x[0] == 2); // DZC
    REQUIRE(runner.state->x[1] == 8);
    REQUIRE(runner.state->v[0].lo == 0x7ff0'0000'0000'0000);
}

TEST_CASE("x64: MXCSR of an FPCR, FPSR of an MXCSR", "[x64]") {
    const auto mxcsr_of_fpcr = [](u64 fpcr, u32 bits = 0, u32 fpsr = 0) {
        return backend::mxcsr_of({BlockMode::from_fpcr(fpcr).bits | bits}, fpsr);
    };
    REQUIRE(mxcsr_of_fpcr(0) == 0x1f80);
    REQUIRE(mxcsr_of_fpcr(0, BlockMode::kTrapsFp) == 0x1700); // Invalid, Underflow
    // FZ: Denormal and Divide-by-Zero, too, and Inexact until FPSR has it
    REQUIRE(mxcsr_of_fpcr(1u << 24, BlockMode::kTrapsFp) == 0x0400); // IE DE ZE UE PE
    REQUIRE(mxcsr_of_fpcr(1u << 24, BlockMode::kTrapsFp, ir::fpsr::kIXC) == 0x1400);
    for (const u64 untrapped : {1u << 25, 1u << 0, 1u << 1}) { // DN FIZ AH
        REQUIRE((mxcsr_of_fpcr(untrapped, BlockMode::kTrapsFp) & 0x1f80) == 0x1f80);
    }
    REQUIRE(mxcsr_of_fpcr(1u << 22) == (0x1f80 | 2u << 13)); // RP: up
    REQUIRE(mxcsr_of_fpcr(2u << 22) == (0x1f80 | 1u << 13)); // RM: down
    REQUIRE(mxcsr_of_fpcr(3u << 22) == (0x1f80 | 3u << 13));
    REQUIRE(mxcsr_of_fpcr(1u << 24) == (0x1f80 | 0x8040));
    REQUIRE(mxcsr_of_fpcr(1u << 24 | 2) == (0x1f80 | 0x8000)); // AH: results only
    REQUIRE(mxcsr_of_fpcr(1) == (0x1f80 | 0x0040));            // FIZ
    REQUIRE(backend::fpsr_of_mxcsr(0x3f) == 0x1f);
    REQUIRE(backend::fpsr_of_mxcsr(0x02) == 0); // DE
    REQUIRE(backend::fpsr_of_mxcsr(0x04) == 2);
}

// The flags of one round are not stored only on the way out when the next can raise before it sets
// them.
TEST_CASE("x64: an exception early in a loop shows the flags of the round before", "[x64][exit]") {
    X64Runner runner;
    Block loop;
    loop.reset({0x1000, {}});
    Builder b(loop);
    b.begin_guest_instruction(0x1000, 0);
    const Value x0 = b.get(x_slot(0));
    b.raise_if(b.icmp(Cond::EQ, x0, b.c64(1)), ExitReason::PacFail);
    b.begin_guest_instruction(0x1004, 0);
    const Value flags = b.sub_flags(x0, b.c64(2));
    b.set(x_slot(0), b.sub(x0, b.c64(1)));
    b.set(Slot::NZCV, flags);
    loop.exit = ExitCond{b.testcond(Cond::EQ, flags).id, 0x1000, 0x2000};
    REQUIRE(verify(loop) == "");
    runner.add(counting(0x2000, ExitTo{ExitReason::Halt, 0x2004}));
    const u64 entry = runner.add(loop);
    runner.state->x[0] = 2;
    runner.state->nzcv = 0;
    REQUIRE(runner.enter(entry) == ExitReason::PacFail);
    REQUIRE(runner.state->x[0] == 1);
    REQUIRE(runner.state->nzcv == 6); // 2 - 2: Z and C
}
