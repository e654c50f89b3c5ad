#pragma once

#include <cstdint>

namespace ulna::fuzz {

// Everything that is random in a campaign derives from one seed.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_{seed * 0x9e3779b97f4a7c15u + 1} {
        for (int i = 0; i < 4; ++i) {
            next();
        }
    }
    std::uint64_t next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        return state_ ^= state_ << 17;
    }
    std::uint32_t below(std::uint32_t limit) {
        return static_cast<std::uint32_t>((next() >> 11) % limit);
    }
    bool one_in(std::uint32_t n) { return below(n) == 0; }

  private:
    std::uint64_t state_;
};

} // namespace ulna::fuzz
