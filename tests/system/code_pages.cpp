#include "runtime/system/code_pages.h"

#include <vector>

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

using Tables = CodePages::Tables;

constexpr GuestAddr kUser = 0x40'0000, kKernel = 0xffff'8000'0012'3000;
constexpr u64 kKernelTables = 0x8000'0000, kTrampoline = 0x9000'0000;

struct Fixture {
    explicit Fixture(bool privileged) : pages{privileged} {}

    Tables use(u64 ttbr0, u64 ttbr1) { return pages.use(ttbr0, ttbr1, true); }
    void enter(GuestAddr start, bool local, u64 number = 1) {
        pages.enter({.start = start, .number = number}, 12, local);
    }
    [[nodiscard]] bool has(GuestAddr pc) const { return pages.find(pc) != nullptr; }
    auto note() {
        return [this](unsigned set) { forgotten.push_back(set); };
    }

    CodePages pages;
    std::vector<unsigned> forgotten;
};

u64 tables(u64 root, u64 asid) { return asid << 48 | root; }

} // namespace

TEST_CASE("code pages: a kernel's global pages are those of all processes", "[system]") {
    Fixture f{true};
    CHECK(f.use(1, kKernelTables) == Tables::New);
    f.enter(kKernel, false);
    CHECK(f.use(2, tables(kKernelTables, 7)) == Tables::Same);
    CHECK(f.has(kKernel + 0x123));
    CHECK_FALSE(f.has(kKernel + 0x1000));
}

TEST_CASE("code pages: what tables had is there when they come back", "[system]") {
    Fixture f{true};
    const u64 kernel = tables(kKernelTables, 4), trampoline = tables(kTrampoline, 5);
    CHECK(f.use(1, kernel) != Tables::Known);
    f.enter(kKernel, true, 10);
    const unsigned first = f.pages.current();
    CHECK(f.use(1, trampoline) == Tables::New);
    CHECK_FALSE(f.has(kKernel));
    f.enter(kKernel, true, 20);
    CHECK(f.use(1, kernel) == Tables::Known);
    CHECK(f.pages.current() == first);
    CHECK(f.pages.find(kKernel)->number == 10);
    // The same tables with another ASID, or another TTBR0, are others.
    CHECK(f.use(1, tables(kKernelTables, 6)) == Tables::New);
    f.enter(kKernel, true, 30);
    CHECK(f.use(2, kernel) == Tables::New);
    CHECK(f.use(1, trampoline) == Tables::Known);
    CHECK(f.pages.find(kKernel)->number == 20);
}

TEST_CASE("code pages: the set that was not used for longest makes room", "[system]") {
    Fixture f{false};
    for (u64 process = 1; process <= runtime::kCodeSets; ++process) {
        CHECK(f.use(process, 0) == Tables::New);
        f.enter(kUser, true, process);
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
    f.enter(kUser, true);
    const unsigned one = f.pages.current();
    f.use(0, tables(0, 2));
    f.enter(kUser, true);
    f.enter(kUser + 0x1000, true);
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
    f.enter(kUser, true);
    f.forgotten.clear();
    f.pages.forget(f.note());
    CHECK(f.forgotten == std::vector{one});
}

TEST_CASE("code pages: an ASID's invalidation leaves a kernel's global pages", "[system]") {
    Fixture f{true};
    f.use(0, tables(kKernelTables, 3));
    f.enter(kKernel, false);
    f.pages.forget_asid(3, f.note());
    CHECK(f.has(kKernel));
    f.enter(kUser, true); // now some of it is of this process only
    f.pages.forget_asid(3, f.note());
    CHECK_FALSE(f.has(kKernel));
}

TEST_CASE("code pages: a large mapping is forgotten by any of its addresses", "[system]") {
    Fixture f{false};
    f.use(0, tables(0, 1));
    f.pages.enter({.start = kUser, .number = 1}, 21, true);
    f.pages.forget_mapping(kUser + 0x1f'f000, f.note());
    CHECK_FALSE(f.has(kUser));
}

} // namespace ulna::system
