#include "runtime/system/code_pages.h"

#include <algorithm>
#include <utility>

#include "ir/support/bits.h"

namespace ulna::system {

namespace {
constexpr unsigned kAsidShift = 48;
} // namespace

CodePages::CodePages(bool privileged) : privileged_{privileged} {
    sets_[0] = std::make_unique<Set>();
    sets_[0]->last_use = ++uses_;
    begin(*sets_[0]);
}

// To the current tables.
void CodePages::bind(Set& set) const {
    set.regime = tables_.regime;
    set.ttbr0 = tables_.ttbr0;
    set.ttbr1 = tables_.ttbr1;
}

// With nothing found yet.
void CodePages::begin(Set& set) const {
    set.clear();
    bind(set);
    set.own = !privileged_;
}

// The pages of the set are where the current tables have them.
bool CodePages::holds(const Set& set) const {
    return set.regime == tables_.regime &&
           (set.own ? set.ttbr0 == tables_.ttbr0 && set.ttbr1 == tables_.ttbr1
                    : ((set.ttbr1 ^ tables_.ttbr1) & ones(kAsidShift)) == 0);
}

CodePages::Tables CodePages::select(const TranslationTables& tables) {
    if (tables == tables_) {
        return Tables::Same;
    }
    tables_ = tables;
    asid_ = static_cast<u16>((tables.asid_in_ttbr1 ? tables.ttbr1 : tables.ttbr0) >> kAsidShift);
    const unsigned before = std::exchange(current_, choose());
    std::unique_ptr<Set>& set = sets_[current_];
    const bool known = set != nullptr && holds(*set);
    if (set == nullptr) {
        set = std::make_unique<Set>();
    }
    set->asid = asid_;
    set->last_use = ++uses_;
    if (known) {
        return current_ == before ? Tables::Same : Tables::Known;
    }
    begin(*set);
    return Tables::New;
}

// The set of the current tables, or else the one that has not been used for longest.
unsigned CodePages::choose() const {
    const auto last_use = [&](unsigned n) { return sets_[n] != nullptr ? sets_[n]->last_use : 0; };
    unsigned oldest = 0;
    for (unsigned n = 0; n < sets_.size(); ++n) {
        if (sets_[n] != nullptr && holds(*sets_[n])) {
            return n;
        }
        oldest = last_use(n) < last_use(oldest) ? n : oldest;
    }
    return oldest;
}

const CodePages::Page& CodePages::enter(const Page& page, const CodeMapping& mapping, Scope scope) {
    Set& set = *sets_[current_];
    if (!set.own && scope == Scope::Asid && !set.mappings.add(mapping, asid_)) {
        scope = Scope::Own; // they are too many
    }
    if (!set.own && scope == Scope::Own) {
        bind(set);
        set.own = true; // what it has of all tables is of these, too
        set.mappings.reset();
    }
    set.used = true;
    set.seen[bit(page.start, 55)].set(Set::filter_of(page.start));
    set.sizes.note(page.start, mapping.log2);
    return set.pages[index_of(page.start)] = page;
}

void CodePages::Set::clear() {
    if (used) {
        std::fill(std::begin(pages), std::end(pages), Page{});
        seen[0].reset();
        seen[1].reset();
        sizes.reset();
        mappings.reset();
        used = false;
    }
}

bool CodePages::Set::may_have(GuestAddr address) const {
    bool any = sizes.may_be_large(address);
    sizes.for_each_piece(
        address, [&](GuestAddr page) { any = any || seen[bit(page, 55)][filter_of(page)]; });
    return any;
}

// Only the low eight bits count where TCR_ELx.AS is 0.
bool CodePages::Set::concerns(u16 which) const { return own && (asid ^ which) % 256 == 0; }

} // namespace ulna::system
