// What kinds of things a machine can have, as QEMU's object model (QOM) names them.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "runtime/system/device_types.h"
#include "runtime/system/object_types.h"
#include "runtime/system/qmp/commands.h"

namespace ulna::system::qmp {

namespace {

struct Type {
    std::string parent;
    bool is_abstract = false;
    std::vector<Properties::Known> properties;
};
using Types = std::map<std::string, Type>;

// What others are kinds of.
constexpr struct {
    const char *name, *parent;
    bool is_abstract;
} kBases[] = {
    {"object", "", true},
    {"device", "object", true},
    {"sys-bus-device", "device", true},
    {"virtio-mmio", "sys-bus-device", false},
    {"gpex-pcihost", "sys-bus-device", false},
    {"pl011", "sys-bus-device", false},
    {"pl031", "sys-bus-device", false},
    {"pl061", "sys-bus-device", false},
    {"arm_gic", "sys-bus-device", false},
    {"arm-gicv3", "sys-bus-device", false},
    {"fw_cfg_mem", "sys-bus-device", false},
    {"cfi.pflash01", "sys-bus-device", false},
    {"loader", "device", false},
    {"virtio-device", "device", true},
    {"pci-device", "device", true},
    {"virtio-pci", "pci-device", true},
    {"scsi-device", "device", true},
    {"accel", "object", true},
    {"tcg-accel", "accel", false},
    {"cpu", "device", true},
    {"arm-cpu", "cpu", true},
    {"machine", "object", true},
    {"virt-machine", "machine", true},
    {"virt-10.0-machine", "virt-machine", false},
    {"none-machine", "machine", false},
    {"memory-backend", "object", true},
    {"rng-backend", "object", true},
};

const char* base_of(std::string_view object) {
    return object.starts_with("memory-backend-") ? "memory-backend"
           : object.starts_with("rng-")          ? "rng-backend"
                                                 : "object";
}

Types all_types() {
    Types all;
    for (const auto& base : kBases) {
        all[base.name] = {base.parent, base.is_abstract, {}};
    }
    for (DeviceType& device : device_types()) {
        all[device.name] = {device.parent, false, std::move(device.properties)};
    }
    for (const std::string_view object : kObjectTypes) {
        all[std::string(object)] = {base_of(object), false, object_properties(object)};
    }
    for (const frontend::CpuModel& model : frontend::cpu_models()) {
        all[model.name + std::string("-arm-cpu")] = {"arm-cpu", false, {}};
    }
    return all;
}

bool is_kind_of(const Types& all, std::string name, const std::string& of) {
    while (name != of && !name.empty()) {
        const auto found = all.find(name);
        name = found == all.end() ? "" : found->second.parent;
    }
    return !name.empty();
}

Failure no_type(const std::string& name) {
    return {"there is no type '" + name + "'", "DeviceNotFound"};
}

Json described(const std::vector<Properties::Known>& properties) {
    Json list = Json::array();
    for (const Properties::Known& one : properties) {
        list.push_back({{"name", one.key}, {"type", one.type}});
    }
    return list;
}

} // namespace

Result list_types(const MachineParts&, const Json& arguments) {
    const std::string of = arguments.value("implements", "object");
    const bool wants_abstract = arguments.value("abstract", false);
    const Types all = all_types();
    Json list = Json::array();
    for (const auto& [name, type] : all) {
        if (is_kind_of(all, name, of) && (wants_abstract || !type.is_abstract)) {
            Json one = {{"name", name}};
            if (!type.parent.empty()) {
                one["parent"] = type.parent;
            }
            if (type.is_abstract) {
                one["abstract"] = true;
            }
            list.push_back(std::move(one));
        }
    }
    return list;
}

Result list_device_properties(const MachineParts&, const Json& arguments) {
    const std::string name = arguments["typename"];
    const Types all = all_types();
    const auto found = all.find(name);
    if (found == all.end()) {
        return no_type(name);
    }
    if (!is_kind_of(all, name, "device") || found->second.is_abstract) {
        return Failure{"'" + name + "' is no device that there could be"};
    }
    return described(found->second.properties);
}

Result list_type_properties(const MachineParts&, const Json& arguments) {
    const Types all = all_types();
    const auto found = all.find(arguments["typename"]);
    if (found == all.end()) {
        return no_type(arguments["typename"]);
    }
    Json list = described(found->second.properties);
    list.push_back({{"name", "type"}, {"type", "string"}});
    return list;
}

// Features that -cpu switches, and those that libvirt asks after.
Result expand_cpu_model(const MachineParts&, const Json& arguments) {
    if (arguments["type"] != "full") {
        return Failure{"argument 'type' has to be full"};
    }
    const Json& asked = arguments["model"];
    const auto name = asked.find("name");
    if (name == asked.end() || !name->is_string()) {
        return Failure{"argument 'model' needs a name"};
    }
    std::string words = *name, why_not;
    const Json properties = asked.value("props", Json::object());
    for (const auto& [key, value] : properties.items()) {
        words += "," + key + "=" + (value == true ? "on" : "off");
    }
    const auto model = frontend::parse_cpu(words, why_not);
    if (!model) {
        return Failure{why_not};
    }
    using frontend::Feature;
    Json answer = {{"aarch64", true}, {"pmu", true}};
    if (model->name == std::string_view("max")) {
        answer["sve"] = false;
        answer["pauth"] = model->features.has(Feature::PAuth);
        answer["pauth-impdef"] = model->features.has(Feature::PAuth_impdef);
        answer["pauth-qarma5"] = model->features.has(Feature::PAuth_QARMA5);
        answer["pauth-qarma3"] = model->features.has(Feature::PAuth_QARMA3);
    }
    return Json{{"model", {{"name", *name}, {"props", std::move(answer)}}}};
}

} // namespace ulna::system::qmp
