// Which options with properties the command line has, for programs that look before they use one.
#include <nlohmann/json.hpp>

#include "runtime/system/qmp/commands.h"

namespace ulna::system::qmp {

namespace {

struct Parameter {
    const char *name, *type; // "string", "boolean", "number" or "size"
};
struct Option {
    const char* name;
    std::vector<Parameter> parameters;
};

// By QEMU's names of them (-smp is smp-opts).
const Option kOptions[] = {
    {"action",
     {{"reboot", "string"}, {"shutdown", "string"}, {"panic", "string"}, {"watchdog", "string"}}},
    {"boot-opts",
     {{"strict", "boolean"}, {"order", "string"}, {"once", "string"}, {"menu", "boolean"}}},
    {"chardev",
     {{"id", "string"},
      {"backend", "string"},
      {"path", "string"},
      {"host", "string"},
      {"port", "string"},
      {"fd", "string"},
      {"server", "boolean"},
      {"wait", "boolean"},
      {"mux", "boolean"},
      {"signal", "boolean"}}},
    {"device", {}},
    {"drive",
     {{"file", "string"},
      {"if", "string"},
      {"id", "string"},
      {"media", "string"},
      {"format", "string"},
      {"snapshot", "boolean"},
      {"read-only", "boolean"},
      {"index", "number"},
      {"unit", "number"},
      {"cache", "string"},
      {"discard", "string"},
      {"aio", "string"}}},
    {"fsdev",
     {{"fsdriver", "string"},
      {"id", "string"},
      {"path", "string"},
      {"security_model", "string"},
      {"readonly", "boolean"},
      {"multidevs", "string"},
      {"writeout", "string"}}},
    {"fw_cfg", {{"name", "string"}, {"string", "string"}, {"file", "string"}}},
    {"icount", {{"shift", "string"}, {"sleep", "boolean"}}},
    {"machine",
     {{"type", "string"},
      {"gic-version", "string"},
      {"virtualization", "boolean"},
      {"secure", "boolean"},
      {"its", "boolean"},
      {"mte", "boolean"},
      {"acpi", "string"},
      {"memory-backend", "string"},
      {"dumpdtb", "string"},
      {"accel", "string"},
      {"usb", "boolean"},
      {"mem-merge", "boolean"},
      {"dump-guest-core", "boolean"},
      {"highmem", "boolean"},
      {"x-oem-id", "string"},
      {"x-oem-table-id", "string"}}},
    {"memory", {{"size", "size"}, {"slots", "number"}, {"maxmem", "size"}}},
    {"mon", {{"chardev", "string"}, {"mode", "string"}, {"pretty", "boolean"}}},
    {"msg", {{"timestamp", "boolean"}, {"guest-name", "boolean"}}},
    {"name", {{"guest", "string"}, {"process", "string"}, {"debug-threads", "boolean"}}},
    {"netdev", {}},
    {"object", {}},
    {"overcommit", {{"mem-lock", "boolean"}, {"cpu-pm", "boolean"}}},
    {"rtc", {{"base", "string"}, {"clock", "string"}, {"driftfix", "string"}}},
    {"semihosting-config",
     {{"enable", "boolean"}, {"target", "string"}, {"userspace", "boolean"}, {"arg", "string"}}},
    {"smp-opts",
     {{"cpus", "number"},
      {"sockets", "number"},
      {"clusters", "number"},
      {"cores", "number"},
      {"threads", "number"},
      {"maxcpus", "number"}}},
    {"virtfs",
     {{"fsdriver", "string"},
      {"path", "string"},
      {"mount_tag", "string"},
      {"id", "string"},
      {"security_model", "string"},
      {"readonly", "boolean"}}},
};

} // namespace

Result query_command_line_options(const MachineParts&, const Json& arguments) {
    const std::string asked = arguments.value("option", "");
    Json list = Json::array();
    for (const Option& option : kOptions) {
        if (!asked.empty() && asked != option.name) {
            continue;
        }
        Json parameters = Json::array();
        for (const Parameter& parameter : option.parameters) {
            parameters.push_back({{"name", parameter.name}, {"type", parameter.type}});
        }
        list.push_back({{"option", option.name}, {"parameters", std::move(parameters)}});
    }
    return list.empty() ? Result{Failure{"there is no option '" + asked + "' with properties"}}
                        : Result{list};
}

} // namespace ulna::system::qmp
