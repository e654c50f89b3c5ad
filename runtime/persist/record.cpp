#include "runtime/persist/record.h"

#include <cstring>

#include "runtime/persist/checksum.h"

namespace ulna::runtime {

namespace {

struct Header {
    u64 checksum; // of everything after it
    u64 pc;
    u64 low, high;
    u32 mode;
    u16 masks_tags, guarded;
    u32 guest_bytes, code_bytes, link_bytes, fault_bytes;
};
static_assert(sizeof(Header) == 56);

struct PackedLink {
    u32 displacement_offset, stub_offset;
    u64 target;
};
struct PackedFault {
    u32 code_offset;
    i32 pc_delta; // from the block's PC
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

// What the translation cache relies on.
bool makes_sense(const StoredBlock& block) {
    const u64 code_bytes = block.code.size();
    if (block.low > block.high || block.guest_bytes.empty() ||
        block.guest_bytes.size() > block.high - block.low ||
        block.links.size() % sizeof(PackedLink) != 0 ||
        block.faults.size() % sizeof(PackedFault) != 0) {
        return false;
    }
    for (u64 at = 0; at < block.links.size(); at += sizeof(PackedLink)) {
        const auto link = read<PackedLink>(block.links.data() + at);
        if (link.displacement_offset % 4 != 0 || code_bytes < 4 ||
            link.displacement_offset > code_bytes - 4 || link.stub_offset >= code_bytes) {
            return false;
        }
    }
    return true;
}

} // namespace

u32 append_record(std::vector<u8>& out,
                  const backend::CompiledBlock& compiled,
                  const Origin& origin) {
    const u64 start = out.size();
    Header header{};
    header.pc = compiled.key.pc;
    header.mode = compiled.key.mode.bits;
    header.low = origin.low;
    header.high = origin.high;
    header.masks_tags = origin.masks_tags;
    header.guarded = origin.guarded;
    header.guest_bytes = static_cast<u32>(origin.guest_bytes.size());
    header.code_bytes = static_cast<u32>(compiled.code.size());
    header.link_bytes = static_cast<u32>(compiled.links.size() * sizeof(PackedLink));
    header.fault_bytes = static_cast<u32>(compiled.faults.size() * sizeof(PackedFault));
    append(out, &header, sizeof header);
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
    out.resize((out.size() + kAlign - 1) / kAlign * kAlign);
    header.checksum = checksum({out.data() + start + 8, out.size() - start - 8});
    std::memcpy(out.data() + start, &header.checksum, sizeof header.checksum);
    return static_cast<u32>(out.size() - start);
}

bool decode_record(std::span<const u8> bytes, StoredBlock& out) {
    if (bytes.size() < sizeof(Header)) {
        return false;
    }
    const auto header = read<Header>(bytes.data());
    if (header.checksum != checksum(bytes.subspan(8))) {
        return false;
    }
    std::span<const u8> rest = bytes.subspan(sizeof header);
    const auto take = [&rest](u64 count) {
        const std::span<const u8> part = rest.first(count);
        rest = rest.subspan(count);
        return part;
    };
    const u64 parts =
        u64{header.guest_bytes} + header.code_bytes + header.link_bytes + header.fault_bytes;
    if (parts > rest.size()) {
        return false;
    }
    out.key = {header.pc, {header.mode}};
    out.low = header.low;
    out.high = header.high;
    out.masks_tags = header.masks_tags != 0;
    out.guarded = header.guarded != 0;
    out.guest_bytes = take(header.guest_bytes);
    out.code = take(header.code_bytes);
    out.links = take(header.link_bytes);
    out.faults = take(header.fault_bytes);
    return makes_sense(out);
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
}

} // namespace ulna::runtime
