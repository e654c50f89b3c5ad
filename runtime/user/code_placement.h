// Which mappings are of files with code, and where such files are best mapped: the persistent
// cache's translations fit one address of a file, and host code that names addresses below 2 GiB is
// shorter.
#pragma once

#include <optional>

#include "ir/support/types.h"

namespace ulna::user {

// What a mapping, made anywhere, is about to hold: the identity of the file (persistent_cache.h).
// For a reservation without a file (ld.so's way to align a library) it is the file that was opened
// last, if it needs just so many bytes.
[[nodiscard]] std::optional<u64>
code_identity_of_mapping(u64 bytes, int protection, int flags, int fd, u64 offset);

// A descriptor that the guest has just opened.
void note_opened_file(i64 descriptor);

// Where to map a file, a multiple of 64 KiB; `attempt` counts from 0; `end` is the address space's.
// The same in each process that has the same persistent cache.
[[nodiscard]] GuestAddr usual_place(u64 identity, unsigned attempt, GuestAddr end);
inline constexpr unsigned kPlacesToTry = 6;

// A mapping that was just made replaces what the persistent cache knew of the range.
void note_code_image(GuestAddr start, u64 bytes, int protection, int flags, int fd, u64 offset);
void forget_code_images(GuestAddr start, u64 bytes);

} // namespace ulna::user
