#include "backend/llvm/page_guard.h"

#include <algorithm>
#include <cstring>

#include <xbyak/xbyak.h>

#include "ir/support/check.h"

namespace ulna::backend::tier2 {

namespace {

// Of each of a guard's two comparisons: mov rax, imm64; cmp [r15 + disp32], rax; jne disp32
constexpr u32 kComparisonBytes = 10 + 7 + 6;

class GuardWriter : public Xbyak::CodeGenerator {
  public:
    void compare(std::size_t offset, u64 expected) {
        db(0x48); // mov rax, whatever its size
        db(0xb8);
        dq(expected);
        db(0x49);
        db(0x39);
        db(0x87);
        dd(static_cast<u32>(static_cast<int>(offset) - ir::kStateBias));
        db(0x0f); // jne
        db(0x85);
        dd(0);
    }
};

} // namespace

std::vector<CodePlace> other_pages(const Region& region) {
    std::vector<CodePlace> pages;
    for (const ir::Block* block : region.blocks) {
        const CodePlace place = place_of(block->key);
        if (block->key.mode.system() && place != place_of(region.blocks[0]->key) &&
            std::find(pages.begin(), pages.end(), place) == pages.end()) {
            pages.push_back(place);
        }
    }
    return pages;
}

void append_page_guards(bool privileged, std::span<const CodePlace> pages, std::vector<u8>& code) {
    GuardWriter writer;
    for (const CodePlace& place : pages) {
        const std::size_t entry = CodePlaces::offset_of(privileged, place.page);
        writer.compare(entry + offsetof(CodePlace, page), CodePlaces::tag_of(place.page));
        writer.compare(entry + offsetof(CodePlace, number), place.number);
    }
    CHECK(writer.getSize() == 2 * kComparisonBytes * pages.size());
    code.insert(code.end(), writer.getCode(), writer.getCode() + writer.getSize());
}

void connect_page_guards(std::size_t pages, u32 offset, u32 exit, std::vector<u8>& code) {
    for (std::size_t i = 0; i < 2 * pages; ++i) {
        offset += kComparisonBytes;
        const u32 distance = exit - offset;
        std::memcpy(code.data() + offset - sizeof distance, &distance, sizeof distance);
    }
}

} // namespace ulna::backend::tier2
