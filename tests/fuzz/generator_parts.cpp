// Parts of programs: single instructions, and those that only make sense together.
#include <algorithm>
#include <utility>

#include "tests/fuzz/generator_words.h"

namespace ulna::fuzz {

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

} // namespace ulna::fuzz
