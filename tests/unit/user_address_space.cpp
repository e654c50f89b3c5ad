#include <cerrno>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#include "runtime/user/address_space.h"
#include "runtime/user/code_placement.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::user;

namespace {

constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;

u64 map_pages(AddressSpace& space, u64 pages, int protection) {
    const i64 at = space.map(0, pages * kPageBytes, protection, kAnonymous, -1, 0);
    REQUIRE(at > 0);
    return static_cast<u64>(at);
}

} // namespace

TEST_CASE("guest mappings keep the guest's permissions", "[user][memory]") {
    AddressSpace space;
    const u64 base = map_pages(space, 4, PROT_READ | PROT_EXEC);
    CHECK(space.protection(base) == (PROT_READ | PROT_EXEC));
    CHECK(space.protect(base + kPageBytes, kPageBytes, kReadWrite) == 0);
    CHECK(space.protection(base + kPageBytes) == kReadWrite);
    CHECK(space.protection(base + 2 * kPageBytes) == (PROT_READ | PROT_EXEC));
    CHECK(space.regions().size() == 3);
    CHECK(space.protect(base + kPageBytes, kPageBytes, PROT_READ | PROT_EXEC) == 0);
    CHECK(space.regions().size() == 1); // merged again
    CHECK(space.unmap(base, 4 * kPageBytes) == 0);
    CHECK(space.regions().empty());
}

TEST_CASE("only guest-executable words can be fetched", "[user][memory]") {
    AddressSpace space;
    const u64 base = map_pages(space, 2, kReadWrite);
    const u32 word = 0xd503201f;
    std::memcpy(reinterpret_cast<void*>(base + kPageBytes - 8), &word, 4);
    CHECK(space.words(base).empty());
    REQUIRE(space.protect(base, kPageBytes, PROT_EXEC) == 0); // execute only: still readable for us
    const auto words = space.words(base + kPageBytes - 8);
    REQUIRE(words.size() == 2); // never past the page
    CHECK(words[0] == word);
    CHECK(space.words(base + kPageBytes).empty());
    CHECK(space.unmap(base, 2 * kPageBytes) == 0);
    CHECK(space.words(base).empty());
}

TEST_CASE("a fixed guest mapping never replaces memory of ours", "[user][memory]") {
    AddressSpace space;
    void* const ours = ::mmap(nullptr, 2 * kPageBytes, kReadWrite, kAnonymous, -1, 0);
    REQUIRE(ours != MAP_FAILED);
    std::memset(ours, 42, 2 * kPageBytes);
    const u64 address = reinterpret_cast<u64>(ours);
    CHECK(space.map(address, kPageBytes, kReadWrite, kAnonymous | MAP_FIXED, -1, 0) == -ENOMEM);
    CHECK(space.unmap(address, kPageBytes) == 0); // not the guest's: nothing happens
    CHECK(space.protect(address, kPageBytes, PROT_NONE) == -ENOMEM);
    CHECK(space.advise(address, kPageBytes, MADV_DONTNEED) == -ENOMEM);
    CHECK(space.remap(address, kPageBytes, 2 * kPageBytes, MREMAP_MAYMOVE, 0) == -EFAULT);
    CHECK(static_cast<const char*>(ours)[5] == 42);
    ::munmap(ours, 2 * kPageBytes);
}

TEST_CASE("a fixed guest mapping replaces the guest's and fills holes", "[user][memory]") {
    AddressSpace space;
    const u64 base = map_pages(space, 4, kReadWrite);
    REQUIRE(space.unmap(base + kPageBytes, kPageBytes) == 0);
    *reinterpret_cast<char*>(base) = 1;
    CHECK(space.map(base, 4 * kPageBytes, PROT_READ, kAnonymous | MAP_FIXED, -1, 0) ==
          static_cast<i64>(base));
    CHECK(*reinterpret_cast<char*>(base) == 0);
    CHECK(space.owns(base, 4 * kPageBytes));
    CHECK(space.unmap(base, 4 * kPageBytes) == 0);
}

TEST_CASE("a failing fixed mapping leaves holes as they were", "[user][memory]") {
    AddressSpace space;
    const u64 base = map_pages(space, 1, kReadWrite);
    REQUIRE(space.unmap(base, kPageBytes) == 0);
    CHECK(space.map(base, kPageBytes, PROT_READ, MAP_PRIVATE | MAP_FIXED, 9999, 0) == -EBADF);
    CHECK(::msync(reinterpret_cast<void*>(base), kPageBytes, MS_ASYNC) == -1); // not mapped
    CHECK(space.regions().empty());
}

TEST_CASE("mremap moves the permissions along", "[user][memory]") {
    AddressSpace space;
    const u64 base = map_pages(space, 2, kReadWrite);
    *reinterpret_cast<char*>(base) = 7;
    const i64 moved = space.remap(base, 2 * kPageBytes, 64 * kPageBytes, MREMAP_MAYMOVE, 0);
    REQUIRE(moved > 0);
    CHECK(*reinterpret_cast<char*>(moved) == 7);
    CHECK(space.owns(static_cast<u64>(moved), 64 * kPageBytes));
    CHECK(space.protection(static_cast<u64>(moved)) == kReadWrite);
    CHECK(space.regions().size() == 1);
    CHECK(space.unmap(static_cast<u64>(moved), 64 * kPageBytes) == 0);
}

TEST_CASE("the heap grows, shrinks and stops at other mappings", "[user][memory]") {
    AddressSpace space;
    const u64 base = map_pages(space, 16, PROT_NONE);
    REQUIRE(space.unmap(base, 15 * kPageBytes) == 0);
    space.init_brk(base + 100);
    const u64 start = base + kPageBytes; // rounded up
    CHECK(space.brk(0) == start);
    CHECK(space.brk(start + 5000) == start + 5000);
    *reinterpret_cast<char*>(start + 4999) = 1;
    CHECK(space.protection(start + 4999) == kReadWrite);
    CHECK(space.brk(base + 20 * kPageBytes) == start + 5000); // the last page is taken
    CHECK(space.brk(start) == start);
    CHECK(!space.protection(start));
    CHECK(space.brk(start + 5000) == start + 5000);
    CHECK(*reinterpret_cast<char*>(start + 4999) == 0); // fresh pages
    CHECK(space.brk(start) == start);
    CHECK(space.unmap(base + 15 * kPageBytes, kPageBytes) == 0);
}

TEST_CASE("files with code have places below 2 GiB, and others when those are taken",
          "[user][memory]") {
    for (const u64 identity : {u64{1}, u64{2}, ~u64{0}}) {
        for (unsigned attempt = 0; attempt < kPlacesToTry; ++attempt) {
            const GuestAddr place = usual_place(identity, attempt, kTaskSize);
            CHECK(place % 0x10000 == 0);
            CHECK((place < 0x7000'0000) == (attempt < kPlacesToTry / 2));
            CHECK((place >= 0x2000'0000 && place < GuestAddr{1} << 47));
            CHECK(place == usual_place(identity, attempt, kTaskSize));
            CHECK((attempt == 0 || place != usual_place(identity, attempt - 1, kTaskSize)));
        }
    }
    CHECK(usual_place(1, 0, kTaskSize) != usual_place(2, 0, kTaskSize));
}

TEST_CASE("with a limit, mappings that may be anywhere are below it, as high as possible",
          "[user][memory]") {
    constexpr GuestAddr kEnd = u64{1} << 39;
    AddressSpace space;
    space.limit(kEnd);
    const u64 first = map_pages(space, 4, kReadWrite);
    CHECK(first == kEnd - 5 * kPageBytes); // the last page stays free, as in the kernel
    CHECK(map_pages(space, 1, kReadWrite) == first - kPageBytes);
    REQUIRE(space.unmap(first + kPageBytes, 2 * kPageBytes) == 0);
    CHECK(map_pages(space, 3, kReadWrite) == first - 4 * kPageBytes);
    CHECK(map_pages(space, 2, kReadWrite) == first + kPageBytes);
    const auto map = [&](GuestAddr at, int flags) {
        return space.map(at, kPageBytes, kReadWrite, kAnonymous | flags, -1, 0);
    };
    // Hints are followed where there is room.
    constexpr GuestAddr kWanted = 0x40'0000'0000;
    CHECK(map(kWanted + 1, 0) == static_cast<i64>(kWanted));
    const i64 elsewhere = map(kWanted, 0);
    CHECK((elsewhere > 0 && static_cast<u64>(elsewhere) == first - 5 * kPageBytes));
    CHECK(map(kEnd, 0) == elsewhere - static_cast<i64>(kPageBytes));
    CHECK(map(kWanted, MAP_FIXED_NOREPLACE) == -EEXIST);
    CHECK(map(kEnd, MAP_FIXED_NOREPLACE) == -ENOMEM);
    CHECK(map(kEnd, MAP_FIXED) == -ENOMEM);
    CHECK(map(kEnd - kPageBytes, MAP_FIXED) == static_cast<i64>(kEnd - kPageBytes));
    CHECK(space.map(0, kEnd, PROT_NONE, kAnonymous | MAP_NORESERVE, -1, 0) == -ENOMEM);
    CHECK(space.map(0, 0, PROT_READ, kAnonymous, -1, 0) == -EINVAL);
    // Growing in place is the host's; what moves stays below.
    CHECK(space.remap(kWanted, kPageBytes, 2 * kPageBytes, MREMAP_MAYMOVE, 0) ==
          static_cast<i64>(kWanted));
    CHECK(space.remap(first, kPageBytes, 2 * kPageBytes, 0, 0) == -ENOMEM);
    const i64 moved = space.remap(first, kPageBytes, 2 * kPageBytes, MREMAP_MAYMOVE, 0);
    CHECK((moved > 0 && static_cast<u64>(moved) < first));
    for (const AddressSpace::Region& region : space.regions()) {
        CHECK(region.end <= kEnd);
        CHECK(space.unmap(region.start, region.end - region.start) == 0);
    }
    for (unsigned attempt = 0; attempt < kPlacesToTry; ++attempt) {
        const GuestAddr place = usual_place(7, attempt, kEnd);
        CHECK((place >= kEnd / 64 * 63 && place < kEnd));
    }
}

TEST_CASE("wild ranges are refused", "[user][memory]") {
    AddressSpace space;
    CHECK(space.unmap(0, ~u64{0}) == -EINVAL);
    CHECK(space.unmap(123, kPageBytes) == -EINVAL);
    CHECK(space.unmap(kPageBytes, 0) == -EINVAL);
    CHECK(space.protect(~u64{4095}, kPageBytes, PROT_READ) == -ENOMEM);
    CHECK(space.map(~u64{4095}, kPageBytes, PROT_READ, kAnonymous | MAP_FIXED, -1, 0) == -ENOMEM);
    CHECK(space.map(0, ~u64{0} - 5, PROT_READ, kAnonymous, -1, 0) == -ENOMEM);
    CHECK(space.map(0, 0, PROT_READ, kAnonymous, -1, 0) == -EINVAL);
    CHECK(space.remap(0, ~u64{0}, ~u64{0}, MREMAP_MAYMOVE | MREMAP_FIXED, ~u64{0}) == -EINVAL);
    CHECK(space.regions().empty());
}
