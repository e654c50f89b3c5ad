// The options that say what machine it is, and how it runs.
#include <algorithm>
#include <ctime>

#include "runtime/devices/virt_map.h"
#include "runtime/system/command_line_parse.h"
#include "runtime/system/properties.h"

namespace ulna::system {

namespace {

constexpr u64 kMiB = 1 << 20;

constexpr const char* kMachineHelp =
    "Machines:\n  virt    as QEMU's; versions (virt-10.0) are accepted and mean the same\n"
    "Properties (-machine virt,name=value...):\n"
    "  gic-version=2|3|max     the interrupt controller (3)\n"
    "  virtualization=on|off   EL2 (off)\n"
    "  secure=on|off           EL3, for firmware (off)\n"
    "  its=on|off              message-signalled interrupts (on)\n"
    "  mte=on|off              memory with allocation tags (off); not with every CPU\n"
    "  acpi=on|off|auto        ACPI tables for firmware; the device tree is always there (on)\n"
    "  x-oem-id=, x-oem-table-id=   who made them: up to 6 and 8 characters\n"
    "  dumpdtb=file            write the device tree and exit\n"
    "And none, which has nothing that could run, for programs that ask by -qmp what there is\n";

// "kvm:tcg": whichever there is.
bool allows_translation(const std::string& accelerators) {
    return (":" + accelerators + ":").find(":tcg:") != std::string::npos;
}

void set_acpi_identity(Properties& properties,
                       const char* name,
                       std::size_t most_bytes,
                       std::string& identity) {
    identity = properties.text(name, identity);
    if (identity.size() > most_bytes) {
        properties.fail(std::string(name) + '=' + identity + ": up to " +
                        std::to_string(most_bytes) + " characters");
    }
}

} // namespace

void set_machine(CommandLineParse& parse, const std::string& value) {
    if (runtime::asks_for_help(value)) {
        parse.answer(kMachineHelp);
        return;
    }
    Properties properties(value, "type");
    SystemOptions& to = parse.options;
    const std::string type = properties.text("type", "virt");
    to.has_board = type != "none";
    if (type != "virt" && !type.starts_with("virt-") && to.has_board) {
        properties.fail(type + ": no such machine; there are virt and none");
    }
    to.memory_backend = properties.text("memory-backend", to.memory_backend);
    if (properties.has("gic-version")) {
        const std::size_t version = properties.choice("gic-version", {"2", "3", "max"}, 1);
        to.gic = version == 0 ? GicVersion::V2 : GicVersion::V3;
    }
    to.el2 = properties.flag("virtualization", to.el2);
    to.el3 = properties.flag("secure", to.el3);
    to.its = properties.flag("its", to.its);
    to.tags = properties.flag("mte", to.tags);
    if (properties.has("acpi")) {
        to.acpi = properties.choice("acpi", {"off", "on", "auto"}, 1) != 0;
    }
    set_acpi_identity(properties, "x-oem-id", 6, to.acpi_identity.oem);
    set_acpi_identity(properties, "x-oem-table-id", 8, to.acpi_identity.table);
    to.dump_device_tree = properties.text("dumpdtb", to.dump_device_tree);
    (void)properties.choice("iommu", {"none"}, 0);
    if (!allows_translation(properties.text("accel", "tcg"))) {
        properties.fail("accel=" + properties.text("accel") + ": there is tcg");
    }
    // Without meaning for what there is.
    for (const char* const name :
         {"highmem", "highmem-ecam", "highmem-mmio", "highmem-redists", "compact-highmem", "ras",
          "usb", "graphics", "dtb-randomness", "dtb-kaslr-seed", "mem-merge", "dump-guest-core"}) {
        properties.ignore(name);
    }
    parse.finish("-machine", properties);
}

void set_cpu(CommandLineParse& parse, const std::string& value) {
    runtime::set_cpu(parse, value, runtime::CpuHelp::Models);
}

namespace {

// What is not said (0) follows from the rest: `cpus`, if they are said, are cores of one socket,
// unless there are to be more sockets or so many cores in each.
CpuTopology complete(CpuTopology groups, unsigned cpus) {
    if (cpus == 0 || groups.cores == 0) {
        groups.sockets = std::max(groups.sockets, 1u);
        groups.threads = std::max(groups.threads, 1u);
        groups.cores = cpus == 0 ? std::max(groups.cores, 1u)
                                 : cpus / (groups.sockets * groups.clusters * groups.threads);
    } else if (groups.sockets == 0) {
        groups.threads = std::max(groups.threads, 1u);
        groups.sockets = cpus / (groups.clusters * groups.cores * groups.threads);
    } else if (groups.threads == 0) {
        groups.threads = cpus / (groups.sockets * groups.clusters * groups.cores);
    }
    return groups;
}

std::string to_text(const CpuTopology& groups) {
    return std::to_string(groups.sockets) + " sockets of " + std::to_string(groups.clusters) +
           " clusters of " + std::to_string(groups.cores) + " cores of " +
           std::to_string(groups.threads) + " threads";
}

} // namespace

void set_cpus(CommandLineParse& parse, const std::string& value) {
    constexpr unsigned kMost = devices::virt::kMaxCpus;
    Properties properties(value, "cpus");
    const auto number = [&](const char* name, unsigned fallback) {
        return static_cast<unsigned>(properties.number(name, fallback, 1, kMost));
    };
    const unsigned said = number("cpus", 0), slots = number("maxcpus", said);
    const CpuTopology groups = complete({.sockets = number("sockets", 0),
                                         .clusters = number("clusters", 1),
                                         .cores = number("cores", 0),
                                         .threads = number("threads", 0),
                                         .has_clusters = properties.has("clusters")},
                                        slots);
    const unsigned cpus = said != 0 ? said : groups.cpus(), most = slots != 0 ? slots : kMost;
    if (cpus > most) {
        properties.fail(std::to_string(cpus) + ": 1 to " + std::to_string(most) + " CPUs");
    } else if (slots != 0 && groups.cpus() != slots) {
        properties.fail(to_text(groups) + " are not " + std::to_string(slots) + " CPUs");
    }
    parse.options.cpus = cpus;
    parse.options.topology = groups;
    parse.finish("-smp", properties);
}

void set_memory(CommandLineParse& parse, const std::string& value) {
    constexpr u64 kLeast = 8 * kMiB, kMost = devices::virt::kMaxRamBytes;
    Properties properties(value, "size");
    properties.ignore("slots");
    properties.ignore("maxmem");
    const std::string size = properties.text("size", "1G");
    const std::optional<u64> bytes = runtime::parse_bytes(size, kMiB);
    if (!bytes || *bytes < kLeast || *bytes > kMost || *bytes % kMiB != 0) {
        properties.fail(size + ": MiB of memory, or such as 2G; from 8M to 255G");
    } else {
        parse.options.ram_bytes = *bytes;
    }
    parse.finish("-m", properties);
}

void set_accelerator(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "accel");
    (void)properties.choice("accel", {"tcg"}, 0);
    for (const char* const name : {"thread", "split-wx", "one-insn-per-tb"}) {
        properties.ignore(name);
    }
    parse.options.code_cache_mib = properties.number("tb-size", 0, 0, 1024);
    parse.finish("-accel", properties);
}

void set_semihosting(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "enable");
    SemihostingOption& to = parse.options.semihosting;
    to.enabled = properties.flag("enable", true);
    (void)properties.choice("target", {"native", "auto"}, 0);
    properties.ignore("userspace");
    for (const std::string& argument : properties.texts("arg")) {
        to.arguments.push_back(argument);
    }
    parse.finish("-semihosting-config", properties);
}

namespace {
// False for what is no time.
bool set_clock(SystemOptions& options, const std::string& base) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    options.clock_ahead_s = 0;
    options.clock_start_s.reset();
    if (base == "utc") {
        return true;
    }
    if (base == "localtime") {
        options.clock_ahead_s = localtime_r(&now, &parts) != nullptr ? parts.tm_gmtoff : 0;
        return true;
    }
    for (const char* const format : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"}) {
        parts = {};
        const char* const end = strptime(base.c_str(), format, &parts);
        if (end != nullptr && *end == 0) {
            options.clock_start_s = timegm(&parts);
            return true;
        }
    }
    return false;
}
} // namespace

void set_rtc(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "base");
    const std::string base = properties.text("base", "utc");
    if (!set_clock(parse.options, base)) {
        properties.fail(base + ": utc, localtime, or such as 2006-06-17T16:01:21");
    }
    parse.options.clock_is_given = parse.options.clock_is_given || properties.has("base");
    parse.options.clock_is_hosts =
        properties.has("clock") && properties.choice("clock", {"vm", "host", "rt"}, 0) != 0;
    properties.ignore("driftfix");
    parse.finish("-rtc", properties);
}

// Virtual time does not follow the host's: `auto` is one shift, the same every time.
void set_icount(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "shift");
    InstructionTime time;
    if (properties.text("shift", "auto") == "auto") {
        time.shift = InstructionTime::kAutomaticShift;
    } else {
        time.shift =
            static_cast<unsigned>(properties.number("shift", 0, 0, InstructionTime::kMostShift));
    }
    time.sleeps = properties.flag("sleep", true);
    if (properties.flag("align")) {
        properties.fail("align=on: the guest is not held back to the host's clock");
    }
    for (const char* const key : {"rr", "rrfile", "rrsnapshot"}) {
        if (properties.has(key)) {
            properties.fail(std::string(key) + ": runs are not recorded; the same options are the "
                                               "same run");
        }
    }
    parse.options.instruction_time = time;
    parse.finish("-icount", properties);
}

} // namespace ulna::system
