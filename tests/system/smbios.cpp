#include "runtime/system/smbios.h"

#include <map>

#include "tests/support/catch.h"

namespace ulna::system {
namespace {

struct Structure {
    Bytes fields;
    std::vector<std::string> texts;

    u64 number(std::size_t at, unsigned bytes) const {
        u64 value = 0;
        for (unsigned i = bytes; i-- > 0;) {
            value = value << 8 | fields.at(at + i);
        }
        return value;
    }
    std::string text(std::size_t at) const {
        return fields.at(at) == 0 ? "-" : texts.at(fields[at] - 1u);
    }
};

// By type, as a reader walks them; each type is there once.
std::map<u8, Structure> read(const Bytes& tables) {
    std::map<u8, Structure> all;
    std::size_t at = 0;
    while (at < tables.size()) {
        const u8 type = tables[at], length = tables.at(at + 1);
        Structure& to = all[type];
        REQUIRE(to.fields.empty());
        const auto first = tables.begin() + static_cast<std::ptrdiff_t>(at);
        REQUIRE(at + length < tables.size());
        to.fields.assign(first, first + length);
        at += length;
        if (tables.at(at) == 0) {
            ++at; // no texts: two zeros
        }
        for (std::string text; tables.at(at) != 0; text.clear()) {
            for (; tables.at(at) != 0; ++at) {
                text += static_cast<char>(tables[at]);
            }
            ++at;
            to.texts.push_back(text);
        }
        ++at;
    }
    REQUIRE(at == tables.size());
    REQUIRE(all.rbegin()->first == 127);
    return all;
}

TEST_CASE("SMBIOS: what a machine says about itself", "[smbios]") {
    MachineDescription machine;
    machine.cpus = {0, 1, 2};
    const SmbiosFiles files = make_smbios(machine, {});
    CHECK(std::string(files.anchor.begin(), files.anchor.begin() + 5) == "_SM3_");
    CHECK(files.anchor.size() == 24);
    CHECK(files.anchor[6] == 24);
    CHECK((files.anchor[12] | files.anchor[13] << 8) == static_cast<int>(files.tables.size()));
    auto all = read(files.tables);
    CHECK(all.size() == 8); // 1, 3, 4, 16, 17, 19, 32, 127
    CHECK(all[1].text(4) == "QEMU");
    CHECK(all[1].text(5) == "QEMU Virtual Machine");
    CHECK(all[1].text(7) == "-");
    CHECK(all[4].number(35, 1) == 3);
    CHECK(all[4].number(37, 1) == 3);
    CHECK(all[16].number(7, 4) == 1 << 20); // KiB
    CHECK(all[17].number(12, 2) == 1024);   // MiB
    CHECK(all[19].number(4, 4) == 1 << 20);
    CHECK(all[19].number(8, 4) == (2 << 20) - 1);
}

TEST_CASE("SMBIOS: what users set", "[smbios]") {
    SmbiosOptions options;
    options.system.serial = "ds=nocloud";
    for (u8 i = 0; i < 16; ++i) {
        options.system.uuid[i] = i;
    }
    options.bios = {.vendor = "v", .version = "", .date = "d", .major = 1, .minor = 2};
    options.board.emplace();
    options.oem_strings = {"one", "two"};
    auto all = read(make_smbios({}, options).tables);
    CHECK(all.size() == 11);
    CHECK(all[1].text(7) == "ds=nocloud");
    CHECK(all[1].number(8, 8) == 0x0607'0405'0001'0203);
    CHECK(all[0].text(5) == "-");
    CHECK(all[0].text(8) == "d");
    CHECK(all[0].number(20, 1) == 1);
    CHECK(all[11].number(4, 1) == 2);
    CHECK(all[11].texts == std::vector<std::string>{"one", "two"});
}

TEST_CASE("SMBIOS: memory that its first fields do not hold", "[smbios]") {
    MachineDescription machine;
    machine.ram_bytes = u64{255} << 30;
    auto all = read(make_smbios(machine, {}).tables);
    CHECK(all[17].number(12, 2) == 0x7fff);
    CHECK(all[17].number(28, 4) == 255 << 10);
    CHECK(all[16].number(7, 4) == u64{255} << 20);
    CHECK(all[19].number(8, 4) == (u64{256} << 20) - 1);
}

} // namespace
} // namespace ulna::system
