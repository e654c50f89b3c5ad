#include "runtime/devices/physical_memory.h"

#include "tests/support/catch.h"

namespace ulna::devices {
namespace {

class Counter : public Device {
  public:
    u64 read(u64 offset, unsigned) override { return offset + last; }
    void write(u64, unsigned, u64 value) override { last = value; }
    void reset() override { last = 0; }
    u64 last = 0;
};

TEST_CASE("an address leads to RAM, to a device, or nowhere", "[devices]") {
    PhysicalMemory memory;
    std::string why_not;
    REQUIRE(memory.add_ram(0x4000'0000, 0x10000, why_not) != nullptr);
    Counter first, second;
    memory.add_device(0x900'0000, 0x1000, first);
    memory.add_device(0x800'0000, 0x1000, second);
    u64 value = 0;
    CHECK(memory.write(0x4000'fff8, 8, 0x1122334455667788));
    CHECK(memory.read(0x4000'fffc, 4, value));
    CHECK(value == 0x11223344);
    CHECK_FALSE(memory.read(0x4000'fffc, 8, value));
    CHECK(memory.write(0x900'0004, 4, 7));
    CHECK(first.last == 7);
    CHECK(memory.read(0x800'0010, 4, value));
    CHECK(value == 0x10);
    CHECK_FALSE(memory.read(0x700'0000, 4, value));
    CHECK_FALSE(memory.read(0x900'0ffe, 4, value));
    CHECK(memory.ram(0x4000'0000, 0x10001) == nullptr);
    CHECK_FALSE(memory.write_ram(0x900'0000, &value, 8));
}

TEST_CASE("a reset leaves zeros and devices as after power on", "[devices]") {
    using Kind = PhysicalMemory::RamKind;
    PhysicalMemory memory;
    std::string why_not;
    for (const Kind kind : {Kind::Private, Kind::Shared}) {
        const PhysAddr base = kind == Kind::Private ? 0x4000'0000 : 0x5000'0000;
        REQUIRE(memory.add_ram(base, 0x10000, why_not, kind) != nullptr);
        CHECK(memory.write(base + 0x8000, 8, ~u64{0}));
    }
    Counter device;
    memory.add_device(0x900'0000, 0x1000, device);
    CHECK(memory.write(0x900'0000, 4, 7));
    memory.reset();
    u64 value = 1;
    CHECK((memory.read(0x4000'8000, 8, value) && value == 0));
    CHECK((memory.read(0x5000'8000, 8, value) && value == 0));
    CHECK(device.last == 0);
}

TEST_CASE("RAM has allocation tags where they are asked for", "[devices]") {
    PhysicalMemory memory;
    std::string why_not;
    u8* const first = memory.add_ram(0x4000'0000, 0x10000, why_not);
    const u8* const second = memory.add_ram(0x8000'0000, 0x20000, why_not);
    REQUIRE((first != nullptr && second != nullptr));
    CHECK(memory.tags_of(first) == nullptr);
    REQUIRE(memory.add_tags(why_not));
    u8* const tags = memory.tags_of(first);
    REQUIRE(tags != nullptr);
    CHECK(memory.tags_of(first + 15) == tags);
    CHECK(memory.tags_of(first + 0xffff) == tags + 0xfff);
    CHECK(memory.tags_of(second + 0x1'0010) == memory.tags_of(second) + 0x1001);
    CHECK(memory.tags_of(reinterpret_cast<const u8*>(&memory)) == nullptr);
    tags[5] = 7;
    memory.reset();
    CHECK(tags[5] == 0);
}

} // namespace
} // namespace ulna::devices
