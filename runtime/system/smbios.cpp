// A structure is a header, fields, and the texts that fields have by their numbers. Fields are in
// the specification's order (chapter 7); what they say is what QEMU's `virt` says.
#include "runtime/system/smbios.h"

#include "runtime/devices/virt_map.h"

namespace ulna::system {

namespace {

namespace virt = devices::virt;

// Structures refer to one another by these.
enum Handle : u16 {
    kBios = 0x0000,
    kSystem = 0x0100,
    kBoard = 0x0200,
    kChassis = 0x0300,
    kProcessor = 0x0400,
    kOemStrings = 0x0e00,
    kMemoryArray = 0x1000,
    kMemoryDevice = 0x1100,
    kMemoryArrayAddress = 0x1300,
    kBootInformation = 0x2000,
    kEnd = 0x7f00,
};
constexpr u8 kOther = 1, kUnknown = 2; // of most enumerations

class Structure {
  public:
    Structure(u8 type, u16 handle) {
        put(fields_, type, 1);
        put(fields_, 0, 1); // length
        put(fields_, handle, 2);
    }
    Structure& number(u64 value, unsigned bytes) {
        put(fields_, value, bytes);
        return *this;
    }
    Structure& text(const std::string& value) {
        return number(value.empty() ? 0 : add_text(value), 1);
    }
    // Without a field; its number.
    u8 add_text(const std::string& value) {
        put_text(texts_, value, value.size() + 1, '\0');
        return ++text_count_;
    }
    Structure& bytes(const Bytes& value) {
        put(fields_, value);
        return *this;
    }
    void append_to(Bytes& tables) {
        fields_[1] = static_cast<u8>(fields_.size());
        put(tables, fields_);
        put(tables, texts_);
        put_zeros(tables, texts_.empty() ? 2 : 1);
    }

  private:
    Bytes fields_, texts_;
    u8 text_count_ = 0;
};

Structure bios(const smbios::Bios& bios) {
    constexpr u64 kNoCharacteristics = 1 << 3;
    constexpr u16 kVirtualMachine = 1 << 4, kTargetedContent = 1 << 2, kUefi = 1 << 3;
    const unsigned extension = kVirtualMachine | kTargetedContent | (bios.is_uefi ? kUefi : 0u);
    return Structure{0, kBios}
        .text(bios.vendor)
        .text(bios.version)
        .number(0xe800, 2) // a PC's segment
        .text(bios.date)
        .number(0, 1) // ROM size
        .number(kNoCharacteristics, 8)
        .number(extension << 8, 2)
        .number(bios.major, 1)
        .number(bios.minor, 1)
        .number(0xffff, 2); // no embedded controller
}

Structure system(const smbios::System& system) {
    constexpr u8 kPowerSwitch = 6;
    return Structure{1, kSystem}
        .text(system.manufacturer)
        .text(system.product)
        .text(system.version)
        .text(system.serial)
        .bytes(table_order(system.uuid))
        .number(kPowerSwitch, 1)
        .text(system.sku)
        .text(system.family);
}

Structure board(const smbios::Board& board) {
    constexpr u8 kHosting = 1 << 0, kMotherboard = 10;
    return Structure{2, kBoard}
        .text(board.manufacturer)
        .text(board.product)
        .text(board.version)
        .text(board.serial)
        .text(board.asset)
        .number(kHosting, 1)
        .text(board.location)
        .number(kChassis, 2)
        .number(kMotherboard, 1)
        .number(0, 1); // contained objects
}

Structure chassis(const smbios::Chassis& chassis) {
    constexpr u8 kSafe = 3;
    return Structure{3, kChassis}
        .text(chassis.manufacturer)
        .number(kOther, 1)
        .text(chassis.version)
        .text(chassis.serial)
        .text(chassis.asset)
        .number(kSafe, 1)     // boot
        .number(kSafe, 1)     // power supply
        .number(kSafe, 1)     // temperature
        .number(kUnknown, 1)  // security
        .number(0, 4 + 1 + 1) // the maker's, height, power cords
        .number(0, 1 + 1)     // contained elements, and their size
        .text(chassis.sku);
}

// A socket.
Structure
processor(const smbios::Processor& processor, unsigned socket, unsigned cores, unsigned threads) {
    constexpr u8 kCentral = 3, kFamilyIsBelow = 0xfe, kPopulatedEnabled = 0x41;
    constexpr u16 kNoCache = 0xffff;
    return Structure{4, static_cast<u16>(kProcessor + socket)}
        .text(processor.socket_prefix + ' ' + std::to_string(socket))
        .number(kCentral, 1)
        .number(kFamilyIsBelow, 1)
        .text(processor.manufacturer)
        .number(processor.id, 8)
        .text(processor.version)
        .number(0, 1) // voltage
        .number(0, 2) // external clock
        .number(processor.most_mhz, 2)
        .number(processor.mhz, 2)
        .number(kPopulatedEnabled, 1)
        .number(kOther, 1) // upgrade
        .number(kNoCache, 2)
        .number(kNoCache, 2)
        .number(kNoCache, 2)
        .text(processor.serial)
        .text(processor.asset)
        .text(processor.part)
        .number(cores, 1)
        .number(cores, 1) // that are enabled
        .number(threads, 1)
        .number(kUnknown, 2) // characteristics
        .number(kOther, 2)   // family
        .number(cores, 2)    // the three again
        .number(cores, 2)
        .number(threads, 2);
}

Structure oem_strings(const std::vector<std::string>& strings) {
    Structure made{11, kOemStrings};
    made.number(strings.size(), 1);
    for (const std::string& text : strings) {
        (void)made.add_text(text);
    }
    return made;
}

Structure memory_array(u64 ram_bytes) {
    constexpr u8 kSystemMemory = 3, kMultiBitEcc = 6;
    constexpr u16 kNoErrors = 0xfffe;
    return Structure{16, kMemoryArray}
        .number(kOther, 1) // location
        .number(kSystemMemory, 1)
        .number(kMultiBitEcc, 1)
        .number(ram_bytes >> 10, 4)
        .number(kNoErrors, 2)
        .number(1, 2)  // devices
        .number(0, 8); // more than 2 TiB
}

Structure memory_device(const smbios::Memory& memory, u64 ram_bytes) {
    constexpr u8 kDimm = 9, kRam = 7;
    constexpr u16 kNoErrors = 0xfffe, kAnyWidth = 0xffff, kSizeIsBelow = 0x7fff;
    const u64 mib = ram_bytes >> 20;
    const bool is_large = mib >= kSizeIsBelow;
    return Structure{17, kMemoryDevice}
        .number(kMemoryArray, 2)
        .number(kNoErrors, 2)
        .number(kAnyWidth, 2)
        .number(kAnyWidth, 2)
        .number(is_large ? kSizeIsBelow : mib, 2)
        .number(kDimm, 1)
        .number(0, 1) // set
        .text(memory.locator_prefix + " 0")
        .text(memory.bank)
        .number(kRam, 1)
        .number(1 << 1, 2) // detail: other
        .number(memory.speed, 2)
        .text(memory.manufacturer)
        .text(memory.serial)
        .text(memory.asset)
        .text(memory.part)
        .number(0, 1) // rank
        .number(is_large ? mib : 0, 4)
        .number(memory.speed, 2)
        .number(0, 2 + 2 + 2); // voltages
}

Structure memory_array_address(u64 ram_bytes) {
    const u64 last_kib = ((virt::kRam + ram_bytes) >> 10) - 1;
    return Structure{19, kMemoryArrayAddress}
        .number(virt::kRam >> 10, 4)
        .number(last_kib, 4)
        .number(kMemoryArray, 2)
        .number(1, 1)  // devices
        .number(0, 8)  // beyond 4 TiB: first
        .number(0, 8); // and last
}

Structure boot_information() {
    constexpr u8 kNoErrors = 0;
    return Structure{32, kBootInformation}.number(0, 6).number(kNoErrors, 1);
}

// The 64-bit entry point; firmware adds address and checksum.
Bytes entry_point(std::size_t table_bytes) {
    constexpr u8 kBytes = 24, kMajor = 3, kMinor = 0, kRevision = 1;
    Bytes anchor;
    put_text(anchor, "_SM3_", 5, ' ');
    put(anchor, 0, 1);
    put(anchor, kBytes, 1);
    put(anchor, kMajor, 1);
    put(anchor, kMinor, 1);
    put(anchor, 0, 1); // of the document
    put(anchor, kRevision, 1);
    put(anchor, 0, 1);
    put(anchor, table_bytes, 4);
    put(anchor, 0, 8);
    return anchor;
}

} // namespace

SmbiosFiles make_smbios(const MachineDescription& machine, const SmbiosOptions& options) {
    Bytes tables;
    const auto add = [&](Structure structure) { structure.append_to(tables); };
    if (options.bios) {
        add(bios(*options.bios));
    }
    add(system(options.system));
    if (options.board) {
        add(board(*options.board));
    }
    add(chassis(options.chassis));
    const CpuTopology& topology = machine.topology;
    const unsigned cores = topology.cores == 0 ? static_cast<unsigned>(machine.cpus.size())
                                               : topology.clusters * topology.cores;
    for (unsigned socket = 0; socket < topology.sockets; ++socket) {
        add(processor(options.processor, socket, cores, cores * topology.threads));
    }
    if (!options.oem_strings.empty()) {
        add(oem_strings(options.oem_strings));
    }
    add(memory_array(machine.ram_bytes));
    add(memory_device(options.memory, machine.ram_bytes));
    add(memory_array_address(machine.ram_bytes));
    add(boot_information());
    add(Structure{127, kEnd});
    Bytes anchor = entry_point(tables.size());
    return {std::move(anchor), std::move(tables)};
}

} // namespace ulna::system
