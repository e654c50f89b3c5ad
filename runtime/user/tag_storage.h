// The allocation tags of the process (ir/memory_tags.h), and which pages have some: those with
// PROT_MTE. Nothing is there before the first such mapping. AddressSpace says what changes; its
// lock is held.
#pragma once

#include "ir/memory_tags.h"

namespace ulna::user {

// Reserves the tables when there are none; false: the host gives no room.
[[nodiscard]] bool reserve_tags();
// Null pointers before that.
[[nodiscard]] const ir::TagMemory& tag_memory();

// Whole pages. From now on they have tags, those that are new 0; or none.
void give_tags(GuestAddr start, GuestAddr end);
void take_tags(GuestAddr start, GuestAddr end);
// All tags become 0.
void clear_tags(GuestAddr start, GuestAddr end);
// Pages that both have tags, and do not overlap.
void copy_tags(GuestAddr from, GuestAddr to, u64 bytes);

} // namespace ulna::user
