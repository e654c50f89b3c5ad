#include "runtime/system/walk_registers.h"

#include "runtime/system/id_registers.h"

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

MmuFeatures features_of(const char* model) {
    std::string why_not;
    const auto parsed = frontend::parse_cpu(model, why_not);
    REQUIRE(parsed);
    Cpu cpu;
    cpu.model = &*parsed;
    cpu.physical_address_bits = physical_address_bits(*parsed);
    fill_identification(cpu);
    return mmu_features(cpu);
}

TEST_CASE("walks know the features that the CPU tells of", "[mmu]") {
    const MmuFeatures old = features_of("cortex-a57");
    CHECK_FALSE(old.lva);
    CHECK_FALSE(old.lpa);
    CHECK_FALSE(old.lpa2);
    CHECK_FALSE(old.ttst);
    CHECK_FALSE(old.hafdbs);
    CHECK_FALSE(old.hpds);
    CHECK_FALSE(old.pan3);
    CHECK_FALSE(old.xnx);
    CHECK_FALSE(old.s2fwb);
    CHECK_FALSE(old.e0pd);
    CHECK_FALSE(old.bti);
    const MmuFeatures all = features_of("max");
    CHECK(all.lva);
    CHECK(all.lpa);
    CHECK(all.lpa2);
    CHECK(all.ttst);
    CHECK(all.hafdbs);
    CHECK(all.hpds);
    CHECK(all.pan3);
    CHECK(all.xnx);
    CHECK(all.s2fwb);
    CHECK(all.e0pd);
    CHECK(all.bti);
    CHECK_FALSE(features_of("neoverse-n1").lpa);
}

} // namespace
} // namespace ulna::system
