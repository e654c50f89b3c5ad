// Where a virtual CPU has found its code: pages by virtual address, at EL0 or above it, for each of
// the last few sets of tables. So a process finds again what it had, and so does a kernel that
// changes TTBR1 on the way to a process and back (page-table isolation).
//
// A set belongs to a regime with its VMID and control registers (regime_tags.h). At EL0 it also
// belongs to both TTBRs with their ASID. Above it only TTBR1's tables count, whose
// pages are global or looked up again for each ASID, until a page is found that is TTBR0's.
#pragma once

#include <array>
#include <bitset>
#include <memory>

#include "ir/guest_state.h"
#include "runtime/engine.h"
#include "runtime/system/asid_mappings.h"
#include "runtime/system/mapping_sizes.h"
#include "runtime/system/regime_tags.h"

namespace ulna::system {

class CodePages {
  public:
    struct Page {
        GuestAddr start = 1; // of no page
        u64 number = 0;      // physical
        const u8* bytes = nullptr;
        bool guarded = false; // BTI
    };
    enum class Tables : u8 {
        Same,  // as before
        Known, // others, whose pages are still here
        New,   // others; what their number had before is forgotten
    };

    // Whom a page is for.
    enum class Scope : u8 {
        Tables, // all with TTBR1's tables
        Asid,   // those of them that find the same mapping
        Own,    // the current TTBRs and ASID
    };

    explicit CodePages(bool privileged);

    // `holds(mapping)` says whether these tables have a mapping that others have.
    template <class Holds> [[nodiscard]] Tables use(const TranslationTables& tables, Holds holds) {
        const Tables found = select(tables);
        Set& set = *sets_[current_];
        if (set.mappings.confirm(asid_, holds)) {
            return found;
        }
        begin(set);
        return Tables::New;
    }
    // The current set, below runtime::kCodeSets.
    [[nodiscard]] unsigned current() const { return current_; }

    [[nodiscard]] const Page* find(GuestAddr pc) const {
        const Page& page = now().pages[index_of(pc)];
        return page.start == align_down(pc, kPageBytes) ? &page : nullptr;
    }
    const Page& enter(const Page& page, const CodeMapping& mapping, Scope scope);

    // Forgets sets: those that may have code of the address's mapping, those that an invalidation
    // of the ASID concerns, all. Calls forgotten(number) for each that had any.
    template <class Forgotten> void forget_mapping(GuestAddr address, Forgotten forgotten) {
        forget_if([&](const Set& set) { return set.may_have(address); }, forgotten);
    }
    template <class Forgotten> void forget_asid(u16 asid, Forgotten forgotten) {
        forget_if([&](const Set& set) { return set.concerns(asid); }, forgotten);
        for (const std::unique_ptr<Set>& set : sets_) {
            if (set != nullptr) {
                set->mappings.forget(asid); // the next use() looks at them again
            }
        }
    }
    template <class Forgotten> void forget(Forgotten forgotten) {
        forget_if([](const Set&) { return true; }, forgotten);
    }

  private:
    static constexpr u64 kPageBytes = u64{1} << ir::kTlbPageLog2;
    static constexpr std::size_t kPages = 256;
    static std::size_t index_of(GuestAddr pc) { return pc / kPageBytes % kPages; }

    struct Set {
        u64 regime = 0, ttbr0 = 0, ttbr1 = 0;
        u16 asid = 0;
        bool own = false;  // some page is
        bool used = false; // there is some page
        u64 last_use = 0;
        Page pages[kPages];
        // By address; kernels and processes, whose addresses differ in bit 55, apart.
        static constexpr std::size_t kFilterBits = 2048;
        static std::size_t filter_of(GuestAddr page) {
            return (page / kPageBytes ^ page / kPageBytes / kFilterBits) % kFilterBits;
        }
        std::bitset<kFilterBits> seen[2];
        MappingSizes sizes;
        AsidMappings mappings; // of the pages that are Scope::Asid's

        void clear();
        [[nodiscard]] bool may_have(GuestAddr address) const;
        [[nodiscard]] bool concerns(u16 which) const;
    };

    [[nodiscard]] const Set& now() const { return *sets_[current_]; }
    [[nodiscard]] bool holds(const Set& set) const;
    void bind(Set& set) const;
    void begin(Set& set) const;
    [[nodiscard]] Tables select(const TranslationTables& tables);
    [[nodiscard]] unsigned choose() const;
    template <class Which, class Forgotten> void forget_if(Which which, Forgotten forgotten) {
        for (unsigned n = 0; n < sets_.size(); ++n) {
            if (sets_[n] != nullptr && sets_[n]->used && which(*sets_[n])) {
                sets_[n]->clear();
                forgotten(n);
            }
        }
    }

    std::array<std::unique_ptr<Set>, runtime::kCodeSets> sets_; // null: never used
    unsigned current_ = 0;
    u64 uses_ = 0;
    TranslationTables tables_;
    u16 asid_ = 0; // of tables_
    const bool privileged_;
};

} // namespace ulna::system
