// How a virtual CPU finds data: walks, and what of them its TLB keeps.
#include <cstring>

#include "runtime/system/machine.h"
#include "runtime/system/tag_checks.h"
#include "runtime/system/vcpu.h"
#include "runtime/system/walk_registers.h"

namespace ulna::system {

using ir::MemInfo;

namespace {
constexpr u64 kPageBytes = ir::kTlbPageBytes;

bool crosses_page(GuestAddr address, unsigned bytes) {
    return (address & (kPageBytes - 1)) + bytes > kPageBytes;
}

// Translated code finds the tags of the first RAM (Machine::build).
bool has_quick_tags(const devices::PhysicalMemory& memory, const u8* host) {
    const auto& ram = memory.ram_ranges().front();
    return host >= ram.host && host < ram.host + ram.bytes;
}
} // namespace

// --- what a walk needs

const RegimeRegisters& Vcpu::regime() {
    if (!regime_valid_) {
        constexpr unsigned kA1 = 22; // TCR_ELx, where there are two ranges
        const Regime which = current_regime(cpu_);
        const bool two_ranges = which == Regime::El10 || which == Regime::El20;
        regime_ = walk_registers(cpu_, which);
        regime_valid_ = true;
        tables_ = {.regime = regime_tags_.tag_of(regime_),
                   .ttbr0 = regime_.ttbr0,
                   .ttbr1 = regime_.ttbr1,
                   .asid_in_ttbr1 = two_ranges && bit(regime_.tcr, kA1),
                   .two_ranges = two_ranges};
    }
    return regime_;
}

// What is cached is found again by the values of all registers that it depends on. But software
// that changes those of its own regime mostly changes its tables, too, and may not say so.
void Vcpu::translation_changed(Cpu&) {
    const RegimeRegisters before = regime_;
    regime_valid_ = false;
    const RegimeRegisters& now = regime();
    if (now.el == before.el && now.secure == before.secure &&
        (now.sctlr != before.sctlr || now.tcr != before.tcr || now.mair != before.mair)) {
        forget_everything();
    }
    for (const bool privileged : {false, true}) {
        tag_checks_[privileged] = tag_check(cpu_, !privileged);
    }
    tlb_.use(tables_,
             {tag_checks_[false] != ir::TagCheck::None, tag_checks_[true] != ir::TagCheck::None});
    if (now.pan && !before.pan) {
        tlb_.set_pan();
    }
}

TranslationResult
Vcpu::translate(GuestAddr va, ir::Access access, bool unprivileged, bool misaligned) {
    return walk(regime(), machine_.memory(), va,
                {.kind = access == ir::Access::Reads ? AccessKind::Read : AccessKind::Write,
                 .unprivileged = unprivileged,
                 .atomic = access == ir::Access::ReadsAndWrites,
                 .misaligned = misaligned});
}

// Of a page whose accesses are checked, the aligned ones; of one with allocation tags, those that
// have the tag, and 0 for others.
std::optional<u64> Vcpu::find_checked(GuestAddr address, MemInfo mem, bool privileged) {
    const ir::Tlb& tlb = *cpu_.state->tlb[privileged];
    const std::size_t index = ir::tlb_index(address);
    const u64 known = mem.access == ir::Access::Reads ? tlb.read[index] : tlb.write[index];
    const GuestAddr page = align_down(address, kPageBytes);
    if (known == ir::tagged_tlb_page(page)) {
        const u64 host = (address & ir::kTlbNoTag) + tlb.addend[index];
        const bool fine =
            mem.tag_unchecked || has_tag(address, mem.bytes(), reinterpret_cast<const u8*>(host),
                                         mem.access, privileged);
        return fine ? host : 0;
    }
    const bool found = known == ir::checked_tlb_page(page);
    return found && address % mem.unit_bytes() == 0 ? std::optional{address + tlb.addend[index]}
                                                    : std::nullopt;
}

// Of an access that translated code does not find in the TLB. 0: no_place_ says why.
u64 Vcpu::find_host_address(GuestAddr address, MemInfo mem, bool commits_stores) {
    const bool unprivileged = mem.unprivileged || cpu_.pstate.el == 0;
    const bool writes = mem.access != ir::Access::Reads;
    no_place_ = {{}, address, writes};
    constexpr unsigned kA = 1; // SCTLR_ELx.A
    const bool misaligned = address % mem.unit_bytes() != 0;
    const bool checks_alignment = bit(regime().sctlr, kA);
    if (misaligned && checks_alignment) {
        no_place_.fault = Fault{.kind = FaultKind::Alignment, .write = writes};
        return 0;
    }
    if (crosses_page(address, mem.bytes())) {
        no_place_.two_pages = writes && !commits_stores;
        return !writes          ? read_two_pages(address, mem)
               : commits_stores ? write_two_pages(address, mem)
                                : 0;
    }
    if (const auto known = find_checked(address, mem, !unprivileged)) {
        return *known;
    }
    const TranslationResult result = translate(address, mem.access, unprivileged, misaligned);
    if (const Fault* const fault = std::get_if<Fault>(&result)) {
        no_place_.fault = *fault;
        return 0;
    }
    if (meets_watchpoint(address, mem.bytes(), mem.access, unprivileged)) {
        return 0;
    }
    const Translation& page = std::get<Translation>(result);
    const bool is_ram = machine_.memory().ram(page.page, kPageBytes, page.space) != nullptr;
    const u8* const host = machine_.memory().readable(page.page, kPageBytes, page.space);
    if (host == nullptr || (writes && !is_ram)) {
        return 0;
    }
    const bool tagged = compares_tags(page, address, !unprivileged);
    if (tagged && !mem.tag_unchecked &&
        !has_tag(address, mem.bytes(), host + address % kPageBytes, mem.access, !unprivileged)) {
        return 0;
    }
    const bool by_tags = tagged && machine_.memory().tags_of(host) != nullptr;
    if (is_watched_page(address) || (by_tags && !has_quick_tags(machine_.memory(), host))) {
        return reinterpret_cast<u64>(host) + address % kPageBytes;
    }
    const bool forbidden = !unprivileged && page.pan_forbids && regime().pan;
    const bool readable = (unprivileged ? page.readable_el0 : page.readable_el1) && !forbidden;
    const bool writable = (unprivileged ? page.writable_el0 : page.writable_el1) && readable;
    tlb_.enter({.start = align_down(address, kPageBytes),
                .mapping_log2 = page.page_log2,
                .bytes = host,
                .readable = readable,
                .writable = writable && is_ram && !page.writable_needs_dirty,
                .checked = page.aligned_only || checks_alignment,
                .tagged = by_tags,
                .global = page.global,
                .forbidden_by_pan = page.pan_forbids},
               !unprivileged);
    return reinterpret_cast<u64>(host) + address % kPageBytes;
}

// Where the parts of an access to two pages of memory are; false: it is the slow path's.
bool Vcpu::join_pages(GuestAddr address, MemInfo mem, Joined& joined) {
    const bool unprivileged = mem.unprivileged || cpu_.pstate.el == 0;
    const bool writes = mem.access != ir::Access::Reads;
    const bool misaligned = address % mem.unit_bytes() != 0;
    const u64 first = kPageBytes - address % kPageBytes;
    GuestAddr at = address;
    for (const u64 count : {first, mem.bytes() - first}) {
        const TranslationResult result = translate(at, mem.access, unprivileged, misaligned);
        const auto* const page = std::get_if<Translation>(&result);
        if (page == nullptr || page->aligned_only || is_watched_page(at) ||
            compares_tags(*page, at, !unprivileged)) {
            return false;
        }
        const u8* const host =
            writes ? machine_.memory().ram(page->page, kPageBytes, page->space)
                   : machine_.memory().readable(page->page, kPageBytes, page->space);
        if (host == nullptr) {
            return false;
        }
        joined.parts[at != address] = {const_cast<u8*>(host) + at % kPageBytes, count};
        at += count;
    }
    return true;
}

u64 Vcpu::read_two_pages(GuestAddr address, MemInfo mem) {
    Joined& joined = read_of_two_[next_read_of_two_++ % read_of_two_.size()];
    if (!join_pages(address, mem, joined)) {
        return 0;
    }
    const auto& [first, second] = joined.parts;
    std::memcpy(joined.bytes, first.host, first.count);
    std::memcpy(joined.bytes + first.count, second.host, second.count);
    return reinterpret_cast<u64>(joined.bytes);
}

u64 Vcpu::write_two_pages(GuestAddr address, MemInfo mem) {
    if (!join_pages(address, mem, written_to_two_)) {
        return 0;
    }
    cpu_.state->uncommitted = 1;
    return reinterpret_cast<u64>(written_to_two_.bytes);
}

void Vcpu::commit_store() {
    const auto& [first, second] = written_to_two_.parts;
    std::memcpy(first.host, written_to_two_.bytes, first.count);
    std::memcpy(second.host, written_to_two_.bytes + first.count, second.count);
    cpu_.state->uncommitted = 0;
}

// For several accesses, none of which is looked at alone: in the TLB or nowhere. The first of those
// that read and write reads: what makes a page dirty is the write's own look.
u64 Vcpu::find_host_range(GuestAddr address, MemInfo mem, unsigned bytes) {
    const bool writes = mem.access != ir::Access::Reads;
    mem.access = mem.access == ir::Access::Writes ? mem.access : ir::Access::Reads;
    mem.tag_unchecked = true; // such a page is not found here, and who looks for each compares
    if (crosses_page(address, bytes) || find_host_address(address, mem) == 0) {
        return 0;
    }
    const bool privileged = cpu_.pstate.el != 0 && !mem.unprivileged;
    const ir::Tlb& tlb = *cpu_.state->tlb[privileged];
    const std::size_t index = ir::tlb_index(address);
    const u64 known = writes ? tlb.write[index] : tlb.read[index];
    return known == align_down(address, kPageBytes) ? address + tlb.addend[index] : 0;
}

} // namespace ulna::system
