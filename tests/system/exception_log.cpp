// `-d int`: one line for each exception, return and PSCI call; other items of CPUs.
#include <fstream>
#include <sstream>

#include "runtime/debug/log.h"
#include "runtime/system/exception_log.h"
#include "runtime/system/exceptions.h"
#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"
#include "tests/system/temporary_file.h"

namespace ulna::system {

namespace {

namespace debug = runtime::debug;

class LoggedExceptions {
  public:
    explicit LoggedExceptions(const debug::AddressRanges& only = {},
                              debug::Item item = debug::Item::Int) {
        REQUIRE(debug::configure_log(static_cast<u32>(item), file_.path(), only) == "");
    }
    ~LoggedExceptions() { (void)debug::configure_log(0, "", {}); }
    LoggedExceptions(const LoggedExceptions&) = delete;
    LoggedExceptions& operator=(const LoggedExceptions&) = delete;

    [[nodiscard]] std::string text() const {
        std::ostringstream all;
        all << std::ifstream(file_.path()).rdbuf();
        return all.str();
    }

  private:
    test::TemporaryFile file_{std::string_view{}};
};

} // namespace

TEST_CASE("-d int tells of a call and of the return from it", "[system]") {
    CpuFixture f;
    f.enter(0);
    f.cpu.set_daif(0);
    f.state->pstate = 0;
    const LoggedExceptions log;
    f.run(svc_word(5));
    f.run(kEret);
    CHECK(log.text() == "cpu 0: SVC: EL0 at 0x40080004 to EL1 at 0x8400, SPSR 0x0, ESR 0x56000005\n"
                        "cpu 0: return: EL1 to EL0 at 0x40080004, SPSR 0x0\n");
}

TEST_CASE("-d int tells of interrupts, aborts and PSCI", "[system]") {
    CpuFixture f;
    const LoggedExceptions log;
    f.cpu.set_daif(0);
    f.state->pstate = 0;
    f.cpu.lines = line::kIrq;
    REQUIRE(take_pending_interrupt(f.cpu));
    f.enter(1);
    take_exception(f.cpu, data_abort(0x1234, {.fsc = 0x07, .write = true}, kCode));
    f.cpu.psci = PsciMethod::Hvc;
    f.state->x[0] = 0x8400'0000;
    f.state->x[1] = f.state->x[2] = f.state->x[3] = 1;
    f.run(hvc_word(0));
    CHECK(log.text() == "cpu 0: IRQ: EL1 at 0x40080000 to EL1 at 0x8280, SPSR 0x5\n"
                        "cpu 0: data abort: EL1 at 0x40080000 to EL1 at 0x8200, SPSR 0x20003c5, "
                        "ESR 0x96000047, FAR 0x1234\n"
                        "cpu 0: PSCI call 0x84000000: 0x1, 0x1, 0x1\n");
}

TEST_CASE("-dfilter leaves out exceptions that return elsewhere", "[system]") {
    CpuFixture f;
    const LoggedExceptions log({{kCode + 0x100, kCode + 0x200}});
    f.run(svc_word(0));
    CHECK(log.text().empty());
    f.state->pc = kCode + 0x180;
    f.run(svc_word(0));
    CHECK(log.text().find("EL1 at 0x40080184 to") != std::string::npos);
}

TEST_CASE("-d invalid_mem and cpu_reset", "[system]") {
    CpuFixture f;
    {
        const LoggedExceptions log({}, debug::Item::InvalidMem);
        log_no_memory(f.cpu, 0x1'0000'0000, true, kCode);
        CHECK(log.text() == "cpu 0: nothing at 0x100000000 for the write at 0x40080000\n");
    }
    const LoggedExceptions log({}, debug::Item::CpuReset);
    f.state->x[3] = 0xabcdef;
    log_reset(f.cpu);
    CHECK(log.text().find("cpu 0: reset\n") == 0);
    CHECK(log.text().find("abcdef") != std::string::npos);
}

} // namespace ulna::system
