// Disassembly for people, by Capstone. Never on the path of a run without dumps.
#pragma once

#include <span>
#include <string>

#include "ir/support/types.h"

namespace ulna::runtime::debug {

// One line per instruction: address, bytes, text.
[[nodiscard]] std::string disassemble_guest(std::span<const u32> words, GuestAddr pc);
// Words at scattered addresses: pcs[i] is the address of words[i].
[[nodiscard]] std::string disassemble_guest(std::span<const u32> words,
                                            std::span<const GuestAddr> pcs);
// Host code as if placed at `address`.
[[nodiscard]] std::string disassemble_host(std::span<const u8> code, u64 address);

} // namespace ulna::runtime::debug
