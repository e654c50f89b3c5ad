// Names of guest addresses, from the symbol tables of the files that are mapped there.
#pragma once

#include <string>

#include "ir/support/types.h"

namespace ulna::user {

struct GuestSymbol {
    std::string file; // of the mapping; empty: not from a file
    u64 file_offset = 0;
    std::string name; // empty: unknown
    u64 offset = 0;   // from the symbol's start
};
// Slow: reads files. For crash reports and dumps.
[[nodiscard]] GuestSymbol find_guest_symbol(GuestAddr address);
// The function that an address is in, or the place in its file; empty: unknown. For one thread at a
// time. Each file is read once; where something else is mapped over a file, the names stay the
// first one's.
[[nodiscard]] std::string guest_function_at(GuestAddr address);
// "name+0x10 (/path/libc.so.6+0x1234)", as far as known.
[[nodiscard]] std::string describe_guest_address(GuestAddr address);

} // namespace ulna::user
