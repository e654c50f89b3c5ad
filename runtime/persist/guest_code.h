// The guest's code as a stored translation sees it: what it was made from, and whether that is what
// memory holds now.
#pragma once

#include "frontend/frontend.h"
#include "runtime/persist/bundle.h"

namespace ulna::runtime {

// Appends the bytes of a range, which is cut at the end of its page first: behind that no
// translation reads. False: they cannot be read, or are more than a translation's.
[[nodiscard]] bool
read_guest_code(frontend::CodeSource& source, GuestRange& range, std::vector<u8>& out);

[[nodiscard]] bool is_guarded(ir::BlockMode mode, GuestAddr pc, frontend::CodeSource& source);

// Made from the very bytes that the guest's memory holds now, `by` further on? `now` is scratch.
[[nodiscard]] bool
is_same_code(const StoredBlock& block, u64 by, frontend::CodeSource& source, std::vector<u8>& now);
[[nodiscard]] bool
is_same_code(const StoredBundle& bundle, frontend::CodeSource& source, std::vector<u8>& now);

// Where a machine's translation is found: its first words, their place in the page, and the mode.
// Not 0.
[[nodiscard]] u64 tag_of_code(ir::BlockKey key, frontend::CodeSource& source);

// Whether a block that was made for `stored` could be one for `key`: a machine's can at the same
// place of any page.
[[nodiscard]] bool stands_for(const ir::BlockKey& stored, const ir::BlockKey& key);

} // namespace ulna::runtime
