// The persistent cache's files, with made-up translations: what is written is found again, and
// nothing that is damaged, foreign or unfinished is.
#include "runtime/persist/persistent_cache.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <elf.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/fault_safe_copy.h"
#include "runtime/persist/cache_directory.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::runtime;

namespace {

constexpr FileKey kKey{.configuration = 1, .identity = 2, .base = 0x400000};

class Directory {
  public:
    Directory() {
        char name[] = "/tmp/ulna-persist-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path_ = name;
    }
    ~Directory() { (void)::system(("rm -rf " + path_).c_str()); }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string file() const { return path_ + "/" + kKey.file_name(); }

  private:
    std::string path_;
};

backend::CompiledBlock made_up(GuestAddr pc, u8 filling = 0x90) {
    backend::CompiledBlock block;
    block.key = {pc, {0}};
    block.code.assign(64, filling);
    constexpr u32 kToStub = 32 - (16 + 4);
    std::memcpy(block.code.data() + 16, &kToStub, sizeof kToStub);
    block.links = {{16, 32, pc + 0x100}};
    block.guest_pcs = {pc, pc + 4};
    block.faults = {{3, 1}};
    return block;
}

void add(NewBlocks& blocks, GuestAddr pc, u8 filling = 0x90) {
    const u8 guest[8] = {1, 2, 3, 4, 5, 6, 7, static_cast<u8>(pc >> 2)};
    const GuestRange range{pc, 8};
    blocks.add(tag_of({pc, {0}}), made_up(pc, filling),
               {.ranges = {&range, 1}, .guest_bytes = guest});
}

NewBlocks blocks_from(GuestAddr first, unsigned count) {
    NewBlocks blocks;
    for (unsigned i = 0; i < count; ++i) {
        add(blocks, first + i * 16);
    }
    return blocks;
}

bool holds(const std::string& path, GuestAddr pc, u8 filling = 0x90) {
    CacheFile file;
    return file.open(path, kKey) && file.find(tag_of({pc, {0}}), [&](const StoredBlock& block) {
        backend::CompiledBlock compiled;
        unpack(block, compiled);
        const backend::CompiledBlock want = made_up(pc, filling);
        return compiled.code == want.code && compiled.links.size() == 1 &&
               compiled.links[0].target == want.links[0].target && compiled.faults.size() == 1 &&
               compiled.guest_pcs[compiled.faults[0].guest_index] == pc + 4;
    });
}

// The first keys of up to `most` records and bundles behind that of `pc`, each of which is read.
std::vector<GuestAddr> behind(const std::string& path, GuestAddr pc, unsigned most) {
    CacheFile file;
    std::vector<GuestAddr> keys;
    REQUIRE(file.open(path, kKey));
    REQUIRE(file.find(tag_of({pc, {0}}), [](const StoredBlock&) { return true; }));
    for (unsigned i = 0; i < most; ++i) {
        const std::optional<RecordHead> head = file.next_head();
        if (!head) {
            break;
        }
        StoredBlock block;
        StoredBundle bundle;
        if (head->is_bundle()) {
            CHECK((file.next(bundle) && bundle.linked.blocks[0].pc == head->pc));
        } else {
            CHECK((file.next(block) && block.key == head->key()));
        }
        keys.push_back(head->pc);
    }
    return keys;
}

// Of translations at the start of the code.
constexpr GuestRange kRange{0x401000, 8};
const TranslationOrigin kOrigin{.ranges = {&kRange, 1}};
constexpr PersistentCache::Wanted kBoth{PersistentCache::Tiers::Both}, kFirst{};
constexpr auto kNothing = PersistentCache::Found::Nothing;

std::vector<u8> contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void overwrite(const std::string& path, const std::vector<u8>& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<i64>(bytes.size()));
    ::chmod(path.c_str(), 0600);
}

// Of our mapping of a file.
u64 resident_kib(const std::string& path) {
    std::ifstream maps("/proc/self/smaps");
    bool ours = false;
    for (std::string line; std::getline(maps, line);) {
        if (ours && line.starts_with("Rss:")) {
            return std::stoull(line.substr(4));
        }
        ours = ours || line.ends_with(path);
    }
    return 0;
}

void on_bus_error(int, siginfo_t*, void* context) {
    if (!recover_copy(context)) {
        std::abort();
    }
}

// Guest code that a test sets.
class FixedCode final : public frontend::CodeSource {
  public:
    explicit FixedCode(GuestAddr base) : base_{base}, words_(1024, 0xd503201f) {}
    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override {
        return pc - base_ < 4096 ? std::span<const u32>(words_).subspan((pc - base_) / 4)
                                 : std::span<const u32>{};
    }
    [[nodiscard]] std::optional<u32> guarded_word(GuestAddr pc) override {
        return guarded ? std::optional(words_[(pc - base_) / 4]) : std::nullopt;
    }
    bool guarded = false;
    void set(GuestAddr pc, u32 word) { words_[(pc - base_) / 4] = word; }

  private:
    GuestAddr base_;
    std::vector<u32> words_;
};

} // namespace

TEST_CASE("a saved translation is found again, and a missing one is not", "[persist]") {
    const Directory directory;
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000, 100)));
    for (unsigned i = 0; i < 100; ++i) {
        CHECK(holds(directory.file(), 0x401000 + i * 16));
    }
    CHECK_FALSE(holds(directory.file(), 0x402000));
    CHECK_FALSE(holds(directory.file(), 0x401004));
}

TEST_CASE("of two translations of one key the newer comes first", "[persist]") {
    const Directory directory;
    NewBlocks blocks;
    add(blocks, 0x401000, 1);
    add(blocks, 0x401000, 2);
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks));
    const auto first = [&] {
        CacheFile file;
        u8 seen = 0;
        REQUIRE(file.open(directory.file(), kKey));
        CHECK(file.find(tag_of({0x401000, {0}}), [&](const StoredBlock& block) {
            seen = block.code[0];
            return true;
        }));
        return seen;
    };
    CHECK(first() == 2);
    NewBlocks more;
    add(more, 0x401000, 3);
    REQUIRE(CacheFile::save(directory.file(), kKey, more));
    CHECK(first() == 3);
    CHECK(holds(directory.file(), 0x401000, 1)); // still there
}

TEST_CASE("many segments become one, with every block", "[persist]") {
    const Directory directory;
    for (unsigned i = 0; i < 40; ++i) {
        REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000 + i * 0x100, 3)));
        CHECK(CacheFile::inspect(directory.file()).segments <= 16);
    }
    for (unsigned i = 0; i < 40; ++i) {
        CHECK(holds(directory.file(), 0x401020 + i * 0x100));
    }
    CHECK(CacheFile::inspect(directory.file()).blocks == 120);
    CHECK(behind(directory.file(), 0x401000, 2) == std::vector<GuestAddr>{0x401a20, 0x402510});
}

TEST_CASE("what was stored behind a record is found by its place", "[persist]") {
    const Directory directory;
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000, 100)));
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x403000, 2)));
    CHECK(behind(directory.file(), 0x401010, 9) ==
          std::vector<GuestAddr>{0x401200, 0x401400, 0x401600});
    CHECK(behind(directory.file(), 0x401600, 9).empty());
    CHECK(behind(directory.file(), 0x403000, 9).empty());
    CacheFile none;
    CHECK_FALSE(none.next_head());
    std::vector<u8> damaged = contents(directory.file());
    const auto any = [](const StoredBlock&) { return true; };
    for (std::size_t at = 64; at < damaged.size(); at += 13) {
        damaged[at] ^= 0x55;
    }
    for (int i = 0; i < 64; ++i) { // the header of the file and of the first segment stay
        damaged[64 + i] = contents(directory.file())[64 + i];
    }
    overwrite(directory.file(), damaged);
    CacheFile file;
    REQUIRE(file.open(directory.file(), kKey));
    StoredBlock block;
    StoredBundle bundle;
    for (GuestAddr pc = 0x401000; pc < 0x401640; pc += 16) {
        CHECK_FALSE(file.find(tag_of({pc, {0}}), any));
        for (unsigned i = 0; i < 200 && file.next_head(); ++i) {
            CHECK_FALSE((file.next(block) || file.next(bundle)));
        }
    }
}

TEST_CASE("a large file does not stay mapped when all of it has been read", "[persist]") {
    const Directory directory;
    constexpr unsigned kBlocks = 60'000;
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000, kBlocks)));
    const u64 file_kib = CacheFile::inspect(directory.file()).bytes >> 10;
    REQUIRE(file_kib > 8 << 10);
    CacheFile file;
    REQUIRE(file.open(directory.file(), kKey));
    unsigned found = 0;
    u64 most_kib = resident_kib(directory.file()); // the table, and what was mapped with it
    for (unsigned i = 0; i < kBlocks; ++i) {
        const GuestAddr pc = 0x401000 + u64{i * 7919 % kBlocks} * 16;
        found += file.find(tag_of({pc, {0}}), [](const StoredBlock&) { return true; });
        if (i % 1000 == 0) {
            most_kib = std::max(most_kib, resident_kib(directory.file()));
        }
    }
    CHECK(found == kBlocks);
    CHECK(most_kib < file_kib / 2);
}

TEST_CASE("a file for another configuration, program or address is not used", "[persist]") {
    const Directory directory;
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000, 3)));
    for (const FileKey& other :
         {FileKey{9, 2, 0x400000}, FileKey{1, 9, 0x400000}, FileKey{1, 2, 0}}) {
        CacheFile file;
        CHECK_FALSE(file.open(directory.file(), other));
    }
}

TEST_CASE("a file of another version is not used, and not called damaged", "[persist]") {
    const Directory directory;
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000, 3)));
    std::vector<u8> file = contents(directory.file());
    CHECK_FALSE(CacheFile::inspect(directory.file()).other_version);
    constexpr std::size_t kVersionAt = 7;
    for (const u8 version : {u8{'1'}, u8{'9'}, u8{'x'}}) {
        file[kVersionAt] = version;
        overwrite(directory.file(), file);
        CHECK_FALSE(holds(directory.file(), 0x401000));
        const CacheFile::Report report = CacheFile::inspect(directory.file());
        CHECK_FALSE(report.readable);
        CHECK(report.other_version == (version != 'x'));
    }
}

TEST_CASE("a file that others can write, or a link, is not used", "[persist]") {
    const Directory directory;
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000, 3)));
    REQUIRE(::chmod(directory.file().c_str(), 0620) == 0);
    CHECK_FALSE(holds(directory.file(), 0x401000));
    CHECK_FALSE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000, 3)));
    REQUIRE(::chmod(directory.file().c_str(), 0600) == 0);
    CHECK(holds(directory.file(), 0x401000));
    const std::string link = directory.path() + "/link";
    REQUIRE(::symlink(directory.file().c_str(), link.c_str()) == 0);
    CHECK_FALSE(holds(link, 0x401000));
}

TEST_CASE("no damaged byte gets into a translation", "[persist]") {
    const Directory directory;
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000, 2)));
    const std::vector<u8> good = contents(directory.file());
    for (std::size_t at = 0; at < good.size(); ++at) {
        std::vector<u8> bad = good;
        bad[at] ^= 0x55;
        overwrite(directory.file(), bad);
        for (const GuestAddr pc : {0x401000, 0x401010}) {
            CacheFile file;
            if (!file.open(directory.file(), kKey)) {
                continue;
            }
            (void)file.find(tag_of({pc, {0}}), [&](const StoredBlock& block) {
                CHECK(std::ranges::equal(block.code, made_up(pc).code));
                CHECK(block.range(0).low == pc);
                return true;
            });
        }
    }
}

TEST_CASE("a file cut short anywhere is read as far as it is whole, and mended", "[persist]") {
    const Directory directory;
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000, 2)));
    const std::size_t first_end = contents(directory.file()).size();
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x402000, 2)));
    const std::vector<u8> good = contents(directory.file());
    for (std::size_t length = 0; length < good.size(); length += 8) {
        overwrite(directory.file(), {good.begin(), good.begin() + static_cast<i64>(length)});
        CHECK(holds(directory.file(), 0x401000) == (length >= first_end));
        CHECK_FALSE(holds(directory.file(), 0x402000));
        REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x403000, 2)));
        CHECK(holds(directory.file(), 0x403000));
        CHECK(CacheFile::inspect(directory.file()).trailing_bytes == 0);
    }
}

TEST_CASE("a file that shrinks while it is mapped only loses its blocks", "[persist]") {
    struct sigaction handler = {}, before;
    handler.sa_sigaction = on_bus_error;
    handler.sa_flags = SA_SIGINFO;
    REQUIRE(::sigaction(SIGBUS, &handler, &before) == 0);
    const Directory directory;
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000, 200)));
    CacheFile file;
    REQUIRE(file.open(directory.file(), kKey));
    REQUIRE(::truncate(directory.file().c_str(), 0) == 0);
    CHECK_FALSE(file.find(tag_of({0x401000, {0}}), [](const StoredBlock&) { return true; }));
    ::sigaction(SIGBUS, &before, nullptr);
}

TEST_CASE("a full disk leaves the file as it was", "[persist]") {
    const Directory directory;
    REQUIRE(CacheFile::save(directory.file(), kKey, blocks_from(0x401000, 2)));
    const std::vector<u8> good = contents(directory.file());
    const pid_t child = ::fork();
    if (child == 0) { // a limit on file sizes, which must not be met with SIGXFSZ either
        const rlimit limit{good.size() + 100, good.size() + 100};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const bool saved = CacheFile::save(directory.file(), kKey, blocks_from(0x402000, 100));
        ::_exit(saved || errno != EFBIG);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(contents(directory.file()) == good);
}

TEST_CASE("concurrent writers leave a whole file", "[persist]") {
    const Directory directory;
    constexpr unsigned kWriters = 8, kRounds = 30;
    for (unsigned writer = 0; writer < kWriters; ++writer) {
        if (::fork() == 0) {
            for (unsigned i = 0; i < kRounds; ++i) {
                (void)CacheFile::save(directory.file(), kKey,
                                      blocks_from(0x401000 + writer * 0x10000 + i * 0x100, 5));
            }
            ::_exit(0);
        }
    }
    for (unsigned writer = 0; writer < kWriters; ++writer) {
        int status = -1;
        REQUIRE(::wait(&status) > 0);
        CHECK(status == 0);
    }
    const CacheFile::Report report = CacheFile::inspect(directory.file());
    CHECK(report.readable);
    CHECK(report.blocks != 0);
    CHECK(report.damaged_blocks == 0);
    CHECK(report.trailing_bytes == 0);
}

TEST_CASE("a translation is used only for the guest bytes it was made from", "[persist]") {
    const Directory directory;
    const std::string path = directory.path() + "/cache";
    std::string why;
    FixedCode code{0x401000};
    const CodeImage image{.identity = 2, .base = 0x400000, .start = 0x401000, .end = 0x402000};
    {
        const auto cache = PersistentCache::open(path, 1, why);
        REQUIRE(cache != nullptr);
        CHECK_FALSE(cache->add(made_up(0x401000), kOrigin, code)); // no image
        cache->add_image(image);
        CHECK(cache->add(made_up(0x401000), kOrigin, code));
        cache->save();
    }
    const auto cache = PersistentCache::open(path, 1, why);
    REQUIRE(cache != nullptr);
    PersistentCache::Finding finding;
    const auto found = [&] {
        return cache->find({0x401000, {0}}, kBoth, code, finding) != kNothing;
    };
    CHECK_FALSE(found());
    cache->add_image(image);
    CHECK(found());
    code.set(0x401008, 0); // behind it
    CHECK(found());
    code.set(0x401004, 0);
    CHECK_FALSE(found());
    code.set(0x401004, 0xd503201f);
    CHECK(found());
    cache->remove_images(0x401000, 0x401010);
    CHECK_FALSE(found());
}

TEST_CASE("a translation of a guarded page is not used for one that is not", "[persist]") {
    const Directory directory;
    const std::string path = directory.path() + "/cache";
    std::string why;
    FixedCode code{0x401000};
    const CodeImage image{.identity = 2, .base = 0x400000, .start = 0x401000, .end = 0x402000};
    backend::CompiledBlock block = made_up(0x401000);
    block.key.mode.bits = ir::BlockMode::kBti;
    {
        const auto cache = PersistentCache::open(path, 1, why);
        cache->add_image(image);
        code.guarded = true;
        CHECK(cache->add(block, kOrigin, code));
        cache->save();
    }
    const auto cache = PersistentCache::open(path, 1, why);
    cache->add_image(image);
    PersistentCache::Finding finding;
    CHECK(cache->find(block.key, kBoth, code, finding) != kNothing);
    code.guarded = false;
    CHECK(cache->find(block.key, kBoth, code, finding) == kNothing);
}

TEST_CASE("a region is kept with its ranges and locations, and preferred", "[persist][tier2]") {
    const Directory directory;
    const std::string path = directory.path() + "/cache";
    std::string why;
    FixedCode code{0x401000};
    const CodeImage image{.identity = 2, .base = 0x400000, .start = 0x401000, .end = 0x402000};
    constexpr u8 kRegionFilling = 0x91;
    backend::CompiledBlock region = made_up(0x401000, kRegionFilling);
    region.locations = {{ir::x_slot(5), backend::SlotLocation::Kind::Gpr, 3, 0},
                        {ir::x_slot(6), backend::SlotLocation::Kind::Memory, 4, -8}};
    region.location_ends = {2};
    const GuestRange ranges[] = {{0x401000, 8}, {0x401040, 12}};
    {
        const auto cache = PersistentCache::open(path, 1, why);
        cache->add_image(image);
        CHECK(cache->add(region, {.ranges = ranges, .is_region = true}, code));
        cache->save();
        CHECK(cache->add(made_up(0x401000), kOrigin, code)); // newer
        CHECK(cache->add(region, {.ranges = ranges, .is_region = true}, code));
        cache->save();
    }
    const auto cache = PersistentCache::open(path, 1, why);
    cache->add_image(image);
    PersistentCache::Finding finding;
    const StoredBlock& stored = finding.block;
    const backend::CompiledBlock& compiled = finding.compiled;
    REQUIRE(cache->find({0x401000, {0}}, kBoth, code, finding) != kNothing);
    CHECK(stored.is_region);
    REQUIRE(stored.range_count() == 2);
    CHECK(stored.range(1).low == 0x401040);
    CHECK(compiled.code == region.code);
    REQUIRE(compiled.locations.size() == 2);
    CHECK(compiled.locations[1].value == -8);
    CHECK(compiled.location_ends == region.location_ends);
    // Behind a block that was stored before the region comes the region, not what it replaced.
    REQUIRE(cache->find({0x401000, {0}}, kFirst, code, finding) != kNothing);
    CHECK_FALSE(stored.is_region);
    const std::optional<ir::BlockKey> next = cache->next_key();
    REQUIRE((next && next->pc == 0x401000));
    REQUIRE(cache->find_next(*next, kBoth, code, finding) != kNothing);
    CHECK(stored.is_region);
    // Tier 1 alone, or after a change in the second range.
    REQUIRE(cache->find({0x401000, {0}}, kFirst, code, finding) != kNothing);
    CHECK_FALSE(stored.is_region);
    code.set(0x401048, 0);
    REQUIRE(cache->find({0x401000, {0}}, kBoth, code, finding) != kNothing);
    CHECK_FALSE(stored.is_region);
    CHECK(compiled.location_ends.empty());
}

TEST_CASE("a forked child leaves its parent's new translations to the parent", "[persist]") {
    const Directory directory;
    const std::string path = directory.path() + "/cache";
    std::string why;
    FixedCode code{0x401000};
    const auto cache = PersistentCache::open(path, 1, why);
    REQUIRE(cache != nullptr);
    cache->add_image({.identity = 2, .base = 0x400000, .start = 0x401000, .end = 0x402000});
    REQUIRE(cache->add(made_up(0x401000), kOrigin, code));
    cache->lock_for_fork();
    cache->unlock_after_fork(true);
    cache->save();
    CHECK(::access((path + "/" + kKey.file_name()).c_str(), F_OK) != 0);
}

TEST_CASE("the cache's directory must be the user's alone", "[persist]") {
    const Directory directory;
    std::string why;
    CHECK(prepare_cache_directory(directory.path() + "/made/of/parts", why));
    const std::optional<u64> seed = prepare_cache_directory(directory.path(), why);
    CHECK(seed.has_value());
    CHECK(prepare_cache_directory(directory.path(), why) == seed);
    REQUIRE(::chmod(directory.path().c_str(), 0755) == 0);
    CHECK_FALSE(prepare_cache_directory(directory.path(), why));
    CHECK(why.find("0700") != std::string::npos);
    CHECK_FALSE(prepare_cache_directory("", why));
    CHECK_FALSE(prepare_cache_directory("/dev/null/x", why));
}

TEST_CASE("a file of Arm code is known by its contents", "[persist]") {
    const Directory directory;
    const auto identity = [&](u16 machine, u8 rest, std::size_t bytes) {
        std::vector<u8> file(bytes, rest);
        Elf64_Ehdr header = {};
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_machine = machine;
        std::memcpy(file.data(), &header, sizeof header);
        overwrite(directory.path() + "/elf", file);
        const int fd = ::open((directory.path() + "/elf").c_str(), O_RDONLY);
        const auto result = code_file_identity(fd);
        ::close(fd);
        return result;
    };
    CHECK_FALSE(identity(EM_X86_64, 0, 5000).has_value());
    CHECK(identity(EM_AARCH64, 0, 5000).has_value());
    CHECK(identity(EM_AARCH64, 0, 5000) == identity(EM_AARCH64, 0, 5000));
    CHECK(identity(EM_AARCH64, 1, 5000) != identity(EM_AARCH64, 0, 5000));
    CHECK(identity(EM_AARCH64, 0, 5001) != identity(EM_AARCH64, 0, 5000));
}

namespace {

// Of a machine: the same place of another page.
constexpr ir::BlockMode kSystem{ir::BlockMode::level_bits(1)};
backend::CompiledBlock made_up_for_machine(GuestAddr pc) {
    backend::CompiledBlock block = made_up(pc);
    block.key = {pc, kSystem, 5};
    std::memcpy(block.code.data() + 8, &pc, sizeof pc);
    block.addresses = {{8, backend::AddressSite::Form::Whole}};
    return block;
}

} // namespace

TEST_CASE("a machine's translation is found by its code, wherever that is now", "[persist]") {
    const Directory directory;
    const std::string path = directory.path() + "/cache";
    std::string why;
    constexpr GuestAddr kThen = 0xffff'8000'0040'1000, kNow = 0xffff'a000'0099'9000;
    constexpr u64 kOffset = 0x10;
    const GuestRange range{kThen + kOffset, 8};
    FixedCode then{kThen}, now{kNow};
    const auto cache = PersistentCache::open(path, 1, why);
    REQUIRE(cache != nullptr);
    PersistentCache::Finding finding;
    const backend::CompiledBlock& compiled = finding.compiled;
    const auto found = [&](PersistentCache& in, ir::BlockKey key) {
        return in.find(key, kBoth, now, finding) != kNothing;
    };
    CHECK_FALSE(cache->add(made_up_for_machine(kThen + kOffset), {.ranges = {&range, 1}}, then));
    cache->keep_machine(7);
    CHECK(cache->add(made_up_for_machine(kThen + kOffset), {.ranges = {&range, 1}}, then));
    const auto check = [&](PersistentCache& in) {
        REQUIRE(found(in, {kNow + kOffset, kSystem, 9}));
        CHECK(compiled.key == ir::BlockKey{kNow + kOffset, kSystem, 9});
        GuestAddr moved = 0;
        std::memcpy(&moved, compiled.code.data() + 8, sizeof moved);
        CHECK(moved == kNow + kOffset);
        CHECK(compiled.links[0].target == kNow + kOffset + 0x100);
        CHECK(compiled.guest_pcs[compiled.faults[0].guest_index] == kNow + kOffset + 4);
        CHECK_FALSE(found(in, {kNow + kOffset + 4, kSystem, 9})); // the same words, elsewhere
        CHECK_FALSE(found(in, {kNow + kOffset, {ir::BlockMode::level_bits(0)}, 9}));
        now.set(kNow + kOffset + 4, 0);
        CHECK_FALSE(found(in, {kNow + kOffset, kSystem, 9}));
        now.set(kNow + kOffset + 4, 0xd503201f);
    };
    check(*cache); // not yet in a file
    cache->save();
    const auto next = PersistentCache::open(path, 1, why);
    CHECK_FALSE(found(*next, {kNow + kOffset, kSystem, 9}));
    next->keep_machine(8);
    CHECK_FALSE(found(*next, {kNow + kOffset, kSystem, 9})); // another machine's file
    const auto same = PersistentCache::open(path, 1, why);
    same->keep_machine(7);
    check(*same);
    // What lies behind it, and is gone when that is wanted: another thread has saved the file.
    const GuestRange behind{kThen + kOffset + 16, 8};
    CHECK(same->add(made_up_for_machine(behind.low), {.ranges = {&behind, 1}}, then));
    same->save();
    CHECK(same->add(made_up_for_machine(kThen + kOffset), {.ranges = {&range, 1}}, then));
    CHECK(same->add(made_up_for_machine(behind.low), {.ranges = {&behind, 1}}, then));
    same->save();
    CHECK(same->add(made_up_for_machine(behind.low), {.ranges = {&behind, 1}}, then));
    REQUIRE(found(*same, {kNow + kOffset, kSystem, 9}));
    const std::optional<ir::BlockKey> after = same->next_key();
    REQUIRE((after && after->pc == kNow + kOffset + 16));
    same->save();
    CHECK(same->find_next(*after, kBoth, now, finding) == kNothing);
    CHECK_FALSE(same->next_key());
}

TEST_CASE("a machine's file keeps what differs behind the first words", "[persist]") {
    const Directory directory;
    constexpr FileKey kMachine{.configuration = 1, .identity = 2, .base = FileKey::kAnywhere};
    const std::string file = directory.path() + "/" + kMachine.file_name();
    constexpr unsigned kFiles = 40; // more than stay segments
    for (u8 i = 0; i < kFiles; ++i) {
        NewBlocks blocks;
        const u8 guest[8] = {1, 2, 3, 4, 5, 6, 7, i};
        const GuestRange range{0x401000, 8};
        blocks.add(3, made_up_for_machine(0x401000), {.ranges = {&range, 1}, .guest_bytes = guest});
        REQUIRE(CacheFile::save(file, kMachine, blocks));
    }
    CHECK(CacheFile::inspect(file).segments <= 16);
    CHECK(CacheFile::inspect(file).blocks == kFiles);
    CHECK(CacheFile::inspect(file).damaged_blocks == 0);
    CacheFile cache;
    REQUIRE(cache.open(file, kMachine));
    unsigned seen = 0;
    CHECK_FALSE(cache.find(3, [&](const StoredBlock&) { return ++seen > kFiles; }));
    CHECK(seen == kFiles);
}

TEST_CASE("new translations are found before they are saved, the newest first", "[persist]") {
    NewBlocks blocks;
    for (unsigned i = 0; i < 1000; ++i) {
        add(blocks, 0x401000 + i % 100 * 16, static_cast<u8>(i / 100));
        if (i % 7 == 0) { // while they come
            u8 filling = 0xff;
            CHECK(
                blocks.find(tag_of({0x401000 + i % 100 * 16, {0}}), [&](const StoredBlock& block) {
                    filling = block.code[0];
                    return true;
                }));
            CHECK(filling == i / 100);
        }
    }
    unsigned seen = 0;
    CHECK_FALSE(blocks.find(tag_of({0x401000, {0}}), [&](const StoredBlock&) {
        ++seen;
        return false;
    }));
    CHECK(seen == 10);
    blocks.clear();
    CHECK_FALSE(blocks.find(tag_of({0x401000, {0}}), [](const StoredBlock&) { return true; }));
}
