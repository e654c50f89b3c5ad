// Does a row of insn.def name the instruction that LLVM sees in its words?
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ulna::decode {

// The mnemonics that a row's text stands for, in lower case: "FCVTN{S,U} (vector)" is fcvtns and
// fcvtnu, "FCMP{E}" fcmp and fcmpe, "LDRSB/LDRSH (register)" ldrsb and ldrsh, "LDn/STn" ld1 to st4.
[[nodiscard]] std::vector<std::string> mnemonics(std::string_view row_text);

// Ordering and size of atomics and 2 for upper halves are fields of a row, and suffixes to LLVM:
// LDADD is ldadd, ldaddal, ldaddalb...
[[nodiscard]] bool same_mnemonic(std::string_view row_text, std::string_view llvm);

} // namespace ulna::decode
