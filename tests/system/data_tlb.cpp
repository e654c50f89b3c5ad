#include "runtime/system/data_tlb.h"

#include <cstring>

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

constexpr GuestAddr kUser = 0x40'0000, kKernel = 0xffff'8000'0012'3000;
constexpr u64 kTables = 0x8000'0000;

struct Fixture {
    std::unique_ptr<ir::CpuState> state = std::make_unique<ir::CpuState>();
    DataTlb tlb{*state};
    u8 bytes[1] = {};

    void use(u64 process) {
        tlb.use({.ttbr0 = process << 12, .ttbr1 = process << 48 | kTables, .asid_in_ttbr1 = true});
    }
    void enter(GuestAddr start, bool privileged, bool global, bool writable = true) {
        tlb.enter({.start = start,
                   .bytes = bytes,
                   .readable = true,
                   .writable = writable,
                   .global = global,
                   .forbidden_by_pan = privileged && start == kUser},
                  privileged);
    }
    [[nodiscard]] bool reads(GuestAddr start, bool privileged) const {
        return state->tlb[privileged]->read[ir::tlb_index(start)] == start;
    }
    // As translated code does when it has found a page.
    void fill_slot() {
        state->page_slots[3][5].limit = 100;
        state->used_slot_groups |= 1u << 3;
    }
    [[nodiscard]] bool has_slot() const { return state->page_slots[3][5].limit != 0; }
    [[nodiscard]] bool writes(GuestAddr start, bool privileged) const {
        return state->tlb[privileged]->write[ir::tlb_index(start)] == start;
    }
};

TEST_CASE("data tlb: a process finds its pages again, others do not", "[tlb]") {
    Fixture f;
    f.use(1);
    f.enter(kUser, false, false, false);
    CHECK((f.reads(kUser, false) && !f.writes(kUser, false) && !f.reads(kUser, true)));
    f.use(2);
    CHECK(!f.reads(kUser, false));
    f.use(1);
    CHECK(f.reads(kUser, false));
    for (u64 process = 3; process < 20; ++process) {
        f.use(process);
    }
    f.use(1);
    CHECK(!f.reads(kUser, false)); // there are not so many sets
}

TEST_CASE("data tlb: what instructions found last is gone as soon as it may be another", "[tlb]") {
    Fixture f;
    f.use(1);
    const auto drops = [&](auto change) {
        f.fill_slot();
        change();
        return !f.has_slot() && f.state->used_slot_groups == 0;
    };
    CHECK(!drops([&] { f.use(1); }));
    CHECK(!drops([&] { f.tlb.set_pan(); }));
    CHECK(!drops([&] { f.enter(kUser, true, false); }));
    CHECK(drops([&] { f.tlb.set_pan(); }));
    CHECK(drops([&] { f.use(2); }));
    CHECK(drops([&] { f.tlb.forget_mapping(kUser); }));
    CHECK(drops([&] { f.tlb.forget_asid(7); }));
    CHECK(drops([&] { f.tlb.forget_all(); }));
    CHECK(
        drops([&] { f.enter(kKernel, true, false); })); // the first kernel page that is not global
}

TEST_CASE("data tlb: where tags are compared, a page that has some is found by all tags", "[tlb]") {
    Fixture f;
    const TranslationTables tables{.ttbr0 = 1 << 12, .ttbr1 = kTables};
    constexpr GuestAddr kTag = u64{5} << 56;
    const auto known = [&] { return f.state->tlb[false]->read[ir::tlb_index(kUser)]; };
    f.tlb.use(tables);
    f.enter(kUser | kTag, false, false);
    CHECK(known() == (kUser | kTag));
    f.tlb.use(tables, {true, false});
    CHECK(known() == ir::no_tlb_page(ir::tlb_index(kUser)));
    f.tlb.enter({.start = kUser | kTag, .bytes = f.bytes, .readable = true, .tagged = true}, false);
    CHECK(known() == ir::tagged_tlb_page(kUser));
    CHECK(known() == ir::tagged_tlb_page(kUser | u64{9} << 56));
    CHECK(ir::tlb_page(known()) == kUser);
    CHECK_FALSE(ir::tlb_finds(known(), kUser, 1));
    CHECK_FALSE(ir::tlb_finds(known(), kUser | kTag, 1));
    CHECK(kUser + f.state->tlb[false]->addend[ir::tlb_index(kUser)] ==
          reinterpret_cast<u64>(f.bytes));
    f.tlb.use(tables); // TCO
    CHECK(known() == (kUser | kTag));
    f.tlb.use(tables, {true, false});
    CHECK(known() == ir::tagged_tlb_page(kUser));
}

TEST_CASE("data tlb: a kernel's global pages stay, what it sees of a process does not", "[tlb]") {
    Fixture f;
    f.use(1);
    f.enter(kKernel, true, true);
    f.enter(kUser, true, false);
    CHECK((f.reads(kKernel, true) && f.writes(kUser, true)));
    f.use(2);
    CHECK((f.reads(kKernel, true) && !f.reads(kUser, true)));
    f.enter(kUser, true, false);
    f.tlb.set_pan();
    CHECK((f.reads(kKernel, true) && !f.reads(kUser, true)));
    f.tlb.use({.ttbr0 = 1 << 12,
               .ttbr1 = u64{1} << 48 | kTables << 1,
               .asid_in_ttbr1 = true}); // other tables
    CHECK(!f.reads(kKernel, true));
}

TEST_CASE("data tlb: a kernel without global pages has sets by ASID", "[tlb]") {
    Fixture f;
    f.use(1);
    f.enter(kKernel, true, true);
    f.enter(kKernel + 4096, true, false); // the first says so
    CHECK((!f.reads(kKernel, true) && f.reads(kKernel + 4096, true)));
    f.use(2);
    CHECK(!f.reads(kKernel + 4096, true));
    f.use(1);
    CHECK(f.reads(kKernel + 4096, true));
    f.tlb.forget_asid(1);
    CHECK(!f.reads(kKernel + 4096, true));
}

TEST_CASE("data tlb: what is forgotten is so in all sets", "[tlb]") {
    Fixture f;
    f.use(1);
    f.enter(kUser, false, false);
    f.enter(kUser + 4096, false, false);
    f.enter(kKernel, true, true);
    f.use(2);
    f.enter(kUser + 4096, false, false);
    f.tlb.forget_mapping(kUser + 4096);
    CHECK(!f.reads(kUser + 4096, false));
    f.use(1);
    CHECK((f.reads(kUser, false) && !f.reads(kUser + 4096, false)));
    f.use(2);
    f.tlb.forget_asid(1);
    f.use(1);
    CHECK((!f.reads(kUser, false) && f.reads(kKernel, true)));
    f.tlb.forget_all();
    CHECK(!f.reads(kKernel, true));
}

TEST_CASE("data tlb: an address is forgotten with all of its mapping", "[tlb]") {
    Fixture f;
    f.use(1);
    const auto enter = [&](GuestAddr start, unsigned log2) {
        f.tlb.enter({.start = start, .mapping_log2 = log2, .bytes = f.bytes, .readable = true},
                    false);
    };
    enter(0x1'0000, 16); // a page of 64 KiB
    enter(0x1'f000, 16);
    enter(0x2'0000, 16);
    f.tlb.forget_mapping(0x1'8000);
    CHECK((!f.reads(0x1'0000, false) && !f.reads(0x1'f000, false) && f.reads(0x2'0000, false)));
    enter(0x20'0000, 21); // a block of 2 MiB
    enter(0x3f'f000, 21);
    f.tlb.forget_mapping(0x40'0000); // behind it
    CHECK((f.reads(0x20'0000, false) && f.reads(0x3f'f000, false)));
    f.use(2);
    f.tlb.forget_mapping(0x30'0000); // in another process's turn, too
    f.use(1);
    CHECK((!f.reads(0x20'0000, false) && !f.reads(0x3f'f000, false)));
}

} // namespace
} // namespace ulna::system
