// Features as a set: features.def as C++ types.
#pragma once

#include <initializer_list>

#include "ir/support/types.h"

namespace ulna::frontend {

enum class Feature : u8 {
#define FEATURE(name, status) name,
#define ID_FIELD(name, reg, lsb, value)
#define HWCAP(name, word, bit, text)
#include "frontend/a64/features.def"
#undef FEATURE
#undef ID_FIELD
#undef HWCAP
};
inline constexpr unsigned kFeatureCount = 0
#define FEATURE(name, status) +1
#define ID_FIELD(name, reg, lsb, value)
#define HWCAP(name, word, bit, text)
#include "frontend/a64/features.def"
#undef FEATURE
#undef ID_FIELD
#undef HWCAP
    ;
static_assert(kFeatureCount < 64, "a FeatureSet is one word");

class FeatureSet {
  public:
    constexpr FeatureSet() = default;
    constexpr FeatureSet(std::initializer_list<Feature> features) {
        for (const Feature feature : features) {
            set(feature, true);
        }
    }
    // What is implemented.
    [[nodiscard]] static constexpr FeatureSet all();
    [[nodiscard]] constexpr bool has(Feature feature) const {
        return (bits_ >> static_cast<unsigned>(feature) & 1) != 0;
    }
    constexpr void set(Feature feature, bool on) {
        const u64 mask = u64{1} << static_cast<unsigned>(feature);
        bits_ = on ? bits_ | mask : bits_ & ~mask;
    }
    friend constexpr FeatureSet operator|(FeatureSet a, FeatureSet b) {
        a.bits_ |= b.bits_;
        return a;
    }
    friend constexpr FeatureSet operator&(FeatureSet a, FeatureSet b) {
        a.bits_ &= b.bits_;
        return a;
    }
    friend constexpr bool operator==(FeatureSet, FeatureSet) = default;
    // For hashing; which bit is which changes from build to build.
    [[nodiscard]] constexpr u64 bits() const { return bits_; }

  private:
    u64 bits_ = 0;
};

constexpr FeatureSet FeatureSet::all() {
    constexpr bool Done = true, Planned = false;
    FeatureSet result;
#define FEATURE(name, status) result.set(Feature::name, status);
#define ID_FIELD(name, reg, lsb, value)
#define HWCAP(name, word, bit, text)
#include "frontend/a64/features.def"
#undef FEATURE
#undef ID_FIELD
#undef HWCAP
    static_cast<void>(Done), static_cast<void>(Planned);
    return result;
}

} // namespace ulna::frontend
