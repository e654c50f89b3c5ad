#include "runtime/persist/record.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "runtime/persist/checksum.h"

namespace ulna::runtime {

namespace {

using Form = backend::AddressSite::Form;

using PackedLink = LinkedBlocks::Link;
using PackedFault = LinkedBlocks::Fault;

// RecordHead::part_bytes.
enum Part : u8 {
    kRanges,
    kGuestBytes,
    kCode,
    kLinks,
    kFaults,
    kLocations,
    kLocationEnds,
    kAddresses,
};

struct PackedAddress {
    u32 code_offset : 24, form : 8;
};

constexpr u64 padded(u64 bytes) { return (bytes + 7) / 8 * 8; }

void append(std::vector<u8>& out, const void* data, u64 bytes) {
    const auto* const begin = static_cast<const u8*>(data);
    out.insert(out.end(), begin, begin + bytes);
}

template <class T> T read(const u8* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <class T> std::span<const u8> bytes_of(std::span<const T> elements) {
    return {reinterpret_cast<const u8*>(elements.data()), elements.size_bytes()};
}

template <class T> void read_all(std::span<const u8> packed, std::vector<T>& out) {
    out.resize(packed.size() / sizeof(T));
    if (!out.empty()) {
        std::memcpy(out.data(), packed.data(), packed.size());
    }
}

bool ranges_make_sense(const StoredBlock& block) {
    if (block.ranges.empty() || block.ranges.size() % sizeof(GuestRange) != 0) {
        return false;
    }
    u64 bytes = 0;
    for (std::size_t i = 0; i < block.range_count(); ++i) {
        const GuestRange range = block.range(i);
        if (range.bytes == 0 || range.bytes > block.guest_bytes.size() ||
            range.low + range.bytes < range.low) {
            return false;
        }
        bytes += range.bytes;
    }
    return bytes == block.guest_bytes.size();
}

bool links_make_sense(const StoredBlock& block) {
    const u64 code_bytes = block.code.size();
    for (u64 at = 0; at < block.links.size(); at += sizeof(PackedLink)) {
        const auto link = read<PackedLink>(block.links.data() + at);
        if (code_bytes < 4 || link.displacement_offset > code_bytes - 4 ||
            link.stub_offset >= code_bytes) {
            return false;
        }
    }
    return true;
}

bool locations_make_sense(const StoredBlock& block) {
    if (block.location_ends.empty()) {
        return block.locations.empty();
    }
    const u64 count = block.locations.size() / sizeof(backend::SlotLocation);
    u32 last = 0;
    for (u64 at = 0; at < block.location_ends.size(); at += sizeof(u32)) {
        const u32 end = read<u32>(block.location_ends.data() + at);
        if (end < last || end > count) {
            return false;
        }
        last = end;
    }
    return block.location_ends.size() / sizeof(u32) == block.faults.size() / sizeof(PackedFault);
}

bool addresses_make_sense(const StoredBlock& block) {
    for (u64 at = 0; at < block.addresses.size(); at += sizeof(PackedAddress)) {
        const auto address = read<PackedAddress>(block.addresses.data() + at);
        const bool whole = address.form == static_cast<u8>(Form::Whole);
        if (address.form > static_cast<u8>(Form::SignExtended) ||
            address.code_offset + (whole ? 8u : 4u) > block.code.size()) {
            return false;
        }
    }
    return true;
}

// What the translation cache relies on.
bool makes_sense(const StoredBlock& block) {
    return block.links.size() % sizeof(PackedLink) == 0 &&
           block.faults.size() % sizeof(PackedFault) == 0 &&
           block.locations.size() % sizeof(backend::SlotLocation) == 0 &&
           block.location_ends.size() % sizeof(u32) == 0 && ranges_make_sense(block) &&
           links_make_sense(block) && locations_make_sense(block) &&
           block.addresses.size() % sizeof(PackedAddress) == 0 && addresses_make_sense(block);
}

} // namespace

GuestRange StoredBlock::range(std::size_t index) const {
    return read<GuestRange>(ranges.data() + index * sizeof(GuestRange));
}

u64 RecordHead::bytes() const {
    return std::accumulate(part_bytes.begin(), part_bytes.end(), u64{kBytes},
                           [](u64 sum, u32 bytes) { return sum + padded(bytes); });
}

u32 append_parts(std::vector<u8>& out, RecordHead head, const RecordParts& parts) {
    const u64 start = out.size();
    std::ranges::transform(parts, head.part_bytes.begin(),
                           [](std::span<const u8> part) { return static_cast<u32>(part.size()); });
    append(out, &head, sizeof head);
    for (const std::span<const u8> part : parts) {
        append(out, part.data(), part.size());
        out.resize(start + padded(out.size() - start));
    }
    seal_record(std::span(out).subspan(start));
    return static_cast<u32>(out.size() - start);
}

u32 append_record(std::vector<u8>& out, const StoredBlock& block) {
    RecordHead head{};
    head.pc = block.key.pc;
    head.mode = block.key.mode.bits;
    head.masks_tags = block.masks_tags;
    head.guarded = block.guarded;
    head.is_region = block.is_region;
    return append_parts(out, head,
                        {block.ranges, block.guest_bytes, block.code, block.links, block.faults,
                         block.locations, block.location_ends, block.addresses});
}

u32 append_record(std::vector<u8>& out,
                  const backend::CompiledBlock& compiled,
                  const Origin& origin) {
    std::vector<PackedLink> links;
    std::vector<PackedFault> faults;
    std::vector<PackedAddress> addresses;
    for (const backend::LinkSite& site : compiled.links) {
        links.push_back({site.displacement_offset, site.stub_offset, site.target});
    }
    for (const backend::FaultSite& site : compiled.faults) {
        const u64 delta = compiled.guest_pcs[site.guest_index] - compiled.key.pc;
        faults.push_back({site.code_offset, static_cast<i32>(delta)});
    }
    if (compiled.key.mode.system()) { // it may be moved
        for (const backend::AddressSite& site : compiled.addresses) {
            addresses.push_back({site.code_offset, static_cast<u8>(site.form)});
        }
    }
    StoredBlock block;
    block.key = compiled.key;
    block.masks_tags = origin.masks_tags;
    block.guarded = origin.guarded;
    block.is_region = origin.is_region;
    block.ranges = bytes_of(origin.ranges);
    block.guest_bytes = origin.guest_bytes;
    block.code = compiled.code;
    block.links = bytes_of(std::span<const PackedLink>(links));
    block.faults = bytes_of(std::span<const PackedFault>(faults));
    block.locations = bytes_of(std::span<const backend::SlotLocation>(compiled.locations));
    block.location_ends = bytes_of(std::span<const u32>(compiled.location_ends));
    block.addresses = bytes_of(std::span<const PackedAddress>(addresses));
    return append_record(out, block);
}

RecordHead read_head(std::span<const u8> bytes) { return read<RecordHead>(bytes.data()); }

void seal_record(std::span<u8> record) {
    const u64 sum = checksum(record.subspan(sizeof sum));
    std::memcpy(record.data(), &sum, sizeof sum);
}

namespace {

// The parts, of bytes that are enough for what their head says.
RecordParts split(std::span<const u8> bytes) {
    const RecordHead head = read_head(bytes);
    std::span<const u8> rest = bytes.subspan(sizeof head);
    RecordParts parts;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        parts[i] = rest.first(head.part_bytes[i]);
        rest = rest.subspan(padded(head.part_bytes[i]));
    }
    return parts;
}

void fill(const RecordHead& head, const RecordParts& parts, StoredBlock& out) {
    out.key = head.key();
    out.masks_tags = head.masks_tags != 0;
    out.guarded = head.guarded != 0;
    out.is_region = head.is_region != 0;
    out.ranges = parts[kRanges];
    out.guest_bytes = parts[kGuestBytes];
    out.code = parts[kCode];
    out.links = parts[kLinks];
    out.faults = parts[kFaults];
    out.locations = parts[kLocations];
    out.location_ends = parts[kLocationEnds];
    out.addresses = parts[kAddresses];
}

} // namespace

std::optional<RecordParts> read_parts(std::span<const u8> bytes) {
    if (bytes.size() < RecordHead::kBytes) {
        return std::nullopt;
    }
    const RecordHead head = read_head(bytes);
    if (head.checksum != checksum(bytes.subspan(sizeof head.checksum)) ||
        head.bytes() > bytes.size()) {
        return std::nullopt;
    }
    return split(bytes);
}

bool decode_record(std::span<const u8> bytes, StoredBlock& out) {
    const auto parts = read_parts(bytes);
    if (!parts || read_head(bytes).is_bundle()) {
        return false;
    }
    fill(read_head(bytes), *parts, out);
    return makes_sense(out);
}

void read_record(std::span<const u8> bytes, StoredBlock& out) {
    fill(read_head(bytes), split(bytes), out);
}

void unpack(const StoredBlock& block, backend::CompiledBlock& out) {
    out.reset();
    out.key = block.key;
    out.code.assign(block.code.begin(), block.code.end());
    for (u64 at = 0; at < block.links.size(); at += sizeof(PackedLink)) {
        const auto link = read<PackedLink>(block.links.data() + at);
        out.links.push_back({link.displacement_offset, link.stub_offset, link.target});
    }
    for (u64 at = 0; at < block.faults.size(); at += sizeof(PackedFault)) {
        const auto fault = read<PackedFault>(block.faults.data() + at);
        out.faults.push_back({fault.code_offset, static_cast<u32>(out.guest_pcs.size())});
        out.guest_pcs.push_back(block.key.pc + static_cast<u64>(i64{fault.pc_delta}));
    }
    read_all(block.locations, out.locations);
    read_all(block.location_ends, out.location_ends);
    for (u64 at = 0; at < block.addresses.size(); at += sizeof(PackedAddress)) {
        const auto address = read<PackedAddress>(block.addresses.data() + at);
        out.addresses.push_back({address.code_offset, static_cast<Form>(address.form)});
    }
}

} // namespace ulna::runtime
