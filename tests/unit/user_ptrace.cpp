// Register sets of ptrace(2), and slots of sessions.
#include <elf.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "runtime/user/ptrace_registers.h"
#include "runtime/user/ptrace_session.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::user;

namespace {

TraceRegisters some_registers() {
    TraceRegisters registers = {};
    registers.x[0] = 7;
    registers.x[30] = 30;
    registers.pc = 0x1000;
    registers.fpsr = 1;
    registers.tls = 0x55;
    registers.syscall = 64;
    return registers;
}

std::vector<u8> read_set(u64 set, std::size_t bytes) {
    std::vector<u8> to(bytes);
    const i64 got = read_register_set(some_registers(), set, to);
    REQUIRE(got >= 0);
    to.resize(static_cast<std::size_t>(got));
    return to;
}

} // namespace

TEST_CASE("register sets have the kernel's sizes") {
    constexpr std::size_t kMore = 1024;
    CHECK(read_set(NT_PRSTATUS, kMore).size() == 272);
    CHECK(read_set(NT_PRFPREG, kMore).size() == 528);
    CHECK(read_set(NT_ARM_TLS, kMore).size() == 8);
    CHECK(read_set(NT_ARM_SYSTEM_CALL, kMore).size() == 4);
    CHECK(read_set(NT_ARM_HW_WATCH, kMore).size() == 264);
    CHECK(read_set(NT_ARM_HW_BREAK, kMore).size() == 264);
    CHECK(read_set(NT_PRSTATUS, 16).size() == 16);
}

TEST_CASE("register sets are read and written in whole registers") {
    TraceRegisters registers = some_registers();
    std::vector<u8> bytes(12);
    CHECK(read_register_set(registers, NT_PRSTATUS, bytes) == -EINVAL);
    CHECK(write_register_set(registers, NT_PRSTATUS, bytes) == -EINVAL);
    CHECK(read_register_set(registers, NT_ARM_SVE, bytes) == -EINVAL);
}

TEST_CASE("a register set written in part keeps the rest") {
    TraceRegisters registers = some_registers();
    const std::vector<u8> eight(8, 0xff);
    CHECK(write_register_set(registers, NT_PRSTATUS, eight) == 8);
    CHECK(registers.x[0] == ~u64{0});
    CHECK(registers.x[30] == 30);
    CHECK(registers.pc == 0x1000);
}

TEST_CASE("pstate is the user's") {
    TraceRegisters registers = some_registers();
    std::vector<u8> all = read_set(NT_PRSTATUS, 272);
    all[264] = 5; // EL1h
    CHECK(write_register_set(registers, NT_PRSTATUS, all) == -EINVAL);
}

TEST_CASE("slots of a session are claimed once and found until they are free") {
    TraceSession* const session = make_session(getpid());
    REQUIRE(session != nullptr);
    TraceSlot* const first = session->claim_slot();
    TraceSlot* const second = session->claim_slot();
    REQUIRE(first != nullptr);
    REQUIRE(second != nullptr);
    CHECK(first != second);
    CHECK(map_session(session->id) == session);
    unsigned seen = 0;
    const auto count = [&seen](const TraceSlot&) {
        ++seen;
        return false;
    };
    find_slot(*session, count);
    CHECK(seen == 2);
    first->state = SlotState::Free;
    seen = 0;
    find_slot(*session, count);
    CHECK(seen == 1);
    CHECK(session->claim_slot() == first);
}
