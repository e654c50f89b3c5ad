#include "runtime/system/snapshot_configuration.h"

#include <algorithm>

#include "runtime/system/board.h"
#include "runtime/system/command_line.h"

namespace ulna::system {

Snapshots::Configuration snapshot_configuration(const SystemOptions& options) {
    const auto on_off = [](bool on) { return std::string{on ? "on" : "off"}; };
    Snapshots::Configuration configuration{
        {"-cpu", options.cpu_model.name},
        {"CPU features", frontend::feature_names(options.cpu_model.features)},
        {"-smp", std::to_string(options.cpus)},
        {"-m", std::to_string(options.ram_bytes >> 20) + "M"},
        {"gic-version", options.gic == GicVersion::V2 ? "2" : "3"},
        {"its", on_off(options.its)},
        {"second -serial", on_off(options.serials.size() > 1)},
        {"acpi", on_off(options.acpi)},
        {"virtualization", on_off(options.el2)},
        {"secure", on_off(options.el3)},
        {"firmware", on_off(boot_request(options).has_firmware)},
        {"-semihosting", on_off(options.semihosting.enabled)},
        {"-icount", options.instruction_time
                        ? "shift=" + std::to_string(options.instruction_time->shift) +
                              ",sleep=" + on_off(options.instruction_time->sleeps)
                        : "off"},
    };
    if (options.tags) { // so that one without is what it was
        configuration.push_back({"mte", "on"});
    }
    return configuration;
}

void visit_configuration(Snapshots::Configuration& configuration, devices::StateVisitor& visit) {
    constexpr u64 kMostFields = 256, kMostText = 4096;
    configuration.resize(visit.count(configuration.size(), kMostFields));
    for (auto& [name, value] : configuration) {
        visit.text(name, kMostText);
        visit.text(value, kMostText);
    }
}

namespace {
std::string value_of(const Snapshots::Configuration& configuration, const std::string& name) {
    const auto found =
        std::ranges::find(configuration, name, &Snapshots::Configuration::value_type::first);
    return found == configuration.end() ? "none" : found->second;
}
} // namespace

std::string difference(const Snapshots::Configuration& snapshot,
                       const Snapshots::Configuration& machine) {
    Snapshots::Configuration both = machine;
    both.insert(both.end(), snapshot.begin(), snapshot.end());
    for (const auto& [name, value] : both) {
        const std::string its = value_of(snapshot, name), ours = value_of(machine, name);
        if (its == ours) {
            continue;
        }
        constexpr std::size_t kMost = 100; // that anybody compares with their eyes
        if (its.size() > kMost || ours.size() > kMost) {
            return "of a machine with other " + name;
        }
        return "of a machine with " + name + " " + its + ", and this one has " + ours;
    }
    return "";
}

} // namespace ulna::system
