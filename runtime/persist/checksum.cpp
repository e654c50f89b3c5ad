#include "runtime/persist/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ulna::runtime {

u64 checksum(std::span<const u8> bytes, u64 seed) {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

} // namespace ulna::runtime
