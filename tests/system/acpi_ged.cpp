#include "runtime/devices/acpi_ged.h"

#include "tests/system/seen_line.h"
#include "tests/system/state_fixture.h"

#include "tests/support/catch.h"

namespace ulna::devices {
namespace {

TEST_CASE("the power button is an event that a read clears", "[acpi]") {
    SeenLine line;
    AcpiGed device{line};
    CHECK(device.read(0, 4) == 0);
    device.raise(AcpiGed::kPowerButton);
    CHECK(line.on);
    CHECK(device.read(0, 4) == 2);
    CHECK_FALSE(line.on);
    CHECK(device.read(0, 4) == 0);
}

TEST_CASE("each event is an edge, also if nobody has heard the one before", "[acpi]") {
    SeenLine line;
    AcpiGed device{line};
    device.raise(AcpiGed::kPowerButton);
    device.raise(AcpiGed::kPowerButton);
    CHECK(line.changes == 3); // up, down, up
    CHECK(device.read(0, 4) == 2);
    device.raise(AcpiGed::kPowerButton);
    device.reset();
    CHECK_FALSE(line.on);
    CHECK(device.read(0, 4) == 0);
}

TEST_CASE("what the event device does not have is ignored", "[acpi]") {
    SeenLine line;
    AcpiGed device{line};
    device.raise(AcpiGed::kPowerButton);
    device.write(0, 4, ~u64{0});
    CHECK(device.read(0, 1) == 0);
    CHECK(device.read(4, 4) == 0);
    CHECK(device.read(0, 8) == 0);
    CHECK(line.on);
    RandomAccesses access{std::mt19937_64{test::seed(1)}, 24};
    for (unsigned i = 0; i < 1000; ++i) {
        static_cast<void>(access(device, device));
    }
}

TEST_CASE("an event that nobody has read is part of a snapshot", "[acpi]") {
    SeenLine line, other_line;
    AcpiGed device{line}, other{other_line};
    device.raise(AcpiGed::kPowerButton);
    const std::vector<u8> state = saved_state(device);
    CHECK(load_state(other, state) == "");
    CHECK(other_line.on);
    CHECK(other.read(0, 4) == 2);
    CHECK(load_state(other, std::vector<u8>{0xff, 0, 0, 0}) != "");
}

} // namespace
} // namespace ulna::devices
