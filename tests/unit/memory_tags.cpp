// Allocation tags: the operations in the interpreter and in translated code, the check of an
// access, and both engines' modes. What Linux makes of them: tests/guest/memory_tags.c.
#include <algorithm>
#include <random>

#include "frontend/frontend.h"
#include "ir/builder.h"
#include "ir/opt/pipeline.h"
#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "runtime/user/tag_storage.h"
#include "tests/unit/ir_refused.h"
#include "tests/unit/runtime_guest.h"
#include "tests/unit/x64_random.h"

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

constexpr u32 mode_with(TagCheck check) {
    return BlockMode::kTags | static_cast<u32>(check) << BlockMode::kTagCheckShift;
}
GuestAddr tagged(GuestAddr address, u64 tag) { return address | tag << kTagShift; }

// Pages of this process with tags of their own, gone at the end.
class TaggedPages {
  public:
    TaggedPages(GuestAddr start, GuestAddr end) : start_{start}, end_{end} {
        REQUIRE(user::reserve_tags());
        user::give_tags(start, end);
    }
    ~TaggedPages() { user::take_tags(start_, end_); }
    TaggedPages(const TaggedPages&) = delete;

  private:
    GuestAddr start_, end_;
};

} // namespace

// --- tables

TEST_CASE("tags: choosing among those that are not excluded", "[ir][tags]") {
    CHECK(choose_non_excluded_tag(3, 0, 0) == 3);
    CHECK(choose_non_excluded_tag(3, 2, 0) == 5);
    CHECK(choose_non_excluded_tag(15, 1, 0) == 0);
    CHECK(choose_non_excluded_tag(3, 0, 1 << 3) == 4);
    CHECK(choose_non_excluded_tag(3, 1, 1 << 4) == 5);
    CHECK(choose_non_excluded_tag(3, 1, 1 << 3 | 1 << 4 | 1 << 5) == 6);
    CHECK(choose_non_excluded_tag(14, 2, 1 << 15 | 1 << 0) == 2);
    CHECK(choose_non_excluded_tag(7, 9, 0xffff) == 0);
    CHECK(choose_non_excluded_tag(7, 9, 0xfdff) == 9);
    CHECK(choose_non_excluded_tag(0x17, 0x12, 0x3'0000) == 9); // other bits do not count
}

TEST_CASE("tags: pages have tags of their own until they are taken away", "[user][tags]") {
    constexpr GuestAddr kStart = 0x1234'5000'0000, kEnd = kStart + 64 * 4096;
    REQUIRE(user::reserve_tags());
    const TagMemory& memory = user::tag_memory();
    CHECK(!has_tags(memory, kStart));
    store_tag(memory, kStart, 5, TagSpan::Granule); // ignored
    CHECK(load_tag(memory, kStart) == 0);
    {
        const TaggedPages pages{kStart, kEnd};
        CHECK((has_tags(memory, kStart) && has_tags(memory, kEnd - 1) && !has_tags(memory, kEnd)));
        store_tag(memory, kStart + 16, 5, TagSpan::Granule);
        store_tag(memory, kEnd - 64, 6, TagSpan::Block);
        CHECK((load_tag(memory, kStart) == 0 && load_tag(memory, kStart + 31) == 5));
        CHECK((load_tag(memory, kEnd - 65) == 0 && load_tag(memory, kEnd - 1) == 6));
        user::clear_tags(kStart + 4096, kEnd); // all but the first page
        CHECK((load_tag(memory, kStart + 16) == 5 && load_tag(memory, kEnd - 1) == 0));
        user::copy_tags(kStart, kStart + 8192, 4096);
        CHECK(load_tag(memory, kStart + 8192 + 16) == 5);
    }
    CHECK((!has_tags(memory, kStart) && load_tag(memory, kStart + 16) == 0));
}

TEST_CASE("tags: the check of an access", "[ir][tags]") {
    constexpr GuestAddr kPage = 0x2345'6000'0000;
    const TaggedPages pages{kPage, kPage + 4096};
    const TagMemory& memory = user::tag_memory();
    store_tag(memory, kPage, 3, TagSpan::Granule);
    store_tag(memory, kPage + 16, 3, TagSpan::Granule);
    store_tag(memory, kPage + 4096 - 16, 3, TagSpan::Granule);
    const auto mismatch = [&](GuestAddr address, u64 bytes) {
        return tag_mismatch(memory, address, bytes).value_or(0);
    };
    const GuestAddr right = tagged(kPage, 3), wrong = tagged(kPage, 0xf4);
    CHECK(mismatch(right, 1) == 0);
    CHECK(mismatch(right + 8, 16) == 0);
    CHECK(mismatch(right, 32) == 0);
    CHECK(mismatch(right, 33) == right + 32);
    CHECK(mismatch(right + 31, 2) == right + 32);
    CHECK(mismatch(wrong + 7, 8) == wrong + 7);
    CHECK(mismatch(kPage, 1) == kPage);     // tag 0 is a tag like others
    CHECK(mismatch(right + 4095, 16) == 0); // the next page has none
    CHECK(mismatch(tagged(kPage - 1, 7), 1) == 0);
    CHECK(mismatch(right | u64{1} << 48, 8) == 0); // not the guest's address space
    CHECK(mismatch(~u64{0}, 8) == 0);
}

// --- text and verifier

TEST_CASE("tags: text form and rules of the operations", "[ir][tags]") {
    constexpr const char* kText =
        "block 0x1000 mode=0x804\n"
        "  insn 0x1000 0x00000000\n"
        "  %0 = get.i64 x1\n"
        "  %1 = checktag [%0 + 0x10] 8 aligned within16 reads_and_writes\n"
        "  %2 = checktag [%1 - 0x8] 1 reads\n"
        "  %3 = checktag [%1] 16 writes\n"
        "  %4 = ldtag %3\n"
        "  sttag granule, %4, %0\n"
        "  sttag block, %4, %0\n"
        "  %7 = get.i64 gcr_el1\n"
        "  %8 = choosetag %4, %2, %7\n"
        "  set rgsr_el1, %8\n"
        "  exit direct 0x1004\n";
    Block block;
    REQUIRE(parse(kText, block) == "");
    CHECK(verify(block) == "");
    CHECK(print(block) == kText);
    CHECK(is_refused("%1 = checktag [%0] 8"));
    CHECK(is_refused("%1 = checktag [%0] 8 reads acquire"));
    CHECK(is_refused("%1 = load.i64 [%0] 8 reads"));
    CHECK(is_refused("sttag granule, %0, %0 {imm=0x2}"));
}

// --- translated code against the interpreter

TEST_CASE("x64: operations on tags agree with the interpreter", "[x64][tags]") {
    X64Runner runner;
    if (!runner.available()) {
        return;
    }
    const FaultHandler handler{runner};
    const GuestAddr memory = reinterpret_cast<u64>(guest_memory().bytes);
    const TaggedPages pages{memory, memory + kPageBytes};
    std::mt19937_64 random{20};
    const auto below = [&](u64 n) { return random() % n; };
    // Tags of the memory are a function of the seed, so that both sides start with the same.
    const auto set_tags = [&](u64 seed) {
        std::mt19937_64 tags{seed};
        for (GuestAddr at = memory; at < memory + kMemoryBytes; at += 16) {
            store_tag(user::tag_memory(), at, tags() % 3, TagSpan::Granule);
        }
    };
    const auto all_tags = [&] {
        std::string text;
        for (GuestAddr at = memory; at < memory + kPageBytes; at += 16) {
            text += static_cast<char>('a' + load_tag(user::tag_memory(), at));
        }
        return text;
    };
    unsigned raised = 0, noted = 0, faults = 0;
    for (unsigned i = 0; i < 6000; ++i) {
        const auto check = static_cast<TagCheck>(below(4));
        BlockMode mode{mode_with(check)};
        if (below(8) == 0) {
            mode = {};
        }
        Block block;
        block.reset({0x10000, mode});
        Builder b{block};
        for (unsigned n = 0; n < 1 + below(4); ++n) {
            b.begin_guest_instruction(0x10000 + 4 * n, 0);
            const unsigned reg = static_cast<unsigned>(below(31));
            // Rarely the page behind, which cannot be accessed, and the upper half of the address
            // space.
            const u64 where = below(16) == 0 ? kPageBytes + below(64) : below(kMemoryBytes - 80);
            const u64 high = below(40) == 0 ? 0x00ff'8000'0000'0000 : 0;
            const Value base =
                b.xor_(b.and_(b.get(x_slot(reg)), b.c64(0)),
                       b.c64(tagged(memory + (below(2) != 0 ? where : where & ~u64{15}), below(3)) |
                             high));
            switch (below(4)) {
            case 0:
                b.set(x_slot(static_cast<unsigned>(below(31))), b.load_tag(base));
                break;
            case 1:
                b.store_tag(base, b.c64(below(16) << kTagShift | random() >> 8 | random() << 60),
                            static_cast<TagSpan>(below(2)));
                break;
            default: {
                MemInfo mem{.size_log2 = static_cast<u8>(below(5)),
                            .aligned = below(4) == 0,
                            .within_16 = below(2) == 0,
                            .access = static_cast<Access>(1 + below(3))};
                const Value address = b.check_tag(base, mem, static_cast<i64>(below(80)) - 16);
                b.set(x_slot(static_cast<unsigned>(below(31))), address);
                break;
            }
            }
        }
        block.exit = ExitDirect{0x20000}; // forwards: no look at what is pending
        REQUIRE(verify(block) == "");
        const u64 seed = random();
        const auto expected = std::make_unique<CpuState>();
        set_tags(seed);
        randomise(*expected, seed, 0);
        expected->tag_memory = user::tag_memory();
        (void)FaultHandler::interpret(block, *expected);
        const std::string tags = all_tags();
        const auto reason = static_cast<ExitReason>(expected->exit_reason);
        raised += reason == ExitReason::TagCheckLoad || reason == ExitReason::TagCheckStore;
        faults += reason == ExitReason::Fault;
        noted += expected->tfsre0_el1;
        for_each_translation(runner, block, [&](const Block& translated) {
            set_tags(seed);
            randomise(*runner.state, seed, 0);
            runner.state->tag_memory = user::tag_memory();
            (void)runner.run(translated);
            std::string text = difference(*expected, *runner.state);
            if (tags != all_tags()) {
                text += "tags differ\n";
            }
            if (expected->tfsre0_el1 != runner.state->tfsre0_el1 ||
                expected->pending != runner.state->pending) {
                text += "asynchronous faults differ\n";
            }
            INFO(print(block));
            REQUIRE(text == "");
        });
    }
    CHECK((raised > 300 && noted > 300 && faults > 100));
}

// --- engines

namespace {

constexpr u32 kLdrX2X1 = a64::ldr(2, 1), kMsrTco1 = 0xd503'419f | 1 << 8, kMsrTco0 = 0xd503'409f;

struct Fixture {
    explicit Fixture(Engines which) : engine{make_engine(which, area)}, cpu{*engine} {
        area.put(0, {kLdrX2X1, a64::kSvc});
        area.put(64, {kMsrTco1, kLdrX2X1, kMsrTco0, kLdrX2X1, a64::kSvc});
        cpu->gcr_el1 = 0;
        cpu->x[1] = tagged(area.at(8192), 5);
        area.cell(8192) = 42;
    }
    void check(TagCheck check) { cpu->mode_bits = mode_with(check) & BlockMode::kTagCheck; }
    GuestArea area{4 * 4096};
    FaultHandling faults;
    std::unique_ptr<runtime::Engine> engine;
    GuestCpu cpu;
};

} // namespace

TEST_CASE("engine: accesses are checked once there are tags and the thread asks for it",
          "[runtime][engine][tags]") {
    Fixture f{any_engine()};
    f.check(TagCheck::Sync);
    CHECK(f.cpu.run(f.area.at(0)) == ExitReason::Svc); // no page has tags
    const TaggedPages pages{f.area.at(8192), f.area.at(12288)};
    f.engine->set_tag_memory(user::tag_memory());
    CHECK(f.cpu.run(f.area.at(0)) == ExitReason::TagCheckLoad);
    CHECK((f.cpu->pc == f.area.at(0) && f.cpu->exit_arg == f.cpu->x[1]));
    f.check(TagCheck::None);
    CHECK(f.cpu.run(f.area.at(0)) == ExitReason::Svc);
    f.check(TagCheck::Async);
    f.cpu->x[2] = 0;
    CHECK(f.cpu.run(f.area.at(0)) == ExitReason::Svc);
    CHECK((f.cpu->tfsre0_el1 == 1 && f.cpu->x[2] == 42));
    CHECK(f.cpu.run(f.area.at(0)) == ExitReason::Safepoint); // asked for by the fault
    f.check(TagCheck::Asymmetric);
    CHECK(f.cpu.run(f.area.at(0)) == ExitReason::TagCheckLoad);
    store_tag(user::tag_memory(), f.area.at(8192), 5, TagSpan::Granule);
    CHECK(f.cpu.run(f.area.at(0)) == ExitReason::Svc);
    // A thread that is made later knows the tags too.
    GuestCpu other{*f.engine};
    other->mode_bits = f.cpu->mode_bits;
    other->x[1] = tagged(f.area.at(8192), 6);
    CHECK(other.run(f.area.at(0)) == ExitReason::TagCheckLoad);
}

TEST_CASE("engine: PSTATE.TCO suspends checks from the next instruction on",
          "[runtime][engine][tags]") {
    Fixture f{any_engine()};
    const TaggedPages pages{f.area.at(8192), f.area.at(12288)};
    f.engine->set_tag_memory(user::tag_memory());
    f.check(TagCheck::Sync);
    for (int i = 0; i < 3; ++i) {
        CHECK(f.cpu.run(f.area.at(64)) == ExitReason::TagCheckLoad);
        CHECK((f.cpu->pc == f.area.at(64 + 12) && f.cpu->x[2] == 42));
        f.cpu->x[2] = 0;
    }
    f.cpu->pstate |= pstate::TCO;
    CHECK(f.cpu.run(f.area.at(0)) == ExitReason::Svc);
}

// --- lifting

TEST_CASE("frontend: which accesses are checked, and only where something is", "[frontend][tags]") {
    struct Source final : frontend::CodeSource {
        u32 word = 0;
        std::span<const u32> words(GuestAddr) override { return {&word, 1}; }
    } source;
    const auto checks = [&](u32 word, BlockMode mode) {
        source.word = word;
        frontend::TranslateOptions options;
        options.max_instructions = 1;
        Block block;
        block.reset({0x1000, mode});
        frontend::translate(block.key, source, options, block);
        CHECK(verify(block) == "");
        return std::ranges::count_if(block.insts,
                                     [](const Inst& inst) { return inst.op == Opcode::CheckTag; });
    };
    struct Row {
        u32 word;
        unsigned checks;
    };
    for (const Row& row : {Row{0xf9400020, 1},    // ldr x0, [x1]
                           Row{0xf94003e0, 0},    // ldr x0, [sp]
                           Row{0xf84087e0, 1},    // ldr x0, [sp], #8
                           Row{0xf86b6be0, 1},    // ldr x0, [sp, x11]
                           Row{0x58000040, 0},    // ldr x0, #8
                           Row{0xa9400820, 1},    // ldp x0, x2, [x1]
                           Row{0xa94007e0, 0},    // ldp x0, x1, [sp]
                           Row{0xad400420, 2},    // ldp q0, q1, [x1]
                           Row{0xc85f7c20, 1},    // ldxr x0, [x1]
                           Row{0xc85f7fe0, 0},    // ldxr x0, [sp]
                           Row{0xf8220020, 1},    // ldadd x2, x0, [x1]
                           Row{0x4c402020, 4},    // ld1 {v0.16b - v3.16b}, [x1]
                           Row{0x4c4023e0, 0},    // ld1 {v0.16b - v3.16b}, [sp]
                           Row{0x4cdf23e0, 4},    // ld1 {v0.16b - v3.16b}, [sp], #64
                           Row{0xd50b7421, 4},    // dc zva, x1
                           Row{0xd50b7a21, 0},    // dc cvac, x1
                           Row{0xf9800020, 0},    // prfm pldl1keep, [x1]
                           Row{0xd9200821, 0}}) { // stg x1, [x1]
        INFO(std::hex << row.word);
        CHECK(checks(row.word, {}) == 0);
        CHECK(checks(row.word, {BlockMode::kTags}) == 0);
        CHECK(checks(row.word, {mode_with(TagCheck::Sync)}) == row.checks);
    }
}
