// With which a region in several pages begins: where one of them is not known to be where it was
// (code_places.h), the region is left before anything is done. Nothing but the region's own code
// goes on inside of it, and its host frames go when pages of code may have moved, so this is the
// only place that has to look.
#pragma once

#include <vector>

#include "backend/llvm/tier2.h"

namespace ulna::backend::tier2 {

// The pages of a machine's blocks but the first one's.
[[nodiscard]] std::vector<CodePlace> other_pages(const Region& region);

// Appends the instructions, which need RAX; where they leave is filled in later.
void append_page_guards(bool privileged, std::span<const CodePlace> pages, std::vector<u8>& code);
// Makes guards at `offset` of the code leave by what is at `exit`.
void connect_page_guards(std::size_t pages, u32 offset, u32 exit, std::vector<u8>& code);

} // namespace ulna::backend::tier2
