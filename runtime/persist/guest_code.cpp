#include "runtime/persist/guest_code.h"

#include <algorithm>
#include <cstring>

#include "runtime/persist/checksum.h"

namespace ulna::runtime {

namespace {
constexpr u64 kPageBytes = u64{1} << ir::kCodePageLog2;
constexpr u64 kMostRangeBytes = kPageBytes + 64; // and how far the look-ahead is counted

// More would tell apart what the comparison does anyway, and miss where the code behind a block has
// changed.
constexpr std::size_t kTaggedWords = 4;
} // namespace

bool read_guest_code(frontend::CodeSource& source, GuestRange& range, std::vector<u8>& out) {
    if (range.bytes > kMostRangeBytes) {
        return false;
    }
    range.bytes = std::min(range.bytes, kPageBytes - range.low % kPageBytes);
    const std::size_t at = out.size();
    out.resize(at + range.bytes);
    return source.read(range.low, out.data() + at, range.bytes);
}

bool is_guarded(ir::BlockMode mode, GuestAddr pc, frontend::CodeSource& source) {
    return mode.bti() && source.guarded_word(pc).has_value();
}

namespace {

bool holds(GuestRange range,
           const u8* stored,
           ir::BlockMode mode,
           bool guarded,
           frontend::CodeSource& source,
           std::vector<u8>& now) {
    now.clear();
    return is_guarded(mode, range.low, source) == guarded && read_guest_code(source, range, now) &&
           std::memcmp(stored, now.data(), range.bytes) == 0;
}

} // namespace

bool is_same_code(const StoredBlock& block,
                  u64 by,
                  frontend::CodeSource& source,
                  std::vector<u8>& now) {
    const u8* stored = block.guest_bytes.data();
    for (std::size_t i = 0; i < block.range_count(); ++i) {
        const GuestRange range = block.range(i);
        if (!holds({range.low + by, range.bytes}, stored, block.key.mode, block.guarded, source,
                   now)) {
            return false;
        }
        stored += range.bytes;
    }
    return true;
}

bool is_same_code(const StoredBundle& bundle, frontend::CodeSource& source, std::vector<u8>& now) {
    const u8* stored = bundle.guest_bytes.data();
    return std::ranges::all_of(bundle.ranges, [&](const GuestRange& range) {
        const bool same = holds(range, stored, bundle.linked.mode, bundle.guarded, source, now);
        stored += range.bytes;
        return same;
    });
}

u64 tag_of_code(ir::BlockKey key, frontend::CodeSource& source) {
    const auto words = source.words(key.pc);
    const auto first = words.first(std::min(words.size(), kTaggedWords));
    const u64 place = u64{key.mode.bits} << ir::kCodePageLog2 | key.pc % kPageBytes;
    const u64 tag =
        checksum({reinterpret_cast<const u8*>(first.data()), first.size_bytes()}, place);
    return tag | u64{1} << 31;
}

bool stands_for(const ir::BlockKey& stored, const ir::BlockKey& key) {
    const u64 same = key.mode.system() ? kPageBytes - 1 : ~u64{0};
    return stored.mode == key.mode && ((stored.pc ^ key.pc) & same) == 0;
}

} // namespace ulna::runtime
