// Parts that are saved, loaded into another of their kind, and then do the same; and that survive
// state which is none.
#pragma once

#include <random>
#include <vector>

#include "runtime/devices/device.h"
#include "runtime/devices/state_visitor.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::devices {

template <class Part> std::vector<u8> saved_state(Part& part) {
    StateVisitor visit;
    part.visit_state(visit);
    REQUIRE_FALSE(visit.failed());
    return visit.take();
}

// Why not; empty: it was loaded.
template <class Part> std::string load_state(Part& part, std::span<const u8> bytes) {
    StateVisitor visit{bytes};
    part.visit_state(visit);
    visit.finish();
    return visit.why_not();
}

struct RandomAccesses {
    std::mt19937_64 random;
    u64 bytes; // of the device

    // One access, the same to both; what they read.
    std::pair<u64, u64> operator()(Device& a, Device& b) {
        const unsigned size = 1u << random() % 4;
        const u64 offset = random() % (bytes / size) * size;
        const u64 value = random() % 3 == 0 ? random() : random() % 256;
        if (random() % 2 == 0) {
            a.write(offset, size, value);
            b.write(offset, size, value);
            return {};
        }
        return {a.read(offset, size), b.read(offset, size)};
    }
};

// `first` and `second` are alike and new. Accesses go to their devices, which may be themselves.
template <class Part>
void check_twins(Part& first, Part& second, Device& a, Device& b, u64 bytes, unsigned rounds = 40) {
    RandomAccesses access{std::mt19937_64{test::seed(7)}, bytes};
    for (unsigned round = 0; round < rounds; ++round) {
        for (unsigned i = 0; i < 50; ++i) {
            static_cast<void>(access(a, a));
        }
        const std::vector<u8> state = saved_state(first);
        REQUIRE(load_state(second, state) == "");
        REQUIRE(saved_state(second) == state);
        for (unsigned i = 0; i < 50; ++i) {
            const auto [one, other] = access(a, b);
            REQUIRE(one == other);
        }
        REQUIRE(saved_state(second) == saved_state(first));
    }
}
template <class Part> void check_twins(Part& first, Part& second, u64 bytes) {
    check_twins(first, second, first, second, bytes);
}

// State that has been bent is refused or taken, and either way the part works on.
template <class Part, class Use>
void check_bent(
    Part& part, std::vector<u8> good, Use use, unsigned times = 500, bool has_clock = false) {
    std::mt19937_64 random{test::seed(11)};
    REQUIRE(load_state(part, good) == "");
    for (unsigned i = 0; i < times; ++i) {
        std::vector<u8> bent = good;
        for (u64 changes = random() % 4 + 1; changes != 0 && !bent.empty(); --changes) {
            bent[random() % bent.size()] = static_cast<u8>(random() % 2 == 0 ? random() : 0xff);
        }
        if (random() % 8 == 0) {
            bent.resize(random() % (good.size() + 8));
        }
        const bool is_taken = load_state(part, bent).empty();
        use();
        if (is_taken) { // what it is now can be loaded again
            REQUIRE(load_state(part, saved_state(part)) == "");
        }
    }
    CHECK(load_state(part, good) == "");
    CHECK((has_clock || saved_state(part) == good));
    good.push_back(0);
    CHECK(load_state(part, good) == "more than there should be");
    good.resize(good.size() / 2);
    CHECK(load_state(part, good) != "");
}

// By accesses to a device.
template <class Part>
void check_bent(Part& part, Device& device, u64 bytes, bool has_clock = false) {
    RandomAccesses access{std::mt19937_64{test::seed(13)}, bytes};
    check_bent(
        part, saved_state(part),
        [&] {
            for (unsigned i = 0; i < 20; ++i) {
                static_cast<void>(access(device, device));
            }
        },
        500, has_clock);
}

} // namespace ulna::devices
