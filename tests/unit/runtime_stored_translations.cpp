// Engines that share a persistent cache: what one has translated, the next one installs.
#include "runtime/persist/persistent_cache.h"

#include <cstdlib>

#include "tests/unit/runtime_guest.h"

using namespace ulna;
using namespace ulna::test;
using namespace ulna::test::a64;
using ir::ExitReason;

namespace {

class Folder {
  public:
    Folder() { REQUIRE(::mkdtemp(path_) != nullptr); }
    ~Folder() { (void)::system((std::string{"rm -rf "} + path_).c_str()); }
    [[nodiscard]] std::string path() const { return path_; }

  private:
    char path_[32] = "/tmp/ulna-stored-XXXXXX";
};

// An engine in a process of its own, as far as the cache can tell.
class Process {
  public:
    Process(const Folder& folder, const GuestArea& area, frontend::CodeSource& code) {
        std::string why_not;
        cache_ = runtime::PersistentCache::open(folder.path(), 1, why_not);
        REQUIRE(cache_ != nullptr);
        cache_->add_image(
            {.identity = 2, .base = area.at(0), .start = area.at(0), .end = area.end()});
        runtime::EngineConfig config;
        config.code = &code;
        config.persistent = cache_.get();
        config.code_cache_bytes = 16u << 20;
        engine_ = runtime::Engine::create(config, why_not);
        REQUIRE(engine_ != nullptr);
    }
    ~Process() { cache_->save(); }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    u64 run(GuestAddr pc, u64 x0 = 0) {
        GuestCpu cpu{*engine_};
        cpu->x[0] = x0;
        CHECK(cpu.run(pc) == ExitReason::Svc);
        return cpu->x[0];
    }
    [[nodiscard]] u64 count(const std::string& name) const { return statistic_of(*engine_, name); }
    [[nodiscard]] u64 translated() const { return count("blocks translated"); }
    [[nodiscard]] u64 found() const { return count("blocks found in the persistent cache"); }

  private:
    std::unique_ptr<runtime::PersistentCache> cache_;
    std::unique_ptr<runtime::Engine> engine_;
};

// Code that is written to as soon as it has been fetched.
class Rewritten final : public frontend::CodeSource {
  public:
    Rewritten(GuestArea& area, GuestAddr at, u32 word) : area_{area}, at_{at}, word_{word} {}
    std::span<const u32> words(GuestAddr pc) override {
        const auto now = area_.words(pc);
        seen_.assign(now.begin(), now.end());
        if (!seen_.empty()) {
            area_.put(at_ - area_.at(0), {word_});
        }
        return seen_;
    }
    bool read(GuestAddr pc, void* to, u64 bytes) override { return area_.read(pc, to, bytes); }

  private:
    GuestArea& area_;
    GuestAddr at_;
    u32 word_;
    std::vector<u32> seen_;
};

} // namespace

TEST_CASE("stored translations: found by the next process, with what followed them",
          "[runtime][persist]") {
    const Folder folder;
    GuestArea area{1u << 20};
    constexpr u32 kBlocks = 40;
    for (u32 i = 0; i < kBlocks; ++i) { // each in a page of its own, the last one ends
        area.put(u64{i} * 4096, {add(0, 0, i), i + 1 < kBlocks ? b(1023) : kSvc});
    }
    constexpr u64 kSum = u64{kBlocks} * (kBlocks - 1) / 2;
    {
        Process first{folder, area, area};
        CHECK(first.run(area.at(0)) == kSum);
        CHECK((first.translated() == kBlocks && first.found() == 0));
    }
    {
        Process next{folder, area, area};
        CHECK(next.run(area.at(4096 * (kBlocks - 1))) == kBlocks - 1); // of the last bundle
        CHECK((next.translated() == 0 && next.found() == kBlocks % runtime::kMostBundledBlocks));
        CHECK(next.run(area.at(0)) == kSum);
        CHECK((next.translated() == 0 && next.found() == kBlocks));
    }
    // Other code in one of them.
    area.put(4096 * 7, {add(0, 0, 1000)});
    Process other{folder, area, area};
    CHECK(other.run(area.at(0)) == kSum - 7 + 1000);
    CHECK((other.translated() == 1 && other.found() == kBlocks - 1));
}

TEST_CASE("stored translations: kept with the code that they were made from",
          "[runtime][persist]") {
    const Folder folder;
    GuestArea area{1u << 20};
    area.put(0, {movz(0, 1), kSvc});
    Rewritten code{area, area.at(0), movz(0, 2)};
    {
        Process first{folder, area, code};
        CHECK(first.run(area.at(0)) == 1); // nobody has said IC IVAU
    }
    Process next{folder, area, area};
    CHECK(next.run(area.at(0)) == 2);
    CHECK(next.found() == 0);
}
