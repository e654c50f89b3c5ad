// Random instructions and states. Everything derives from one seed.
#pragma once

#include <string>
#include <vector>

#include "frontend/frontend.h"
#include "tests/fuzz/case.h"

namespace ulna::fuzz {

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_{seed * 0x9e3779b97f4a7c15u + 1} {}
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

struct GeneratorOptions {
    std::string filter;  // only rows whose name contains this
    unsigned length = 1; // instructions in a case
    bool random_fpcr = false;
    std::vector<std::string> excluded; // row names, from exclusions.txt
};

class Generator {
  public:
    Generator(std::uint64_t seed, GeneratorOptions options);
    [[nodiscard]] FuzzCase next();
    [[nodiscard]] std::size_t row_count() const { return rows_.size(); }

  private:
    std::uint32_t instruction();
    std::uint64_t integer();
    std::uint64_t fp_lanes();

    Random random_;
    GeneratorOptions options_;
    std::vector<const frontend::EncodingInfo*> rows_;
};

} // namespace ulna::fuzz
