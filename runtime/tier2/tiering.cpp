#include "runtime/tier2/tiering.h"

#include <cstdio>

#include "ir/support/check.h"
#include "runtime/debug/disassemble.h"
#include "runtime/debug/log.h"
#include "runtime/debug/perf_files.h"
#include "runtime/engine.h"
#include "runtime/persist/persistent_cache.h"
#include "runtime/tier2/requested_code.h"

namespace ulna::runtime {

namespace {

// A region is asked for when its head was seen so often, a sample being a millisecond: it has burnt
// a part of what its compilation will take, which others may profit from, too.
constexpr u32 kHotSamples = 4;

// Jobs in the server's queue. What is hot remains so, and asks again.
constexpr std::size_t kMostJobs = 32;

// After a region was invalidated, or did not get anywhere, its head must be so much hotter.
bool is_due(u32 samples, u32 threshold) {
    return samples % threshold == 0 && std::has_single_bit(samples / threshold);
}

} // namespace

Tiering::Tiering(const EngineConfig& config, TranslationCache& cache, debug::Statistics& statistics)
    : config_{config},
      cache_{cache},
      statistics_{statistics},
      always_{config.tier2_policy != TierTwoPolicy::Hot},
      twice_{config.tier2_policy == TierTwoPolicy::Twice},
      threshold_{always_ ? 1 : kHotSamples} {}

bool Tiering::note(const TranslationLock& lock, const Sample& sample, ir::CpuState& thread) {
    // Tier 2 has what it spends its time on.
    if (!sample.in_region) {
        const u32 seen = profile_.add(sample);
        if (is_due(seen, threshold_)) {
            request(lock, sample.key, seen);
        }
    }
    return !jobs_.empty() && take_answers(lock, always_ ? &thread : nullptr);
}

void Tiering::note_new_block(const TranslationLock& lock, ir::BlockKey key, ir::CpuState& thread) {
    if (always_) {
        request(lock, key, 0);
        [[maybe_unused]] const bool any_installed = take_answers(lock, &thread);
    }
}

void Tiering::request(const TranslationLock& lock, ir::BlockKey head, u32 priority) {
    // What goes on where ranges did not do is left soon.
    if (jobs_.size() >= kMostJobs || config_.tier2->is_gone() || head.mode.no_ranges()) {
        return;
    }
    auto region = select_region(lock, cache_, *config_.code, profile_, head,
                                always_ ? Scope::Forward : Scope::Cycles);
    CompileRequest request;
    if (!region || !fill(*region, request)) {
        return;
    }
    debug::count(statistics_.regions_requested);
    const u64 job = next_job_++;
    if (config_.tier2->submit(job, encode(request), priority)) {
        jobs_.emplace(job,
                      Job{std::move(*region), std::move(request.pages), cache_.generation(lock)});
    }
}

bool Tiering::fill(const SelectedRegion& region, CompileRequest& request) {
    request.cpu = *config_.translate.cpu;
    request.mode = region.head.mode;
    request.mask_tags = region.masks_tags;
    request.call_return_pairing = config_.compile.call_return_pairing;
    request.passes = config_.passes;
    request.only_worthwhile = !always_;
    request.wants_text = debug::log_enabled(debug::Item::LlvmIr);
    request.max_instructions = config_.translate.max_instructions;
    request.max_side_exits = config_.translate.max_side_exits;
    for (const TranslationCache::BlockView& block : region.blocks) {
        request.blocks.push_back(block.key.pc);
        for (const GuestAddr target : profile_.likely_targets(block.key.pc)) {
            request.indirect_targets.push_back({block.key.pc, target});
        }
    }
    for (const backend::CodePlace& place : region.pages) {
        CodePage& page = request.pages.emplace_back();
        page.address = place.page;
        page.number = place.number;
        page.guarded = region.head.mode.bti() && config_.code->guarded_word(place.page).has_value();
        if (!config_.code->read(place.page, page.bytes, CodePage::kBytes)) {
            return false;
        }
    }
    return true;
}

bool Tiering::take_answers(const TranslationLock& lock, ir::CpuState* waits) {
    bool any = false;
    while (!jobs_.empty()) {
        const auto finished = config_.tier2->take_finished(waits);
        if (!finished) {
            if (config_.tier2->is_gone()) {
                jobs_.clear();
            }
            break;
        }
        const auto found = jobs_.find(finished->job);
        if (found == jobs_.end()) {
            continue; // of before a fork
        }
        const Job job = std::move(found->second);
        jobs_.erase(found);
        CompileAnswer answer;
        if (!decode(finished->answer, answer) || !answer.refusal.empty()) {
            note_refusal(answer.refusal);
            continue;
        }
        any |= install(lock, job, answer);
    }
    return any;
}

void Tiering::note_refusal(const std::string& why) {
    CHECK(why != kCameOutDifferently);
    debug::count(statistics_.regions_refused);
    ++refusals_[why.empty() ? "no answer" : why];
}

std::string Tiering::refusals(const TranslationLock&) const {
    std::string text;
    for (const auto& [why, count] : refusals_) {
        char line[128];
        std::snprintf(line, sizeof line, "  %-44s %14llu\n", why.c_str(),
                      static_cast<unsigned long long>(count));
        text += line;
    }
    return text.empty() ? text : "regions refused, by reason\n" + text;
}

// The blocks that a region was made from still say what they said.
bool Tiering::is_current(const TranslationLock& lock, const Job& job) const {
    if (job.generation != cache_.generation(lock)) {
        return false;
    }
    for (const TranslationCache::BlockView& block : job.region.blocks) {
        const auto now = cache_.tier1_block(lock, block.key);
        if (!now || now->index != block.index) {
            return false;
        }
    }
    return true;
}

u64 Tiering::place(const TranslationLock& lock,
                   const Job& job,
                   const backend::CompiledBlock& code) {
    if (!is_current(lock, job)) {
        return 0;
    }
    const auto insert = [&] {
        return cache_.insert_region(lock, code, job.region.extent, job.region.masks_tags,
                                    job.region.pages);
    };
    return twice_ && insert() == 0 ? 0 : insert();
}

bool Tiering::install(const TranslationLock& lock, const Job& job, const CompileAnswer& answer) {
    const u64 host = place(lock, job, answer.code);
    if (host == 0) {
        debug::count(statistics_.regions_stale);
        return false;
    }
    keep(job, answer);
    debug::count(statistics_.regions);
    debug::count(statistics_.region_instructions, answer.guest_instructions);
    debug::count(statistics_.region_bytes, answer.code.code.size());
    debug::count(statistics_.region_microseconds, answer.nanoseconds / 1000);
    const auto bytes = static_cast<u32>(answer.code.code.size());
    debug::perf_block(host, bytes, job.region.head.pc);
    if (!answer.text.empty()) {
        debug::log_text("LLVM IR:\n" + answer.text + "\n");
    }
    if (debug::log_enabled(debug::Item::LlvmAsm)) {
        debug::log_text("OUT (tier 2): [size=" + std::to_string(bytes) + "]\n" +
                        debug::disassemble_host(cache_.code_at(lock, host), host) + "\n");
    }
    return true;
}

// For the next process. A machine's next boot has other pages at other places.
void Tiering::keep(const Job& job, const CompileAnswer& answer) {
    if (config_.persistent == nullptr || job.region.head.mode.system()) {
        return;
    }
    std::vector<GuestRange> ranges;
    for (const TranslationCache::BlockView& block : job.region.blocks) {
        ranges.push_back({block.low, block.high - block.low});
    }
    RequestedCode code{job.pages};
    config_.persistent->add(
        answer.code, {.ranges = ranges, .masks_tags = job.region.masks_tags, .is_region = true},
        code);
}

void Tiering::after_fork_in_child() {
    jobs_.clear();
    config_.tier2->after_fork_in_child();
}

} // namespace ulna::runtime
