// Single words of a row: what their fields get, and which are of use.
#include <algorithm>

#include "tests/fuzz/generator_words.h"

namespace ulna::fuzz {

namespace {

constexpr u32 system_register(u32 op1, u32 CRn, u32 CRm, u32 op2) {
    return op1 << 11 | CRn << 7 | CRm << 3 | op2;
}
// System registers whose value another machine cannot agree on: op1:CRn:CRm:op2.
constexpr u32 kUncomparable[] = {
    system_register(3, 14, 0, 0), // CNTFRQ_EL0: of the machine
    system_register(3, 14, 0, 2), // CNTVCT_EL0: time
    system_register(3, 14, 0, 6), // CNTVCTSS_EL0: time
    system_register(3, 2, 4, 0),  // RNDR: random
    system_register(3, 2, 4, 1),  // RNDRRS: random
    system_register(3, 4, 2, 5),  // DIT: the peer keeps it from run to run
    system_register(3, 4, 2, 6),  // SSBS: likewise
    system_register(3, 4, 2, 7),  // TCO: likewise
};

// Hints that change registers where FEAT_PAuth exists and are NOPs elsewhere: XPACLRI, PACIA1716...
bool is_pauth_hint(u32 word) {
    const u32 hint = word >> 5 & 127;
    return hint == 7 || hint == 8 || hint == 10 || hint == 12 || hint == 14 ||
           (hint >= 24 && hint <= 31);
}

} // namespace

void Generator::find_system_registers() {
    for (const Row& row : rows_) {
        if (row.name() != "MRS" && row.name() != "MSR_reg") {
            continue;
        }
        auto& registers = row.name() == "MRS" ? readable_ : writable_;
        for (u32 CRn = 0; CRn < 16; ++CRn) {
            for (u32 low = 0; low < 128; ++low) { // CRm:op2
                const u32 id = system_register(3, CRn, low >> 3, low & 7);
                const u32 word = row.info->bits | 1u << 19 | id << 5;
                if (!std::ranges::count(kUncomparable, id) &&
                    !effects_of(word, *options_.cpu).undefined) {
                    registers.push_back(id);
                }
            }
        }
    }
}

u32 Generator::field_value(const Field& field) {
    const u32 largest = (1u << field.width) - 1;
    if (field.ignored) {
        return random_.one_in(4) ? static_cast<u32>(random_.next() >> 20) & largest : largest;
    }
    if (field.name[0] == 'R' && field.width == 5) {
        if (random_.one_in(8)) {
            return 31;
        }
        return sequence_ && !random_.one_in(12) ? random_.below(kFpsrValue) : random_.below(32);
    }
    if (field.width >= 4 && random_.one_in(3)) {
        const u32 edges[] = {0, 1, largest, largest >> 1, (largest >> 1) + 1, largest - 1};
        return pick(random_, edges);
    }
    return static_cast<u32>(random_.next() >> 20) & largest;
}

u32 Generator::random_word(const Row& row) {
    u32 word = row.info->bits;
    u32 previous = 0;
    for (const Field& field : row.fields) {
        const bool reg = field.name[0] == 'R' && field.width == 5;
        const u32 value = reg && random_.one_in(8) ? previous : field_value(field);
        previous = reg ? value : previous;
        word = field.set(word, value);
    }
    if (const Field* offset = row.literal_offset()) {
        if (!random_.one_in(32)) {
            const u32 at = kPoolOffset / 4 + random_.below(kPoolBytes / 4 - 4);
            word = offset->set(word, at - static_cast<u32>(words_.size()));
        }
    } else if (row.is_load_store()) {
        word = memory_word(row, word);
    } else if (row.name() == "MRS" || row.name() == "MSR_reg") {
        word = system_register_word(row, word);
    } else if (row.is_branch_or_system() && row.field("Rt") != nullptr &&
               (row.info->bits >> 19 & 0x1fff) == 0b1101010100001 && row.name() != "SYS") {
        // DC, IC: an address
        const u32 data[] = {kBase0, kBase1, kBase0, kEdge},
                  code[] = {kBase0, kBase1, kTarget, kTarget};
        word = row.field("Rt")->set(word, row.name() == "IC_IVAU" ? pick(random_, code)
                                                                  : pick(random_, data));
    }
    return word;
}

u32 Generator::memory_word(const Row& row, u32 word) {
    const Field* const Rn = row.field("Rn");
    if (Rn == nullptr) {
        return word;
    }
    const u32 bases[] = {kBase0, kBase1, kSp};
    if (!wild_ || !random_.one_in(6)) {
        word = Rn->set(word, random_.one_in(12) ? u32{kEdge} : pick(random_, bases));
    }
    if (const Field* imm12 = row.field("imm12"); imm12 != nullptr && !random_.one_in(24)) {
        word = imm12->set(word, imm12->get(word) & 0xff);
    }
    const Field* const Rm = row.field("Rm");
    if (Rm != nullptr && !Rm->ignored && (!wild_ || !random_.one_in(4))) {
        // Register offset, or the increment of a structure access; 31 there means its size.
        const bool increment = row.field("option") == nullptr;
        word = Rm->set(word, increment && random_.one_in(2) ? 31 : u32{kIndex});
    }
    return word;
}

u32 Generator::system_register_word(const Row& row, u32 word) {
    const bool reads = row.name() == "MRS";
    const auto& registers = reads ? readable_ : writable_;
    const u32 id = registers[random_.below(static_cast<u32>(registers.size()))];
    word = (word & 0x1f) | row.info->bits | 1u << 19 | id << 5;
    // FPCR and FPSR take bits only that every implementation has.
    const bool fpcr = id == system_register(3, 4, 4, 0), fpsr = id == system_register(3, 4, 4, 1);
    if (!reads && (fpcr || fpsr)) {
        const u32 valid = fpcr ? kFpcrValue : kFpsrValue;
        word = (word & ~0x1fu) | (random_.one_in(4) ? 31 : valid);
    }
    return word;
}

// True for words of the row that the modelled CPU executes, whose effects the architecture defines,
// and that keep the registers with a role.
bool Generator::usable(const Row& row, u32 word) {
    const char* const name = frontend::encoding_name(word, options_.cpu->features);
    if (name == nullptr || row.name() != name || (row.name() == "HINT" && is_pauth_hint(word))) {
        return false;
    }
    // A literal may reach the first window, where the peer finds what another run has written.
    constexpr u32 kReach = MACHINE_DATA - MACHINE_CODE - kPrograms * kCodeBytes;
    constexpr u32 kSign = 1 << 18;
    const u32 literal = word >> 5 & (2 * kSign - 1);
    if (row.name().find("_lit") != std::string_view::npos && literal < kSign &&
        literal * 4 >= kReach) {
        return false;
    }
    const Effects effects = effects_of(word, *options_.cpu);
    if (effects.undefined && row.name() != "UDF") {
        return false;
    }
    u32 writes = static_cast<u32>(effects.writes.to_ulong());
    if (row.is_load_store()) {
        const auto reg = [&](const char* field_name) -> u32 {
            const Field* const field = row.field(field_name);
            return field == nullptr || field->ignored ? 99 : field->get(word);
        };
        const u32 Rn = reg("Rn"), Rt = reg("Rt"), Rt2 = reg("Rt2"), Rs = reg("Rs");
        const bool vector = (word >> 26 & 1) != 0;
        const bool writeback = Rn < 32 && (writes >> Rn & 1) != 0;
        const bool signed_pre = row.name() == "LDRA" && (word >> 11 & 1) != 0; // W
        if (!vector && (signed_pre || row.name().find("_post") != std::string_view::npos ||
                        row.name().find("_pre") != std::string_view::npos)) {
            if (Rn != 31 && (Rt == Rn || Rt2 == Rn)) {
                return false; // CONSTRAINED UNPREDICTABLE
            }
        }
        const bool load = (word >> 22 & 1) != 0;
        if (load && Rt2 < 32 && Rt == Rt2) {
            return false; // likewise: a pair into one register
        }
        if (row.is_store_exclusive() && (Rs == Rt || Rs == Rt2 || (Rs == Rn && Rn != 31))) {
            return false; // likewise
        }
        const bool pointer = Rn == kEdge || Rn == kBase0 || Rn == kBase1 || Rn == kSp;
        if (writeback && pointer && (vector || (Rt != Rn && Rt2 != Rn && Rs != Rn))) {
            writes &= ~(1u << Rn);
        }
    }
    if (!sequence_) {
        return true;
    }
    if (row.branch_offset() != nullptr) {
        writes &= ~(1u << kLink); // BL
    }
    return (writes & kRoles) == 0 && (row.is_branch_or_system() || !effects.leaves);
}

} // namespace ulna::fuzz
