#include "runtime/persist/record.h"

#include <cstring>

#include "runtime/persist/checksum.h"

namespace ulna::runtime {

namespace {

using Form = backend::AddressSite::Form;

struct Header {
    u64 checksum; // of everything after it
    u64 pc;
    u32 mode;
    u8 masks_tags, guarded, is_region, reserved;
    // Of the parts that follow, in this order.
    u32 range_bytes, guest_bytes, code_bytes, link_bytes, fault_bytes, location_bytes,
        location_end_bytes, address_bytes;
};
static_assert(sizeof(Header) == RecordHead::kBytes);

u64 bytes_of_parts(const Header& header) {
    return u64{header.range_bytes} + header.guest_bytes + header.code_bytes + header.link_bytes +
           header.fault_bytes + header.location_bytes + header.location_end_bytes +
           header.address_bytes;
}

struct PackedLink {
    u32 displacement_offset, stub_offset;
    u64 target;
};
struct PackedFault {
    u32 code_offset;
    i32 pc_delta; // from the block's PC
};

struct PackedAddress {
    u32 code_offset : 24, form : 8;
};

constexpr u64 kAlign = 8;

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
        if (link.displacement_offset % 4 != 0 || code_bytes < 4 ||
            link.displacement_offset > code_bytes - 4 || link.stub_offset >= code_bytes) {
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

u32 append_record(std::vector<u8>& out,
                  const backend::CompiledBlock& compiled,
                  const Origin& origin) {
    const u64 start = out.size();
    const bool moves = compiled.key.mode.system();
    const auto locations = bytes_of(std::span<const backend::SlotLocation>(compiled.locations));
    const auto location_ends = bytes_of(std::span<const u32>(compiled.location_ends));
    Header header{};
    header.pc = compiled.key.pc;
    header.mode = compiled.key.mode.bits;
    header.masks_tags = origin.masks_tags;
    header.guarded = origin.guarded;
    header.is_region = origin.is_region;
    header.range_bytes = static_cast<u32>(origin.ranges.size_bytes());
    header.guest_bytes = static_cast<u32>(origin.guest_bytes.size());
    header.code_bytes = static_cast<u32>(compiled.code.size());
    header.link_bytes = static_cast<u32>(compiled.links.size() * sizeof(PackedLink));
    header.fault_bytes = static_cast<u32>(compiled.faults.size() * sizeof(PackedFault));
    header.location_bytes = static_cast<u32>(locations.size());
    header.location_end_bytes = static_cast<u32>(location_ends.size());
    header.address_bytes =
        moves ? static_cast<u32>(compiled.addresses.size() * sizeof(PackedAddress)) : 0;
    append(out, &header, sizeof header);
    append(out, origin.ranges.data(), origin.ranges.size_bytes());
    append(out, origin.guest_bytes.data(), origin.guest_bytes.size());
    append(out, compiled.code.data(), compiled.code.size());
    for (const backend::LinkSite& site : compiled.links) {
        const PackedLink link{site.displacement_offset, site.stub_offset, site.target};
        append(out, &link, sizeof link);
    }
    for (const backend::FaultSite& site : compiled.faults) {
        const u64 delta = compiled.guest_pcs[site.guest_index] - compiled.key.pc;
        const PackedFault fault{site.code_offset, static_cast<i32>(delta)};
        append(out, &fault, sizeof fault);
    }
    append(out, locations.data(), locations.size());
    append(out, location_ends.data(), location_ends.size());
    for (const backend::AddressSite& site : compiled.addresses) {
        if (moves) {
            const PackedAddress address{site.code_offset, static_cast<u8>(site.form)};
            append(out, &address, sizeof address);
        }
    }
    out.resize((out.size() + kAlign - 1) / kAlign * kAlign);
    header.checksum = checksum({out.data() + start + 8, out.size() - start - 8});
    std::memcpy(out.data() + start, &header.checksum, sizeof header.checksum);
    return static_cast<u32>(out.size() - start);
}

RecordHead read_head(std::span<const u8, RecordHead::kBytes> bytes) {
    const auto header = read<Header>(bytes.data());
    const u64 end = sizeof header + bytes_of_parts(header);
    return {{header.pc, {header.mode}}, (end + kAlign - 1) / kAlign * kAlign};
}

bool decode_record(std::span<const u8> bytes, StoredBlock& out) {
    if (bytes.size() < sizeof(Header)) {
        return false;
    }
    const auto header = read<Header>(bytes.data());
    if (header.checksum != checksum(bytes.subspan(8)) ||
        bytes_of_parts(header) > bytes.size() - sizeof header) {
        return false;
    }
    read_record(bytes, out);
    return makes_sense(out);
}

void read_record(std::span<const u8> bytes, StoredBlock& out) {
    const auto header = read<Header>(bytes.data());
    std::span<const u8> rest = bytes.subspan(sizeof header);
    const auto take = [&rest](u64 count) {
        const std::span<const u8> part = rest.first(count);
        rest = rest.subspan(count);
        return part;
    };
    out.key = {header.pc, {header.mode}};
    out.masks_tags = header.masks_tags != 0;
    out.guarded = header.guarded != 0;
    out.is_region = header.is_region != 0;
    out.ranges = take(header.range_bytes);
    out.guest_bytes = take(header.guest_bytes);
    out.code = take(header.code_bytes);
    out.links = take(header.link_bytes);
    out.faults = take(header.fault_bytes);
    out.locations = take(header.location_bytes);
    out.location_ends = take(header.location_end_bytes);
    out.addresses = take(header.address_bytes);
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
