#include "tests/fuzz/generator.h"

#include <algorithm>
#include <utility>

namespace ulna::fuzz {

namespace {

enum : unsigned {
    kFpsrValue = 19,
    kCounter0 = 21,
    kSavedLink = 22,
    kTarget = 23,
    kCounter1 = 24,
    kEdge = 25,
    kIndex = 26,
    kBase0 = 27,
    kBase1 = 28,
    kLink = 30,
    kSp = 31,
};
constexpr u32 kRoles = 1u << kFpsrValue | 1u << kFpcrValue | 1u << kCounter0 | 1u << kSavedLink |
                       1u << kTarget | 1u << kCounter1 | 1u << kEdge | 1u << kIndex | 1u << kBase0 |
                       1u << kBase1 | 1u << kLink | 1u << kSp;

// Words that programs are put together with (DDI 0487 C6.2).
constexpr u32 kClrex = 0xd503305f;
constexpr u32 branch_word() { return 0x14000000; }
constexpr u32 sub_one(unsigned r, bool flags) {
    return (flags ? 0xf1000000 : 0xd1000000) | 1u << 10 | r << 5 | r;
}
constexpr u32 b_pl() { return 0x54000005; }
constexpr u32 tbz_sign(unsigned r, bool set) { return (set ? 0xb7f80000 : 0xb6f80000) | r; }
constexpr u32 cbz(unsigned r) { return 0xb4000000 | r; }
constexpr u32 adr(unsigned r) { return 0x10000000 | r; }
constexpr u32 adrp(unsigned r) { return 0x90000000 | r; }
constexpr u32 add_immediate(unsigned d, unsigned n) { return 0x91000000 | n << 5 | d; }
constexpr u32 add_immediate(unsigned d, unsigned n, u32 imm12) {
    return add_immediate(d, n) | imm12 << 10;
}
constexpr u32 movz(unsigned d, u32 imm16) { return 0xd2800000 | imm16 << 5 | d; }
constexpr u32 move(unsigned d, unsigned m) { return 0xaa0003e0 | m << 16 | d; }
constexpr u32 ret(unsigned n) { return 0xd65f0000 | n << 5; }

// FEAT_PAuth: signs Xd with the instruction key A or B, or data key A or B (2, 3), and modifier
// zero or Xn|SP.
constexpr u32 sign_zero(unsigned key, unsigned d) { return 0xdac123e0 | key << 10 | d; }
constexpr u32 sign(unsigned key, unsigned d, unsigned n) {
    return 0xdac10000 | key << 10 | n << 5 | d;
}

constexpr u32 ror(unsigned d, u32 n) { return 0x93c00000 | d << 16 | n << 10 | d << 5 | d; }
constexpr u32 bfi_bit(unsigned d, u32 to) { // bit 0 to bit `to`
    return 0xb3400000 | (64 - to) << 16 | d << 5 | d;
}

constexpr Field kImm26{"imm26", 0, 26, false}, kImm19{"imm19", 5, 19, false},
    kImm14{"imm14", 5, 14, false};
// Not a distance but the label's offset in its page: the ADD after an ADRP.
constexpr Field kPageOffset{"lo12", 10, 12, false};

// System registers whose value another machine cannot agree on: op1:CRn:CRm:op2.
constexpr u32 system_register(u32 op1, u32 CRn, u32 CRm, u32 op2) {
    return op1 << 11 | CRn << 7 | CRm << 3 | op2;
}
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

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::ranges::any_of(names, [&](const std::string& n) { return n == name; });
}

} // namespace

Generator::Generator(std::uint64_t seed, GeneratorOptions options)
    : random_{seed}, options_{std::move(options)}, rows_{rows_of(*options_.cpu)} {
    for (const Row& row : rows_) {
        const bool wanted = options_.exact_filter
                                ? row.name() == options_.filter
                                : row.name().find(options_.filter) != std::string_view::npos;
        if (!wanted || contains(options_.excluded, row.name())) {
            continue;
        }
        chosen_.push_back(&row);
        if (row.is_branch_or_system()) {
            (row.branch_offset() != nullptr || (row.info->bits & 0xfe000000) == 0xd6000000
                 ? branch_rows_
                 : system_rows_)
                .push_back(&row);
        } else if (row.is_exclusive()) {
            exclusive_rows_.push_back(&row);
        }
    }
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
    has_fp16_ = (options_.cpu->id_aa64pfr0_el1 >> 16 & 15) == 1;
    has_afp_ = options_.cpu->features.has(frontend::Feature::AFP);
}

const Row* Generator::row_named(std::string_view name) const {
    const auto found = std::ranges::find_if(rows_, [&](const Row& r) { return r.name() == name; });
    return found == rows_.end() ? nullptr : &*found;
}

// --- Words

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

// --- Parts of programs

bool Generator::emit_plain(const Row& row) {
    for (unsigned tries = 0; tries < 300; ++tries) {
        const u32 word = random_word(row);
        if (usable(row, word)) {
            push(word);
            return true;
        }
    }
    return false;
}

void Generator::plain() {
    for (unsigned tries = 0; tries < 20; ++tries) {
        const Row& row = *chosen_[random_.below(static_cast<u32>(chosen_.size()))];
        const bool system = row.is_branch_or_system();
        if ((!system || is_harmless(row)) && !row.is_exclusive() && !row.is_copy_or_set() &&
            row.name() != "UDF" && !row.name().starts_with("PAC_") && emit_plain(row)) {
            return;
        }
    }
    push(MACHINE_NOP);
}

bool Generator::is_harmless(const Row& row) const {
    const auto name = row.name();
    return std::ranges::count(system_rows_, &row) != 0 && name != "SVC" && name != "BRK";
}

void Generator::branch_to(u32 word, const Field& field, std::size_t label) {
    fixups_.push_back({words_.size(), field, label});
    push(word);
}

void Generator::branch(const Row& row) {
    const Field& offset = *row.branch_offset();
    const u32 word = random_word(row);
    if (!usable(row, word)) {
        return;
    }
    if (row.name() == "BL" && function_count_ != 0 && !random_.one_in(4)) {
        function_fixups_.push_back({words_.size(), offset, random_.below(function_count_)});
        push(word);
        return;
    }
    branch_to(word, offset, starts_.size() + random_.below(4));
}

// BR, BLR and RET to a place that is known.
void Generator::register_branch(const Row& row) {
    const bool call = row.name() == "BLR" && function_count_ != 0;
    const std::size_t label =
        call ? random_.below(function_count_) : starts_.size() + random_.below(4);
    auto& fixups = call ? function_fixups_ : fixups_;
    if (random_.one_in(3)) {
        push(adrp(kTarget));
        fixups.push_back({words_.size(), kPageOffset, label});
        push(add_immediate(kTarget, kTarget));
    } else {
        fixups.push_back({words_.size(), kImm19, label}); // immhi, in words
        push(adr(kTarget));
    }
    push(row.field("Rn")->set(row.info->bits, kTarget));
}

// BRAA and its kin, to a signed address.
void Generator::authenticated_branch(const Row& row) {
    const u32 word = random_word(row);
    const unsigned key = row.field("M")->get(word);
    const bool is_return = row.field("Rn") == nullptr; // RETAA: X30, SP
    const unsigned target = is_return ? u32{kLink} : u32{kTarget};
    fixups_.push_back({words_.size(), kImm19, starts_.size() + random_.below(4)});
    push(adr(target));
    if (const Field* modifier = row.field("Rm")) {
        push(sign(key, target, modifier->get(word)));
    } else {
        push(is_return ? sign(key, target, kSp) : sign_zero(key, target));
    }
    push(is_return ? word : row.field("Rn")->set(word, target));
}

// Signs a pointer whose bits 63 and 55 are equal: of others the peer signs another one. The manual
// (AddPAC, PtrHasUpperAndLowerAddRanges) extends from bit 55 when either half has TBI, the peer
// only when the pointer's own has.
void Generator::sign_pointer(const Row& row) {
    const Field* const Rd = row.field("Rd");
    const u32 word = random_word(row);
    if (!usable(row, word)) {
        plain();
        return;
    }
    const unsigned pointer = Rd != nullptr            ? Rd->get(word)
                             : row.name() == "PAC_LR" ? unsigned{kLink}
                                                      : 17;
    if (pointer != 31) {
        push(ror(pointer, 55));
        push(bfi_bit(pointer, 63 - 55));
        push(ror(pointer, 64 - 55));
    }
    push(word);
}

// LDRAA and LDRAB, mostly from a signed address.
void Generator::authenticated_load(const Row& row) {
    const u32 word = random_word(row);
    if (random_.one_in(6)) {
        emit_plain(row);
        return;
    }
    push(move(kTarget, kBase0));
    push(sign_zero(2 + row.field("M")->get(word), kTarget));
    const Field &Rn = *row.field("Rn"), &Rt = *row.field("Rt");
    push(Rt.set(Rn.set(word, kTarget), random_.below(kFpsrValue)));
}

// A load-exclusive, up to two harmless instructions, the store-exclusive that goes with it.
void Generator::exclusive_pair(const Row& row) {
    const auto partner = [&](bool store) -> const Row& {
        std::vector<const Row*> fitting;
        for (const Row& other : rows_) {
            if (other.is_exclusive() && other.is_store_exclusive() == store &&
                (other.info->bits >> 21 & 1) == (row.info->bits >> 21 & 1)) {
                fitting.push_back(&other);
            }
        }
        return *fitting[random_.below(static_cast<u32>(fitting.size()))];
    };
    const Row& load = row.is_store_exclusive() ? partner(false) : row;
    const Row& store = row.is_store_exclusive() ? row : partner(true);
    const std::size_t start = words_.size();
    if (row.is_store_exclusive() && random_.one_in(10)) { // fails: nothing is armed
        push(kClrex);
        if (!emit_plain(row)) {
            words_.resize(start);
        }
        return;
    }
    const bool was_sequence = std::exchange(sequence_, true); // the base must survive
    if (emit_plain(load)) {
        const u32 armed = words_.back();
        const u32 kept = 0xc0000000 | 0x1fu << 5; // size, Rn
        const bool rereads_base =
            (effects_of(armed, *options_.cpu).writes >> (armed >> 5 & 31)).test(0);
        for (unsigned n = random_.below(3); n != 0; --n) {
            if (const Row* arithmetic = row_named("ADD_imm")) {
                emit_plain(*arithmetic);
            }
        }
        if (random_.one_in(12)) {
            push(kClrex);
        }
        bool done = false;
        for (unsigned tries = 0; tries < 100 && !done && !rereads_base; ++tries) {
            const u32 word = (random_word(store) & ~kept) | (armed & kept);
            done = usable(store, word);
            if (done) {
                push(word);
            }
        }
        if (!done || clobbered(start, armed >> 5 & 31)) {
            words_.resize(start);
        }
    }
    sequence_ = was_sequence;
}

// Prologue, main and epilogue, of operands that mostly lie in the window. Forward-only copies do
// not run into their own source: what comes of that depends on the implementation's steps.
void Generator::copy_or_set(const Row& row) {
    const std::string stem{row.name().substr(0, row.name().size() - 1)};
    const bool with_tags = stem == "SETG", sets = stem == "SET" || with_tags,
               forward_only = stem == "CPYF";
    unsigned reg[3]; // Xd, Xs, Xn: different ones
    do {
        for (unsigned& r : reg) {
            r = random_.below(kFpsrValue);
        }
    } while (reg[0] == reg[1] || reg[0] == reg[2] || reg[1] == reg[2]);
    u32 size = random_.one_in(12)  ? random_.below(6000)
               : random_.one_in(3) ? random_.below(600)
                                   : random_.below(80);
    const u32 bases[] = {kBase0, kBase0, kBase1, kSp};
    const auto any_base = [&] { return random_.one_in(8) ? u32{kEdge} : pick(random_, bases); };
    const u32 base = any_base();
    u32 to = random_.one_in(4) ? random_.below(3000) : random_.below(128);
    u32 from = random_.one_in(4) ? random_.below(3000) : random_.below(128);
    if (forward_only && to > from && to < from + size) {
        std::swap(to, from);
    }
    if (with_tags && !random_.one_in(8)) { // multiples of a granule, or an alignment fault
        to &= ~15u;
        size &= ~15u;
    }
    push(add_immediate(reg[0], base, to));
    if (!sets) {
        push(add_immediate(reg[1], forward_only || random_.one_in(2) ? base : any_base(), from));
    } else if (random_.one_in(8)) {
        reg[1] = 31;
    }
    push(movz(reg[2], size));
    const u32 options = random_.below(sets ? 4 : 16) << 12;
    for (const char stage : {'P', 'M', 'E'}) {
        const u32 word = row_named(stem + stage)->info->bits;
        push(word | options | reg[1] << 16 | reg[2] << 5 | reg[0]);
    }
}

bool Generator::clobbered(std::size_t start, unsigned reg) const {
    for (std::size_t i = start; i + 1 < words_.size(); ++i) {
        if (effects_of(words_[i], *options_.cpu).writes.test(reg)) {
            return true;
        }
    }
    return false;
}

// Goes back to an earlier element while a counter lasts. All loops share two counters, so that the
// number of times around is bounded however they nest.
void Generator::loop_end() {
    const std::size_t label =
        main_start_ + random_.below(static_cast<u32>(starts_.size() - main_start_));
    switch (random_.below(4)) {
    case 0:
        push(sub_one(kCounter1, true));
        branch_to(b_pl(), kImm19, label);
        break;
    case 1:
        push(sub_one(kCounter1, false));
        branch_to(tbz_sign(kCounter1, false), kImm14, label);
        break;
    case 2:
        push(sub_one(kCounter1, false));
        branch_to(tbz_sign(kCounter1, true), kImm14, starts_.size());
        branch_to(branch_word(), kImm26, label);
        break;
    default:
        branch_to(cbz(kCounter0), kImm19, starts_.size());
        push(sub_one(kCounter0, false));
        branch_to(branch_word(), kImm26, label);
        break;
    }
}

// Functions that main code may call; the second may call the first.
void Generator::functions() {
    for (unsigned f = 0; f < function_count_; ++f) {
        function_starts_.push_back(words_.size());
        const bool nested = f != 0 && random_.one_in(2);
        if (nested) {
            push(move(kSavedLink, kLink));
            function_fixups_.push_back({words_.size(), kImm26, 0});
            push(0x94000000); // BL
        }
        for (unsigned n = 1 + random_.below(3); n != 0; --n) {
            plain();
        }
        push(ret(nested ? kSavedLink : kLink));
    }
}

void Generator::element() {
    starts_.push_back(words_.size());
    if (sequence_ && fits(8) && random_.one_in(10) && options_.filter.empty()) {
        loop_end();
        return;
    }
    const auto from = [&](const std::vector<const Row*>& rows) -> const Row& {
        return *rows[random_.below(static_cast<u32>(rows.size()))];
    };
    const u32 kind = sequence_ ? random_.below(20) : 19;
    const Row& row = kind < 3 && !branch_rows_.empty()       ? from(branch_rows_)
                     : kind == 3 && !exclusive_rows_.empty() ? from(exclusive_rows_)
                     : kind == 4 && !system_rows_.empty()    ? from(system_rows_)
                                                             : from(chosen_);
    emit_row(row);
}

void Generator::emit_row(const Row& row) {
    const auto name = row.name();
    const bool needs_room = row.is_exclusive() || row.is_branch_or_system() || row.is_copy_or_set();
    if (needs_room && !fits(6) && sequence_) {
        plain();
    } else if (row.branch_offset() != nullptr) {
        branch(row);
    } else if (name == "BR" || name == "BLR" || name == "RET") {
        register_branch(row);
    } else if (row.info->feature == frontend::Feature::PAuth && row.field("M") != nullptr) {
        row.is_load_store() ? authenticated_load(row) : authenticated_branch(row);
    } else if (row.name().starts_with("PAC_")) {
        fits(4) ? sign_pointer(row) : plain();
    } else if (row.is_exclusive()) {
        exclusive_pair(row);
    } else if (row.is_copy_or_set()) {
        copy_or_set(row);
    } else if (name == "SVC" ||
               ((name == "UDF" || name == "BRK") && sequence_ && !random_.one_in(24))) {
        plain();
    } else if (!emit_plain(row)) {
        plain();
    }
}

MachineProgram Generator::program(bool wild) {
    wild_ = wild;
    u32 length = options_.length;
    if (length == 0) {
        const u32 kind = random_.below(20);
        length = kind < 7    ? 1
                 : kind < 12 ? 2 + random_.below(8)
                             : 10 + random_.below(kMaxWords - 12);
    }
    words_.clear();
    starts_.clear();
    fixups_.clear();
    function_fixups_.clear();
    function_starts_.clear();
    budget_ = std::min<std::size_t>(length, kMaxWords - 2);
    sequence_ = length > 1;
    main_start_ = 0;
    function_count_ = length > 20 && options_.filter.empty() ? random_.below(3) : 0;
    program_fpcr_ = random_.one_in(2) ? 0 : random_fpcr();
    if (!sequence_) {
        const Row& row = *chosen_[random_.below(static_cast<u32>(chosen_.size()))];
        if (std::ranges::count(branch_rows_, &row) != 0) { // something to jump over
            sequence_ = true;
            budget_ = 8;
            starts_.push_back(0);
            emit_row(row);
            for (unsigned n = 1 + random_.below(3); n != 0; --n) {
                starts_.push_back(words_.size());
                push(add_immediate(random_.below(4), random_.below(4)) | random_.below(4096) << 10);
            }
        } else {
            starts_.push_back(0);
            budget_ = 8;
            emit_row(row);
        }
    } else {
        const bool functions_first = function_count_ != 0 && random_.one_in(2);
        if (functions_first) {
            starts_.push_back(0);
            branch_to(branch_word(), kImm26, 1);
            functions();
            main_start_ = 1;
        }
        const std::size_t reserve = functions_first ? 0 : function_count_ * 7u + 1;
        budget_ -= std::min(budget_ - 2, reserve);
        while (fits(1)) {
            element();
        }
        if (!functions_first && function_count_ != 0) {
            branch_to(branch_word(), kImm26, ~std::size_t{0});
            functions();
        }
    }
    resolve();
    MachineProgram result{};
    result.count = static_cast<u32>(std::min<std::size_t>(words_.size(), kMaxWords));
    std::copy_n(words_.begin(), result.count, result.words);
    return result;
}

void Generator::resolve() {
    const auto patch = [&](const Fixup& fixup, std::size_t target) {
        const auto value = fixup.field.name == "lo12" ? target * 4 : target - fixup.at;
        words_[fixup.at] = fixup.field.set(words_[fixup.at], static_cast<u32>(value));
    };
    for (const Fixup& fixup : fixups_) {
        patch(fixup, fixup.label < starts_.size() ? starts_[fixup.label] : words_.size());
    }
    for (const Fixup& fixup : function_fixups_) {
        patch(fixup, function_starts_[fixup.label]);
    }
}

// --- States

u64 Generator::random_fpcr() {
    if (!options_.random_fpcr) {
        return 0;
    }
    return u64{random_.below(4)} << 22 | u64{random_.one_in(3)} << 24 |
           u64{random_.one_in(3)} << 25 | u64{random_.one_in(4)} << 26 |
           u64{has_fp16_ && random_.one_in(3)} << 19 |
           (has_afp_ && random_.one_in(2) ? random_.below(8) : 0); // FIZ AH NEP
}

MachineState Generator::state() {
    MachineState state{};
    for (u64& x : state.x) {
        x = edge_integer(random_);
    }
    for (u64& v : state.v) {
        v = edge_lanes(random_);
    }
    const auto pointer = [&] {
        const u64 tag = random_.one_in(48) ? random_.next() & ~(~u64{0} >> 8) : 0;
        return tag | (MACHINE_DATA + kDataBytes / 2 - 2048 + random_.below(256) * 16 +
                      (random_.one_in(8) ? random_.below(16) : 0));
    };
    const auto edge = [&] {
        const u64 edges[] = {0, kDataBytes, kWindowBytes};
        return MACHINE_DATA + pick(random_, edges) - 32 + random_.below(64);
    };
    constexpr u64 kFpsrBits = 0x0800009f; // QC, IDC, IXC, UFC, OFC, DZC, IOC
    state.x[kFpsrValue] = random_.next() & kFpsrBits;
    state.x[kFpcrValue] = random_fpcr();
    state.x[kCounter0] = random_.below(5);
    state.x[kCounter1] = random_.below(6);
    state.x[kTarget] = MACHINE_CODE;
    state.x[kEdge] = edge();
    state.x[kIndex] = random_.below(16) * 8;
    if (random_.one_in(6)) {
        state.x[kIndex] = u64{0} - random_.below(256);
    }
    state.x[kBase0] = pointer();
    state.x[kBase1] = pointer();
    state.x[kLink] = MACHINE_LEAVE;
    state.sp = pointer() & (random_.one_in(16) ? ~u64{0} : ~u64{15});
    state.nzcv = random_.below(16);
    state.fpcr = random_.one_in(4) ? random_fpcr() : program_fpcr_;
    state.fpsr = random_.one_in(4) ? random_.next() & kFpsrBits : 0;
    state.tpidr = random_.next();
    return state;
}

} // namespace ulna::fuzz
