// From hot blocks to installed regions: counts samples, asks for compilations, takes the answers.
// One per engine; everything under the translation lock.
#pragma once

#include <unordered_map>

#include "runtime/debug/statistics.h"
#include "runtime/tier2/compile_service.h"
#include "runtime/tier2/messages.h"
#include "runtime/tier2/region_selector.h"

namespace ulna::runtime {

struct EngineConfig;

class Tiering {
  public:
    Tiering(const EngineConfig& config, TranslationCache& cache, debug::Statistics& statistics);

    // Where a thread was. Returns whether regions were installed: then jump caches hold older code
    // for some blocks.
    [[nodiscard]] bool note(const TranslationLock& lock, const Sample& sample);
    // A block that was translated just now. With TierTwoPolicy::Always it becomes a region at once:
    // its host entry, else 0.
    [[nodiscard]] u64 note_new_block(const TranslationLock& lock, ir::BlockKey key);

    void after_fork_in_child();

  private:
    struct Job {
        SelectedRegion region;
        std::vector<CodePage> pages; // that it is made from
        u64 generation;
    };

    void request(const TranslationLock& lock, ir::BlockKey head, u32 priority);
    [[nodiscard]] bool fill(const SelectedRegion& region, CompileRequest& request);
    [[nodiscard]] bool take_answers(const TranslationLock& lock, bool wait);
    // 0: not any more, or no room.
    [[nodiscard]] u64
    install(const TranslationLock& lock, const Job& job, const CompileAnswer& answer);
    void keep(const Job& job, const CompileAnswer& answer);
    [[nodiscard]] bool is_current(const TranslationLock& lock, const Job& job) const;

    const EngineConfig& config_;
    TranslationCache& cache_;
    debug::Statistics& statistics_;
    const bool always_;
    const u32 threshold_;
    HotProfile profile_;
    std::unordered_map<u64, Job> jobs_; // under way
    u64 next_job_ = 1;
    u64 last_installed_ = 0;
};

} // namespace ulna::runtime
