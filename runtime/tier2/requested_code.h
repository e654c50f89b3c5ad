// Guest code as a request to tier 2 has it, whatever has been written there since.
#pragma once

#include <optional>
#include <span>

#include "frontend/frontend.h"
#include "runtime/tier2/messages.h"

namespace ulna::runtime {

class RequestedCode final : public frontend::CodeSource {
  public:
    // The pages outlive this.
    explicit RequestedCode(std::span<const CodePage> pages) : pages_{pages} {}

    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override {
        const CodePage* const page = requested_page(pc);
        if (page == nullptr) {
            return {};
        }
        const std::size_t offset = pc - page->address;
        return {reinterpret_cast<const u32*>(page->bytes + offset),
                (CodePage::kBytes - offset) / sizeof(u32)};
    }
    [[nodiscard]] std::optional<u32> guarded_word(GuestAddr pc) override {
        const CodePage* const page = requested_page(pc);
        return page != nullptr && page->guarded ? std::optional{words(pc)[0]} : std::nullopt;
    }

    [[nodiscard]] std::optional<u64> page_of(GuestAddr pc) override {
        const CodePage* const page = requested_page(pc);
        return page != nullptr ? std::optional{page->number} : std::nullopt;
    }

  private:
    [[nodiscard]] const CodePage* requested_page(GuestAddr pc) const {
        for (const CodePage& page : pages_) {
            if (pc - page.address < CodePage::kBytes && pc % sizeof(u32) == 0) {
                return &page;
            }
        }
        return nullptr;
    }

    std::span<const CodePage> pages_;
};

} // namespace ulna::runtime
