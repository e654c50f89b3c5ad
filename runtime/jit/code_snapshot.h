// What a translation has seen of its page of code. Others may write there meanwhile: a stored
// translation must go with the very words that it was made from, not with those that are there when
// it is stored. (What is executed meanwhile is forgotten when they say IC IVAU.)
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "frontend/frontend.h"

namespace ulna::runtime {

class CodeSnapshot final : public frontend::CodeSource {
  public:
    explicit CodeSnapshot(frontend::CodeSource& source) : source_{source} {}

    void start(GuestAddr pc) {
        page_ = page_of_code(pc);
        pieces_.clear();
    }
    // Words of the source from pc on, as they were when they were first taken.
    [[nodiscard]] std::span<const u32> take(GuestAddr pc, std::span<const u32> words) {
        if (words.empty() || page_of_code(pc) != page_) {
            return words; // no block goes there
        }
        Piece taken{index_of(pc), index_of(pc) + words.size()};
        const std::span<const u32> result{words_.data() + taken.first, words.size()};
        for (std::size_t at = taken.first; at < taken.end;) {
            const std::size_t known = end_of_known(at);
            const std::size_t end = known != at ? known : std::min(taken.end, next_known(at));
            if (known == at) {
                std::copy_n(words.begin() + (at - taken.first), end - at, words_.begin() + at);
            }
            at = end;
        }
        std::erase_if(pieces_, [&](const Piece& piece) {
            const bool touches = piece.first <= taken.end && piece.end >= taken.first;
            if (touches) {
                taken = {std::min(taken.first, piece.first), std::max(taken.end, piece.end)};
            }
            return touches;
        });
        pieces_.push_back(taken);
        return result;
    }

    // What was taken from pc on without a gap.
    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override {
        const std::size_t at = index_of(pc);
        return page_of_code(pc) != page_
                   ? std::span<const u32>{}
                   : std::span<const u32>{words_.data() + at, end_of_known(at) - at};
    }
    // What was not taken is as it is now: nothing depends on it.
    [[nodiscard]] bool read(GuestAddr pc, void* to, u64 bytes) override {
        if (const auto taken = std::as_bytes(words(pc)); taken.size() >= bytes) {
            std::memcpy(to, taken.data(), bytes);
            return true;
        }
        if (page_of_code(pc) != page_ || !source_.read(pc, to, bytes)) {
            return false;
        }
        const std::size_t first = index_of(pc), end = first + bytes / sizeof(u32);
        for (const Piece& piece : pieces_) {
            const std::size_t from = std::max(first, piece.first), until = std::min(end, piece.end);
            if (from < until) {
                std::memcpy(static_cast<u8*>(to) + (from - first) * sizeof(u32),
                            words_.data() + from, (until - from) * sizeof(u32));
            }
        }
        return true;
    }
    [[nodiscard]] std::optional<u32> guarded_word(GuestAddr pc) override {
        return source_.guarded_word(pc);
    }

  private:
    // Words that were taken, by their number in the page. Pieces do not touch each other.
    struct Piece {
        std::size_t first, end;
    };
    static constexpr std::size_t kWords = (std::size_t{1} << ir::kCodePageLog2) / sizeof(u32);
    [[nodiscard]] static u64 page_of_code(GuestAddr pc) { return pc >> ir::kCodePageLog2; }
    [[nodiscard]] static std::size_t index_of(GuestAddr pc) { return pc / sizeof(u32) % kWords; }

    // `at` itself when that word was not taken.
    [[nodiscard]] std::size_t end_of_known(std::size_t at) const {
        for (const Piece& piece : pieces_) {
            if (at >= piece.first && at < piece.end) {
                return piece.end;
            }
        }
        return at;
    }
    [[nodiscard]] std::size_t next_known(std::size_t at) const {
        std::size_t next = kWords;
        for (const Piece& piece : pieces_) {
            next = piece.first > at ? std::min(next, piece.first) : next;
        }
        return next;
    }

    frontend::CodeSource& source_;
    u64 page_ = 0;
    std::vector<Piece> pieces_;
    std::array<u32, kWords> words_;
};

} // namespace ulna::runtime
