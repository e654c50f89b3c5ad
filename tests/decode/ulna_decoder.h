// What our decoder and handlers make of a word: an instruction, or UNDEFINED.
#pragma once

#include "frontend/a64/decoder.h"
#include "frontend/frontend.h"

namespace ulna::decode {

// One per thread. It lifts each word that has a row as a block of its own, since legality is the
// handlers' to say.
class UlnaDecoder : frontend::CodeSource {
  public:
    explicit UlnaDecoder(const frontend::CpuModel& cpu) {
        options_.cpu = &cpu;
        options_.max_instructions = 1;
        options_.follow_branches = false;
    }
    [[nodiscard]] const frontend::Encoding* row(u32 word) const {
        return frontend::decode(word, options_.cpu->features);
    }
    [[nodiscard]] bool accepts(u32 word) {
        word_ = word;
        frontend::translate(key_, *this, options_, block_);
        const auto* exit = std::get_if<ir::ExitTo>(&block_.exit);
        return exit == nullptr || exit->reason != ir::ExitReason::Undefined;
    }

  private:
    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override {
        return pc == key_.pc ? std::span<const u32>{&word_, 1} : std::span<const u32>{};
    }

    u32 word_ = 0;
    ir::BlockKey key_{.pc = 0x1000};
    ir::Block block_;
    frontend::TranslateOptions options_;
};

} // namespace ulna::decode
