// What machines are, and how they are.
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "ir/support/check.h"
#include "runtime/devices/virt_map.h"
#include "runtime/system/machine_report.h"
#include "runtime/system/pseudo_terminals.h"
#include "runtime/system/qmp/commands.h"
#include "runtime/version.h"

namespace ulna::system::qmp {

namespace {

// Whose commands and events these are.
Json version() {
    return {{"qemu", {{"major", 10}, {"minor", 0}, {"micro", 2}}},
            {"package", "ulna-system " ULNA_VERSION}};
}

// Who asks early waits for the CPU's thread to begin, since such ids are kept (to pin threads);
// 0: it does not.
int thread_of(const Vcpu& cpu) {
    constexpr int kMostMilliseconds = 1000;
    for (int i = 0; i < kMostMilliseconds && cpu.host_thread() == 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return cpu.host_thread();
}

} // namespace

std::string machine_greeting() { return greeting(version()); }

Result query_version(const MachineParts&, const Json&) { return version(); }

Result query_status(const MachineParts& parts, const Json&) {
    const std::string_view status = run_state(parts.machine.run_control());
    return Json{{"status", status}, {"running", status == "running"}};
}

Result query_name(const MachineParts& parts, const Json&) {
    const std::string& name = parts.options.name;
    return name.empty() ? Json::object() : Json{{"name", name}};
}

Result query_uuid(const MachineParts& parts, const Json&) {
    return Json{{"UUID", print_uuid(parts.options.smbios.system.uuid)}};
}

Result query_target(const MachineParts&, const Json&) { return Json{{"arch", "aarch64"}}; }

Result query_kvm(const MachineParts&, const Json&) {
    return Json{{"enabled", false}, {"present", false}};
}

Result query_machines(const MachineParts&, const Json&) {
    const Json virt = {{"name", "virt-10.0"},
                       {"alias", "virt"},
                       {"is-default", true},
                       {"cpu-max", devices::virt::kMaxCpus},
                       {"default-cpu-type", "max-arm-cpu"},
                       {"default-ram-id", "mach-virt.ram"},
                       {"hotpluggable-cpus", false},
                       {"numa-mem-supported", false},
                       {"deprecated", false},
                       {"acpi", true}};
    const Json none = {{"name", "none"},         {"cpu-max", 1},
                       {"acpi", false},          {"hotpluggable-cpus", false},
                       {"deprecated", false},    {"numa-mem-supported", false},
                       {"default-ram-id", "ram"}};
    return Json::array({virt, none});
}

Result query_current_machine(const MachineParts&, const Json&) {
    return Json{{"wakeup-suspend-support", false}};
}

Result query_cpu_definitions(const MachineParts&, const Json&) {
    Json all = Json::array();
    for (const frontend::CpuModel& model : frontend::cpu_models()) {
        all.push_back({{"name", model.name},
                       {"typename", std::string{model.name} + "-arm-cpu"},
                       {"static", false},
                       {"deprecated", false}});
    }
    return all;
}

Result query_cpus(const MachineParts& parts, const Json&) {
    Json all = Json::array();
    if (!parts.options.has_board) {
        return all;
    }
    for (const auto& cpu : parts.machine.cpus()) {
        const unsigned index = cpu->index();
        const CpuTopology::Place place = parts.options.topology.place_of(index);
        all.push_back({{"cpu-index", index},
                       {"thread-id", thread_of(*cpu)},
                       {"target", "aarch64"},
                       {"qom-path", "/machine/unattached/device[" + std::to_string(index) + "]"},
                       {"props",
                        {{"socket-id", place.socket},
                         {"cluster-id", place.cluster},
                         {"core-id", place.core},
                         {"thread-id", place.thread}}}});
    }
    return all;
}

Result query_memory(const MachineParts& parts, const Json&) {
    return Json{{"base-memory", parts.options.has_board ? parts.options.ram_bytes : 0},
                {"plugged-memory", 0}};
}

Result no_balloon() { return Failure{"this machine has no balloon", "DeviceNotActive"}; }

Result query_balloon(const MachineParts& parts, const Json&) {
    const auto bytes = parts.control.ram_left();
    return bytes ? Json{{"actual", *bytes}} : no_balloon();
}

namespace {

Json character_line(const std::string& label, const std::string& where, bool is_used) {
    return {{"label", label}, {"filename", shown_place(where)}, {"frontend-open", is_used}};
}

} // namespace

Result query_characters(const MachineParts& parts, const Json&) {
    const SystemOptions options = parts.control.options();
    Json all = Json::array();
    for (const CharacterOption& line : options.lines) {
        all.push_back(character_line(line.id, line.words, true));
    }
    for (const CharacterOption& line : options.characters) {
        const bool is_used =
            std::ranges::count(options.devices, line.id, &DeviceOption::characters) != 0;
        all.push_back(character_line(line.id, line.words, is_used));
    }
    return all;
}

Result query_gic(const MachineParts&, const Json&) {
    Json all = Json::array();
    for (const GicVersion version : {GicVersion::V3, GicVersion::V2}) {
        all.push_back(
            {{"version", static_cast<unsigned>(version)}, {"emulated", true}, {"kernel", false}});
    }
    return all;
}

namespace {

// Of QEMU's descriptions those of classes that there are here.
Json class_info(u32 class_code) {
    const u32 number = class_code >> 8;
    Json info = {{"class", number}};
    constexpr struct {
        u32 number;
        const char* text;
    } kClasses[] = {{0x0100, "SCSI controller"},
                    {0x0200, "Ethernet controller"},
                    {0x0600, "Host bridge"},
                    {0x0604, "PCI bridge"}};
    for (const auto& one : kClasses) {
        if (one.number == number) {
            info["desc"] = one.text;
        }
    }
    return info;
}

Json pci_region(const devices::pci::PciFunction::Region& region) {
    return {{"bar", region.bar},
            {"type", "memory"},
            {"address", region.address ? static_cast<i64>(*region.address) : i64{-1}},
            {"size", region.bytes},
            {"prefetch", region.is_prefetchable},
            {"mem_type_64", region.is_64_bit}};
}

Json bridge_info(const devices::pci::RootPort::Bus& port) {
    const auto range = [](devices::PhysAddr base, devices::PhysAddr limit) {
        return Json{{"base", base}, {"limit", limit}};
    };
    constexpr u64 kNoBase = 0xf000, kNoLimit = 0xfff; // there is no I/O
    return {{"bus",
             {{"number", port.primary},
              {"secondary", port.secondary},
              {"subordinate", port.subordinate},
              {"io_range", range(kNoBase, kNoLimit)},
              {"memory_range", range(port.base, port.limit)},
              {"prefetchable_range", range(port.prefetchable_base, port.prefetchable_limit)}}}};
}

Json pci_device(const Board::PciReport& one) {
    const devices::pci::PciFunction::Report& function = one.slot.function;
    Json regions = Json::array();
    for (const auto& region : function.regions) {
        regions.push_back(pci_region(region));
    }
    Json id = {{"device", function.identity.device}, {"vendor", function.identity.vendor}};
    if (!one.slot.port) {
        id["subsystem"] = function.identity.subsystem;
        id["subsystem-vendor"] = function.identity.subsystem_vendor;
    }
    Json device = {{"bus", one.slot.bus},
                   {"slot", one.slot.slot},
                   {"function", one.slot.function_number},
                   {"class_info", class_info(function.identity.class_code)},
                   {"id", std::move(id)},
                   {"irq_pin", function.pin},
                   {"qdev_id", one.id},
                   {"regions", std::move(regions)}};
    if (function.pin != 0) {
        device["irq"] = function.line;
    }
    if (one.slot.port) {
        device["pci_bridge"] = bridge_info(*one.slot.port);
    }
    return device;
}

} // namespace

// What is behind a port, which comes next, is inside it.
Result query_pci(const MachineParts& parts, const Json&) {
    if (!parts.options.has_board) {
        return Json::array();
    }
    Json functions = Json::array();
    bool is_behind = false;
    for (const Board::PciReport& one : parts.control.pci_functions()) {
        Json device = pci_device(one);
        if (is_behind && !one.slot.is_on_root) {
            functions.back()["pci_bridge"]["devices"] = Json::array({std::move(device)});
        } else {
            functions.push_back(std::move(device));
        }
        is_behind = one.slot.port.has_value();
    }
    return Json::array({{{"bus", 0}, {"devices", std::move(functions)}}});
}

} // namespace ulna::system::qmp
