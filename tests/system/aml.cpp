#include "runtime/system/acpi/aml.h"

#include "tests/support/catch.h"

namespace ulna::system::acpi::aml {
namespace {

Bytes operator+(Bytes a, const Bytes& b) {
    put(a, b);
    return a;
}
Bytes chars(std::string_view text) { return {text.begin(), text.end()}; }
// The bytes of a package's length, for a body of so many.
Bytes length_of(std::size_t body) {
    const Bytes all = buffer(Bytes(body)).bytes;
    const std::size_t count = all.size() - body;
    return {all.begin() + 1, all.begin() + static_cast<std::ptrdiff_t>(count)};
}

TEST_CASE("numbers have their shortest form", "[acpi]") {
    CHECK(Term{0}.bytes == Bytes{0x00});
    CHECK(Term{1}.bytes == Bytes{0x01});
    CHECK(Term{2}.bytes == Bytes{0x0a, 2});
    CHECK(Term{0xff}.bytes == Bytes{0x0a, 0xff});
    CHECK(Term{0x100}.bytes == Bytes{0x0b, 0, 1});
    CHECK(Term{0x1'0000}.bytes == Bytes{0x0c, 0, 0, 1, 0});
    CHECK(Term{u64{1} << 32}.bytes == Bytes{0x0e, 0, 0, 0, 0, 1, 0, 0, 0});
}

TEST_CASE("names are filled up, and have prefixes by their number of segments", "[acpi]") {
    CHECK(path("ABC").bytes == chars("ABC_"));
    CHECK(path("\\_SB").bytes == chars("\\_SB_"));
    CHECK(path("\\_SB.GED").bytes == chars("\\\x2e_SB_GED_"));
    CHECK(path("A.BB.CCCC").bytes == chars("\x2f\x03") + chars("A___BB__CCCC"));
}

// ACPI 6.5, 20.2.4. A buffer of n bytes: opcode, length, the number n, bytes.
TEST_CASE("lengths take one to four bytes, which count themselves", "[acpi]") {
    CHECK(length_of(60) == Bytes{0x3f, 0x0a, 60});       // 1 + 2 + 60
    CHECK(length_of(61) == Bytes{0x41, 0x04, 0x0a, 61}); // 2 + 2 + 61 = 0x41
    CHECK(length_of(0xfff - 5) == Bytes{0x4f, 0xff, 0x0b, 0xfa, 0x0f});
    CHECK(length_of(0xfff - 4) == Bytes{0x81, 0x00, 0x01, 0x0b, 0xfb, 0x0f}); // 0x1001
    CHECK(length_of(0xf'ffff - 8) == Bytes{0x8f, 0xff, 0xff, 0x0c, 0xf7, 0xff, 0x0f, 0});
    CHECK(length_of(0xf'ffff) == Bytes{0xc8, 0x00, 0x00, 0x01, 0x0c, 0xff, 0xff, 0x0f, 0});
}

TEST_CASE("objects nest", "[acpi]") {
    CHECK(device("COM0", {name("_UID", 2)}).bytes ==
          Bytes{0x5b, 0x82, 12} + chars("COM0\x08_UID\x0a\x02"));
    CHECK(scope("\\", {}).bytes == Bytes{0x10, 3, '\\', 0});
    CHECK(method("_EVT", 1, {}, Serialized::Yes).bytes == Bytes{0x14, 6} + chars("_EVT\x09"));
    CHECK(package({1, text("a")}).bytes == Bytes{0x12, 6, 2, 1, 0x0d, 'a', 0});
    CHECK(variable_package({1, 0}).bytes == Bytes{0x13, 5, 0x0a, 2, 1, 0});
    CHECK(unicode("a").bytes == Bytes{0x11, 7, 0x0a, 4, 'a', 0, 0, 0});
    CHECK(operation_region("REGN", {0x900'0000, 4}).bytes ==
          Bytes{0x5b, 0x80} + chars("REGN") + Bytes{0, 0x0c, 0, 0, 0, 9, 0x0a, 4});
    CHECK(dword_field("REGN", {{"LOW", 8}, {"REST", 100}}).bytes ==
          Bytes{0x5b, 0x81, 17} + chars("REGN\x43LOW_\x08REST\x44\x06"));
}

TEST_CASE("statements have their operands in ASL's order", "[acpi]") {
    CHECK(if_then(logical_not(equal(argument(0), 1)), {give_back(local(2))}).bytes ==
          Bytes{0xa0, 7, 0x92, 0x93, 0x68, 1, 0xa4, 0x62});
    CHECK(otherwise({store(1, path("A"))}).bytes == Bytes{0xa1, 7, 0x70, 1} + chars("A___"));
    CHECK(bit_and(local(0), 2).bytes == Bytes{0x7b, 0x60, 0x0a, 2, 0});
    CHECK(bit_or(local(0), 2, local(0)).bytes == Bytes{0x7d, 0x60, 0x0a, 2, 0x60});
    CHECK(notify("PWRB", 0x80).bytes == Bytes{0x86} + chars("PWRB") + Bytes{0x0a, 0x80});
    CHECK(create_dword_field(argument(3), 4, "CDW2").bytes ==
          Bytes{0x8a, 0x6b, 0x0a, 4} + chars("CDW2"));
}

// The example of ACPI's ToUUID: aabbccdd-eeff-gghh-iijj-kkllmmnnoopp becomes dd cc bb aa ff ee hh
// gg ii jj kk and so on.
TEST_CASE("UUIDs have their first three groups in the little-endian order", "[acpi]") {
    CHECK(uuid("00112233-4455-6677-8899-aabbccddeeff").bytes ==
          Bytes{0x11, 19,   0x0a, 16,   0x33, 0x22, 0x11, 0x00, 0x55, 0x44,
                0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff});
}

TEST_CASE("resources end with their tag", "[acpi]") {
    CHECK(resource_template({}).bytes == Bytes{0x11, 5, 0x0a, 2, 0x79, 0});
    CHECK(memory32({0x900'0000, 0x1000}).bytes == Bytes{0x86, 9, 0, 1, 0, 0, 0, 9, 0, 0x10, 0, 0});
    CHECK(interrupt(33, Trigger::Level).bytes == Bytes{0x89, 6, 0, 1, 1, 33, 0, 0, 0});
    CHECK(interrupt(41, Trigger::Edge).bytes == Bytes{0x89, 6, 0, 3, 1, 41, 0, 0, 0});
    CHECK(bus_numbers(0, 0xff).bytes ==
          Bytes{0x88, 13, 0, 2, 0xc, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 1});
    CHECK(io_window({0, 0x1'0000}, 0x3eff'0000).bytes ==
          Bytes{0x87, 23,   0,    1, 0xc, 3, 0, 0,    0,    0, 0, 0, 0,
                0,    0xff, 0xff, 0, 0,   0, 0, 0xff, 0x3e, 0, 0, 1, 0});
    CHECK(memory_window64({u64{0x80} << 32, u64{0x80} << 32}).bytes.size() == 46);
}

} // namespace
} // namespace ulna::system::acpi::aml
