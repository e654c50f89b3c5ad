// Each function makes the body of one table, its fields in the specification's order; sections are
// ACPI 6.5's. Contents are those of QEMU's `virt` (tests/system/peer/firmware_tables compares them
// byte by byte, and says where they differ).
#include "runtime/system/acpi/tables.h"

#include <limits>
#include <optional>

#include "runtime/devices/virt_map.h"
#include "runtime/system/acpi/dsdt.h"
#include "runtime/system/acpi/table_loader.h"

namespace ulna::system::acpi {

namespace {

namespace virt = devices::virt;

constexpr std::string_view kRsdpFile = "etc/acpi/rsdp", kTablesFile = "etc/acpi/tables";

// Generic address structure (5.2.3.2).
void put_address(Bytes& to, u64 address, u8 bits) {
    constexpr u8 kSystemMemory = 0, kDwordAccess = 3;
    put(to, kSystemMemory, 1);
    put(to, bits, 1);
    put(to, 0, 1); // the first bit
    put(to, bits == 0 ? 0 : kDwordAccess, 1);
    put(to, address, 8);
}

// Fixed ACPI description table (5.2.9). Nothing of a PC's hardware is there: from the first to the
// last register block all is zero.
constexpr std::size_t kHeaderBytes = 36, kFadtDsdt = 140 /* X_DSDT, from the table's start */;
Bytes fadt_body(const MachineDescription& machine, u32 dsdt) {
    constexpr u32 kHardwareReduced = 1 << 20;
    constexpr u16 kPsciCompliant = 1 << 0, kPsciUsesHvc = 1 << 1;
    constexpr u8 kMinorRevision = 3;
    constexpr std::size_t kFlags = 112, kBootFlags = 129, kHypervisor = 268;
    Bytes body;
    const auto zeros_to = [&](std::size_t offset) {
        put_zeros(body, offset - kHeaderBytes - body.size());
    };
    zeros_to(kFlags);
    put(body, kHardwareReduced, 4);
    zeros_to(kBootFlags);
    put(body,
        machine.psci == PsciMethod::None
            ? 0
            : kPsciCompliant | (machine.psci == PsciMethod::Hvc ? kPsciUsesHvc : 0u),
        2);
    put(body, kMinorRevision, 1);
    zeros_to(kFadtDsdt);
    put(body, dsdt, 8);
    zeros_to(kHypervisor);
    put_text(body, "QEMU", 8, '\0'); // whose machine this is to its guests
    return body;
}

// Multiple APIC description table (5.2.12): the interrupt controller.
class Madt {
  public:
    explicit Madt(const MachineDescription& machine) : machine_{machine} {
        put_zeros(body_, 8); // no local APIC, no flags
        distributor();
        for (u32 i = 0; i < machine.cpus.size(); ++i) {
            cpu_interface(i, machine.cpus[i]);
        }
        if (machine.gic == GicVersion::V3) {
            redistributors();
        }
        if (machine.has_its) {
            machine.gic == GicVersion::V3 ? translation_service() : message_frame();
        }
    }
    [[nodiscard]] Bytes body() && { return std::move(body_); }

  private:
    enum Structure : u8 { kGicc = 0x0b, kGicd, kGicMsiFrame, kGicr, kGicIts };
    // Type, length and two reserved bytes.
    void begin(Structure type, u8 bytes) {
        put(body_, type, 1);
        put(body_, bytes, 1);
        put_zeros(body_, 2);
    }
    void distributor() {
        begin(kGicd, 24);
        put(body_, 0, 4); // ID
        put(body_, virt::kGicDistributor.base, 8);
        put(body_, 0, 4); // first interrupt
        put(body_, static_cast<u8>(machine_.gic), 1);
        put_zeros(body_, 3);
    }
    void cpu_interface(u32 uid, u64 mpidr) {
        constexpr u32 kEnabled = 1;
        const bool has_frames = machine_.gic == GicVersion::V2; // else it is system registers
        const bool has_virtual_frames = has_frames && machine_.has_el2;
        begin(kGicc, 80);
        put(body_, uid, 4); // interface
        put(body_, uid, 4); // processor
        put(body_, kEnabled, 4);
        put(body_, 0, 4); // no parking protocol
        put(body_, virt::ppi::kPmu, 4);
        put(body_, 0, 8); // nor its address
        put(body_, has_frames ? virt::kGicCpuInterface.base : 0, 8);
        put(body_, has_virtual_frames ? virt::kGicVirtualCpu.base : 0, 8);
        put(body_, has_virtual_frames ? virt::kGicHypervisor.base : 0, 8);
        put(body_, machine_.has_el2 ? virt::ppi::kGicMaintenance : 0, 4);
        put(body_, 0, 8); // redistributors have a structure of their own
        put(body_, mpidr, 8);
        put_zeros(body_, 4); // efficiency class, reserved, no statistical profiling
    }
    void redistributors() {
        begin(kGicr, 16);
        put(body_, virt::kGicRedistributors.base, 8);
        put(body_, virt::kGicRedistributors.bytes, 4);
    }
    void translation_service() {
        begin(kGicIts, 20);
        put(body_, 0, 4); // ID: IORT's
        put(body_, virt::kGicIts.base, 8);
        put_zeros(body_, 4);
    }
    void message_frame() {
        constexpr u32 kNumbersAreHere = 1; // not in the frame's own register
        begin(kGicMsiFrame, 24);
        put(body_, 0, 4); // ID
        put(body_, virt::kGicV2m.base, 8);
        put(body_, kNumbersAreHere, 4);
        put(body_, virt::spi::kV2mMessages, 2);
        put(body_, virt::kFirstSpi + virt::spi::kV2m, 2);
    }

    const MachineDescription& machine_;
    Bytes body_;
};

// Processor properties topology table (5.2.30): packages, in them clusters if there are any, cores,
// and threads if there are any. A node names its parent by its place in the table.
class Pptt {
  public:
    explicit Pptt(const MachineDescription& machine) {
        const CpuTopology& topology = machine.topology;
        const bool has_threads = topology.threads > 1;
        CpuTopology::Place last{~0u, ~0u, ~0u, ~0u};
        u32 package = 0, cluster = 0, core = 0;
        for (u32 uid = 0; uid < machine.cpus.size(); ++uid) {
            const CpuTopology::Place place = topology.place_of(uid);
            if (place.socket != last.socket) {
                package = node(kPackage, 0, place.socket);
                last.cluster = ~0u;
            }
            if (place.cluster != last.cluster) {
                cluster = topology.has_clusters ? node(0, package, place.cluster) : package;
                last.core = ~0u;
            }
            if (!has_threads) {
                node(kHasProcessorUid | kLeaf, cluster, uid);
            } else {
                core = place.core != last.core ? node(0, cluster, place.core) : core;
                node(kHasProcessorUid | kThread | kLeaf, core, uid);
            }
            last = place;
        }
    }
    [[nodiscard]] Bytes body() && { return std::move(body_); }

  private:
    enum Flags : u32 {
        kPackage = 1 << 0,
        kHasProcessorUid = 1 << 1,
        kThread = 1 << 2,
        kLeaf = 1 << 3,
    };
    u32 node(u32 flags, u32 parent, u32 id) {
        constexpr u8 kHierarchyNode = 0, kNodeBytes = 20;
        const auto at = static_cast<u32>(kHeaderBytes + body_.size());
        put(body_, kHierarchyNode, 1);
        put(body_, kNodeBytes, 1);
        put_zeros(body_, 2);
        put(body_, flags, 4);
        put(body_, parent, 4);
        put(body_, id, 4);
        put(body_, 0, 4); // no caches of its own
        return at;
    }

    Bytes body_;
};

// Generic timer description table (5.2.25), with the device tree's timers.
Bytes gtdt_body(const MachineDescription& machine) {
    constexpr u32 kAlwaysOn = 1 << 2; // level-sensitive, active high
    constexpr u64 kNoFrame = std::numeric_limits<u64>::max();
    Bytes body;
    const auto timer = [&](unsigned intid) {
        put(body, intid, 4);
        put(body, intid == 0 ? 0 : kAlwaysOn, 4);
    };
    put(body, kNoFrame, 8); // counter control
    put(body, 0, 4);
    for (const unsigned intid : {virt::ppi::kSecurePhysicalTimer, virt::ppi::kPhysicalTimer,
                                 virt::ppi::kVirtualTimer, virt::ppi::kHypervisorTimer}) {
        timer(intid);
    }
    put(body, kNoFrame, 8); // counter read
    put_zeros(body, 8);     // no platform timers
    timer(machine.has_el2 ? virt::ppi::kHypervisorVirtualTimer : 0);
    return body;
}

// PCI Firmware Specification 3.3, 4.1.2: configuration space.
Bytes mcfg_body() {
    Bytes body;
    put_zeros(body, 8);
    put(body, virt::kPcieEcam.base, 8);
    put(body, 0, 2);    // segment
    put(body, 0, 1);    // first bus
    put(body, 0xff, 1); // last bus
    put_zeros(body, 4);
    return body;
}

// Of serial ports, in both tables of Microsoft's.
constexpr u16 kPl011 = 3;
constexpr u8 kUartRegisterBits = 32;

// Serial port console redirection table, revision 2.
Bytes spcr_body() {
    constexpr u8 kArmGic = 1 << 3, k9600 = 3, kOneStopBit = 1, kRtsCts = 1 << 1;
    constexpr u16 kNotPci = 0xffff;
    Bytes body;
    put(body, kPl011, 1);
    put_zeros(body, 3);
    put_address(body, virt::kUart.base, kUartRegisterBits);
    put(body, kArmGic, 1);
    put(body, 0, 1); // no interrupt of a PC's
    put(body, virt::kFirstSpi + virt::spi::kUart, 4);
    put(body, k9600, 1);
    put(body, 0, 1); // no parity
    put(body, kOneStopBit, 1);
    put(body, kRtsCts, 1);
    put_zeros(body, 2);     // VT100, language
    put(body, kNotPci, 2);  // device
    put(body, kNotPci, 2);  // vendor
    put_zeros(body, 8 + 4); // place, flags, segment; reserved
    return body;
}

// Debug port table 2: the same port.
Bytes dbg2_body() {
    constexpr std::string_view kPath = "COM0";
    constexpr u16 kSerialPort = 0x8000;
    constexpr u8 kPortCount = 1, kRegisters = 1;
    constexpr u32 kFirstPort = 44; // from the table's start; what follows, from the port's
    constexpr u16 kAddress = 22, kAddressBytes = kAddress + 12, kName = kAddressBytes + 4,
                  kNameBytes = kPath.size() + 1;
    Bytes body;
    put(body, kFirstPort, 4);
    put(body, kPortCount, 4);
    put(body, 0, 1); // revision
    put(body, kName + kNameBytes, 2);
    put(body, kRegisters, 1);
    put(body, kNameBytes, 2);
    put(body, kName, 2);
    put_zeros(body, 4); // no data of the maker's
    put(body, kSerialPort, 2);
    put(body, kPl011, 2);
    put_zeros(body, 2);
    put(body, kAddress, 2);
    put(body, kAddressBytes, 2);
    put_address(body, virt::kUart.base, kUartRegisterBits);
    put(body, static_cast<u32>(virt::kUart.bytes), 4);
    put_text(body, kPath, kNameBytes, '\0');
    return body;
}

// I/O remapping table (Arm's DEN 0049, E.b): what PCI functions' requester IDs are to the ITS.
Bytes iort_body(const MachineDescription& machine) {
    constexpr u8 kItsGroup = 0, kRootComplex = 2;
    constexpr u32 kFirstNode = 48;
    constexpr u32 kCoherent = 1;
    constexpr u8 kCpuCoherent = 3; // with the device's attributes, cacheable and shareable
    constexpr u8 kAddressBits = 64;
    constexpr u32 kRequesterIds = 0x1'0000;
    const bool has_its = machine.gic == GicVersion::V3 && machine.has_its;
    Bytes body;
    const auto node = [&](u8 type, u16 bytes, u8 revision, u32 id, u32 mappings, u32 at) {
        put(body, type, 1);
        put(body, bytes, 2);
        put(body, revision, 1);
        put(body, id, 4);
        put(body, mappings, 4);
        put(body, at, 4);
    };
    put(body, has_its ? 2 : 1, 4); // nodes
    put(body, kFirstNode, 4);
    put(body, 0, 4);
    if (has_its) {
        node(kItsGroup, 24, 1, 0, 0, 0);
        put(body, 1, 4); // member
        put(body, 0, 4); // whose ID is
    }
    constexpr u16 kRootBytes = 36, kMappingBytes = 20;
    node(kRootComplex, has_its ? kRootBytes + kMappingBytes : kRootBytes, 3, has_its ? 1 : 0,
         has_its ? 1 : 0, has_its ? kRootBytes : 0);
    put(body, kCoherent, 4);
    put_zeros(body, 3);
    put(body, kCpuCoherent, 1);
    put(body, 0, 4); // no ATS
    put(body, 0, 4); // segment
    put(body, kAddressBits, 1);
    put_zeros(body, 3);
    if (has_its) {
        put(body, 0, 4);                 // from requester ID 0
        put(body, kRequesterIds - 1, 4); // so many of them, less one
        put(body, 0, 4);                 // are devices from 0 on
        put(body, kFirstNode, 4);        // of the group
        put(body, 0, 4);
    }
    return body;
}

// Puts tables one after the other, and what firmware must do to them.
class Collection {
  public:
    explicit Collection(const Identity& identity) : identity_{identity} {
        constexpr u32 kRsdpAlignment = 16, kTableAlignment = 64;
        loader_.allocate(kRsdpFile, kRsdpAlignment, TableLoader::Zone::FSegment);
        loader_.allocate(kTablesFile, kTableAlignment, TableLoader::Zone::High);
    }

    // Where it is in the file. `pointers`: offsets in the table, of eight bytes.
    u32 add(std::string_view signature,
            u8 revision,
            const Bytes& body,
            const std::vector<std::size_t>& pointers = {}) {
        constexpr u32 kChecksum = 9;
        constexpr std::string_view kCreator = "BXPC";
        const auto at = static_cast<u32>(tables_.size());
        const auto bytes = static_cast<u32>(kHeaderBytes + body.size());
        put_text(tables_, signature, 4, ' ');
        put(tables_, bytes, 4);
        put(tables_, revision, 1);
        put(tables_, 0, 1); // checksum
        put_text(tables_, identity_.oem, 6, '\0');
        put_text(tables_, identity_.table, 8, '\0');
        put(tables_, 1, 4); // OEM revision
        put_text(tables_, kCreator, 4, ' ');
        put(tables_, 1, 4); // its revision
        put(tables_, body);
        for (const std::size_t pointer : pointers) {
            loader_.add_pointer(kTablesFile, at + static_cast<u32>(pointer), 8, kTablesFile);
        }
        loader_.add_checksum(kTablesFile, at + kChecksum, at, bytes);
        return at;
    }

    // Extended system description table (5.2.8): a pointer to each.
    u32 add_root(const std::vector<u32>& tables) {
        Bytes body;
        std::vector<std::size_t> pointers;
        for (const u32 table : tables) {
            pointers.push_back(kHeaderBytes + body.size());
            put(body, table, 8);
        }
        return add("XSDT", 1, body, pointers);
    }

    // Root system description pointer (5.2.5.3).
    [[nodiscard]] Files finish(u32 root) && {
        constexpr u32 kFirstChecksum = 8, kFirstBytes = 20, kXsdt = 24, kChecksum = 32, kBytes = 36;
        constexpr u8 kRevision = 2;
        Bytes rsdp;
        put_text(rsdp, "RSD PTR ", 8, ' ');
        put(rsdp, 0, 1);
        put_text(rsdp, identity_.oem, 6, '\0');
        put(rsdp, kRevision, 1);
        put(rsdp, 0, 4); // no RSDT
        put(rsdp, kBytes, 4);
        put(rsdp, root, 8);
        put_zeros(rsdp, 4);
        loader_.add_checksum(kRsdpFile, kFirstChecksum, 0, kFirstBytes);
        loader_.add_pointer(kRsdpFile, kXsdt, 8, kTablesFile);
        loader_.add_checksum(kRsdpFile, kChecksum, 0, kBytes);
        return {std::move(rsdp), std::move(tables_), loader_.commands()};
    }

  private:
    const Identity& identity_;
    TableLoader loader_;
    Bytes tables_;
};

} // namespace

Files make_tables(const MachineDescription& machine, const Identity& identity) {
    Collection all{identity};
    const u32 dsdt = all.add("DSDT", 2, dsdt_body(machine));
    std::vector<u32> tables = {
        all.add("FACP", 6, fadt_body(machine, dsdt), {kFadtDsdt}),
        all.add("APIC", 4, Madt{machine}.body()),
        all.add("PPTT", 2, Pptt{machine}.body()),
        all.add("GTDT", 3, gtdt_body(machine)),
    };
    if (machine.has_pcie) {
        tables.push_back(all.add("MCFG", 1, mcfg_body()));
    }
    tables.push_back(all.add("SPCR", 2, spcr_body()));
    tables.push_back(all.add("DBG2", 0, dbg2_body()));
    if (machine.has_pcie) {
        tables.push_back(all.add("IORT", 3, iort_body(machine)));
    }
    return std::move(all).finish(all.add_root(tables));
}

} // namespace ulna::system::acpi
