#include "runtime/jit/machine_jumps.h"

#include <memory>

#include "tests/support/catch.h"

namespace ulna::runtime {
namespace {

constexpr GuestAddr kPc = 0x1234'5678;
constexpr u64 kHost = 0x7f00'0000'1000;

struct Fixture {
    Fixture() {
        jumps.use(false, 0);
        jumps.use(true, 0);
    }
    // As translated code does.
    [[nodiscard]] u64 find(GuestAddr pc, bool privileged) const {
        const ir::JumpCacheEntry& entry =
            state->machine_jump_cache[privileged][pc >> 2 & (ir::kJumpCacheEntries - 1)];
        return entry.guest_pc == pc ? entry.host_pc : 0;
    }

    // As the thunk does where find() does not.
    [[nodiscard]] u64 find_victim(GuestAddr pc, bool privileged) const {
        const ir::JumpCacheEntry& entry =
            state->machine_jump_cache[privileged][ir::kJumpCacheEntries +
                                                  ir::victim_index(pc) % ir::kMachineVictims];
        return entry.guest_pc == pc ? entry.host_pc : 0;
    }

    std::unique_ptr<ir::CpuState> state = std::make_unique<ir::CpuState>();
    MachineJumps jumps{*state};
};

} // namespace

TEST_CASE("machine jumps: each privilege and set of tables has its own", "[runtime]") {
    Fixture f;
    CHECK(f.find(0, true) == 0); // no entry is one for address 0
    f.jumps.enter(kPc, kHost, true);
    CHECK(f.find(kPc, true) == kHost);
    CHECK(f.find(kPc, false) == 0);
    f.jumps.use(true, 3);
    CHECK(f.find(kPc, true) == 0);
    CHECK(f.find(0, true) == 0);
    f.jumps.enter(kPc, kHost + 1, true);
    f.jumps.use(true, 0);
    CHECK(f.find(kPc, true) == kHost);
}

TEST_CASE("machine jumps: what is forgotten is gone when its tables come back", "[runtime]") {
    Fixture f;
    f.jumps.enter(kPc, kHost, true);
    f.jumps.use(true, 1);
    f.jumps.enter(kPc, kHost + 1, true);
    SECTION("of tables that are not the current ones") {
        f.jumps.forget(true, 0);
        CHECK(f.find(kPc, true) == kHost + 1);
        f.jumps.use(true, 0);
        CHECK(f.find(kPc, true) == 0);
        f.jumps.use(true, 1);
        CHECK(f.find(kPc, true) == kHost + 1);
    }
    SECTION("of the current ones") {
        f.jumps.forget(true, 1);
        CHECK(f.find(kPc, true) == 0);
        f.jumps.use(true, 0);
        CHECK(f.find(kPc, true) == kHost);
    }
    SECTION("of all") {
        f.jumps.forget_all();
        CHECK(f.find(kPc, true) == 0);
        f.jumps.use(true, 0);
        CHECK(f.find(kPc, true) == 0);
    }
    SECTION("a block's") {
        f.jumps.forget_block(kPc);
        CHECK(f.find(kPc, true) == 0);
        f.jumps.use(true, 0);
        CHECK(f.find(kPc, true) == 0);
    }
}

TEST_CASE("machine jumps: they are of blocks of one mode", "[runtime]") {
    Fixture f;
    const ir::BlockMode first{ir::BlockMode::level_bits(1)};
    const ir::BlockMode second{first.bits | ir::BlockMode::kNoRanges};
    CHECK(f.jumps.use_mode(first));
    f.jumps.enter(kPc, kHost, true);
    CHECK_FALSE(f.jumps.use_mode(first));
    CHECK(f.find(kPc, true) == kHost);
    f.jumps.use(true, 1);
    CHECK(f.jumps.use_mode(second));
    f.jumps.use(true, 0);
    CHECK(f.jumps.use_mode(second));
    CHECK(f.find(kPc, true) == 0);
}

TEST_CASE("machine jumps: what is there outlives a while of misaligned SP", "[runtime]") {
    Fixture f;
    const ir::BlockMode usual{ir::BlockMode::level_bits(1)};
    const ir::BlockMode misaligned{usual.bits | ir::BlockMode::kMisalignedSp};
    f.jumps.use_mode(usual);
    f.jumps.enter(kPc, kHost, true);
    f.jumps.use_mode(misaligned);
    CHECK(f.find(kPc, true) == 0);
    f.jumps.enter(kPc, kHost + 1, true);
    CHECK_FALSE(f.jumps.use_mode(usual));
    CHECK(f.find(kPc, true) == kHost);
    CHECK_FALSE(f.jumps.use_mode(misaligned));
    CHECK(f.find(kPc, true) == kHost + 1);
    SECTION("but not what it found by other tables") {
        f.jumps.use(true, 1);
        CHECK(f.find(kPc, true) == 0);
        f.jumps.use_mode(usual);
        f.jumps.use(true, 0);
        CHECK(f.find(kPc, true) == kHost);
    }
    SECTION("nor what maintenance meanwhile forgets") {
        f.jumps.forget(true, 0);
        CHECK(f.find(kPc, true) == 0);
        f.jumps.use_mode(usual);
        CHECK(f.find(kPc, true) == 0);
    }
}

TEST_CASE("machine jumps: what is forgotten leaves nothing that a branch could find", "[runtime]") {
    constexpr GuestAddr kLast = 0xffff'ffff'0000'3ffc, kFirst = 0x1234'0000;
    Fixture f;
    const ir::JumpCacheEntry* const entries = f.state->machine_jump_cache[1];
    for (const GuestAddr pc : {kLast, kFirst}) { // where ~0 and 0 would be
        f.jumps.enter(pc, kHost, true);
        f.jumps.enter(pc + 0x4000, kHost, true); // it is a victim now
        f.jumps.forget_block(pc + 0x4000);
        f.jumps.forget_block(pc);
    }
    CHECK(entries[ir::kJumpCacheEntries - 1].guest_pc != ~u64{0});
    CHECK(entries[0].guest_pc != 0);
    CHECK(entries[ir::kJumpCacheEntries + ir::victim_index(~u64{0})].guest_pc != ~u64{0});
}

TEST_CASE("machine jumps: what another target displaces is a victim", "[runtime]") {
    constexpr GuestAddr kRival = kPc + ir::kJumpCacheEntries * 4;
    Fixture f;
    f.jumps.enter(kPc, kHost, true);
    f.jumps.enter(kPc, kHost + 1, true);
    CHECK(f.find_victim(kPc, true) == 0); // it displaced itself
    f.jumps.enter(kRival, kHost + 2, true);
    CHECK(f.find(kPc, true) == 0);
    CHECK(f.find_victim(kPc, true) == kHost + 1);
    CHECK(f.find(kRival, true) == kHost + 2);
    SECTION("and forgotten with its block") {
        f.jumps.forget_block(kPc);
        CHECK(f.find_victim(kPc, true) == 0);
        CHECK(f.find(kRival, true) == kHost + 2);
    }
    SECTION("and with its tables, the current ones") {
        f.jumps.forget(true, 0);
        CHECK(f.find_victim(kPc, true) == 0);
    }
    SECTION("or others") {
        f.jumps.use(true, 1);
        CHECK(f.find_victim(kPc, true) == 0);
        f.jumps.forget(true, 0);
        f.jumps.use(true, 0);
        CHECK(f.find_victim(kPc, true) == 0);
    }
}

} // namespace ulna::runtime
