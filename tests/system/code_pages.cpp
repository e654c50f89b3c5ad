#include "runtime/system/code_pages.h"

#include <utility>
#include <vector>

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

using Tables = CodePages::Tables;
using Scope = CodePages::Scope;

constexpr GuestAddr kUser = 0x40'0000, kKernel = 0xffff'8000'0012'3000;
constexpr u64 kKernelTables = 0x8000'0000, kTrampoline = 0x9000'0000;

struct Fixture {
    explicit Fixture(bool privileged) : pages{privileged} {}

    // `same`: the tables have what others with TTBR1's have.
    Tables use(u64 ttbr0, u64 ttbr1, bool same = true) {
        const TranslationTables now{.ttbr0 = ttbr0, .ttbr1 = ttbr1, .asid_in_ttbr1 = true};
        return pages.use(now, [&](const CodeMapping& mapping) {
            asked.push_back(mapping.start);
            return same;
        });
    }
    void enter(GuestAddr start, Scope scope, u64 number = 1) {
        pages.enter({.start = start, .number = number}, {.start = start}, scope);
    }
    std::vector<GuestAddr> take_asked() { return std::exchange(asked, {}); }
    [[nodiscard]] bool has(GuestAddr pc) const { return pages.find(pc) != nullptr; }
    auto note() {
        return [this](unsigned set) { forgotten.push_back(set); };
    }

    CodePages pages;
    std::vector<unsigned> forgotten;
    std::vector<GuestAddr> asked;
};

u64 tables(u64 root, u64 asid) { return asid << 48 | root; }

} // namespace

TEST_CASE("code pages: a kernel's global pages are those of all processes", "[system]") {
    Fixture f{true};
    CHECK(f.use(1, kKernelTables) == Tables::New);
    f.enter(kKernel, Scope::Tables);
    CHECK(f.use(2, tables(kKernelTables, 7)) == Tables::Same);
    CHECK(f.has(kKernel + 0x123));
    CHECK_FALSE(f.has(kKernel + 0x1000));
}

TEST_CASE("code pages: what tables had is there when they come back", "[system]") {
    Fixture f{true};
    const u64 kernel = tables(kKernelTables, 4), trampoline = tables(kTrampoline, 5);
    CHECK(f.use(1, kernel) != Tables::Known);
    f.enter(kKernel, Scope::Own, 10);
    const unsigned first = f.pages.current();
    CHECK(f.use(1, trampoline) == Tables::New);
    CHECK_FALSE(f.has(kKernel));
    f.enter(kKernel, Scope::Own, 20);
    CHECK(f.use(1, kernel) == Tables::Known);
    CHECK(f.pages.current() == first);
    CHECK(f.pages.find(kKernel)->number == 10);
    // The same tables with another ASID, or another TTBR0, are others.
    CHECK(f.use(1, tables(kKernelTables, 6)) == Tables::New);
    f.enter(kKernel, Scope::Own, 30);
    CHECK(f.use(2, kernel) == Tables::New);
    CHECK(f.use(1, trampoline) == Tables::Known);
    CHECK(f.pages.find(kKernel)->number == 20);
}

TEST_CASE("code pages: the set that was not used for longest makes room", "[system]") {
    Fixture f{false};
    for (u64 process = 1; process <= runtime::kCodeSets; ++process) {
        CHECK(f.use(process, 0) == Tables::New);
        f.enter(kUser, Scope::Own, process);
    }
    CHECK(f.use(1, 0) == Tables::Known);
    CHECK(f.use(100, 0) == Tables::New); // in the place of 2
    CHECK_FALSE(f.has(kUser));
    CHECK(f.use(3, 0) == Tables::Known);
    CHECK(f.use(1, 0) == Tables::Known);
    CHECK(f.use(2, 0) == Tables::New);
}

TEST_CASE("code pages: maintenance forgets what it concerns, in all sets", "[system]") {
    Fixture f{false};
    f.use(0, tables(0, 1));
    f.enter(kUser, Scope::Own);
    const unsigned one = f.pages.current();
    f.use(0, tables(0, 2));
    f.enter(kUser, Scope::Own);
    f.enter(kUser + 0x1000, Scope::Own);
    const unsigned two = f.pages.current();

    f.pages.forget_mapping(kUser + 0x1000, f.note());
    CHECK(f.forgotten == std::vector{two});
    CHECK_FALSE(f.has(kUser));
    f.forgotten.clear();
    f.pages.forget_mapping(kUser + 0x1000, f.note()); // nothing is left there
    f.pages.forget_mapping(kKernel, f.note());
    f.pages.forget_asid(2, f.note());
    CHECK(f.forgotten.empty());
    f.pages.forget_asid(1, f.note());
    CHECK(f.forgotten == std::vector{one});

    // Tables that were forgotten are still known, with nothing found by them.
    CHECK(f.use(0, tables(0, 1)) == Tables::Known);
    CHECK_FALSE(f.has(kUser));
    f.enter(kUser, Scope::Own);
    f.forgotten.clear();
    f.pages.forget(f.note());
    CHECK(f.forgotten == std::vector{one});
}

TEST_CASE("code pages: an ASID's invalidation leaves a kernel's global pages", "[system]") {
    Fixture f{true};
    f.use(0, tables(kKernelTables, 3));
    f.enter(kKernel, Scope::Tables);
    f.pages.forget_asid(3, f.note());
    CHECK(f.has(kKernel));
    f.enter(kUser, Scope::Own); // now some of it is of this process only
    f.pages.forget_asid(3, f.note());
    CHECK_FALSE(f.has(kKernel));
}

TEST_CASE("code pages: what is not global is looked up again once for each ASID", "[system]") {
    Fixture f{true};
    const u64 one = tables(kKernelTables, 1), two = tables(kKernelTables, 2);
    f.use(1, one);
    f.enter(kKernel, Scope::Asid);
    CHECK(f.use(2, two) == Tables::Same);
    CHECK(f.take_asked() == std::vector{kKernel});
    CHECK(f.has(kKernel));
    f.enter(kKernel + 0x1000, Scope::Asid);
    f.enter(kKernel + 0x2000, Scope::Tables);
    CHECK(f.use(1, one) == Tables::Same);
    CHECK(f.take_asked() == std::vector{kKernel + 0x1000});
    CHECK(f.use(2, two) == Tables::Same);
    CHECK(f.take_asked().empty());

    f.pages.forget_asid(2, f.note());
    CHECK(f.forgotten.empty());
    CHECK(f.use(2, two) == Tables::Same); // be it the current one
    CHECK(f.take_asked() == std::vector{kKernel, kKernel + 0x1000});
    CHECK(f.use(1, one) == Tables::Same);
    CHECK(f.take_asked().empty());
}

TEST_CASE("code pages: an ASID that has something else elsewhere begins anew", "[system]") {
    Fixture f{true};
    f.use(1, tables(kKernelTables, 1));
    f.enter(kKernel, Scope::Asid);
    f.enter(kKernel + 0x1000, Scope::Tables);
    CHECK(f.use(1, tables(kKernelTables, 2), false) == Tables::New);
    CHECK_FALSE(f.has(kKernel));
    CHECK_FALSE(f.has(kKernel + 0x1000));
    f.enter(kKernel, Scope::Asid);
    f.pages.forget_asid(2, f.note());
    CHECK(f.use(1, tables(kKernelTables, 2), false) == Tables::New);
    CHECK_FALSE(f.has(kKernel));
}

TEST_CASE("code pages: too many mappings of an ASID are these tables' alone", "[system]") {
    Fixture f{true};
    const u64 one = tables(kKernelTables, 1), two = tables(kKernelTables, 2);
    f.use(1, one);
    for (u64 n = 0; n <= AsidMappings::kMost; ++n) {
        f.enter(kKernel + n * 0x1000, Scope::Asid);
    }
    CHECK(f.use(1, two) == Tables::New);
    CHECK(f.use(1, one) == Tables::Known);
    CHECK(f.asked.empty());
}

TEST_CASE("code pages: a large mapping is forgotten by any of its addresses", "[system]") {
    Fixture f{false};
    f.use(0, tables(0, 1));
    f.pages.enter({.start = kUser, .number = 1}, {.start = kUser, .log2 = 21}, Scope::Own);
    f.pages.forget_mapping(kUser + 0x1f'f000, f.note());
    CHECK_FALSE(f.has(kUser));
}

} // namespace ulna::system
