// Many translations as one record: those that were executed one after the other, laid out as they
// will lie in the translation cache, with the links between them made. What is read, compared and
// installed is one thing instead of many; that is most of what it costs.
#pragma once

#include <optional>

#include "runtime/persist/record.h"

namespace ulna::runtime {

inline constexpr std::size_t kMostBundledBlocks = 32;

// A bundle's contents; the spans point into its bytes.
struct StoredBundle {
    LinkedBlocks linked;
    bool guarded = false;
    std::span<const GuestRange> ranges; // all guest bytes, each once; none leaves its page
    std::span<const u8> guest_bytes;    // of all ranges, one after the other
};

// Appends the record of the first of these blocks, or a bundle of the first few, if they go
// together. Returns of how many; `bytes`: how many it takes.
std::size_t append_bundle(std::vector<u8>& out, std::span<const StoredBlock> blocks, u32& bytes);

// False: these bytes, which are aligned to 8, are not a whole, undamaged bundle.
[[nodiscard]] bool decode_bundle(std::span<const u8> bytes, StoredBundle& out);

// One of the blocks as if it had been stored alone; nothing: it is none of the bundle, or damaged.
// `code` is room for its code.
[[nodiscard]] std::optional<StoredBlock>
block_of(const StoredBundle& bundle, std::size_t index, std::vector<u8>& code);

} // namespace ulna::runtime
