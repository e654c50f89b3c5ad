// Guest code -> optimised IR, with the dumps and the bookkeeping that both engines need. One per
// engine, used under its translation lock.
#pragma once

#include "frontend/frontend.h"
#include "ir/block.h"
#include "runtime/debug/statistics.h"
#include "runtime/jit/code_snapshot.h"
#include "runtime/jit/page_index.h"
#include "runtime/jit/translation_cache.h"

namespace ulna::runtime {

struct EngineConfig;

class Lifter {
  public:
    Lifter(const EngineConfig& config, PageFilter& filter, debug::Statistics& statistics);

    // False: the first instruction cannot be fetched.
    [[nodiscard]] bool lift(ir::BlockKey key);

    [[nodiscard]] const ir::Block& block() const { return block_; }
    // The guest bytes that the block was made from.
    [[nodiscard]] const GuestExtent& extent() const { return extent_; }
    // Guest code that a block depends on; what is read is marked in the filter first.
    [[nodiscard]] frontend::CodeSource& source_for(ir::BlockKey key) {
        source_.start(key);
        return source_;
    }
    // Guest code as lift() saw it last, if it is to be kept (EngineConfig::persistent).
    [[nodiscard]] frontend::CodeSource& seen_code() { return snapshot_; }

  private:
    // Marks pages before their code is read.
    class TrackingSource final : public frontend::CodeSource {
      public:
        TrackingSource(frontend::CodeSource& source, PageFilter& filter)
            : source_{source}, filter_{filter} {}
        // Words are taken from here on as this keeps them; null: as they are.
        void use_snapshot(CodeSnapshot* snapshot) { snapshot_ = snapshot; }
        [[nodiscard]] std::span<const u32> words(GuestAddr pc) override;
        [[nodiscard]] bool read(GuestAddr pc, void* to, u64 bytes) override {
            filter_.mark(key_.location_of(pc));
            return source_.read(pc, to, bytes);
        }
        [[nodiscard]] std::optional<u32> guarded_word(GuestAddr pc) override {
            return source_.guarded_word(pc);
        }
        void start(ir::BlockKey key) { key_ = key, first_ = true, failed_ = false; }
        [[nodiscard]] bool failed() const { return failed_; }

      private:
        frontend::CodeSource& source_;
        PageFilter& filter_;
        CodeSnapshot* snapshot_ = nullptr;
        ir::BlockKey key_; // of the block that the words are for: they are in its page
        bool first_ = true, failed_ = false;
    };

    void add_look_ahead();
    void dump_guest() const;
    void dump_ir(const char* title) const;

    const frontend::TranslateOptions options_;
    const bool passes_;
    debug::Statistics& statistics_;
    GuestExtent extent_;
    const bool takes_snapshots_; // of code that is to be kept
    CodeSnapshot snapshot_;
    TrackingSource source_;
    ir::Block block_;
};

} // namespace ulna::runtime
