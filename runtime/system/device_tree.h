// The device tree that tells kernels and firmware what the machine has (devicetree.org, v0.4).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "runtime/devices/device.h"
#include "runtime/system/psci_method.h"

namespace ulna::system {

enum class GicVersion : u8 { V2 = 2, V3 = 3 };

// How CPUs are told to be grouped, which changes nothing but what guests' schedulers make of it.
struct CpuTopology {
    unsigned sockets = 1, clusters = 1, cores = 0 /* all of the socket's */, threads = 1;
    bool has_clusters = false; // asked for: a level of its own in ACPI's tables

    // When all is said.
    [[nodiscard]] unsigned cpus() const { return sockets * clusters * cores * threads; }

    struct Place {
        unsigned socket, cluster, core, thread; // each in what it is in
    };
    [[nodiscard]] Place place_of(unsigned cpu) const {
        const unsigned core = cpu / threads;
        if (cores == 0) {
            return {0, 0, core, cpu % threads};
        }
        const unsigned cluster = core / cores;
        return {cluster / clusters, cluster % clusters, core % cores, cpu % threads};
    }
};

// What the tree says about the machine. Addresses are devices/virt_map.h's.
struct MachineDescription {
    u64 ram_bytes = u64{1} << 30;
    std::vector<u64> cpus = {0}; // MPIDR_EL1's affinity fields, in order
    CpuTopology topology;
    bool has_el2 = false;         // -machine virtualization=on
    bool has_el3 = false;         // -machine secure=on
    bool has_second_uart = false; // with EL3, which has it to itself, always
    PsciMethod psci = PsciMethod::Hvc;
    GicVersion gic = GicVersion::V3;
    bool has_its = false; // GICv3's, or GICv2's MSI frame
    bool has_pcie = false;
};

// What a boot loader adds to it, under /chosen.
struct BootArguments {
    std::string command_line;
    devices::PhysAddr initrd = 0;
    u64 initrd_bytes = 0; // 0: none
    std::optional<u64> kaslr_seed;
    std::optional<std::array<u8, 32>> rng_seed;
};

// The tree as a flattened blob without a boot loader's additions.
[[nodiscard]] std::vector<u8> make_device_tree(const MachineDescription& machine);

// Adds to a tree, which may be the user's (-dtb): hostile bytes are refused with a reason.
// `ram_bytes` replaces what /memory has, as the machine's RAM is what -m says.
[[nodiscard]] bool complete_device_tree(std::vector<u8>& tree,
                                        u64 ram_bytes,
                                        const BootArguments& boot,
                                        std::string& why_not);

} // namespace ulna::system
