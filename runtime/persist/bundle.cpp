#include "runtime/persist/bundle.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "runtime/jit/code_memory.h"

namespace ulna::runtime {

namespace {

constexpr u64 kGuestPageBytes = u64{1} << ir::kCodePageLog2;

// RecordParts.
enum Part : u8 { kBlocks, kRanges, kLinks, kFaults, kGuestBytes, kLinkedTo, kCode };

template <class T> std::span<const u8> bytes_of(const std::vector<T>& elements) {
    return {reinterpret_cast<const u8*>(elements.data()), elements.size() * sizeof(T)};
}

template <class T> std::span<const T> elements_of(std::span<const u8> bytes) {
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

// What a bundle is made of.
struct Draft {
    std::vector<LinkedBlocks::Block> blocks;
    std::vector<GuestRange> ranges;
    std::vector<LinkedBlocks::Link> links;
    std::vector<LinkedBlocks::Fault> faults;
    std::vector<u8> guest_bytes, linked_to, code;
};

bool can_be_bundled(const StoredBlock& block) {
    return !block.is_region && !block.key.mode.system() && block.range_count() == 1 &&
           block.location_ends.empty();
}

bool go_together(const StoredBlock& a, const StoredBlock& b) {
    return a.key.mode == b.key.mode && a.masks_tags == b.masks_tags && a.guarded == b.guarded;
}

template <class T> void append_elements(std::vector<T>& out, std::span<const u8> packed) {
    const std::size_t at = out.size();
    out.resize(at + packed.size() / sizeof(T));
    if (!packed.empty()) {
        std::memcpy(out.data() + at, packed.data(), packed.size());
    }
}

void add_block(Draft& draft, const StoredBlock& stored) {
    LinkedBlocks::Block block{};
    block.pc = stored.key.pc;
    block.guest = stored.range(0);
    block.code_offset = static_cast<u32>(draft.code.size());
    block.code_bytes = static_cast<u32>(stored.code.size());
    block.link_count = static_cast<u16>(stored.links.size() / sizeof(LinkedBlocks::Link));
    block.fault_count = static_cast<u16>(stored.faults.size() / sizeof(LinkedBlocks::Fault));
    draft.blocks.push_back(block);
    append_elements(draft.links, stored.links);
    append_elements(draft.faults, stored.faults);
    append_elements(draft.code, stored.code);
    draft.code.resize((draft.code.size() + kCodeAlign - 1) / kCodeAlign * kCodeAlign);
}

// Where the bytes of a range begin among those of all.
std::optional<std::size_t>
find_range(std::span<const GuestRange> ranges, std::span<const u8> bytes, GuestRange wanted) {
    std::size_t at = 0;
    for (const GuestRange& range : ranges) {
        const u64 skipped = wanted.low - range.low;
        if (skipped < range.bytes && wanted.bytes <= range.bytes - skipped) {
            return at + skipped <= bytes.size() - wanted.bytes ? std::optional(at + skipped)
                                                               : std::nullopt;
        }
        at += range.bytes;
    }
    return std::nullopt;
}

// The guest bytes of all blocks, each once. False: two blocks have seen different ones.
bool join_ranges(Draft& draft, std::span<const StoredBlock> blocks) {
    std::vector<const StoredBlock*> by_address;
    for (const StoredBlock& block : blocks) {
        by_address.push_back(&block);
    }
    std::sort(by_address.begin(), by_address.end(), [](const StoredBlock* a, const StoredBlock* b) {
        return a->range(0).low < b->range(0).low;
    });
    for (const StoredBlock* const block : by_address) {
        const GuestRange range = block->range(0);
        GuestRange* const last = draft.ranges.empty() ? nullptr : &draft.ranges.back();
        const bool joins = last != nullptr && range.low <= last->low + last->bytes &&
                           range.low / kGuestPageBytes == last->low / kGuestPageBytes;
        if (!joins) {
            draft.ranges.push_back({range.low, 0});
        }
        GuestRange& to = draft.ranges.back();
        const u64 common = std::min(to.low + to.bytes - range.low, range.bytes);
        const auto* const shared =
            draft.guest_bytes.data() + draft.guest_bytes.size() - (to.low + to.bytes - range.low);
        if (common != 0 && std::memcmp(shared, block->guest_bytes.data(), common) != 0) {
            return false;
        }
        const auto fresh = block->guest_bytes.subspan(common);
        draft.guest_bytes.insert(draft.guest_bytes.end(), fresh.begin(), fresh.end());
        to.bytes += fresh.size();
    }
    return true;
}

void set_displacement(std::span<u8> code, u64 at, u64 target) {
    const u32 displacement = static_cast<u32>(target - (at + 4));
    std::memcpy(code.data() + at, &displacement, sizeof displacement);
}

// As TranslationCache::target_of. All blocks have one mode.
u8 find_target(const Draft& draft, ir::BlockMode mode, GuestAddr target) {
    if ((target & backend::kWithoutRanges) != 0 || mode.of_successors() != mode) {
        return LinkedBlocks::kOutside;
    }
    for (std::size_t i = 0; i < draft.blocks.size(); ++i) {
        if (draft.blocks[i].pc == target) {
            return static_cast<u8>(i);
        }
    }
    return LinkedBlocks::kOutside;
}

void link(Draft& draft, ir::BlockMode mode) {
    const LinkedBlocks::Link* link = draft.links.data();
    for (const LinkedBlocks::Block& block : draft.blocks) {
        for (const auto* const end = link + block.link_count; link != end; ++link) {
            const u8 to = find_target(draft, mode, link->target);
            draft.linked_to.push_back(to);
            if (to != LinkedBlocks::kOutside) {
                set_displacement(draft.code, block.code_offset + link->displacement_offset,
                                 draft.blocks[to].code_offset);
            }
        }
    }
}

u32 append_draft(std::vector<u8>& out, const Draft& draft, const StoredBlock& first) {
    RecordHead head{};
    head.pc = first.key.pc;
    head.mode = first.key.mode.bits;
    head.masks_tags = first.masks_tags;
    head.guarded = first.guarded;
    head.kind = RecordHead::kBundle;
    return append_parts(out, head,
                        {bytes_of(draft.blocks), bytes_of(draft.ranges), bytes_of(draft.links),
                         bytes_of(draft.faults), draft.guest_bytes, draft.linked_to, draft.code});
}

bool ranges_make_sense(const StoredBundle& bundle) {
    u64 bytes = 0;
    for (const GuestRange& range : bundle.ranges) {
        if (range.bytes == 0 || range.low % kGuestPageBytes + range.bytes > kGuestPageBytes) {
            return false;
        }
        bytes += range.bytes;
    }
    return bytes == bundle.guest_bytes.size();
}

// What the translation cache relies on.
bool makes_sense(const StoredBundle& bundle) {
    const LinkedBlocks& linked = bundle.linked;
    std::size_t links = 0, faults = 0;
    for (const LinkedBlocks::Block& block : linked.blocks) {
        if (block.code_offset % kCodeAlign != 0 || block.code_offset > linked.code.size() ||
            block.code_bytes > linked.code.size() - block.code_offset ||
            block.link_count > linked.links.size() - links ||
            block.fault_count > linked.faults.size() - faults ||
            block.guest.low % kGuestPageBytes + block.guest.bytes > kGuestPageBytes) {
            return false;
        }
        for (const auto& link : linked.links.subspan(links, block.link_count)) {
            if (block.code_bytes < 4 || link.displacement_offset > block.code_bytes - 4 ||
                link.stub_offset >= block.code_bytes) {
                return false;
            }
        }
        links += block.link_count;
        faults += block.fault_count;
    }
    return !linked.blocks.empty() && linked.blocks.size() <= kMostBundledBlocks &&
           links == linked.links.size() && faults == linked.faults.size() &&
           linked.linked_to.size() == links && ranges_make_sense(bundle) &&
           std::ranges::all_of(linked.linked_to, [&](u8 to) {
               return to == LinkedBlocks::kOutside || to < linked.blocks.size();
           });
}

} // namespace

std::size_t append_bundle(std::vector<u8>& out, std::span<const StoredBlock> blocks, u32& bytes) {
    const StoredBlock& first = blocks.front();
    std::size_t count = 1;
    if (can_be_bundled(first)) {
        while (count < std::min(blocks.size(), kMostBundledBlocks) &&
               can_be_bundled(blocks[count]) && go_together(first, blocks[count])) {
            ++count;
        }
    }
    Draft draft;
    if (count == 1 || !join_ranges(draft, blocks.first(count))) {
        bytes = append_record(out, first);
        return 1;
    }
    for (const StoredBlock& block : blocks.first(count)) {
        add_block(draft, block);
    }
    link(draft, first.key.mode);
    bytes = append_draft(out, draft, first);
    return count;
}

bool decode_bundle(std::span<const u8> bytes, StoredBundle& out) {
    const bool is_aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 == 0;
    const auto parts = is_aligned ? read_parts(bytes) : std::nullopt;
    if (!parts || !read_head(bytes).is_bundle()) {
        return false;
    }
    const RecordHead head = read_head(bytes);
    LinkedBlocks& linked = out.linked;
    linked.mode = {head.mode};
    linked.masks_tags = head.masks_tags != 0;
    out.guarded = head.guarded != 0;
    linked.blocks = elements_of<LinkedBlocks::Block>((*parts)[kBlocks]);
    out.ranges = elements_of<GuestRange>((*parts)[kRanges]);
    linked.links = elements_of<LinkedBlocks::Link>((*parts)[kLinks]);
    linked.faults = elements_of<LinkedBlocks::Fault>((*parts)[kFaults]);
    out.guest_bytes = (*parts)[kGuestBytes];
    linked.linked_to = (*parts)[kLinkedTo];
    linked.code = (*parts)[kCode];
    return makes_sense(out);
}

std::optional<StoredBlock>
block_of(const StoredBundle& bundle, std::size_t index, std::vector<u8>& code) {
    const LinkedBlocks& linked = bundle.linked;
    if (index >= linked.blocks.size()) {
        return std::nullopt;
    }
    const LinkedBlocks::Block& block = linked.blocks[index];
    const auto at = find_range(bundle.ranges, bundle.guest_bytes, block.guest);
    if (!at) {
        return std::nullopt;
    }
    std::size_t first_link = 0, first_fault = 0;
    for (const LinkedBlocks::Block& before : linked.blocks.first(index)) {
        first_link += before.link_count;
        first_fault += before.fault_count;
    }
    const auto links = linked.links.subspan(first_link, block.link_count);
    const auto faults = linked.faults.subspan(first_fault, block.fault_count);
    const auto linked_code = linked.code.subspan(block.code_offset, block.code_bytes);
    code.assign(linked_code.begin(), linked_code.end());
    for (const LinkedBlocks::Link& link : links) {
        set_displacement(code, link.displacement_offset, link.stub_offset);
    }
    StoredBlock out;
    out.key = {block.pc, linked.mode};
    out.masks_tags = linked.masks_tags;
    out.guarded = bundle.guarded;
    out.ranges = {reinterpret_cast<const u8*>(&block.guest), sizeof block.guest};
    out.guest_bytes = bundle.guest_bytes.subspan(*at, block.guest.bytes);
    out.code = code;
    out.links = {reinterpret_cast<const u8*>(links.data()), links.size_bytes()};
    out.faults = {reinterpret_cast<const u8*>(faults.data()), faults.size_bytes()};
    return out;
}

} // namespace ulna::runtime
