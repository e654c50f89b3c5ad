#include "runtime/system/memory_format.h"

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

TEST_CASE("memory formats have a count, a format and a size", "[system]") {
    CHECK(parse_memory_format("")->bytes() == 4);
    CHECK(parse_memory_format("8xg")->bytes() == 64);
    CHECK(parse_memory_format("8gx")->format == 'x');
    CHECK(parse_memory_format("3c")->bytes() == 3);
    CHECK(parse_memory_format("2ig")->bytes() == 8); // instructions have their size
    for (const auto* text : {"0x", "4097", "99999999999999999999", "z", "4x8", "-1"}) {
        CHECK_FALSE(parse_memory_format(text));
    }
}

TEST_CASE("memory is shown sixteen bytes a line", "[system]") {
    const u8 bytes[18] = {0x41, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    const auto show = [&](const char* format, std::size_t count) {
        return print_memory(*parse_memory_format(format), 0x1000, std::span{bytes}.first(count));
    };
    CHECK(show("2xh", 4) == "0000000000001000: 0xff41 0x0201\n");
    CHECK(show("2db", 2) == "0000000000001000: 65 -1\n");
    CHECK(show("2ub", 2) == "0000000000001000: 65 255\n");
    CHECK(show("2cb", 2) == "0000000000001000: 'A' '\\xff'\n");
    CHECK(show("1oh", 2) == "0000000000001000: 0177501\n");
    CHECK(show("9xh", 18).find("\n0000000000001010: 0x100f\n") != std::string::npos);
    CHECK(show("1xg", 4).empty());
}

} // namespace
} // namespace ulna::system
