// The decode table, built at compile time: rows sorted by the number of fixed bits, and for each
// value of a few well-discriminating bits the list of rows that can match.
#include "frontend/a64/decoder.h"

#include <algorithm>

#include "frontend/a64/translate/handlers_base.h"
#include "frontend/a64/translate/handlers_fp.h"
#include "frontend/a64/translate/handlers_simd.h"

namespace ulna::frontend {

namespace {

constexpr unsigned kRowCount = 0
#define INSN(handler, mnemonic, pattern, feature) +1
#include "frontend/a64/insn.def"
#undef INSN
    ;

constexpr EncodingInfo kInfos[kRowCount] = {
#define INSN(handler, mnemonic, pattern, feature)                                                  \
    {#handler, mnemonic, pattern, Feature::feature, kPattern<pattern>.mask, kPattern<pattern>.bits},
#include "frontend/a64/insn.def"
#undef INSN
};

using Rows = std::array<Encoding, kRowCount>;

constexpr unsigned specificity(const Encoding& row) {
    return 2 * static_cast<unsigned>(std::popcount(row.mask)) + (row.nonzero != 0);
}

constexpr Rows sorted_rows() {
    Rows rows = {{
#define INSN(handler, mnemonic, pattern, feature)                                                  \
    {kPattern<pattern>.mask, kPattern<pattern>.bits,         kPattern<pattern>.nonzero, 0,         \
     Feature::feature,       &Thunk<pattern, &handler>::call},
#include "frontend/a64/insn.def"
#undef INSN
    }};
    for (unsigned i = 0; i < kRowCount; ++i) {
        rows[i].index = static_cast<u16>(i);
    }
    std::sort(rows.begin(), rows.end(), [](const Encoding& a, const Encoding& b) {
        return specificity(a) != specificity(b) ? specificity(a) > specificity(b)
                                                : a.index < b.index;
    });
    return rows;
}
constexpr Rows kRows = sorted_rows();

// Bits 31:21 and 11:10 tell most rows apart: measured over a libc, a look-up tries 1.04 rows.
constexpr unsigned kBucketCount = 1u << 13;
constexpr u32 kBucketMask = 0xffe0'0c00;
constexpr unsigned bucket_of(u32 word) { return (word >> 21) << 2 | (word >> 10 & 3); }

// Calls visit(bucket) for each bucket that holds words of the row.
template <class Visit> constexpr void for_each_bucket(const Encoding& row, Visit visit) {
    const unsigned fixed = bucket_of(row.bits);
    const unsigned free = bucket_of(~row.mask & kBucketMask);
    for (unsigned subset = free;; subset = (subset - 1) & free) {
        visit(fixed | subset);
        if (subset == 0) {
            return;
        }
    }
}

constexpr unsigned total_entries() {
    unsigned total = 0;
    for (const Encoding& row : kRows) {
        total += 1u << std::popcount(~row.mask & kBucketMask);
    }
    return total;
}

struct Buckets {
    std::array<u16, kBucketCount + 1> start{};
    std::array<u16, total_entries()> rows{};
};
static_assert(total_entries() < 0xffff && kRowCount < 0xffff);

constexpr Buckets make_buckets() {
    Buckets result;
    for (const Encoding& row : kRows) {
        for_each_bucket(row, [&](unsigned bucket) { ++result.start[bucket + 1]; });
    }
    for (unsigned i = 0; i < kBucketCount; ++i) {
        result.start[i + 1] = static_cast<u16>(result.start[i + 1] + result.start[i]);
    }
    std::array<u16, kBucketCount> fill{};
    for (unsigned i = 0; i < kRowCount; ++i) {
        for_each_bucket(kRows[i], [&](unsigned bucket) {
            result.rows[result.start[bucket] + fill[bucket]++] = static_cast<u16>(i);
        });
    }
    return result;
}
constexpr Buckets kBuckets = make_buckets();

} // namespace

const Encoding* decode(u32 word, FeatureSet features) {
    const unsigned bucket = bucket_of(word);
    for (unsigned i = kBuckets.start[bucket]; i < kBuckets.start[bucket + 1]; ++i) {
        const Encoding& row = kRows[kBuckets.rows[i]];
        if (row.matches(word) && features.has(row.feature)) {
            return &row;
        }
    }
    return nullptr;
}

std::span<const Encoding> decode_order() { return kRows; }

std::span<const EncodingInfo> encodings() { return kInfos; }

const char* encoding_name(u32 word, FeatureSet features) {
    const Encoding* row = decode(word, features);
    return row == nullptr ? nullptr : kInfos[row->index].name;
}

} // namespace ulna::frontend
