#include "runtime/system/data_tlb.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "ir/support/bits.h"

namespace ulna::system {

namespace {
constexpr unsigned kAsidShift = 48;

bool in_upper_half(GuestAddr address) { return bit(address, 55); }

void empty(ir::Tlb& tlb, std::size_t index) {
    tlb.read[index] = tlb.write[index] = ir::no_tlb_page(index);
}
} // namespace

DataTlb::DataTlb(ir::CpuState& state) : state_{state} {
    select(false);
    select(true);
}

DataTlb::Key DataTlb::key_of(bool privileged) const {
    const bool checks_tags = checks_tags_[privileged];
    if (privileged && kernel_is_global_ && tables_.two_ranges) {
        return {tables_.regime, 0, tables_.ttbr1 & ones(kAsidShift), checks_tags};
    }
    return {tables_.regime, tables_.ttbr0, tables_.ttbr1, checks_tags};
}

void DataTlb::use(const TranslationTables& tables, ChecksTags checks_tags) {
    if (tables == tables_ && checks_tags == checks_tags_) {
        return;
    }
    tables_ = tables;
    checks_tags_ = checks_tags;
    drop_slots();
    give_back(*current_[true]);
    select(false);
    select(true);
}

// The set of the current tables, or the one that has not been used for longest.
void DataTlb::select(bool privileged) {
    const Key key = key_of(privileged);
    Set* chosen = &sets_[privileged][0];
    for (Set& set : sets_[privileged]) {
        if (set.key == key && !set.stale) {
            chosen = &set;
            break;
        }
        if (set.last_use < chosen->last_use) {
            chosen = &set;
        }
    }
    if (chosen->key != key || chosen->stale) {
        clear(*chosen);
        chosen->key = key;
        chosen->asid =
            static_cast<u16>((tables_.asid_in_ttbr1 ? tables_.ttbr1 : tables_.ttbr0) >> kAsidShift);
    }
    chosen->last_use = ++uses_;
    current_[privileged] = chosen;
    state_.tlb[privileged] = chosen->tlb.get();
}

void DataTlb::clear(Set& set) {
    if (set.tlb == nullptr) {
        set.tlb = std::make_unique_for_overwrite<ir::Tlb>();
    }
    for (std::size_t index = 0; index < ir::kTlbEntries; ++index) {
        empty(*set.tlb, index);
    }
    set.borrowed.clear();
    set.sizes.reset();
    set.stale = false;
}

void DataTlb::drop_slots() {
    for (u64 groups = std::exchange(state_.used_slot_groups, 0); groups != 0;
         groups &= groups - 1) {
        for (ir::PageSlot& slot : state_.page_slots[std::countr_zero(groups)]) {
            slot.limit = 0;
        }
    }
}

void DataTlb::give_back(Set& set) {
    if (!set.borrowed.empty()) {
        drop_slots();
    }
    if (set.borrowed.size() >= kMostBorrowed) {
        return clear(set);
    }
    for (const u16 index : set.borrowed) {
        empty(*set.tlb, index);
    }
    set.borrowed.clear();
}

void DataTlb::enter(const Page& page, bool privileged) {
    if (privileged && !page.global && in_upper_half(page.start) && kernel_is_global_) {
        kernel_is_global_ = false;
        forget_all();
    }
    Set& set = *current_[privileged];
    set.sizes.note(page.start, page.mapping_log2);
    const std::size_t index = ir::tlb_index(page.start);
    const u64 none = ir::no_tlb_page(index);
    const u64 start = page.tagged    ? ir::tagged_tlb_page(page.start)
                      : page.checked ? ir::checked_tlb_page(page.start)
                                     : page.start;
    const GuestAddr first = page.tagged ? page.start & ir::kTlbNoTag : page.start;
    set.tlb->read[index] = page.readable ? start : none;
    set.tlb->write[index] = page.writable ? start : none;
    set.tlb->addend[index] = reinterpret_cast<u64>(page.bytes) - first;
    const bool is_of_process = tables_.two_ranges && !in_upper_half(page.start);
    const bool borrowed = privileged && (page.forbidden_by_pan || is_of_process);
    if (borrowed && set.borrowed.size() < kMostBorrowed) {
        set.borrowed.push_back(static_cast<u16>(index));
    }
}

void DataTlb::set_pan() { give_back(*current_[true]); }

void DataTlb::forget_mapping(GuestAddr address) {
    drop_slots();
    for (const bool privileged : {false, true}) {
        for (Set& set : sets_[privileged]) {
            if (set.stale) {
                continue;
            }
            set.stale = set.sizes.may_be_large(address);
            set.sizes.for_each_piece(address,
                                     [&](GuestAddr page) { empty(*set.tlb, ir::tlb_index(page)); });
        }
        select(privileged);
    }
}

// Only the low eight bits count where TCR_ELx.AS is 0.
void DataTlb::forget_asid(u16 asid) {
    drop_slots();
    for (const bool privileged : {false, true}) {
        for (Set& set : sets_[privileged]) {
            const bool global = privileged && kernel_is_global_;
            set.stale = set.stale || ((set.asid ^ asid) % 256 == 0 && !global);
        }
        select(privileged);
    }
    give_back(*current_[true]);
}

void DataTlb::forget_all() {
    drop_slots();
    for (const bool privileged : {false, true}) {
        for (Set& set : sets_[privileged]) {
            set.stale = true;
        }
        select(privileged);
    }
}

} // namespace ulna::system
