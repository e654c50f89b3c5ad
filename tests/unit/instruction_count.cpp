// Counting instructions (BlockMode::counts): exact at every way out of translated code, on both
// engines.
#include "tests/unit/runtime_guest.h"

using namespace ulna;
using namespace ulna::test;
using namespace ulna::test::a64;
using ir::ExitReason;

namespace {

constexpr u64 kPlenty = 1'000'000;

struct Counting {
    explicit Counting(Engines kind) : engine{make_engine(kind, area)}, cpu{*engine} {
        cpu->mode_bits |= ir::BlockMode::kCounts;
    }
    // From the code at `pc`, until something else than the engine has to do; how many instructions
    // that took.
    u64 count(GuestAddr pc, ExitReason expected, u64 limit = kPlenty) {
        cpu->instructions_left = limit;
        const ExitReason reason = cpu.run(pc);
        CHECK(reason == expected);
        return limit - cpu->instructions_left;
    }

    const FaultHandling faults;
    GuestArea area{1u << 20};
    std::unique_ptr<runtime::Engine> engine;
    GuestCpu cpu;
};

constexpr u32 b_eq(i32 words) { return 0x54000000 | (static_cast<u32>(words) & 0x7ffff) << 5; }
constexpr u32 kUndefined = 0x0000dead;
constexpr u32 str_post(unsigned rt, unsigned rn, u32 bytes) {
    return 0xf8000400 | bytes << 12 | rn << 5 | rt;
}

} // namespace

TEST_CASE("instruction count: straight code, branches and their sides", "[runtime][count]") {
    Counting guest{any_engine()};
    // SVC is left to others, but is behind PC: it counts.
    CHECK(guest.count(guest.area.put(0, {kNop, kNop, kNop, kSvc}), ExitReason::Svc) == 4);
    // These are not.
    CHECK(guest.count(guest.area.put(0x100, {kNop, brk(1)}), ExitReason::Breakpoint) == 1);
    CHECK(guest.count(guest.area.put(0x200, {kUndefined}), ExitReason::Undefined) == 0);
    // Jumps that a block follows.
    CHECK(guest.count(guest.area.put(0x300, {b(2), brk(1), kNop, kSvc}), ExitReason::Svc) == 3);
    // A side exit, taken and not.
    const GuestAddr side = guest.area.put(0x400, {kNop, cbz(0, 3), kNop, kSvc, kNop, kNop, kSvc});
    guest.cpu->x[0] = 0;
    CHECK(guest.count(side, ExitReason::Svc) == 5);
    guest.cpu->x[0] = 1;
    CHECK(guest.count(side, ExitReason::Svc) == 4);
    // Flags that are stored on the way out only.
    const GuestAddr flags =
        guest.area.put(0x500, {subs(1, 0, 7), b_eq(3), subs(2, 0, 9), kSvc, kNop, kSvc});
    for (const u64 x0 : {7, 8}) {
        guest.cpu->x[0] = x0;
        CHECK(guest.count(flags, ExitReason::Svc) == 4);
        CHECK(guest.cpu->nzcv == (x0 == 7 ? 0b0110u : 0b1000u));
    }
}

TEST_CASE("instruction count: loops, calls and returns", "[runtime][count]") {
    Counting guest{any_engine()};
    const GuestAddr loop =
        guest.area.put(0, {movz(1, 0), add_reg(1, 1, 0), subs(0, 0, 1), b_ne(-2), kSvc});
    guest.cpu->x[0] = 1000;
    CHECK(guest.count(loop, ExitReason::Svc) == 1 + 3 * 1000 + 1);
    // f(n) = n == 0 ? 0 : 1 + f(n - 1): 8 instructions and a return each, but for the last.
    const GuestAddr recursion =
        guest.area.put(0x1000, {cbz(0, 8), sub(kSp, kSp, 16), str(kLr, kSp), sub(0, 0, 1), bl(-4),
                                ldr(kLr, kSp), add(kSp, kSp, 16), add(0, 0, 1), kRet});
    const GuestAddr call = guest.area.put(0x2000, {bl(-1024), kSvc});
    REQUIRE(call + 4 * static_cast<u64>(-1024) == recursion);
    guest.cpu->x[0] = 100;
    guest.cpu->sp = guest.area.end() - 4096;
    CHECK(guest.count(call, ExitReason::Svc) == 1 + 100 * 9 + 2 + 1);
    CHECK(guest.cpu->x[0] == 100);
    // Indirect branches and calls.
    const GuestAddr indirect = guest.area.put(0x3000, {blr(1), br(2), brk(1), kRet, kNop, kSvc});
    guest.cpu->x[1] = indirect + 12;
    guest.cpu->x[2] = indirect + 16;
    CHECK(guest.count(indirect, ExitReason::Svc) == 5);
}

TEST_CASE("instruction count: faults in the middle of a block", "[runtime][count]") {
    Counting guest{any_engine()};
    guest.cpu->x[0] = guest.area.at(0x8000);
    guest.cpu->x[1] = 16; // nothing is there
    const GuestAddr code =
        guest.area.put(0, {str_post(2, 0, 8), str_post(2, 0, 8), ldr(3, 1), str(2, 0), kSvc});
    CHECK(guest.count(code, ExitReason::Fault) == 2);
    CHECK(guest.cpu->pc == code + 8);
    CHECK(guest.cpu->x[0] == guest.area.at(0x8010));
    guest.cpu->x[1] = guest.area.at(0x9000);
    CHECK(guest.count(guest.cpu->pc, ExitReason::Svc) == 3);
    // The first instruction of a block.
    guest.cpu->x[1] = 16;
    CHECK(guest.count(guest.area.put(0x100, {ldr(3, 1), kSvc}), ExitReason::Fault) == 0);
    // SP becomes misaligned behind an instruction, and is noticed by the next.
    guest.cpu->sp = guest.area.at(0x8000);
    const GuestAddr stack = guest.area.put(0x200, {kNop, sub(kSp, kSp, 8), ldr(0, kSp), kSvc});
    CHECK(guest.count(stack, ExitReason::SpAlignment) == 2);
}

TEST_CASE("instruction count: into another page", "[runtime][count]") {
    Counting guest{any_engine()};
    const GuestAddr start = guest.area.put(4096 - 8, {kNop, kNop, kNop, kNop, kSvc});
    CHECK(guest.count(start, ExitReason::Svc) == 5);
    // To its end, where nothing can be fetched.
    const GuestAddr last = guest.area.put((1u << 20) - 8, {kNop, kNop});
    CHECK(guest.count(last, ExitReason::FetchFault) == 2);
}

TEST_CASE("instruction count: code that changes", "[runtime][count]") {
    Counting guest{any_engine()};
    // Replaces the instruction behind it by `w5`, cleans, and goes there.
    const GuestAddr code = guest.area.put(0, {str_w(5, 6), ic_ivau(6), kIsb, kNop, kNop, kSvc});
    for (const u32 word : {b(2), kNop, b(2)}) {
        guest.cpu->x[5] = word;
        guest.cpu->x[6] = code + 12;
        CHECK(guest.count(code, ExitReason::Svc) == (word == kNop ? 6 : 5));
    }
}

TEST_CASE("instruction count: memory copy and set count as the instructions they are",
          "[runtime][count]") {
    Counting guest{any_engine()};
    constexpr u32 kSetP = 0x19c20420, kSetM = 0x19c24420, kSetE = 0x19c28420; // [x0]!, x1!, x2
    const GuestAddr code = guest.area.put(0, {kSetP, kSetM, kSetE, kSvc});
    guest.cpu->x[0] = guest.area.at(0x8000);
    guest.cpu->x[1] = 0x4'0000;
    guest.cpu->x[2] = 1;
    CHECK(guest.count(code, ExitReason::Svc) == 4);
    // A fault on the way leaves the one that makes the accesses to be done.
    guest.cpu->x[0] = guest.area.end() - 0x1000;
    guest.cpu->x[1] = 0x4'0000'0000;
    const u64 counted = guest.count(code, ExitReason::Fault);
    CHECK(guest.cpu->pc == code + 4 * counted);
    CHECK(counted < 3);
}

TEST_CASE("instruction count: a block that is longer than what is left is not entered",
          "[runtime][count]") {
    Counting guest{any_engine()};
    const GuestAddr loop = guest.area.put(0, {add(0, 0, 1), add(1, 1, 1), add(2, 2, 1), b(-3)});
    // Three times round, and then there is too little for a fourth.
    for (const u64 limit : {12, 13, 14, 15}) {
        guest.cpu->x[0] = 0;
        CHECK(guest.count(loop, ExitReason::InstructionLimit, limit) == 12);
        CHECK(guest.cpu->pc == loop);
        CHECK(guest.cpu->x[0] == 3);
    }
    // The rest goes one by one.
    for (u64 left = guest.cpu->instructions_left; left > 0; --left) {
        CHECK(guest.engine->step(*guest.cpu, guest.area) == ExitReason::Lookup);
        CHECK(guest.cpu->instructions_left == left - 1);
    }
    CHECK(guest.cpu->pc == loop + 12);
    CHECK(guest.count(loop, ExitReason::InstructionLimit, 0) == 0);
}

TEST_CASE("instruction count: without it nothing is counted", "[runtime][count]") {
    Counting guest{any_engine()};
    guest.cpu->mode_bits = 0;
    CHECK(guest.count(guest.area.put(0, {kNop, kNop, kNop, kSvc}), ExitReason::Svc, 1) == 0);
}
