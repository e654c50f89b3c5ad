#include "runtime/system/acpi/tables.h"

#include <map>
#include <numeric>

#include "runtime/devices/virt_map.h"
#include "tests/system/aml_reader.h"

#include "tests/support/catch.h"

namespace ulna::system::acpi {
namespace {

namespace virt = devices::virt;

u64 get(const Bytes& from, std::size_t at, unsigned bytes) {
    u64 value = 0;
    for (unsigned i = bytes; i-- > 0;) {
        value = value << 8 | from.at(at + i);
    }
    return value;
}
std::string text_at(const Bytes& from, std::size_t at, std::size_t most) {
    std::string text;
    for (std::size_t i = at; i < at + most && from.at(i) != 0; ++i) {
        text += static_cast<char>(from[i]);
    }
    return text;
}
bool sums_to_zero(const Bytes& bytes, std::size_t from, std::size_t count) {
    const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(from);
    return std::accumulate(first, first + static_cast<std::ptrdiff_t>(count), u8{0},
                           [](u8 sum, u8 byte) { return static_cast<u8>(sum + byte); }) == 0;
}

// What firmware does: files in memory, and tables found from the RSDP on.
class Firmware {
  public:
    explicit Firmware(const MachineDescription& machine, const Identity& identity = {}) {
        Files files = make_tables(machine, identity);
        fw_cfg_ = {{"etc/acpi/rsdp", std::move(files.rsdp)},
                   {"etc/acpi/tables", std::move(files.tables)}};
        REQUIRE(files.loader.size() % 128 == 0);
        for (std::size_t at = 0; at < files.loader.size(); at += 128) {
            run(files.loader, at);
        }
        find_tables();
    }

    // Checked: its length, its checksum, and that it is there once.
    const Bytes& table(const std::string& signature) const { return tables_.at(signature); }
    std::string signatures() const { return signatures_; }
    const Bytes& rsdp() const { return memory_.at("etc/acpi/rsdp").bytes; }

  private:
    struct File {
        u64 address;
        Bytes bytes;
    };
    void run(const Bytes& loader, std::size_t at) {
        const std::string file = text_at(loader, at + 4, 56);
        switch (get(loader, at, 4)) {
        case 1: {
            const u64 alignment = get(loader, at + 60, 4);
            next_ = (next_ + alignment - 1) / alignment * alignment;
            REQUIRE(memory_.try_emplace(file, File{next_, fw_cfg_.at(file)}).second);
            next_ += memory_.at(file).bytes.size() + 3;
            break;
        }
        case 2: {
            const u64 offset = get(loader, at + 116, 4);
            REQUIRE(get(loader, at + 120, 1) == 8);
            Bytes& in = memory_.at(file).bytes;
            const File& to = memory_.at(text_at(loader, at + 60, 56));
            REQUIRE(get(in, offset, 8) < to.bytes.size());
            patch(in, offset, get(in, offset, 8) + to.address, 8);
            break;
        }
        case 3: {
            Bytes& in = memory_.at(file).bytes;
            const u64 offset = get(loader, at + 60, 4), start = get(loader, at + 64, 4),
                      bytes = get(loader, at + 68, 4);
            REQUIRE(in.at(offset) == 0);
            REQUIRE(offset - start < bytes);
            in[offset] = static_cast<u8>(
                -std::accumulate(in.begin() + static_cast<std::ptrdiff_t>(start),
                                 in.begin() + static_cast<std::ptrdiff_t>(start + bytes), 0));
            break;
        }
        default:
            FAIL("a command that there is not");
        }
    }

    Bytes bytes_at(u64 address) const {
        const File& file = memory_.at("etc/acpi/tables");
        REQUIRE(address >= file.address);
        const std::size_t at = address - file.address;
        const u64 bytes = get(file.bytes, at + 4, 4);
        REQUIRE(at + bytes <= file.bytes.size());
        REQUIRE(sums_to_zero(file.bytes, at, bytes));
        const auto first = file.bytes.begin() + static_cast<std::ptrdiff_t>(at);
        return {first, first + static_cast<std::ptrdiff_t>(bytes)};
    }
    void add(u64 address) {
        Bytes bytes = bytes_at(address);
        signatures_ += text_at(bytes, 0, 4) + ' ';
        seen_bytes_ += bytes.size();
        REQUIRE(tables_.try_emplace(text_at(bytes, 0, 4), std::move(bytes)).second);
    }
    void find_tables() {
        REQUIRE(text_at(rsdp(), 0, 8) == "RSD PTR ");
        REQUIRE(sums_to_zero(rsdp(), 0, 20));
        REQUIRE(sums_to_zero(rsdp(), 0, 36));
        add(get(rsdp(), 24, 8));
        const Bytes root = table("XSDT");
        for (std::size_t at = 36; at < root.size(); at += 8) {
            add(get(root, at, 8));
        }
        add(get(table("FACP"), 140, 8));
        CHECK(seen_bytes_ == memory_.at("etc/acpi/tables").bytes.size()); // nothing else is there
    }

    std::map<std::string, Bytes> fw_cfg_, tables_;
    std::map<std::string, File> memory_;
    std::string signatures_;
    u64 next_ = 0x1'4000'0001, seen_bytes_ = 0;
};

MachineDescription machine_of(GicVersion gic, unsigned cpus) {
    MachineDescription machine;
    machine.gic = gic;
    machine.has_its = machine.has_pcie = true;
    machine.cpus.resize(cpus);
    std::iota(machine.cpus.begin(), machine.cpus.end(), 0);
    return machine;
}

// The structures of a MADT by type, each from its first byte on.
std::multimap<u8, Bytes> structures(const Bytes& madt) {
    std::multimap<u8, Bytes> all;
    for (std::size_t at = 44; at < madt.size(); at += madt[at + 1]) {
        REQUIRE(madt[at + 1] != 0);
        REQUIRE(at + madt[at + 1] <= madt.size());
        const auto first = madt.begin() + static_cast<std::ptrdiff_t>(at);
        all.emplace(madt[at], Bytes{first, first + madt[at + 1]});
    }
    return all;
}
constexpr u8 kGicc = 0x0b, kGicd = 0x0c, kMsiFrame = 0x0d, kGicr = 0x0e, kIts = 0x0f;

TEST_CASE("firmware finds all tables from the RSDP on", "[acpi]") {
    for (const GicVersion gic : {GicVersion::V2, GicVersion::V3}) {
        const Firmware firmware{machine_of(gic, 8)};
        CHECK(firmware.signatures() == "XSDT FACP APIC PPTT GTDT MCFG SPCR DBG2 IORT DSDT ");
    }
    MachineDescription small;
    CHECK(Firmware{small}.signatures() == "XSDT FACP APIC PPTT GTDT SPCR DBG2 DSDT ");
    const Firmware named{small, {.oem = "Mine", .table = "Table"}};
    CHECK(text_at(named.rsdp(), 9, 6) == "Mine");
    CHECK(text_at(named.table("GTDT"), 16, 8) == "Table");
    CHECK(text_at(Firmware{small}.table("GTDT"), 10, 14) == "BOCHS BXPC    ");
}

TEST_CASE("FADT: reduced hardware, and how PSCI is called", "[acpi]") {
    MachineDescription machine = machine_of(GicVersion::V3, 1);
    for (const auto& [method, flags] :
         {std::pair{PsciMethod::Hvc, 3u}, {PsciMethod::Smc, 1u}, {PsciMethod::None, 0u}}) {
        machine.psci = method;
        const Firmware firmware{machine};
        const Bytes& fadt = firmware.table("FACP");
        CHECK(fadt.size() == 276);
        CHECK(get(fadt, 112, 4) == 1 << 20);
        CHECK(get(fadt, 129, 2) == flags);
        CHECK(get(fadt, 8, 1) == 6);
        CHECK(get(fadt, 131, 1) == 3);
    }
}

TEST_CASE("MADT with GICv3", "[acpi]") {
    MachineDescription machine = machine_of(GicVersion::V3, 3);
    machine.cpus[2] = 0x100;
    auto all = structures(Firmware{machine}.table("APIC"));
    CHECK(all.size() == 6);
    CHECK(get(all.find(kGicd)->second, 8, 8) == 0x800'0000);
    CHECK(get(all.find(kGicd)->second, 20, 1) == 3);
    CHECK(get(all.find(kGicr)->second, 4, 8) == 0x80a'0000);
    CHECK(get(all.find(kGicr)->second, 12, 4) == 0xf6'0000);
    CHECK(get(all.find(kIts)->second, 8, 8) == 0x808'0000);
    u32 uid = 0;
    for (auto [at, end] = all.equal_range(kGicc); at != end; ++at, ++uid) {
        const Bytes& cpu = at->second;
        CHECK(cpu.size() == 80);
        CHECK(get(cpu, 8, 4) == uid);
        CHECK(get(cpu, 12, 4) == 1);
        CHECK(get(cpu, 20, 4) == 23); // the PMU's
        CHECK(get(cpu, 32, 8) == 0);
        CHECK(get(cpu, 56, 4) == 0); // no maintenance without EL2
        CHECK(get(cpu, 68, 8) == machine.cpus[uid]);
    }
    CHECK(uid == 3);
    machine.has_el2 = true;
    machine.has_its = false;
    all = structures(Firmware{machine}.table("APIC"));
    CHECK(all.count(kIts) == 0);
    CHECK(get(all.find(kGicc)->second, 56, 4) == 25);
}

TEST_CASE("MADT with GICv2", "[acpi]") {
    MachineDescription machine = machine_of(GicVersion::V2, 2);
    auto all = structures(Firmware{machine}.table("APIC"));
    CHECK(all.size() == 4);
    CHECK(get(all.find(kGicd)->second, 20, 1) == 2);
    const Bytes& frame = all.find(kMsiFrame)->second;
    CHECK(get(frame, 8, 8) == 0x802'0000);
    CHECK(get(frame, 20, 2) == 64);
    CHECK(get(frame, 22, 2) == 80);
    const Bytes& cpu = all.find(kGicc)->second;
    CHECK(get(cpu, 32, 8) == 0x801'0000);
    CHECK(get(cpu, 40, 8) == 0);
    CHECK(get(cpu, 48, 8) == 0);
    machine.has_el2 = true;
    machine.has_its = false;
    all = structures(Firmware{machine}.table("APIC"));
    CHECK(all.count(kMsiFrame) == 0);
    CHECK(get(all.find(kGicc)->second, 40, 8) == 0x804'0000);
    CHECK(get(all.find(kGicc)->second, 48, 8) == 0x803'0000);
}

TEST_CASE("IORT leads PCI's messages to the ITS, if there is one", "[acpi]") {
    MachineDescription machine = machine_of(GicVersion::V3, 1);
    const Firmware with{machine};
    const Bytes& iort = with.table("IORT");
    CHECK(get(iort, 36, 4) == 2);
    CHECK(get(iort, 48, 1) == 0); // a group of ITSs
    const std::size_t root = 48 + get(iort, 49, 2);
    CHECK(get(iort, root, 1) == 2);
    const std::size_t mapping = root + get(iort, root + 12, 4);
    CHECK(get(iort, mapping + 4, 4) == 0xffff);
    CHECK(get(iort, mapping + 12, 4) == 48);
    CHECK(mapping + 20 == iort.size());
    machine.has_its = false;
    const Firmware without{machine};
    CHECK(get(without.table("IORT"), 36, 4) == 1);
    CHECK(get(without.table("IORT"), 48, 1) == 2);
    CHECK(get(without.table("IORT"), 48 + 8, 4) == 0);
    CHECK(without.table("IORT").size() == 48 + get(without.table("IORT"), 49, 2));
}

TEST_CASE("GTDT has the timers' interrupts, which never stop", "[acpi]") {
    MachineDescription machine = machine_of(GicVersion::V3, 1);
    for (const bool has_el2 : {false, true}) {
        machine.has_el2 = has_el2;
        const Firmware firmware{machine};
        const Bytes& gtdt = firmware.table("GTDT");
        CHECK(gtdt.size() == 104);
        const unsigned wanted[] = {29, 30, 27, 26};
        for (unsigned i = 0; i < 4; ++i) {
            CHECK(get(gtdt, 48 + 8 * i, 4) == wanted[i]);
            CHECK(get(gtdt, 52 + 8 * i, 4) == 4);
        }
        CHECK(get(gtdt, 96, 4) == (has_el2 ? 28 : 0));
    }
}

TEST_CASE("the serial port is the console and the debugger's", "[acpi]") {
    const Firmware firmware{machine_of(GicVersion::V3, 1)};
    CHECK(get(firmware.table("SPCR"), 36, 1) == 3);
    CHECK(get(firmware.table("SPCR"), 44, 8) == 0x900'0000);
    CHECK(get(firmware.table("SPCR"), 54, 4) == 33);
    const Bytes& debug = firmware.table("DBG2");
    const std::size_t port = get(debug, 36, 4);
    CHECK(port + get(debug, port + 1, 2) == debug.size());
    CHECK(get(debug, port + get(debug, port + 18, 2) + 4, 8) == 0x900'0000);
    CHECK(text_at(debug, port + get(debug, port + 6, 2), 5) == "COM0");
    CHECK(get(firmware.table("MCFG"), 44, 8) == 0x40'1000'0000);
    CHECK(get(firmware.table("MCFG"), 55, 1) == 0xff);
}

TEST_CASE("PPTT has each processor in the package", "[acpi]") {
    const Firmware firmware{machine_of(GicVersion::V3, 64)};
    const Bytes& pptt = firmware.table("PPTT");
    CHECK(pptt.size() == 36 + 65 * 20);
    CHECK(get(pptt, 36 + 4, 4) == 1);
    CHECK(get(pptt, 36 + 64 * 20 + 4, 4) == 0xa);
    CHECK(get(pptt, 36 + 64 * 20 + 8, 4) == 36);
    CHECK(get(pptt, 36 + 64 * 20 + 12, 4) == 63);
}

TEST_CASE("PPTT has sockets, clusters that are asked for, cores and threads", "[acpi]") {
    MachineDescription machine = machine_of(GicVersion::V3, 8);
    machine.topology = {.sockets = 2, .clusters = 1, .cores = 2, .threads = 2};
    const auto nodes = [&] { return (Firmware{machine}.table("PPTT").size() - 36) / 20; };
    CHECK(nodes() == 2 + 4 + 8);
    machine.topology.has_clusters = true;
    CHECK(nodes() == 2 + 2 + 4 + 8);
    const Firmware firmware{machine};
    const Bytes& pptt = firmware.table("PPTT");
    // A thread, its core, its cluster, its package.
    std::size_t at = pptt.size() - 20;
    for (const u64 flags : {0xeu, 0u, 0u, 1u}) {
        CHECK(get(pptt, at + 4, 4) == flags);
        at = get(pptt, at + 8, 4);
    }
    CHECK(at == 0);
}

TEST_CASE("the DSDT's devices", "[acpi]") {
    for (const unsigned cpus : {1u, 2u, 64u}) {
        const Firmware firmware{machine_of(GicVersion::V3, cpus)};
        const AmlReader dsdt{firmware.table("DSDT"), 36};
        REQUIRE(dsdt.why_not() == "");
        CHECK(dsdt.with_id("ACPI0007") == cpus);
        CHECK(dsdt.with_id("ARMH0011") == 1);
        CHECK(dsdt.with_id("QEMU0002") == 1);
        CHECK(dsdt.with_id("LNRO0005") == virt::kVirtioSlots);
        CHECK(dsdt.with_id("PNP0A08") == 1);
        CHECK(dsdt.with_id("PNP0C0F") == 4);
        CHECK(dsdt.with_id("PNP0C02") == 1);
        CHECK(dsdt.with_id("ACPI0013") == 1);
        CHECK(dsdt.with_id("PNP0C0C") == 1);
        CHECK(dsdt.has("\\_SB_.C000._UID"));
        CHECK(dsdt.has("\\_SB_.PCI0._OSC"));
        CHECK(dsdt.has("\\_SB_.PCI0.RES0._CRS"));
        CHECK(dsdt.has("\\_SB_.GED_._EVT"));
        CHECK(dsdt.has("\\_SB_.VR31._CRS"));
    }
    MachineDescription small;
    small.has_second_uart = true;
    CHECK(AmlReader(Firmware{small}.table("DSDT"), 36).with_id("ARMH0011") == 2);
    small.has_el3 = true; // it is firmware's
    const Firmware firmware{small};
    CHECK(AmlReader(firmware.table("DSDT"), 36).with_id("ARMH0011") == 1);
    CHECK_FALSE(AmlReader(firmware.table("DSDT"), 36).has("\\_SB_.PCI0._CRS"));
}

} // namespace
} // namespace ulna::system::acpi
