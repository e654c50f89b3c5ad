// Guest programs on both engines.
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "runtime/jit/fp_trap_budget.h"
#include "tests/unit/runtime_guest.h"

using namespace ulna;
using namespace ulna::test;
using namespace ulna::test::a64;
using ir::ExitReason;

namespace {

// x0 = x0 + (x0 - 1) + ... + 1, by a loop.
const std::vector<u32> kSumLoop = {
    movz(1, 0), add_reg(1, 1, 0), subs(0, 0, 1), b_ne(-2), add(0, 1, 0), kSvc,
};

// f(n) = n == 0 ? 0 : 1 + f(n - 1), recursively: x0 in and out, stack in sp.
const std::vector<u32> kRecursion = {
    cbz(0, 8),     sub(kSp, kSp, 16), str(kLr, kSp), sub(0, 0, 1), bl(-4),
    ldr(kLr, kSp), add(kSp, kSp, 16), add(0, 0, 1),  kRet,
};

} // namespace

TEST_CASE("engine: a loop", "[runtime][engine]") {
    GuestArea area{1u << 20};
    const auto engine = make_engine(any_engine(), area);
    GuestCpu cpu{*engine};
    area.put(0, kSumLoop);
    cpu->x[0] = 1000;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
    CHECK(cpu->x[0] == 500500);
    CHECK(cpu->exit_arg == 0);
    CHECK(cpu->pc == area.at(kSumLoop.size() * 4));
    for (unsigned i = 0; i < 10; ++i) { // again, from the cache
        cpu->x[0] = i + 1;
        REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
        CHECK(cpu->x[0] == (i + 1) * (i + 2) / 2);
    }
}

TEST_CASE("engine: one instruction, as another source shows it", "[runtime][engine]") {
    const FaultHandling faults;
    GuestArea area{1u << 20};
    GuestArea nothing{4096};
    const auto engine = make_engine(any_engine(), nothing); // whose own source shows nothing
    GuestCpu cpu{*engine};
    const GuestAddr start = area.put(0, {add(0, 0, 1), bl(2), kSvc, ldr(1, 2), brk(3)});
    running = {engine.get(), &*cpu};
    cpu->pc = start;
    CHECK(engine->step(*cpu, area) == ExitReason::Lookup);
    CHECK((cpu->pc == start + 4 && cpu->x[0] == 1));
    CHECK(engine->step(*cpu, area) == ExitReason::Lookup);
    CHECK((cpu->pc == start + 12 && cpu->x[kLr] == start + 8));
    cpu->x[2] = 8;
    CHECK(engine->step(*cpu, area) == ExitReason::Fault);
    CHECK(cpu->pc == start + 12);
    cpu->x[2] = start;
    CHECK(engine->step(*cpu, area) == ExitReason::Lookup);
    CHECK((cpu->pc == start + 16 && static_cast<u32>(cpu->x[1]) == add(0, 0, 1)));
    CHECK(engine->step(*cpu, area) == ExitReason::Breakpoint);
    CHECK(cpu->pc == start + 16);
    cpu->pc = start + 8;
    CHECK(engine->step(*cpu, area) == ExitReason::Svc);
    CHECK(cpu->pc == start + 12);
    cpu->pc = start + 2;
    CHECK(engine->step(*cpu, area) == ExitReason::MisalignedPc);
    cpu->pc = area.end();
    CHECK(engine->step(*cpu, area) == ExitReason::FetchFault);
    CHECK(engine->run(*cpu) == ExitReason::FetchFault); // as ever
}

TEST_CASE("engine: calls, also deeper than the return stack", "[runtime][engine]") {
    const FaultHandling faults;
    GuestArea area{16u << 20};
    const auto engine = make_engine(any_engine(), area);
    GuestCpu cpu{*engine};
    area.put(0, {bl(15), kSvc});
    area.put(60, kRecursion);
    for (u64 depth : {u64{3}, u64{1000}, u64{500'000}}) {
        cpu->x[0] = depth;
        cpu->sp = area.end();
        REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
        CHECK(cpu->x[0] == depth);
        CHECK(cpu->sp == area.end());
    }
}

TEST_CASE("engine: indirect branches", "[runtime][engine]") {
    GuestArea area{1u << 20};
    const auto engine = make_engine(any_engine(), area);
    GuestCpu cpu{*engine};
    // Eight functions, each adds its number to x0; a loop calls them through a table at x1.
    for (u32 i = 0; i < 8; ++i) {
        area.put(0x1000 + i * 64, {add(0, 0, i + 1), kRet});
        area.cell(0x8000 + i * 8) = area.at(0x1000 + i * 64);
    }
    area.put(0, {add(2, 1, 0), movz(3, 8), ldr(4, 2), blr(4), add(2, 2, 8), subs(3, 3, 1), b_ne(-4),
                 sub(5, 5, 1), cbnz(5, -8), kSvc});
    cpu->x[0] = 0;
    cpu->x[1] = area.at(0x8000);
    cpu->x[5] = 100;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
    CHECK(cpu->x[0] == 3600);
}

TEST_CASE("engine: exits that are the caller's business", "[runtime][engine]") {
    GuestArea area{1u << 20};
    const auto engine = make_engine(any_engine(), area);
    GuestCpu cpu{*engine};
    area.put(0, {kNop, brk(7)});
    CHECK(cpu.run(area.at(0)) == ExitReason::Breakpoint);
    CHECK(cpu->pc == area.at(4));
    CHECK(cpu->exit_arg == 7);
    area.put(64, {kNop, 0});
    CHECK(cpu.run(area.at(64)) == ExitReason::Undefined);
    CHECK(cpu->pc == area.at(68));
    CHECK(cpu.run(area.at(2)) == ExitReason::MisalignedPc);
    CHECK(cpu.run(16) == ExitReason::FetchFault);
    CHECK(cpu->pc == 16);
    CHECK(cpu.run(0xffff'0000'0000'0000) == ExitReason::FetchFault);
    area.put(128, {br(9)});
    cpu->x[9] = 0x1000;
    CHECK(cpu.run(area.at(128)) == ExitReason::FetchFault);
    CHECK(cpu->pc == 0x1000);
    cpu->x[9] = area.at(1);
    CHECK(cpu.run(area.at(128)) == ExitReason::MisalignedPc);
    CHECK(cpu->pc == area.at(1));
    area.put(0xffc00, {b(0x100)}); // past the end of the area
    CHECK(cpu.run(area.at(0xffc00)) == ExitReason::FetchFault);
    CHECK(cpu->pc == area.end());
}

TEST_CASE("engine: a faulting access is precise and can be retried", "[runtime][engine]") {
    const FaultHandling faults;
    GuestArea area{1u << 20};
    const auto engine = make_engine(any_engine(), area);
    GuestCpu cpu{*engine};
    area.put(0, {movz(2, 1), add(3, 3, 5), ldr(4, 1), add(3, 3, 6), movz(2, 2), kSvc});
    for (unsigned i = 0; i < 3; ++i) {
        cpu->x[1] = 0x1000;
        cpu->x[3] = 10;
        REQUIRE(cpu.run(area.at(0)) == ExitReason::Fault);
        CHECK(cpu->pc == area.at(8));
        CHECK(cpu->x[2] == 1);
        CHECK(cpu->x[3] == 15);
        cpu->x[1] = area.at(0x8000);
        area.cell(0x8000) = 99;
        REQUIRE(cpu.resume() == ExitReason::Svc);
        CHECK(cpu->x[4] == 99);
        CHECK(cpu->x[3] == 21);
        CHECK(cpu->x[2] == 2);
    }
}

TEST_CASE("engine: tagged pointers work, non-canonical ones fault", "[runtime][engine]") {
    const FaultHandling faults;
    GuestArea area{1u << 20};
    const auto engine = make_engine(any_engine(), area);
    GuestCpu cpu{*engine};
    area.put(0, {movz(2, 1), ldr(4, 1), str(4, 1, 8), movz(2, 2), kSvc});
    area.cell(0x8000) = 1234;
    for (unsigned i = 0; i < 3; ++i) {
        area.cell(0x8008) = 0;
        cpu->x[1] = area.at(0x8000) | u64{0xab} << 56;
        REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
        CHECK(cpu->x[4] == 1234);
        CHECK(area.cell(0x8008) == 1234);
        CHECK(cpu->x[1] >> 56 == 0xab);
    }
    cpu->x[1] = area.at(0x8000) | u64{0x55} << 48;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Fault);
    CHECK(cpu->pc == area.at(4));
}

TEST_CASE("engine: code that rewrites itself and says so", "[runtime][engine]") {
    GuestArea area{1u << 20};
    const auto engine = make_engine(any_engine(), area);
    GuestCpu cpu{*engine};
    // x1: a function `movz x3, #n; ret`, x2: its first word; loop: call, add, rewrite with n + 1.
    area.put(0x4000, {movz(3, 0), kRet});
    area.put(0, {blr(1), add_reg(0, 0, 3), add(2, 2, 1u << 5), str_w(2, 1), ic_ivau(1), kIsb,
                 subs(4, 4, 1), b_ne(-7), kSvc});
    cpu->x[0] = 0;
    cpu->x[1] = area.at(0x4000);
    cpu->x[2] = movz(3, 0);
    cpu->x[4] = 100;
    REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
    CHECK(cpu->x[0] == 99 * 100 / 2);
}

TEST_CASE("engine: invalidation from outside", "[runtime][engine]") {
    GuestArea area{1u << 20};
    const auto engine = make_engine(any_engine(), area);
    GuestCpu cpu{*engine};
    area.put(0, {bl(1024), kSvc});
    for (u32 i = 0; i < 20; ++i) {
        area.put(4096, {movz(0, i), kRet});
        engine->invalidate(area.at(4096), 4096);
        REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
        CHECK(cpu->x[0] == i);
    }
}

TEST_CASE("engine: FPCR changes take effect at once", "[runtime][engine]") {
    GuestArea area{1u << 20};
    const auto engine = make_engine(any_engine(), area);
    GuestCpu cpu{*engine};
    // 1 + 2^-30 rounded to nearest, then towards plus infinity, then to nearest.
    area.put(0,
             {fadd_s(2, 0, 1), msr_fpcr(1), fadd_s(3, 0, 1), msr_fpcr(2), fadd_s(4, 0, 1), kSvc});
    const auto bits = [](float f) { return std::bit_cast<u32>(f); };
    for (unsigned i = 0; i < 4; ++i) {
        cpu->fpcr = 0;
        cpu->v[0] = {bits(1.0f), 0};
        cpu->v[1] = {bits(0x1p-30f), 0};
        cpu->x[1] = u64{1} << 22; // RMode = RP
        cpu->x[2] = 0;
        REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc);
        CHECK(cpu->v[2].lo == bits(1.0f));
        CHECK(cpu->v[3].lo == bits(1.0f) + 1);
        CHECK(cpu->v[4].lo == bits(1.0f));
        CHECK(cpu->fpcr == 0);
    }
}

TEST_CASE("engine: a request ends an endless loop", "[runtime][engine]") {
    GuestArea area{1u << 20};
    const auto engine = make_engine(any_engine(), area);
    engine->add_mode(ir::BlockMode::kShared);
    GuestCpu cpu{*engine};
    const auto interrupted = [&](GuestAddr pc) {
        std::thread other{[&] {
            std::this_thread::sleep_for(std::chrono::milliseconds{5});
            engine->request_safepoint(*cpu);
        }};
        const ExitReason reason = cpu.run(pc);
        other.join();
        return reason;
    };
    area.put(0, {b(0)});
    CHECK(interrupted(area.at(0)) == ExitReason::Safepoint);
    CHECK(cpu->pc == area.at(0));
    area.put(64, {add(0, 0, 1), cbz(31, 15)}); // two blocks that jump to each other
    area.put(128, {b(-16)});
    CHECK(interrupted(area.at(64)) == ExitReason::Safepoint);
    area.put(192, {br(1)});
    cpu->x[1] = area.at(192);
    CHECK(interrupted(area.at(192)) == ExitReason::Safepoint);
    engine->request_safepoint(*cpu); // before it runs
    area.put(256, {kSvc});
    CHECK(cpu.run(area.at(256)) == ExitReason::Safepoint);
    CHECK(cpu->pc == area.at(256));
    CHECK(cpu.resume() == ExitReason::Svc);
}

TEST_CASE("engine: a forked child goes on, translates and invalidates on its own",
          "[runtime][engine]") {
    const FaultHandling faults;
    GuestArea area{1u << 20};
    const auto engine = make_engine(any_engine(), area);
    GuestCpu cpu{*engine};
    area.put(0, kSumLoop);
    area.put(4096, {bl(1024), kSvc});
    area.put(8192, {movz(0, 1), kRet});
    const auto sum = [&] {
        cpu->x[0] = 10;
        return cpu.run(area.at(0)) == ExitReason::Svc && cpu->x[0] == 55;
    };
    const auto function = [&](u64 expected) {
        return cpu.run(area.at(4096)) == ExitReason::Svc && cpu->x[0] == expected;
    };
    REQUIRE(sum());
    for (u32 i = 0; i < 20; ++i) {
        engine->before_fork();
        const pid_t child = fork();
        engine->after_fork(child == 0);
        if (child == 0) {
            bool good = sum() && function(1);
            area.put(8192, {movz(0, 2), kRet});
            engine->invalidate(area.at(8192), 8);
            good = good && function(2) && sum();
            _exit(good ? 0 : 1);
        }
        REQUIRE(sum());
        REQUIRE(function(1));
        int status = -1;
        REQUIRE(waitpid(child, &status, 0) == child);
        REQUIRE(status == 0);
    }
}

// Some of many blocks that read constants have those in another part of the code memory: a table,
// and what an evaluation out of line is to do.
TEST_CASE("engine: a forked child reads the constants of its parent's code", "[runtime][engine]") {
    const FaultHandling faults;
    // cnt v0.16b, v0.16b; sqshl v0.16b, v0.16b, v1.16b
    const u32 instruction = GENERATE(0x4e205800u, 0x4e214c00u);
    constexpr u32 kBlocks = 2000;
    GuestArea area{1u << 20};
    const auto engine = make_engine(Engines::Jit, area);
    GuestCpu cpu{*engine};
    for (u32 i = 0; i < kBlocks; ++i) {
        area.put(i * 16, {instruction, i + 1 < kBlocks ? b(3) : kSvc});
    }
    const auto ones_are_kept = [&] {
        constexpr u64 ones = 0x0101'0101'0101'0101;
        cpu->v[0] = {ones, ones};
        return cpu.run(area.at(0)) == ExitReason::Svc && cpu->v[0].lo == ones;
    };
    REQUIRE(ones_are_kept());
    engine->before_fork();
    const pid_t child = fork();
    engine->after_fork(child == 0);
    if (child == 0) {
        _exit(ones_are_kept() ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

TEST_CASE("engine: code is interpreted once, then translated", "[runtime][engine]") {
    const FaultHandling faults;
    GuestArea area{1u << 20};
    const auto engine = make_engine(Engines::JitWithTier0, area);
    GuestCpu cpu{*engine};
    const auto count = [&](const std::string& name) {
        const std::string stats = engine->stats();
        const std::size_t at = stats.find(name);
        REQUIRE(at != std::string::npos);
        return std::stoul(stats.substr(at + name.size()));
    };
    const std::string interpreted = "basic blocks interpreted, as executed for the first time";
    const std::string translated = "blocks translated";
    area.put(0, {bl(2), kSvc, add(0, 0, 1), kRet});
    const auto run = [&] { REQUIRE(cpu.run(area.at(0)) == ExitReason::Svc); };
    run();
    CHECK((count(interpreted) == 3 && count(translated) == 0));
    run();
    CHECK((count(interpreted) == 3 && count(translated) >= 2));
    CHECK(cpu->x[0] == 2);
    // New code in the place of what was executed before is translated at once.
    area.put(8, {add(0, 0, 5)});
    engine->invalidate(area.at(8), 4);
    run();
    CHECK((count(interpreted) == 3 && cpu->x[0] == 7));
    // A loop: before, body, behind.
    area.put(4096, kSumLoop);
    cpu->x[0] = 1000;
    REQUIRE(cpu.run(area.at(4096)) == ExitReason::Svc);
    CHECK((cpu->x[0] == 500500 && count(interpreted) == 6));
}

TEST_CASE("engine: floating-point traps are taken while they are few for the time", "[runtime]") {
    static u64 now = 0;
    const auto clock = [] { return now; };
    constexpr u32 kUnits = 1000, kMostKept = 20;
    constexpr u64 kUnitTime = 25'000;
    runtime::FpTrapBudget budget{kUnits};
    const auto takes = [&](u32 traps, u64 apart) {
        for (u32 i = 0; i < traps; ++i) {
            now += apart;
            if (!budget.spend(1, clock)) {
                return i + 1;
            }
        }
        return traps;
    };
    now = u64{1} << 62; // the first look is at all the time since the start
    REQUIRE(takes(kUnits, 0) == kUnits);
    REQUIRE(takes(100 * kUnits, 2 * kUnitTime) == 100 * kUnits);
    REQUIRE(takes(100 * kUnits, 0) <= (kMostKept + 1) * kUnits); // bursts are bounded
    runtime::FpTrapBudget steps{kUnits};
    now = 0; // as in a forked child
    REQUIRE(steps.spend(kUnits, clock));
    REQUIRE(!steps.spend(kUnits, clock));
}
