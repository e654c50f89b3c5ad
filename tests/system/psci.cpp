#include "runtime/system/psci.h"

#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"

namespace ulna::system {
namespace {

struct PsciFixture : CpuFixture {
    PsciFixture() { cpu.psci = PsciMethod::Hvc; }
    u64 call(u64 id, u64 a1 = 0, u64 a2 = 0, u64 a3 = 0) {
        state->x[0] = id, state->x[1] = a1, state->x[2] = a2, state->x[3] = a3;
        run(hvc_word(0));
        return state->x[0];
    }
};
constexpr u64 kNotSupported = ~u64{0}, kInvalidParameters = ~u64{1}, kAlreadyOn = ~u64{3};

TEST_CASE("PSCI answers", "[system]") {
    PsciFixture f;
    CHECK(f.call(0x8400'0000) == 0x1'0001);
    CHECK(f.went_on());
    CHECK(f.call(0x8000'0000) == 0x1'0001);       // SMCCC_VERSION
    CHECK(f.call(0x8400'0006) == 2);              // MIGRATE_INFO_TYPE
    CHECK(f.call(0x8400'000a, 0xc400'0003) == 0); // FEATURES of CPU_ON
    CHECK(f.call(0x8400'000a, 0x8400'0000) == 0);
    CHECK(f.call(0x8400'000a, 0xc400'0000) == kNotSupported);
    CHECK(f.call(0x8400'000a, 0x8400'0005) == kNotSupported);
    CHECK(f.call(0x8400'0005) == kNotSupported); // MIGRATE
    CHECK(f.call(0x1234) == kNotSupported);
    CHECK(f.call(0xffff'ffff'8400'0000) == 0x1'0001); // W0 counts
}

TEST_CASE("PSCI starts CPUs and asks for them", "[system]") {
    PsciFixture f;
    CHECK(f.call(0xc400'0003, 1, 0x1'4000'0000, 7) == kAlreadyOn);
    CHECK(f.host.cpu_on_arguments == std::vector<u64>{1, 0x1'4000'0000, 7});
    CHECK(f.call(0x8400'0003, 0xf'0000'0001, 0xf'4000'0000, 0xf'0000'0007) == kAlreadyOn);
    CHECK(f.host.cpu_on_arguments == std::vector<u64>{1, 0x4000'0000, 7});
    CHECK(f.call(0xc400'0004, 0) == 0);
    CHECK(f.call(0xc400'0004, 1) == 1);
    CHECK(f.call(0xc400'0004, 5) == kInvalidParameters);
    CHECK(f.call(0xc400'0004, 0, 1) == kInvalidParameters);
}

TEST_CASE("PSCI ends and suspends", "[system]") {
    PsciFixture f;
    static_cast<void>(f.call(0x8400'0008));
    CHECK(f.host.offs == 1);
    static_cast<void>(f.call(0x8400'0009));
    CHECK(f.host.resets == 1);
    CHECK(f.call(0xc400'0001) == 0);
    CHECK(f.host.waits == 1);
}

TEST_CASE("PSCI has one conduit", "[system]") {
    PsciFixture f;
    CHECK(f.is_undefined(smc_word(0)));
    f.enter(0);
    CHECK(f.is_undefined(hvc_word(0)));
    CpuFixture g(2);
    g.cpu.psci = PsciMethod::Smc;
    g.enter(1);
    g.state->x[0] = 0x8400'0000;
    g.run(smc_word(0));
    CHECK(g.state->x[0] == 0x1'0001);
    g.enter(1);
    g.run(hvc_word(5)); // goes to EL2
    CHECK(g.state->pc == kVbar2 + 0x400);
    CHECK(g.esr(2) == (u64{0x16} << 26 | 1 << 25 | 5));
}

} // namespace
} // namespace ulna::system
