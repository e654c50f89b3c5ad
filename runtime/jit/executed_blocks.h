// Which blocks have been executed: tier 0 interprets what is not here, and the rest is translated.
#pragma once

#include <atomic>
#include <cstdlib>
#include <memory>

#include "ir/block_key.h"

namespace ulna::runtime {

// A set of block keys. It forgets nothing, and may hold a key that was not added; without memory
// for it, it holds all. Lock-free.
class ExecutedBlocks {
  public:
    [[nodiscard]] bool contains(ir::BlockKey key) const {
        return words_ == nullptr || (word(key).load(std::memory_order_relaxed) & mask(key)) != 0;
    }
    void add(ir::BlockKey key) { word(key).fetch_or(mask(key), std::memory_order_relaxed); }

  private:
    // One bit for each instruction of 8 MiB of code: neighbours stay neighbours, so that few pages
    // are touched.
    static constexpr unsigned kLog2Bits = 21;

    [[nodiscard]] static u64 bit(ir::BlockKey key) {
        const u64 at = key.location_of(key.pc) >> 2;
        const u64 elsewhere = (at >> kLog2Bits) * 0x9e37'79b9'7f4a'7c15u;
        return (at ^ elsewhere >> (64 - kLog2Bits)) % (u64{1} << kLog2Bits);
    }
    [[nodiscard]] static u64 mask(ir::BlockKey key) { return u64{1} << bit(key) % 64; }
    [[nodiscard]] std::atomic_ref<u64> word(ir::BlockKey key) const {
        return std::atomic_ref<u64>{words_.get()[bit(key) / 64]};
    }

    struct Free {
        void operator()(u64* words) const { std::free(words); }
    };
    // Pages that nothing was added to are not there.
    std::unique_ptr<u64[], Free> words_{
        static_cast<u64*>(std::calloc((u64{1} << kLog2Bits) / 64, sizeof(u64)))};
};

} // namespace ulna::runtime
