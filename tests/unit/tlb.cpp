// Where a machine's accesses go: the operation in the interpreter and in translated code, and what
// it asks the runtime for.
#include <random>

#include "backend/page_look.h"
#include "ir/opt/passes.h"
#include "tests/unit/ir_refused.h"
#include "tests/unit/x64_random.h"
//
#include "tests/support/catch.h" // last: its CHECK is not that of the headers above

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

// Two pages of the guest that are the same memory of ours; the second is not in the TLB at first,
// and the first cannot be written without privilege.
constexpr GuestAddr kKnown = 0xffff'8000'1234'5000, kOther = kKnown + kPageBytes;

unsigned g_asked = 0;

u64 host_of(GuestAddr address) {
    return reinterpret_cast<u64>(guest_memory().bytes) + address % kPageBytes;
}

void enter(CpuState& state, bool privileged, GuestAddr page, bool writable) {
    Tlb& tlb = *state.tlb[privileged];
    const std::size_t index = tlb_index(page);
    tlb.read[index] = page;
    tlb.write[index] = writable ? page : no_tlb_page(index);
    tlb.addend[index] = host_of(page) - page;
}

u64 find(CpuState& state, u64 address, u64 bits) {
    ++g_asked;
    const MemInfo mem = MemInfo::unpack(static_cast<u16>(bits));
    const u64 range_bytes = (bits & ~kStoresAreCommitted) >> 16;
    const u64 bytes = range_bytes != 0 ? range_bytes : mem.bytes();
    const GuestAddr page = align_down(address, kPageBytes);
    const bool crosses = align_down(address + bytes - 1, kPageBytes) != page;
    if (crosses || (page != kKnown && page != kOther) ||
        (mem.unprivileged && mem.access != Access::Reads)) {
        return 0;
    }
    if (page == kOther) {
        enter(state, !mem.unprivileged, page, true);
    }
    return host_of(address);
}

void fill(CpuState& state, BlockMode mode) {
    state.mode_bits = mode.bits;
    static Tlb tlbs[2];
    for (unsigned privileged = 0; privileged < 2; ++privileged) {
        for (std::size_t index = 0; index < kTlbEntries; ++index) {
            tlbs[privileged].read[index] = tlbs[privileged].write[index] = no_tlb_page(index);
        }
        state.tlb[privileged] = &tlbs[privileged];
    }
    enter(state, true, kKnown, true);
    enter(state, false, kKnown, false);
    state.find_host_address = reinterpret_cast<u64>(&find);
}

} // namespace

TEST_CASE("tlb: text form and rules of the operation", "[ir][tlb]") {
    constexpr const char* kText = "block 0x1000 mode=0x60000\n"
                                  "  insn 0x1000 0x00000000\n"
                                  "  %0 = get.i64 x1\n"
                                  "  %1 = hostaddr [%0 + 0x10] 8 aligned reads_and_writes\n"
                                  "  %2 = hostaddr [%0 - 0x8] 1 reads unprivileged\n"
                                  "  %3 = hostaddr [%0] 16 writes pair tag_unchecked\n"
                                  "  %4 = load.i64 [%1] 8\n"
                                  "  %5 = hostrange [%0 - 0x18] 48 reads_and_writes\n"
                                  "  %6 = hostrange [%0] 12 writes unprivileged\n"
                                  "  %7 = hostrange [%0 + %4 << 2 + 0x8] 20 reads\n"
                                  "  set x2, %4\n"
                                  "  exit direct 0x1004\n";
    Block block;
    REQUIRE(parse(kText, block) == "");
    CHECK(verify(block) == "");
    CHECK(print(block) == kText);
    CHECK(is_refused("%1 = hostaddr [%0] 8"));
    CHECK(is_refused("%1 = hostaddr [%0] 8 reads acquire"));
    CHECK(is_refused("%1 = load.i64 [%0] 8 unprivileged"));
    CHECK(is_refused("%1 = checktag [%0] 16 reads pair"));
    CHECK(is_refused("%1 = checktag [%0] 16 reads tag_unchecked"));
    CHECK(is_refused("%1 = hostrange [%0] 0 reads"));
    CHECK(is_refused("%1 = hostrange [%0] 5000 reads"));
    CHECK(is_refused("%1 = hostrange [%0] 12"));
    CHECK(is_refused("%1 = hostrange [%0] 12 reads aligned"));
    CHECK(is_refused("%1 = hostrange [%0 << 2] 12 reads"));
}

TEST_CASE("tlb: what an entry finds", "[ir][tlb]") {
    const MemInfo one{.size_log2 = 0}, eight{.size_log2 = 3}, pair{.size_log2 = 4, .pair = true};
    CHECK(tlb_finds(0x5000, 0x5fff, one.bytes()));
    CHECK(tlb_finds(0x5000, 0x5ff8, eight.bytes()));
    CHECK(tlb_finds(0x5000, 0x5ff4, eight.bytes()));
    CHECK_FALSE(tlb_finds(0x5000, 0x5ff9, eight.bytes())); // ends in the next page
    CHECK(tlb_finds(0x5000, 0x5ff0, pair.bytes()));
    CHECK_FALSE(tlb_finds(0x5000, 0x5ff8, pair.bytes()));
    CHECK_FALSE(tlb_finds(0x5000, 0x6000, one.bytes()));
    CHECK_FALSE(tlb_finds(0x5000, 0x4fff, one.bytes()));
    // No page, and one whose accesses are checked, are found by no address of the entry.
    for (const u64 page : {u64{0}, u64{0x1000}, u64{0x2000}, u64{0x7f'f000}, ~u64{0xfff}}) {
        for (const u64 address : {page, page + 8, page + 0xfff}) {
            CHECK_FALSE(tlb_finds(no_tlb_page(tlb_index(page)), address, 1));
            CHECK_FALSE(tlb_finds(checked_tlb_page(page), address, 1));
        }
        CHECK(tlb_page(page) == page);
        CHECK(tlb_page(checked_tlb_page(page)) == page);
        CHECK(checked_tlb_page(page) != no_tlb_page(tlb_index(page)));
    }
}

TEST_CASE("x64: accesses of a machine agree with the interpreter", "[x64][tlb]") {
    X64Runner runner;
    if (!runner.available()) {
        return;
    }
    std::mt19937_64 random{21};
    const auto below = [&](u64 n) { return random() % n; };
    unsigned left = 0, misaligned = 0, asked = 0, in_tlb = 0;
    const unsigned count = test_effort(4000);
    for (unsigned i = 0; i < count; ++i) {
        Block block;
        block.reset({0x10000, BlockMode{BlockMode::level_bits(static_cast<unsigned>(below(2))) |
                                        BlockMode::kNoRanges}});
        Builder b{block};
        for (unsigned n = 0; n < 1 + below(4); ++n) {
            b.begin_guest_instruction(0x10000 + 4 * n, 0);
            const u64 kind = below(16);
            const u64 offset = below(8) == 0
                                   ? kPageBytes - below(40)
                                   : below(kMemoryBytes - 80) & (below(4) != 0 ? ~7u : ~0u);
            const GuestAddr page = kind == 0 ? kOther + kPageBytes : kind < 5 ? kOther : kKnown;
            const unsigned reg = static_cast<unsigned>(below(31));
            const Value base =
                b.add(b.and_(b.get(x_slot(reg)), b.c64(0)), b.c64(page + offset + 16));
            const bool pair = below(4) == 0;
            MemInfo mem{.size_log2 = static_cast<u8>(pair ? 3 + below(2) : below(4)),
                        .aligned = !pair && below(8) == 0,
                        .access = static_cast<Access>(1 + below(3)),
                        .unprivileged = below(4) == 0,
                        .pair = pair};
            const Value at = b.host_address(base, mem, -16);
            // No access at the end of a page: only the start of it is memory that both sides share.
            if (offset < kMemoryBytes && mem.size_log2 <= 3) {
                const MemInfo plain{.size_log2 = mem.size_log2};
                if (mem.access == Access::Reads) {
                    b.set(x_slot(reg), b.load(Type::I64, at, plain));
                } else {
                    b.store(at, b.get(x_slot(static_cast<unsigned>(below(31)))), plain);
                }
            }
        }
        block.exit = ExitDirect{0x20000}; // forwards: no look at what is pending
        REQUIRE(verify(block) == "");
        const u64 seed = random();
        const auto expected = std::make_unique<CpuState>();
        randomise(*expected, seed, 0);
        fill(*expected, block.key.mode);
        g_asked = 0;
        (void)interpret(block, *expected);
        const unsigned expected_asked = g_asked;
        const auto reason = static_cast<ExitReason>(expected->exit_reason);
        left += reason == ExitReason::MemoryAccess;
        misaligned += reason == ExitReason::Alignment;
        asked += g_asked;
        in_tlb += g_asked == 0 && reason == ExitReason::Lookup;
        const GuestMemory memory = guest_memory();
        for_each_translation(runner, block, [&](const Block& translated) {
            randomise(*runner.state, seed, 0);
            fill(*runner.state, block.key.mode);
            g_asked = 0;
            (void)runner.run(translated);
            INFO(print(block));
            REQUIRE(difference(*expected, *runner.state) == "");
            REQUIRE(g_asked == expected_asked);
            REQUIRE(std::memcmp(&memory, &guest_memory(), sizeof memory) == 0);
        });
    }
    CHECK(
        (left > count / 14 && misaligned > count / 80 && asked > count / 4 && in_tlb > count / 14));
}

namespace {

// A guest instruction: an access by a register that holds some address near the end of a page,
// which it may change by a constant before.
struct AccessStep {
    unsigned base, other;
    i64 add, displacement;
    MemInfo mem;
    std::optional<unsigned> index_shift; // of kIndex, which grows by `add`, too
};
constexpr unsigned kIndex = 30;

// From the step at `first` on, as the frontend would translate it.
Block block_of(std::span<const AccessStep> steps, std::size_t first, u32 mode) {
    Block block;
    block.reset({0x10000 + 4 * first, BlockMode{mode}});
    Builder b{block};
    for (std::size_t i = first; i < steps.size(); ++i) {
        const AccessStep& step = steps[i];
        b.begin_guest_instruction(0x10000 + 4 * i, 0);
        const unsigned moved = step.index_shift ? kIndex : step.base;
        const Value sum = b.add(b.get(x_slot(moved)), b.c64(static_cast<u64>(step.add)));
        MemInfo mem = step.mem;
        mem.index_shift = static_cast<u8>(step.index_shift.value_or(0));
        const Value at = b.host_address(step.index_shift ? b.get(x_slot(step.base)) : sum, mem,
                                        step.displacement);
        b.block()[at.id].args[1] = step.index_shift ? sum.id : kNoValue;
        const MemInfo plain{.size_log2 = step.mem.size_log2};
        if (step.mem.access == Access::Reads) {
            b.set(x_slot(step.other), b.load(Type::I64, at, plain));
        } else {
            b.store(at, b.get(x_slot(step.other)), plain);
        }
        if (step.add != 0) {
            b.set(x_slot(moved), sum); // write-back
        }
    }
    block.exit = ExitDirect{0x20000};
    return block;
}

} // namespace

TEST_CASE("tlb: accesses that share a look do what they do alone", "[x64][tlb]") {
    X64Runner runner;
    std::mt19937_64 random{23};
    const auto below = [&](u64 n) { return random() % n; };
    unsigned ranges = 0, missed = 0, left = 0;
    const unsigned count = test_effort(4000);
    for (unsigned i = 0; i < count; ++i) {
        const u32 mode = BlockMode::level_bits(static_cast<unsigned>(below(2)));
        std::vector<AccessStep> steps;
        const auto shift = static_cast<unsigned>(below(5));
        for (unsigned n = 0; n < 2 + below(6); ++n) {
            steps.push_back({.base = static_cast<unsigned>(below(2)),
                             .other = static_cast<unsigned>(2 + below(8)),
                             .add = below(3) == 0 ? static_cast<i64>(below(65)) - 32 : 0,
                             .displacement = static_cast<i64>(below(65)) - 32,
                             .mem = {.size_log2 = static_cast<u8>(below(4)),
                                     .access = below(2) != 0 ? Access::Reads : Access::Writes,
                                     .unprivileged = below(8) == 0},
                             .index_shift = below(2) != 0 ? std::optional{shift} : std::nullopt});
        }
        const u64 seed = random();
        const GuestAddr bases[2] = {kKnown + (below(4) == 0 ? below(64) : 256 + below(64)),
                                    (below(4) != 0 ? kKnown : kOther) + 512 + below(64)};
        const auto prepare = [&](CpuState& state) {
            randomise(state, seed, 0);
            fill(state, {mode});
            state.x[0] = bases[0];
            state.x[1] = bases[1];
            state.x[kIndex] = seed % 3;
        };
        const Block alone = block_of(steps, 0, mode | BlockMode::kNoRanges);
        const auto expected = std::make_unique<CpuState>();
        prepare(*expected);
        (void)interpret(alone, *expected);
        left += expected->exit_reason == static_cast<u32>(ExitReason::MemoryAccess);
        const GuestMemory memory = guest_memory();

        Block shared = block_of(steps, 0, mode);
        run_passes(shared, {});
        REQUIRE(verify(shared) == "");
        ranges += std::any_of(shared.insts.begin(), shared.insts.end(),
                              [](const Inst& inst) { return inst.op == Opcode::HostRange; });
        const auto check = [&](CpuState& state, auto run) {
            prepare(state);
            run(shared);
            if (state.exit_reason == static_cast<u32>(ExitReason::RangeMiss)) {
                ++missed;
                Block rest = block_of(steps, (state.pc - 0x10000) / 4, mode | BlockMode::kNoRanges);
                run_passes(rest, {});
                run(rest);
            }
            INFO(print(alone) << print(shared));
            REQUIRE(difference(*expected, state) == "");
            REQUIRE(std::memcmp(&memory, &guest_memory(), sizeof memory) == 0);
        };
        const auto interpreted = std::make_unique<CpuState>();
        check(*interpreted, [&](const Block& block) { (void)interpret(block, *interpreted); });
        for (const bool spill : {false, true}) {
            if (runner.available()) {
                runner.reset();
                runner.options = {};
                runner.options.spill_everything = spill;
                runner.options.baseline_host = spill;
                check(*runner.state, [&](const Block& block) { (void)runner.run(block); });
            }
        }
    }
    CHECK((ranges > count / 2 && missed > count / 8 && left > count / 20));
}

TEST_CASE("tlb: the stack and elements of arrays look at the page that they had last", "[tlb]") {
    Block block;
    block.reset({0x10000, BlockMode{BlockMode::level_bits(1)}});
    Builder b{block};
    b.begin_guest_instruction(0x10000, 0);
    const Value array = b.get(x_slot(1)), index = b.get(x_slot(2)), sp = b.get(Slot::SP);
    const Value one_by_one = b.add(array, index);
    const Value scaled = b.emit(Opcode::AddShl, Type::I64, {array, index}, 0, 3);
    const MemInfo mem{.size_log2 = 3, .access = Access::Reads};
    const auto has_slot = [&](Value base) {
        const Value look = b.host_address(base, mem, 8);
        return backend::page_look(block, block[look.id], 0x10000).slot != 0;
    };
    CHECK(has_slot(sp));
    CHECK(has_slot(b.add(sp, b.c64(64))));
    CHECK(has_slot(one_by_one));
    CHECK(has_slot(scaled));
    CHECK_FALSE(has_slot(array));
}

TEST_CASE("tlb: an access finds the page that it had last, and no other", "[x64][tlb]") {
    X64Runner runner;
    if (!runner.available()) {
        return;
    }
    std::mt19937_64 random{25};
    const auto below = [&](u64 n) { return random() % n; };
    unsigned found = 0, left = 0, used = 0;
    const unsigned count = test_effort(2000);
    for (unsigned i = 0; i < count; ++i) {
        Block block;
        // The same addresses again and again: the slots are of those before.
        block.reset({0x10000, BlockMode{BlockMode::level_bits(static_cast<unsigned>(below(2)))}});
        Builder b{block};
        for (unsigned n = 0; n < 1 + below(4); ++n) {
            b.begin_guest_instruction(0x10000 + 4 * n, 0);
            const Value base =
                below(3) == 0 ? b.get(Slot::SP) : b.add(b.get(x_slot(1)), b.get(x_slot(2 + n)));
            const MemInfo mem{.size_log2 = static_cast<u8>(below(4)),
                              .access = static_cast<Access>(1 + below(3)),
                              .unprivileged = below(4) == 0};
            b.set(x_slot(20 + n), b.host_address(base, mem, static_cast<i64>(below(33)) - 16));
        }
        block.exit = ExitDirect{0x20000};
        REQUIRE(verify(block) == "");
        const auto expected = std::make_unique<CpuState>();
        runner.reset();
        runner.options = {};
        runner.options.spill_everything = below(2) != 0;
        runner.options.baseline_host = below(2) != 0;
        for (unsigned round = 0; round < 6; ++round) {
            const u64 seed = random();
            const auto address = [&] {
                const u64 offset = below(3) == 0 ? kPageBytes - below(40) : 16 + below(64);
                return (below(8) == 0   ? kOther + kPageBytes
                        : below(3) == 0 ? kOther
                                        : kKnown) +
                       offset;
            };
            const GuestAddr sp = address(), first = address(), second = address();
            const auto prepare = [&](CpuState& state) {
                randomise(state, seed, 0);
                state.sp = sp;
                state.x[1] = first;
                for (unsigned n = 0; n < 4; ++n) {
                    state.x[2 + n] = n % 2 != 0 ? second - first : n * 8;
                }
                if (round % 3 == 0) { // as when the guest's tables have changed
                    fill(state, block.key.mode);
                    for (auto& group : state.page_slots) {
                        for (PageSlot& slot : group) {
                            slot.limit = 0;
                        }
                    }
                }
            };
            prepare(*expected);
            (void)interpret(block, *expected);
            left += expected->exit_reason == static_cast<u32>(ExitReason::MemoryAccess);
            prepare(*runner.state);
            g_asked = 0;
            (void)runner.run(block);
            found += g_asked == 0;
            used += runner.state->used_slot_groups != 0;
            INFO(print(block));
            REQUIRE(difference(*expected, *runner.state) == "");
        }
    }
    INFO(found << " " << left << " " << used);
    CHECK((found > count && left > count / 2 && used > count * 2));
}

TEST_CASE("tlb: addresses at the ends of what offsets can say share looks, or none", "[ir][tlb]") {
    const auto shared = [](u64 first, u64 second, i64 displacement, bool constant) {
        Block block;
        block.reset({0x10000, BlockMode{BlockMode::level_bits(1)}});
        Builder b{block};
        b.begin_guest_instruction(0x10000, 0);
        const Value root = constant ? b.c64(0) : b.get(x_slot(1));
        for (const u64 offset : {first, second}) {
            const MemInfo mem{.size_log2 = 3, .access = Access::Reads};
            const Value at = b.host_address(b.add(root, b.c64(offset)), mem, displacement);
            b.set(x_slot(2), b.load(Type::I64, at, {.size_log2 = 3}));
            b.set(x_slot(3), b.get(x_slot(2)));
        }
        block.exit = ExitDirect{0x20000};
        opt::share_lookups(block);
        return std::any_of(block.insts.begin(), block.insts.end(),
                           [](const Inst& inst) { return inst.op == Opcode::HostRange; });
    };
    constexpr u64 kTop = u64{1} << 63;
    for (const bool constant : {false, true}) {
        CHECK(shared(0x1000, 0x1010, 0, constant));
        CHECK_FALSE(shared(0x1000, 0x1300, 0, constant));
        CHECK_FALSE(shared(0x4000'0000, kTop, 0, constant));
        CHECK_FALSE(shared(kTop, 0x4000'0000, 0, constant));
        CHECK_FALSE(shared(kTop - 8, kTop, 0, constant)); // the largest and the least
        CHECK(shared(kTop + 8, kTop, 0, constant));
        CHECK(shared(0x1000, 0x1010, INT32_MIN, constant));
        CHECK_FALSE(shared(0x1010, 0x1000, INT32_MIN, constant));
    }
}
