#include "runtime/system/qmp/commands.h"

#include <nlohmann/json.hpp>

#include "runtime/system/device_tree_file.h"
#include "runtime/system/memory_access.h"
#include "runtime/system/monitor.h"

namespace ulna::system::qmp {

Result done() { return Json::object(); }

Result done_unless(const std::string& why_not) {
    return why_not.empty() ? done() : Failure{why_not};
}

namespace {

// What there is none of here, though there could be.
Result none(const MachineParts&, const Json&) { return Json::array(); }

Result nothing(const MachineParts&, const Json&) { return done(); }

// Nobody migrates, so nobody measures.
Result query_dirty_rate(const MachineParts&, const Json&) {
    return Json{{"status", "unstarted"},      {"start-time", 0},   {"calc-time", 0},
                {"calc-time-unit", "second"}, {"sample-pages", 0}, {"mode", "page-sampling"}};
}

Result query_migration(const MachineParts& parts, const Json&) {
    return Json::array(
        {{{"capability", "events"}, {"state", parts.control.tells_of_migration.load()}}});
}

Result set_migration(const MachineParts& parts, const Json& arguments) {
    bool tells = parts.control.tells_of_migration;
    for (const Json& one : arguments["capabilities"]) {
        if (!one.is_object() || one.value("capability", Json()) != "events" ||
            !one.value("state", Json()).is_boolean()) {
            return Failure{"this machine does not migrate; the only capability is events"};
        }
        tells = one["state"];
    }
    parts.control.tells_of_migration = tells;
    return done();
}

Result query_vnc(const MachineParts&, const Json&) { return Json{{"enabled", false}}; }

// --- Running

Result stop(const MachineParts& parts, const Json&) {
    parts.control.stop();
    return done();
}

Result resume(const MachineParts& parts, const Json&) {
    return done_unless(parts.control.resume());
}

Result reset(const MachineParts& parts, const Json&) {
    parts.control.reset();
    return done();
}

Result press_power_key(const MachineParts& parts, const Json&) {
    parts.control.press_power_key();
    return done();
}

Result change_ram(const MachineParts& parts, const Json& arguments) {
    const i64 bytes = arguments["value"].get<i64>();
    if (bytes <= 0) {
        return Failure{"argument 'value' is no size of RAM"};
    }
    return parts.control.set_ram(static_cast<u64>(bytes)) ? done() : no_balloon();
}

Result quit(const MachineParts& parts, const Json&) {
    parts.control.quit();
    return done();
}

Result wake_up(const MachineParts&, const Json&) {
    return Failure{"this machine does not suspend, and so does not wake up"};
}

Result inject_nmi(const MachineParts&, const Json&) { return Failure{"this machine has no NMI"}; }

Result plug_cpus(const MachineParts&, const Json&) {
    return Failure{"CPUs cannot be added to this machine"};
}

// --- Looking

// Null, or a reason.
std::variant<Vcpu*, Failure> cpu_of(const MachineParts& parts, const Json& arguments) {
    const auto& cpus = parts.machine.cpus();
    const i64 index = arguments.value("cpu-index", i64{0});
    if (index < 0 || index >= static_cast<i64>(cpus.size())) {
        return Failure{"argument 'cpu-index' is no CPU: there are 0 to " +
                       std::to_string(cpus.size() - 1)};
    }
    return cpus[static_cast<std::size_t>(index)].get();
}

// Each begins anew with the first CPU.
Result execute_line(const MachineParts& parts, const Json& arguments) {
    const auto cpu = cpu_of(parts, arguments);
    if (const auto* const failure = std::get_if<Failure>(&cpu)) {
        return *failure;
    }
    Monitor monitor{parts.machine, parts.snapshots, parts.control};
    static_cast<void>(monitor.execute("cpu " + std::to_string(std::get<Vcpu*>(cpu)->index())));
    return monitor.execute(arguments["command-line"].get_ref<const std::string&>());
}

Result save(const MachineParts& parts, const Json& arguments, Vcpu* cpu) {
    const Pause pause{parts.machine.run_control()};
    return done_unless(save_memory(parts.machine,
                                   {cpu, arguments["val"].get<u64>(), arguments["size"].get<u64>()},
                                   arguments["filename"].get<std::string>()));
}

Result save_virtual(const MachineParts& parts, const Json& arguments) {
    const auto cpu = cpu_of(parts, arguments);
    const auto* const failure = std::get_if<Failure>(&cpu);
    return failure != nullptr ? *failure : save(parts, arguments, std::get<Vcpu*>(cpu));
}

Result save_physical(const MachineParts& parts, const Json& arguments) {
    return save(parts, arguments, nullptr);
}

Result save_tree(const MachineParts& parts, const Json& arguments) {
    return done_unless(save_device_tree(parts.options, arguments["filename"].get<std::string>()));
}

// --- The table

struct Row {
    const char* name;
    std::vector<Argument> arguments;
    Handler handler;
    bool takes_more = false; // Command::takes_more
};

using enum Argument::Type;

const Argument kFile{"filename"};
const Argument kAddress{"val", Unsigned}, kBytes{"size", Unsigned};
const Argument kCpu{"cpu-index", Integer, false};
const Argument kDevice{"device", Text, false}, kId{"id", Text, false}; // one of them
const Argument kForce{"force", Boolean, false};

// clang-format off
const Row kRows[] = {
    {"query-version",             {}, query_version},
    {"query-status",              {}, query_status},
    {"query-name",                {}, query_name},
    {"query-uuid",                {}, query_uuid},
    {"query-target",              {}, query_target},
    {"query-kvm",                 {}, query_kvm},
    {"query-machines",            {}, query_machines},
    {"query-current-machine",     {}, query_current_machine},
    {"query-cpu-definitions",     {}, query_cpu_definitions},
    {"query-cpus-fast",           {}, query_cpus},
    {"query-hotpluggable-cpus",   {}, plug_cpus},
    {"query-memory-size-summary", {}, query_memory},
    {"query-memory-devices",      {}, none},
    {"query-balloon",             {}, query_balloon},
    {"query-iothreads",           {}, none},
    {"query-jobs",                {}, none},
    {"query-block-jobs",          {}, none},
    {"query-chardev",             {}, query_characters},
    {"query-block",               {}, query_drives},
    {"query-named-block-nodes",   {{"flat", Boolean, false}}, query_nodes},
    {"query-blockstats",          {{"query-nodes", Boolean, false}}, query_block_statistics},
    {"query-gic-capabilities",    {}, query_gic},
    {"query-pci",                 {}, query_pci},
    {"query-mice",                {}, none},
    {"query-rx-filter",           {}, none},
    {"query-migrate",             {}, nothing},
    {"query-vnc",                 {}, query_vnc},
    {"query-tpm-models",          {}, none},
    {"query-tpm-types",           {}, none},
    {"query-migrate-capabilities", {}, query_migration},
    {"migrate-set-capabilities",  {{"capabilities", List}}, set_migration},
    {"query-stats-schemas",       {{"provider", Text, false}}, none},
    {"query-stats",               {{"target"}, {"vcpus", Object, false}, {"providers", List, false}}, none},
    {"query-dirty-rate",          {{"calc-time-unit", Text, false}}, query_dirty_rate},
    {"query-command-line-options", {{"option", Text, false}}, query_command_line_options},
    {"query-cpu-model-expansion", {{"type"}, {"model", Object}}, expand_cpu_model},
    {"qom-list-types",            {{"implements", Text, false}, {"abstract", Boolean, false}}, list_types},
    {"qom-list-properties",       {{"typename"}}, list_type_properties},
    {"device-list-properties",    {{"typename"}}, list_device_properties},
    {"qom-list",                  {{"path"}}, list_object},
    {"qom-get",                   {{"path"}, {"property"}}, get_property},
    {"stop",                      {}, stop},
    {"cont",                      {}, resume},
    {"system_reset",              {}, reset},
    {"system_powerdown",          {}, press_power_key},
    {"system_wakeup",             {}, wake_up},
    {"balloon",                   {{"value", Integer}}, change_ram},
    {"inject-nmi",                {}, inject_nmi},
    {"quit",                      {}, quit},
    {"human-monitor-command",     {{"command-line"}, kCpu}, execute_line},
    {"memsave",                   {kAddress, kBytes, kFile, kCpu}, save_virtual},
    {"pmemsave",                  {kAddress, kBytes, kFile}, save_physical},
    {"dumpdtb",                   {kFile}, save_tree},
    {"blockdev-add",              {{"driver"}, {"node-name"}}, add_node, true},
    {"blockdev-del",              {{"node-name"}}, remove_node},
    {"device_add",                {{"driver"}, {"bus", Text, false}, {"id", Text, false}}, add_device, true},
    {"device_del",                {{"id"}}, remove_device},
    {"netdev_add",                {{"type"}, {"id"}}, add_network, true},
    {"netdev_del",                {{"id"}}, remove_network},
    {"set_link",                  {{"name"}, {"up", Boolean}}, set_link},
    {"getfd",                     {{"fdname"}}, name_descriptor},
    {"closefd",                   {{"fdname"}}, close_descriptor},
    {"object-add",                {{"qom-type"}, {"id"}}, add_object, true},
    {"object-del",                {{"id"}}, remove_object},
    {"chardev-add",               {{"id"}, {"backend", Object}}, add_characters},
    {"chardev-remove",            {{"id"}}, remove_characters},
    {"eject",                     {kDevice, kId, kForce}, eject},
    {"blockdev-open-tray",        {kDevice, kId, kForce}, open_tray},
    {"blockdev-close-tray",       {kDevice, kId}, close_tray},
    {"blockdev-remove-medium",    {{"id"}}, remove_medium},
    {"blockdev-insert-medium",    {{"id"}, {"node-name"}}, insert_medium},
    {"blockdev-change-medium",    {kDevice, kId, kFile, {"format", Text, false}, kForce, {"read-only-mode", Text, false}}, change_medium},
};
// clang-format on

} // namespace

std::vector<Command> machine_commands(const MachineParts& parts) {
    std::vector<Command> commands;
    for (const Row& row : kRows) {
        commands.push_back({row.name, row.arguments,
                            [parts, handler = row.handler](const Json& arguments) {
                                return handler(parts, arguments);
                            },
                            row.takes_more});
    }
    return commands;
}

} // namespace ulna::system::qmp
