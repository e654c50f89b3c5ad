// Rows of insn.def as the generator needs them: their fields, and what a word of them does, which
// is read off its IR. So a new row needs nothing here.
#pragma once

#include <bitset>
#include <string_view>
#include <vector>

#include "frontend/frontend.h"

namespace ulna::fuzz {

struct Field {
    std::string_view name; // without a leading underscore
    unsigned lsb, width;
    bool ignored; // had a leading underscore

    [[nodiscard]] u32 get(u32 word) const { return word >> lsb & ((1u << width) - 1); }
    [[nodiscard]] u32 set(u32 word, u32 value) const {
        const u32 mask = ((1u << width) - 1) << lsb;
        return (word & ~mask) | (value << lsb & mask);
    }
};

struct Row {
    const frontend::EncodingInfo* info;
    unsigned index; // into encodings()
    std::vector<Field> fields;

    [[nodiscard]] std::string_view name() const { return info->name; }
    [[nodiscard]] const Field* field(std::string_view name) const;
    // By the manual's groups (DDI 0487 C4.1).
    [[nodiscard]] bool is_load_store() const { return (info->bits & 0x0a000000) == 0x08000000; }
    [[nodiscard]] bool is_branch_or_system() const {
        return (info->bits & 0x1c000000) == 0x14000000;
    }
    // A PC-relative field of a branch or a literal load.
    [[nodiscard]] const Field* branch_offset() const;
    [[nodiscard]] const Field* literal_offset() const;
    [[nodiscard]] bool is_exclusive() const { // LDXR, STXR, LDXP, STXP and their ordered forms
        return (info->bits & 0x3f800000) == 0x08000000 && (info->mask & 0x3f800000) == 0x3f800000;
    }
    [[nodiscard]] bool is_copy_or_set() const { return info->feature == frontend::Feature::MOPS; }
    [[nodiscard]] bool is_store_exclusive() const {
        return is_exclusive() && !(info->bits >> 22 & 1);
    }
};

// All rows that the model executes.
[[nodiscard]] std::vector<Row> rows_of(const frontend::CpuModel& cpu);

// What one word does.
struct Effects {
    bool undefined = false;
    bool memory = false;    // accesses memory, or could fault
    bool floating = false;  // FP arithmetic or saturation: FPCR or FPSR may matter
    bool leaves = false;    // does not simply go on with the next word
    std::bitset<32> writes; // X0..X30, SP (31)
};
[[nodiscard]] Effects effects_of(u32 word, const frontend::CpuModel& cpu);

} // namespace ulna::fuzz
