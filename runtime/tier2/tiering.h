// From hot blocks to installed regions: counts samples, asks for compilations, takes the answers.
// One per engine; everything under the translation lock.
#pragma once

#include <map>
#include <string>
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
    [[nodiscard]] bool
    note(const TranslationLock& lock, const Sample& sample, ir::CpuState& thread);
    // A block that the thread has translated just now. With TierTwoPolicy::Always and Twice a
    // region takes its place at once.
    void note_new_block(const TranslationLock& lock, ir::BlockKey key, ir::CpuState& thread);
    // Counts of what was refused, by reason.
    [[nodiscard]] std::string refusals(const TranslationLock& lock) const;

    void after_fork_in_child();

  private:
    struct Job {
        SelectedRegion region;
        std::vector<CodePage> pages; // that it is made from
        u64 generation;
    };

    void request(const TranslationLock& lock, ir::BlockKey head, u32 priority);
    [[nodiscard]] bool fill(const SelectedRegion& region, CompileRequest& request);
    [[nodiscard]] bool take_answers(const TranslationLock& lock, ir::CpuState* waits);
    void note_refusal(const std::string& why);
    // False: not any more, or no room.
    [[nodiscard]] bool
    install(const TranslationLock& lock, const Job& job, const CompileAnswer& answer);
    [[nodiscard]] u64
    place(const TranslationLock& lock, const Job& job, const backend::CompiledBlock& code);
    void keep(const Job& job, const CompileAnswer& answer);
    [[nodiscard]] bool is_current(const TranslationLock& lock, const Job& job) const;

    const EngineConfig& config_;
    TranslationCache& cache_;
    debug::Statistics& statistics_;
    const bool always_, twice_;
    const u32 threshold_;
    HotProfile profile_;
    std::unordered_map<u64, Job> jobs_; // under way
    u64 next_job_ = 1;
    std::map<std::string, u64, std::less<>> refusals_;
};

} // namespace ulna::runtime
