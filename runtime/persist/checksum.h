// The hash of the persistent cache: against damage, not against malice (the directory is the
// user's own).
#pragma once

#include <span>

#include "ir/support/types.h"

namespace ulna::runtime {

[[nodiscard]] u64 checksum(std::span<const u8> bytes, u64 seed = 0);

// Field by field: each value is hashed with what came before it.
class FieldHash {
  public:
    FieldHash& add(u64 value) {
        state_ = checksum({reinterpret_cast<const u8*>(&value), sizeof value}, state_ + 1);
        return *this;
    }
    FieldHash& add(std::span<const u8> bytes) {
        add(bytes.size());
        state_ = checksum(bytes, state_ + 1);
        return *this;
    }
    [[nodiscard]] u64 value() const { return state_; }

  private:
    u64 state_ = 0;
};

} // namespace ulna::runtime
