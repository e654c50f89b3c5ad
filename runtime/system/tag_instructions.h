// FEAT_MTE2: instructions on allocation tags, which are the machine's.
#pragma once

#include "runtime/system/sysreg_access.h"

namespace ulna::system {

// By encoding, without the memory of SETG*: that is is_set_with_tags().
[[nodiscard]] constexpr bool is_tag_access(u32 word) {
    const bool loads_or_stores = (word & 0xff20'0000) == 0xd920'0000;
    const bool stores_pair = (word & 0xfe40'0000) == 0x6800'0000;
    const bool by_block = (word & 0xffff'ffe0) == 0xd50b'7460 ||
                          (word & 0xffff'ffe0) == 0xd50b'7480; // DC GVA, DC GZVA
    return loads_or_stores || stores_pair || by_block;
}
[[nodiscard]] constexpr bool is_set_with_tags(u32 word) {
    return (word & 0xffe0'0c00) == 0x1dc0'0400;
}

[[nodiscard]] Outcome execute_tag_access(Cpu& cpu, const Instruction& insn);  // LDG, STG, LDGM...
[[nodiscard]] Outcome execute_tagged_pair(Cpu& cpu, const Instruction& insn); // STGP
// Where tags may not be accessed, they are zero.
[[nodiscard]] Outcome execute_add_tag(Cpu& cpu, const Instruction& insn);    // ADDG, SUBG
[[nodiscard]] Outcome execute_insert_tag(Cpu& cpu, const Instruction& insn); // IRG
// As far as it gets at once; then PC is still its own.
[[nodiscard]] Outcome execute_set_with_tags(Cpu& cpu, const Instruction& insn);
// DC GVA, and with zeros DC GZVA.
[[nodiscard]] Outcome tag_block(Cpu& cpu, const Instruction& insn, bool zeroes);

} // namespace ulna::system
