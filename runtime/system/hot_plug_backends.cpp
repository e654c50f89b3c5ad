// What devices can be on, and how it comes and goes while a machine runs.
#include <algorithm>

#include "runtime/system/command_line_parse.h"
#include "runtime/system/hot_plug.h"

namespace ulna::system {

namespace {

// Whether some device names it by this field.
bool is_used(const SystemOptions& options,
             std::string DeviceOption::*field,
             const std::string& id) {
    return std::ranges::count(options.devices, id, field) != 0;
}

template <class Options> bool has_id(const std::vector<Options>& all, const std::string& id) {
    return std::ranges::count(all, id, &Options::id) != 0;
}

template <class Options> void erase(std::vector<Options>& all, const std::string& id) {
    std::erase_if(all, [&](const Options& one) { return one.id == id; });
}

} // namespace

std::string HotPlug::add(void (*parser)(CommandLineParse&, const std::string&),
                         const std::string& value) {
    CommandLineParse parse;
    parse.options = options_;
    parser(parse, value);
    if (parse.exit_status) {
        return parse.reason();
    }
    options_ = std::move(parse.options);
    return "";
}

std::string HotPlug::add_network(const std::string& value, runtime::FileDescriptor passed) {
    const std::lock_guard lock{board_.change_lock()};
    std::string why_not = add(system::add_network, value);
    if (why_not.empty() && passed) {
        options_.networks.back().descriptor =
            std::make_shared<runtime::FileDescriptor>(std::move(passed));
    }
    return why_not;
}

bool HotPlug::has_network(const std::string& id) const {
    const std::lock_guard lock{board_.change_lock()};
    return has_id(options_.networks, id);
}

std::string HotPlug::remove_network(const std::string& id) {
    const std::lock_guard lock{board_.change_lock()};
    if (!has_id(options_.networks, id)) {
        return "Device '" + id + "' not found";
    }
    if (is_used(options_, &DeviceOption::network, id)) {
        return "netdev '" + id + "' is in use";
    }
    erase(options_.networks, id);
    return "";
}

bool HotPlug::set_link(const std::string& name, bool up) {
    const std::lock_guard lock{board_.change_lock()};
    bool is_there = false;
    for (const DeviceOption& device : options_.devices) {
        if (!name.empty() && (device.network == name ||
                              (device.kind == DeviceOption::Kind::Net && device.id == name))) {
            board_.set_link(device, up);
            is_there = true;
        }
    }
    return is_there;
}

std::string HotPlug::add_object(const std::string& value) {
    if (Properties::of_option(value, "qom-type").text("id").empty()) {
        return "Parameter 'id' is missing";
    }
    const std::lock_guard lock{board_.change_lock()};
    return add(system::add_object, value);
}

std::string HotPlug::remove_object(const std::string& id) {
    const std::lock_guard lock{board_.change_lock()};
    if (!has_id(options_.objects, id)) {
        return "object '" + id + "' not found";
    }
    if (options_.memory_backend == id) {
        return "object '" + id + "' is in use, can not be deleted";
    }
    erase(options_.objects, id);
    return "";
}

// The terminal is somebody's already, and pseudo terminals are opened before a machine runs.
std::string HotPlug::add_characters(const std::string& value) {
    const std::string kind = Properties(value, "backend").text("backend");
    if (kind == "stdio" || kind == "pty") {
        return "backend " + kind + " cannot be added while the machine runs";
    }
    const std::lock_guard lock{board_.change_lock()};
    return add(system::add_characters, value);
}

std::string HotPlug::remove_characters(const std::string& id) {
    const std::lock_guard lock{board_.change_lock()};
    if (has_id(options_.lines, id) || is_used(options_, &DeviceOption::characters, id)) {
        return "Chardev '" + id + "' is busy";
    }
    if (!has_id(options_.characters, id)) {
        return "Chardev '" + id + "' not found";
    }
    erase(options_.characters, id);
    return "";
}

std::string HotPlug::add_drive(const std::string& value) {
    Properties properties{value, "file"};
    if (properties.text("if") != "none" || properties.text("id").empty()) {
        return "needs if=none and id=: a device makes it a disk";
    }
    const std::lock_guard lock{board_.change_lock()};
    if (board_.drives().has(properties.text("id"))) {
        return "there is a drive '" + properties.text("id") + "' already";
    }
    return add(system::add_drive, value);
}

std::string HotPlug::remove_drive(const std::string& id) {
    const std::lock_guard lock{board_.change_lock()};
    if (is_used(options_, &DeviceOption::drive, id)) {
        return "drive '" + id + "' is in use";
    }
    if (!has_id(options_.drives, id)) {
        return "Device '" + id + "' not found";
    }
    erase(options_.drives, id);
    return "";
}

} // namespace ulna::system
