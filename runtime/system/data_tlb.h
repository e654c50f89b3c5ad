// The TLBs of a virtual CPU that translated code looks at (ir/tlb.h): one for accesses without
// privilege and one for the others, for each of the last few sets of tables. So a process, or a
// kernel that points TTBR0_EL1 elsewhere while it runs, finds again what it had.
//
// A set belongs to a regime with its VMID and control registers (regime_tags.h), and there, for
// accesses without privilege, to the values of both TTBRs, ASID included. One for privileged
// accesses belongs to TTBR1's tables, since a kernel's pages are global; what is not global in it
// is forgotten with the first change. A kernel none of whose pages are global gets sets by both
// TTBRs, too, as do regimes with one range. Where allocation tags are compared, pages that have
// some are entered in another way, so there are sets for that, and others for when they are not.
#pragma once

#include <memory>
#include <vector>

#include "ir/guest_state.h"
#include "runtime/system/mapping_sizes.h"
#include "runtime/system/regime_tags.h"

namespace ulna::system {

class DataTlb {
  public:
    explicit DataTlb(ir::CpuState& state);

    [[nodiscard]] ir::CpuState& state() { return state_; }

    // Whether allocation tags are compared, of accesses without and with privilege.
    using ChecksTags = std::array<bool, 2>;
    void use(const TranslationTables& tables, ChecksTags checks_tags = {});

    struct Page {
        GuestAddr start = 0;
        unsigned mapping_log2 = 12; // of the mapping that it is a piece of
        const u8* bytes = nullptr;
        bool readable = false, writable = false; // writable: readable, too
        bool checked = false;                    // misaligned accesses fault
        bool tagged = false;                     // compared with its allocation tags
        bool global = false;
        bool forbidden_by_pan = false; // as soon as PSTATE.PAN is set
    };
    void enter(const Page& page, bool privileged);

    void forget_mapping(GuestAddr address); // that has the address
    void forget_asid(u16 asid);             // what is not global
    void forget_all();
    void set_pan(); // PSTATE.PAN is now set

  private:
    static constexpr unsigned kSets = 16;
    static constexpr std::size_t kMostBorrowed = 64;
    struct Key {
        u64 regime = 0, ttbr0 = 0, ttbr1 = 0;
        bool checks_tags = false;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct Set {
        Key key;
        u16 asid = 0;
        bool stale = true; // to be cleared before it is used
        u64 last_use = 0;
        MappingSizes sizes;
        // Privileged: indices of entries that hold for the current TTBR0 and ASID only.
        std::vector<u16> borrowed;
        std::unique_ptr<ir::Tlb> tlb;
    };

    [[nodiscard]] Key key_of(bool privileged) const;
    void select(bool privileged);
    void give_back(Set& set);
    static void clear(Set& set);
    void drop_slots();

    ir::CpuState& state_;
    TranslationTables tables_;
    ChecksTags checks_tags_ = {};
    bool kernel_is_global_ = true;
    u64 uses_ = 0;
    Set sets_[2][kSets];
    Set* current_[2] = {};
};

} // namespace ulna::system
