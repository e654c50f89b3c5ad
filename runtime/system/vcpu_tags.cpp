// Allocation tags of a virtual CPU's accesses (FEAT_MTE2). Pages that have some are not found by
// translated code while its accesses are compared with them (DataTlb), so each comes by here.
#include "runtime/system/debug_exceptions.h"
#include "runtime/system/exception_log.h"
#include "runtime/system/machine.h"
#include "runtime/system/tag_checks.h"
#include "runtime/system/vcpu.h"

namespace ulna::system {

namespace {
constexpr u64 kPageBytes = ir::kTlbPageBytes, kGranule = ir::kTagGranuleBytes;
static_assert(kGranule == devices::PhysicalMemory::kBytesOfTag);

u64 load(const u8* tag) { return __atomic_load_n(tag, __ATOMIC_RELAXED); }
} // namespace

bool Vcpu::compares_tags(const Translation& page, GuestAddr address, bool privileged) {
    return page.tagged && tag_checks_[privileged] != ir::TagCheck::None &&
           TagControls{regime().tcr, tables_.two_ranges}.has_tag(address);
}

// Of an access inside a page. False: it is a fault, which no_place_ has; what is only noted is
// true.
bool Vcpu::has_tag(
    GuestAddr address, u64 bytes, const u8* host, ir::Access access, bool privileged) {
    const u8* const tags = machine_.memory().tags_of(host);
    if (tags == nullptr || TagControls{regime().tcr, tables_.two_ranges}.is_unchecked(address)) {
        return true;
    }
    const u64 tag = ir::logical_tag(address);
    const u64 granules = (address % kGranule + bytes + kGranule - 1) / kGranule;
    u64 good = 0;
    while (good < granules && load(tags + good) == tag) {
        ++good;
    }
    if (good == granules) {
        return true;
    }
    const GuestAddr bad = good == 0 ? address : align_down(address, kGranule) + good * kGranule;
    if (!ir::raises(tag_checks_[privileged], access)) {
        note_tag_check_fault(cpu_, accessing_el(cpu_, !privileged), bad);
        return true;
    }
    const bool writes = access == ir::Access::Writes;
    no_place_ = {Fault{.kind = FaultKind::TagCheck, .write = writes}, bad, writes};
    return false;
}

// --- Instructions on tags

std::optional<Exception>
Vcpu::find_granule(GuestAddr address, const TagAccess& access, TaggedGranule& granule) {
    const GuestAddr pc = cpu_.state->pc - 4; // it is behind the instruction
    const bool unprivileged = access.unprivileged || cpu_.pstate.el == 0;
    const TranslationResult result =
        translate(address, access.write ? ir::Access::Writes : ir::Access::Reads, unprivileged,
                  /*misaligned=*/false);
    if (const Fault* const fault = std::get_if<Fault>(&result)) {
        return abort({.fault = *fault, .address = address, .write = access.write}, pc);
    }
    if (watches_) {
        if (const auto met =
                watchpoint_matches(cpu_, address, kGranule, access.write, unprivileged)) {
            return watchpoint(*met, access.write, false, pc);
        }
    }
    const Translation& page = std::get<Translation>(result);
    granule.host = machine_.memory().ram(page.page + address % kPageBytes, kGranule, page.space);
    const bool has_tag = page.tagged && granule.host != nullptr &&
                         may_access_tags(cpu_, accessing_el(cpu_, unprivileged));
    granule.tag = has_tag ? machine_.memory().tags_of(granule.host) : nullptr;
    if (granule.host == nullptr && access.data != nullptr) {
        return abort({.address = address, .write = access.write}, pc);
    }
    return std::nullopt;
}

// All of them are found before one is written.
std::optional<Exception> Vcpu::access_tags(Cpu&, const TagAccess& access) {
    constexpr unsigned kMost = 16;
    std::array<TaggedGranule, kMost> granules;
    CHECK(access.granules <= kMost);
    for (unsigned i = 0; i < access.granules; ++i) {
        TaggedGranule& granule = granules[i];
        const GuestAddr address = access.address + i * kGranule;
        const bool same_page = i != 0 && address % kPageBytes != 0 && !watches_;
        if (same_page && granules[i - 1].host != nullptr) {
            const TaggedGranule& before = granules[i - 1];
            granule = {before.host + kGranule, before.tag == nullptr ? nullptr : before.tag + 1};
        } else if (auto exception = find_granule(address, access, granule)) {
            return exception;
        }
    }
    for (unsigned i = 0; i < access.granules; ++i) {
        const TaggedGranule& granule = granules[i];
        if (access.data != nullptr) {
            ir::store_guest(reinterpret_cast<u64>(granule.host), 4,
                            {access.data[0], access.data[1]});
        }
        if (!access.write) {
            access.tags[i] = granule.tag == nullptr ? 0 : static_cast<u8>(load(granule.tag));
        } else if (granule.tag != nullptr) {
            __atomic_store_n(granule.tag, access.tags[i], __ATOMIC_RELAXED);
        }
    }
    return std::nullopt;
}

} // namespace ulna::system
