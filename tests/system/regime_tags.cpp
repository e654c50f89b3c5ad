// Regimes and VMIDs, and what is remembered of each.
#include "runtime/system/regime_tags.h"

#include "runtime/system/code_pages.h"
#include "runtime/system/data_tlb.h"
#include "runtime/system/fields.h"

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

constexpr GuestAddr kUser = 0x40'0000, kKernel = 0xffff'8000'0012'3000;

RegimeRegisters guest(u64 vmid) {
    return {.el = 1, .sctlr = 1, .el2_enabled = true, .hcr = hcr::VM, .vttbr = vmid << 48};
}

TEST_CASE("regime tags: the same values have the same tag", "[tlb]") {
    RegimeTags tags;
    const u64 one = tags.tag_of(guest(1)), two = tags.tag_of(guest(2));
    const u64 host = tags.tag_of({.el = 2, .sctlr = 1, .hcr = hcr::VM, .vttbr = 5});
    CHECK(one != 0);
    CHECK(one != two);
    CHECK(host != one);
    CHECK(tags.tag_of(guest(1)) == one);
    RegimeRegisters other = guest(1);
    other.hcr |= hcr::TGE;
    CHECK(tags.tag_of(other) != one);
    other = guest(1);
    other.hcr |= hcr::VI; // nothing that a walk looks at
    CHECK(tags.tag_of(other) == one);
    CHECK(tags.tag_of({.el = 2, .sctlr = 1}) == host);
    other.el2_enabled = false;
    const u64 without = tags.tag_of(other);
    CHECK(without != one);
    other.vttbr = 0;
    CHECK(tags.tag_of(other) == without);
}

TEST_CASE("regime tags: one that was forgotten is nobody's again", "[tlb]") {
    RegimeTags tags;
    const u64 first = tags.tag_of(guest(0));
    u64 last = first;
    for (u64 vmid = 1; vmid < 20; ++vmid) {
        const u64 tag = tags.tag_of(guest(vmid));
        CHECK(tag > last);
        last = tag;
    }
    CHECK(tags.tag_of(guest(0)) > last);
    CHECK(tags.tag_of(guest(19)) == last);
}

struct Tlb {
    void use(u64 regime, u64 ttbr0, bool two_ranges = true) {
        tlb.use({.regime = regime, .ttbr0 = ttbr0, .two_ranges = two_ranges});
    }
    void enter(GuestAddr start, bool privileged, bool global = true) {
        tlb.enter({.start = start, .bytes = bytes, .readable = true, .global = global}, privileged);
    }
    [[nodiscard]] bool reads(GuestAddr start, bool privileged) const {
        return state->tlb[privileged]->read[ir::tlb_index(start)] == start;
    }
    std::unique_ptr<ir::CpuState> state = std::make_unique<ir::CpuState>();
    DataTlb tlb{*state};
    u8 bytes[1] = {};
};

TEST_CASE("data tlb: a guest and its host find their own pages again", "[tlb]") {
    Tlb f;
    f.use(1, 0x1000);
    f.enter(kKernel, true);
    f.enter(kUser, false);
    f.use(2, 0x1000); // the same tables of another
    CHECK((!f.reads(kKernel, true) && !f.reads(kUser, false)));
    f.enter(kKernel, true);
    f.use(1, 0x1000);
    CHECK((f.reads(kKernel, true) && f.reads(kUser, false)));
    f.tlb.forget_mapping(kKernel); // whose, is not asked
    f.use(2, 0x1000);
    CHECK(!f.reads(kKernel, true));
}

TEST_CASE("data tlb: with one range nothing is a process's", "[tlb]") {
    Tlb f;
    f.use(3, 0x1000, false);
    f.enter(kUser, true);
    f.use(1, 0x1000);
    f.use(3, 0x1000, false);
    CHECK(f.reads(kUser, true));
    f.use(3, 0x2000, false);
    CHECK(!f.reads(kUser, true));
    f.use(1, 0x1000); // with two
    f.enter(kUser, true);
    f.use(3, 0x1000, false);
    f.use(1, 0x1000);
    CHECK(!f.reads(kUser, true));
}

TEST_CASE("code pages: a guest and its host find their own again", "[code_pages]") {
    CodePages pages{true};
    const auto use = [&](u64 regime) {
        return pages.use({.regime = regime, .ttbr0 = 0x1000, .ttbr1 = 0x2000},
                         [](const CodeMapping&) { return true; });
    };
    CHECK(use(1) == CodePages::Tables::New);
    pages.enter({.start = kKernel, .number = 1}, {.start = kKernel}, CodePages::Scope::Tables);
    CHECK(use(2) == CodePages::Tables::New);
    CHECK(pages.find(kKernel) == nullptr);
    CHECK(use(1) == CodePages::Tables::Known);
    CHECK(pages.find(kKernel) != nullptr);
}

} // namespace
} // namespace ulna::system
