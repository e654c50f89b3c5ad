// Between the persistent cache and the translation cache: what is stored of code that is about to
// be executed is installed, and what is translated is kept. Under the translation lock.
#pragma once

#include "backend/backend.h"
#include "runtime/debug/statistics.h"
#include "runtime/jit/lifter.h"
#include "runtime/jit/tagged_accesses.h"
#include "runtime/jit/translation_cache.h"
#include "runtime/persist/persistent_cache.h"

namespace ulna::runtime {

class StoredTranslations {
  public:
    // What it works on. All of it outlives this.
    struct Parts {
        PersistentCache& persistent;
        TranslationCache& cache;
        Lifter& lifter;
        const TaggedAccesses& tagged;
        debug::Statistics& statistics;
    };
    struct Options {
        PersistentCache::Tiers tiers = PersistentCache::Tiers::First;
        bool system = false;        // of a whole machine
        bool installs_ahead = true; // more than what is asked for, linked
    };
    StoredTranslations(const Parts& parts, const Options& options)
        : parts_{parts}, options_{options} {}

    // Installs what is stored for `key`, which the translation cache does not have: its host entry.
    // 0: there is none for the code as it is now, or the arena is full. `needed`: how many blocks
    // the process has needed so far; one that needs many gets more ahead.
    [[nodiscard]] u64 find(const TranslationLock& lock, ir::BlockKey key, u32 needed);
    // Keeps what was compiled from what the lifter has just lifted, for the next process.
    void keep(const backend::CompiledBlock& compiled, bool masks_tags);
    // Some were stored of the file that is there, when find() first looked at it.
    [[nodiscard]] bool has_some_at(GuestAddr pc) const {
        return parts_.persistent.has_translations_at(pc);
    }

  private:
    void install_what_followed(const TranslationLock& lock,
                               ir::BlockKey key,
                               u64 first,
                               std::size_t most);
    [[nodiscard]] bool may_follow(ir::BlockKey next, ir::BlockKey key) const;
    [[nodiscard]] PersistentCache::Wanted wanted() const;
    // Of what is in finding_.
    [[nodiscard]] u64 install(const TranslationLock& lock,
                              PersistentCache::Found found,
                              ir::BlockKey key,
                              std::size_t& count);
    [[nodiscard]] u64 install_block(const TranslationLock& lock);
    [[nodiscard]] bool install_bundle(const TranslationLock& lock);

    const Parts parts_;
    const Options options_;
    PersistentCache::Finding finding_;
};

} // namespace ulna::runtime
