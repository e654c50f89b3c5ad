// The cache with made-up blocks: 16 bytes that say who they are, then a link's displacement, then
// its stub.
#include "runtime/jit/translation_cache.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::runtime;

namespace {

constexpr u32 kDisplacementAt = 16, kStubAt = 32, kBlockBytes = 48;

struct Fixture {
    CodeMemory memory;
    debug::Statistics statistics;
    std::unique_ptr<TranslationCache> cache;
    std::mutex mutex;
    TranslationLock lock{mutex};

    explicit Fixture(u64 bytes = 1u << 20) {
        const std::vector<u8> stubs(100, 0xcc);
        std::string why;
        REQUIRE(memory.create(bytes, stubs, TranslationCache::kArenas, why));
        cache = std::make_unique<TranslationCache>(memory, statistics);
    }

    u64 add(GuestAddr pc, GuestAddr target, unsigned instructions = 4, u32 mode = 0) {
        backend::CompiledBlock block;
        block.key = {pc, {mode}};
        block.code.assign(kBlockBytes, static_cast<u8>(pc >> 4));
        const i32 to_stub = kStubAt - (kDisplacementAt + 4);
        std::memcpy(block.code.data() + kDisplacementAt, &to_stub, 4);
        block.links = {{kDisplacementAt, kStubAt, target}};
        GuestExtent extent;
        for (unsigned i = 0; i < instructions; ++i) {
            block.guest_pcs.push_back(pc + i * 4);
            extent.add(pc + i * 4, 4);
        }
        block.faults = {{3, 1}, {9, 2}};
        return cache->insert(lock, block, extent, false);
    }

    // Where the block's jump leads.
    u64 jump_target(u64 host) {
        i32 displacement = 0;
        std::memcpy(&displacement, reinterpret_cast<const void*>(host + kDisplacementAt), 4);
        return host + kDisplacementAt + 4 + static_cast<u64>(i64{displacement});
    }

    void link(u64 from, u64 to) {
        const auto ref = cache->link_at(lock, from + kStubAt);
        REQUIRE(ref.has_value());
        REQUIRE(ref->usable);
        cache->connect(lock, *ref, to);
    }

    std::vector<GuestAddr> invalidate(GuestAddr start, u64 bytes) {
        std::vector<GuestAddr> pcs;
        cache->invalidate(lock, start, bytes, [&](GuestAddr pc) { pcs.push_back(pc); });
        std::sort(pcs.begin(), pcs.end());
        return pcs;
    }
};

} // namespace

TEST_CASE("code cache: blocks are found, aligned and executable-side readable", "[runtime]") {
    Fixture f;
    const u64 a = f.add(0x1000, 0x2000);
    const u64 b = f.add(0x2000, 0x1000);
    CHECK(a % kCodeAlign == 0);
    CHECK(b >= a + kBlockBytes);
    CHECK(f.cache->find({0x1000, {}}) == a);
    CHECK(f.cache->find({0x2000, {}}) == b);
    CHECK(f.cache->find({0x1000, {8}}) == 0);
    CHECK(f.memory.contains(a));
    CHECK(*reinterpret_cast<const u8*>(b) == 0x00);
    CHECK(*reinterpret_cast<const u8*>(f.memory.stub_base()) == 0xcc);
}

TEST_CASE("code cache: links are patched, and undone when the target goes", "[runtime]") {
    Fixture f;
    const u64 a = f.add(0x1000, 0x2000);
    const u64 b = f.add(0x2000, 0x2000);
    const u64 c = f.add(0x3000, 0x2000);
    CHECK(f.jump_target(a) == a + kStubAt);
    f.link(a, b);
    f.link(b, b); // to itself
    f.link(c, b);
    f.link(c, b); // twice is harmless
    CHECK(f.jump_target(a) == b);
    CHECK(f.jump_target(b) == b);
    CHECK(f.invalidate(0x2000, 4) == std::vector<GuestAddr>{0x2000});
    CHECK(f.jump_target(a) == a + kStubAt);
    CHECK(f.jump_target(b) == b + kStubAt);
    CHECK(f.jump_target(c) == c + kStubAt);
    CHECK(f.cache->find({0x2000, {}}) == 0);
    const auto ref = f.cache->link_at(f.lock, b + kStubAt);
    REQUIRE(ref.has_value());
    CHECK_FALSE(ref->usable); // b is forgotten
    CHECK(ref->target.pc == 0x2000);
    const u64 again = f.add(0x2000, 0x1000);
    f.link(a, again);
    CHECK(f.jump_target(a) == again);
}

TEST_CASE("code cache: invalidation takes exactly what overlaps", "[runtime]") {
    Fixture f;
    f.add(0x1000, 0, 4); // 1000..1010
    f.add(0x1010, 0, 4); // 1010..1020
    f.add(0x1ff8, 0, 4); // 1ff8..2008, two pages
    f.add(0x1000, 0, 4, 8);
    CHECK(f.invalidate(0x1020, 64).empty());
    CHECK(f.invalidate(0x100c, 4) == std::vector<GuestAddr>{0x1000, 0x1000});
    CHECK(f.invalidate(0x100c, 4).empty());
    CHECK(f.invalidate(0x2000, 4096) == std::vector<GuestAddr>{0x1ff8});
    CHECK(f.invalidate(0x1000, 4096) == std::vector<GuestAddr>{0x1010});
    CHECK(f.invalidate(0, u64{1} << 47).empty());
}

TEST_CASE("code cache: fault sites", "[runtime]") {
    Fixture f;
    f.add(0x1000, 0);
    const u64 b = f.add(0x2000, 0);
    REQUIRE(f.cache->fault_at(f.lock, b + 9).has_value());
    CHECK(f.cache->fault_at(f.lock, b + 3)->pc == 0x2004);
    CHECK(f.cache->fault_at(f.lock, b + 9)->pc == 0x2008);
    CHECK_FALSE(f.cache->fault_at(f.lock, b + 4).has_value());
    CHECK_FALSE(f.cache->fault_at(f.lock, f.memory.stub_base()).has_value());
    CHECK_FALSE(f.cache->fault_at(f.lock, 0x1234).has_value());
}

TEST_CASE("code cache: a full arena waits for its readers, and old code stays until then",
          "[runtime]") {
    Fixture f{64u << 10};
    u64 generation = f.cache->generation(f.lock);
    CHECK(generation == 1);
    const u64 first = f.add(0x1000, 0x2000);
    for (unsigned restarts = 0; restarts < 3; ++restarts) {
        for (GuestAddr pc = 0x10000; f.add(pc, 0x2000) != 0; pc += 16) {
        }
        REQUIRE(f.cache->start_generation(f.lock, 1)); // somebody is active in generation 1
        CHECK(f.cache->find({0x1000, {}}) == 0);
    }
    // The next arena is the first one's: its reader must leave before.
    CHECK_FALSE(f.cache->start_generation(f.lock, 1));
    CHECK(*reinterpret_cast<const u8*>(first) == 0x00);
    CHECK(f.cache->fault_at(f.lock, first + 3)->pc == 0x1004);
    CHECK_FALSE(f.cache->link_at(f.lock, first + kStubAt)->usable);
    CHECK(f.cache->start_generation(f.lock, ~u64{0}));
    CHECK(f.cache->generation(f.lock) == 5);
    CHECK(f.add(0x1000, 0x2000) == first); // reused
}

namespace {

// Runs `child` in a forked process, once the parent has done `parent`. True: it returned true.
template <class Child, class Parent> bool fork_with(Fixture& f, Child child, Parent parent) {
    f.cache->before_fork(f.lock);
    int to_child[2];
    REQUIRE(pipe(to_child) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
        char go = 0;
        const bool good = read(to_child[0], &go, 1) == 1;
        _exit(good && f.cache->after_fork_in_child(f.lock) && child() ? 0 : 1);
    }
    parent();
    REQUIRE(write(to_child[1], "x", 1) == 1);
    int status = -1;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    close(to_child[0]);
    close(to_child[1]);
    return status == 0;
}

} // namespace

TEST_CASE("code cache: a forked child has what its parent had at the fork", "[runtime]") {
    Fixture f;
    const u64 a = f.add(0x1000, 0x2000);
    const u64 b = f.add(0x2000, 0x1000);
    const u64 c = f.add(0x5000, 0x1000);
    f.link(a, b);
    f.link(c, a);
    u64 mine = 0;
    const auto child = [&] {
        bool good = f.cache->find({0x1000, {}}) == a && f.cache->find({0x4000, {}}) == 0;
        // Before its code is here, too.
        good = good && f.invalidate(0x2000, 4).size() == 1;
        const u64 d = f.add(0x3000, 0x1000);
        good = good && f.cache->take_over(f.lock, a + 5) && !f.cache->take_over(f.lock, b);
        good = good && f.jump_target(a) == a + kStubAt && f.jump_target(b) == b + kStubAt;
        good = good && f.jump_target(c) == a && *reinterpret_cast<const u8*>(c) == 0x00;
        good = good && *reinterpret_cast<const u8*>(f.memory.stub_base()) == 0xcc;
        good =
            good && *reinterpret_cast<const u8*>(d + 1) == 0x00 && f.jump_target(d) == d + kStubAt;
        good = good && f.cache->fault_at(f.lock, a + 9)->pc == 0x1008;
        f.link(d, a);
        return good && f.jump_target(d) == a;
    };
    CHECK(fork_with(f, child, [&] {
        f.link(b, a);
        mine = f.add(0x4000, 0x1000);
    }));
    CHECK(f.jump_target(a) == b);
    CHECK(f.jump_target(b) == a);
    CHECK(*reinterpret_cast<const u8*>(mine) == 0x00);
}

TEST_CASE("code cache: a forked child's code outlives its parent's", "[runtime]") {
    Fixture f{64u << 10};
    const u64 a = f.add(0x1230, 0x2000);
    const u64 b = f.add(0x2000, 0x1230);
    const auto child = [&] {
        return f.cache->take_over(f.lock, a) && *reinterpret_cast<const u8*>(a) == 0x23 &&
               f.jump_target(a) == a + kStubAt;
    };
    CHECK(fork_with(f, child, [&] {
        f.link(a, b);
        for (unsigned restarts = 0; restarts < TranslationCache::kArenas + 1; ++restarts) {
            REQUIRE(f.cache->start_generation(f.lock, ~u64{0}));
            f.add(0x4560, 0x4560);
        }
        CHECK(*reinterpret_cast<const u8*>(a) == 0x56);
    }));
}

TEST_CASE("code cache: a forked child starts afresh and forks in turn", "[runtime]") {
    Fixture f;
    const u64 a = f.add(0x1230, 0x2000);
    const auto nothing = [] {};
    const auto grandchild = [&] {
        return f.cache->take_over(f.lock, a) && *reinterpret_cast<const u8*>(a) == 0x23;
    };
    CHECK(fork_with(
        f, [&] { return fork_with(f, grandchild, nothing); }, nothing));
    CHECK(fork_with(
        f,
        [&] {
            for (unsigned i = 0; i < TranslationCache::kArenas; ++i) {
                if (!f.cache->start_generation(f.lock, ~u64{0})) {
                    return false;
                }
            }
            const u64 b = f.add(0x4560, 0x2000);
            return b == a && !f.cache->take_over(f.lock, b) &&
                   *reinterpret_cast<const u8*>(b) == 0x56;
        },
        nothing));
}

namespace {

// Three blocks that were laid out together: the first leads to the second, that to the third, which
// leads elsewhere.
struct Together {
    static constexpr GuestAddr kPcs[] = {0x1000, 0x1100, 0x2000}, kElsewhere = 0x3000;
    std::vector<LinkedBlocks::Block> blocks;
    std::vector<LinkedBlocks::Link> links;
    std::vector<LinkedBlocks::Fault> faults;
    const u8 linked_to[3] = {1, 2, LinkedBlocks::kOutside};
    std::vector<u8> code;

    Together() {
        for (u32 i = 0; i < 3; ++i) {
            const u32 at = i * kBlockBytes;
            blocks.push_back({kPcs[i], {kPcs[i], 16}, at, kBlockBytes, 1, 1});
            links.push_back({kDisplacementAt, kStubAt, i < 2 ? kPcs[i + 1] : kElsewhere});
            faults.push_back({3, 4});
            code.resize(at + kBlockBytes, static_cast<u8>(i));
            const u32 displacement = (i < 2 ? kBlockBytes : kStubAt) - (kDisplacementAt + 4);
            std::memcpy(code.data() + at + kDisplacementAt, &displacement, sizeof displacement);
        }
    }
    u64 insert(Fixture& f) const {
        return f.cache->insert_linked(f.lock, {.mode = {},
                                               .blocks = blocks,
                                               .links = links,
                                               .linked_to = linked_to,
                                               .faults = faults,
                                               .code = code});
    }
    static u64 find(const Fixture& f, unsigned i) { return f.cache->find({kPcs[i], {}}); }
};

} // namespace

TEST_CASE("code cache: blocks that are linked already are like those that were inserted one by one",
          "[runtime]") {
    Fixture f;
    const Together together;
    const u64 there = f.add(Together::kElsewhere, 0x1000);
    const u64 host = together.insert(f);
    REQUIRE(host != 0);
    for (unsigned i = 0; i < 3; ++i) {
        CHECK(Together::find(f, i) == host + i * kBlockBytes);
        const auto fault = f.cache->fault_at(f.lock, host + i * kBlockBytes + 3);
        REQUIRE(fault.has_value());
        CHECK(fault->pc == Together::kPcs[i] + 4);
    }
    CHECK(f.jump_target(host) == host + kBlockBytes);
    CHECK(f.jump_target(host + kBlockBytes) == host + 2 * kBlockBytes);
    CHECK(f.jump_target(host + 2 * kBlockBytes) == there);
    CHECK(f.invalidate(0x1104, 4) == std::vector<GuestAddr>{0x1100});
    CHECK(Together::find(f, 1) == 0);
    CHECK(f.jump_target(host) == host + kStubAt);
    const u64 again = f.add(0x1100, 0x2000);
    f.link(host, again);
    CHECK(f.jump_target(host) == again);
    CHECK(f.invalidate(0, 0x10000).size() == 4);
    CHECK(f.jump_target(host) == host + kStubAt);
}

TEST_CASE("code cache: of linked blocks those that are here already lead to what is here",
          "[runtime]") {
    Fixture f;
    const Together together;
    const u64 second = f.add(0x1100, 0x2000), outside = f.add(0x5000, 0x1100);
    f.link(outside, second);
    const u64 host = together.insert(f);
    CHECK(Together::find(f, 1) == second);
    CHECK(f.jump_target(host) == second);
    CHECK(f.invalidate(0x1100, 4) == std::vector<GuestAddr>{0x1100, 0x1100});
    CHECK(f.jump_target(host) == host + kStubAt);
    CHECK(f.jump_target(outside) == outside + kStubAt);
    CHECK(Together::find(f, 1) == 0);
}

TEST_CASE("code cache: a region stays in the place of a linked block", "[runtime]") {
    Fixture f;
    backend::CompiledBlock region;
    region.key = {0x1100, {}};
    region.code.assign(kBlockBytes, 0x77);
    GuestExtent extent;
    extent.add(0x1100, 8);
    extent.add(0x9000, 8);
    const u64 entry = f.cache->insert_region(f.lock, region, extent, false);
    const u64 host = Together{}.insert(f);
    CHECK(Together::find(f, 1) == entry);
    CHECK(f.jump_target(host) == entry);
    // Without the region its block is back.
    CHECK(f.invalidate(0x9000, 4) == std::vector<GuestAddr>{0x1100});
    CHECK(Together::find(f, 1) == host + kBlockBytes);
}

TEST_CASE("code cache: linked blocks wait for room like any", "[runtime]") {
    Fixture f{256u << 10};
    const Together together;
    unsigned count = 0;
    while (together.insert(f) != 0) {
        ++count;
    }
    CHECK(count > 100);
    REQUIRE(f.cache->start_generation(f.lock, ~u64{0}));
    CHECK(Together::find(f, 0) == 0);
    CHECK(together.insert(f) != 0);
    CHECK(Together::find(f, 0) != 0);
}
