// What a translation has seen of its page of code. A machine's other CPUs may write there
// meanwhile: a stored translation must go with the very words that it was made from, not with those
// that are there when it is stored. (What is executed meanwhile is forgotten when they say IC
// IVAU.)
#pragma once

#include <algorithm>
#include <array>

#include "frontend/frontend.h"

namespace ulna::runtime {

class CodeSnapshot final : public frontend::CodeSource {
  public:
    explicit CodeSnapshot(frontend::CodeSource& source) : source_{source} {}

    void start(GuestAddr pc) {
        page_ = page_of_code(pc);
        first_ = end_ = kWords;
    }
    // Words of the source from pc on, as they were when they were first taken.
    [[nodiscard]] std::span<const u32> take(GuestAddr pc, std::span<const u32> words) {
        const std::size_t at = index_of(pc), end = at + words.size();
        const bool apart = first_ != kWords && (end < first_ || at >= end_);
        if (words.empty() || page_of_code(pc) != page_ || apart) {
            return words; // no block goes there, or a breakpoint lies between
        }
        if (at < first_) {
            std::copy_n(words.begin(), std::min(end, first_) - at, words_.begin() + at);
            end_ = first_ == kWords ? end : end_;
            first_ = at;
        }
        return {words_.data() + at, end_ - at};
    }

    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override {
        const std::size_t at = index_of(pc);
        const bool known = page_of_code(pc) == page_ && at >= first_ && at < end_;
        return known ? std::span<const u32>{words_.data() + at, end_ - at} : std::span<const u32>{};
    }
    [[nodiscard]] std::optional<u32> guarded_word(GuestAddr pc) override {
        return source_.guarded_word(pc);
    }

  private:
    static constexpr std::size_t kWords = (std::size_t{1} << ir::kCodePageLog2) / sizeof(u32);
    [[nodiscard]] static u64 page_of_code(GuestAddr pc) { return pc >> ir::kCodePageLog2; }
    [[nodiscard]] static std::size_t index_of(GuestAddr pc) { return pc / sizeof(u32) % kWords; }

    frontend::CodeSource& source_;
    u64 page_ = 0;
    std::size_t first_ = kWords, end_ = kWords; // of words_, those that were taken
    std::array<u32, kWords> words_;
};

} // namespace ulna::runtime
