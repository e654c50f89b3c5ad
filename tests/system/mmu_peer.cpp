// Random regimes and tables, compared with what QEMU's AT instructions say of them.
#include <cstring>
#include <span>

#include "runtime/system/mmu.h"
#include "tests/system/peer/mmu_cases.h"

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

constexpr u32 kExpected[] = {
// tests/system/peer/run writes them
#include "tests/system/peer/mmu_peer.inc"
};

struct Tables {
    u8* host; // of mmu_cases::kArena
    u64 load(u64 at) const {
        u64 value;
        std::memcpy(&value, host + (at - mmu_cases::kArena), sizeof value);
        return value;
    }
    void store(u64 at, u64 value) const {
        std::memcpy(host + (at - mmu_cases::kArena), &value, sizeof value);
    }
};

RegimeRegisters registers_of(const mmu_cases::Case& from) {
    RegimeRegisters to;
    to.el = from.el2 ? 2 : 1;
    to.sctlr = from.sctlr;
    to.tcr = from.tcr;
    to.ttbr0 = from.ttbr0;
    to.ttbr1 = from.ttbr1;
    to.mair = from.mair;
    to.el2_enabled = !from.el2;
    to.hcr = from.hcr;
    to.vtcr = from.vtcr;
    to.vttbr = from.vttbr;
    to.pa_bits = 52;
    return to;
}

u64 par_after(const RegimeRegisters& registers,
              const devices::PhysicalMemory& memory,
              u64 address,
              const mmu_cases::Operation& operation) {
    RegimeRegisters regime = registers;
    regime.pan = operation.pan;
    return par_of(walk(regime, memory, address,
                       {.kind = operation.write ? AccessKind::Write : AccessKind::Read,
                        .unprivileged = operation.el0,
                        .stage1_only = operation.stage1_only,
                        .updates = TableUpdates::AccessFlag}));
}

std::span<const mmu_cases::Operation> operations_of(const mmu_cases::Case& made) {
    constexpr u64 kE2H = u64{1} << 34;
    const std::span<const mmu_cases::Operation> el2 = mmu_cases::kEl2Operations;
    return !made.el2 ? std::span<const mmu_cases::Operation>(mmu_cases::kOperations)
                     : el2.first((made.hcr & kE2H) != 0 ? 4 : 2);
}

// As mmu_program.cpp has it.
u32 hash_of(u64 seed, const devices::PhysicalMemory& memory) {
    Tables tables{memory.ram(mmu_cases::kArena, mmu_cases::kArenaBytes)};
    const mmu_cases::Case made = mmu_cases::Maker<Tables>(seed, tables).make();
    const RegimeRegisters registers = registers_of(made);
    u64 hash = 0;
    for (const u64 address : made.addresses) {
        for (const mmu_cases::Operation& operation : operations_of(made)) {
            const u64 par = mmu_cases::comparable(par_after(registers, memory, address, operation));
            hash = (hash ^ par) * 0x9e37'79b9'7f4a'7c15;
            hash ^= hash >> 29;
        }
    }
    return static_cast<u32>(hash);
}

TEST_CASE("random tables mean what they mean to the peer", "[mmu]") {
    devices::PhysicalMemory memory;
    std::string why_not;
    REQUIRE(memory.add_ram(0x4000'0000, 256 << 20, why_not) != nullptr);
    for (u64 seed = 0; seed < std::size(kExpected); ++seed) {
        INFO("seed " << seed << "; tests/system/peer/run " << seed << " 1 1");
        CHECK(hash_of(seed, memory) == kExpected[seed]);
    }
}

// Registers and tables of which nothing is right: no crash, and nothing outside of memory.
TEST_CASE("nonsense is walked to a result", "[mmu]") {
    devices::PhysicalMemory memory;
    std::string why_not;
    REQUIRE(memory.add_ram(0x4000'0000, 256 << 20, why_not) != nullptr);
    u64 random = 1;
    const auto next = [&random] {
        random = random * 6364136223846793005 + 1442695040888963407;
        return random ^ random >> 29;
    };
    u8* const host = memory.ram(0x4000'0000, 256 << 20);
    for (u64 i = 0; i < 0x10'0000; i += 8) {
        const u64 descriptor = (next() & 0xffe0'0000'007f'ffff) | 0x4000'0003;
        std::memcpy(host + i, &descriptor, 8);
    }
    u64 mapped = 0;
    for (int i = 0; i < 100'000; ++i) {
        RegimeRegisters regime;
        regime.el = static_cast<u8>(1 + next() % 3);
        regime.sctlr = next() | 1;
        regime.tcr = next();
        regime.ttbr0 = (next() & 0xffff'0000'000f'ffff) | 0x4000'0000;
        regime.ttbr1 = (next() & 0xffff'0000'000f'ffff) | 0x4000'0000;
        regime.mair = next();
        regime.el2_enabled = (next() & 1) != 0;
        regime.hcr = next();
        regime.vtcr = next();
        regime.vttbr = (next() & 0xffff'0000'000f'ffff) | 0x4000'0000;
        regime.pa_bits = static_cast<u8>(32 + next() % 21);
        Access access;
        access.kind = static_cast<AccessKind>(next() % 3);
        access.unprivileged = (next() & 1) != 0;
        access.misaligned = (next() & 1) != 0;
        const u64 va = next() << (next() % 64) >> (next() % 64);
        const TranslationResult result = walk(regime, memory, va, access);
        mapped += std::holds_alternative<Translation>(result);
        (void)par_of(result);
    }
    CHECK(mapped > 0);
}

} // namespace
} // namespace ulna::system
