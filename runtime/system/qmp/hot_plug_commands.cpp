// What comes to a machine and goes from it.
#include <nlohmann/json.hpp>

#include "runtime/system/qmp/commands.h"

namespace ulna::system::qmp {

namespace {

// As an option's value has a text.
std::string quoted(const std::string& text) {
    std::string quoted;
    for (const char c : text) {
        quoted += c == ',' ? std::string{",,"} : std::string{c};
    }
    return quoted;
}

bool begins_with_digit(const std::string& text) {
    return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

// A member of an object inside others; null where there is none.
Json member(const Json& of, std::initializer_list<const char*> path) {
    Json at = of;
    for (const char* const name : path) {
        at = at.is_object() && at.contains(name) ? Json(at[name]) : Json();
    }
    return at;
}

// Of a socket, as -chardev says it.
std::string address_of(const Json& data) {
    const auto text = [&](const char* key, const Json& value) {
        return value.is_string() ? "," + std::string(key) + "=" + quoted(value.get<std::string>())
                                 : "";
    };
    const Json address = member(data, {"addr", "data"});
    return text("path", member(address, {"path"})) + text("host", member(address, {"host"})) +
           text("port", member(address, {"port"})) + text("fd", member(address, {"str"}));
}

Result removed(HotPlug& hot_plug,
               const std::string& id,
               bool (HotPlug::*has)(const std::string&) const,
               std::string (HotPlug::*remove)(const std::string&)) {
    const bool is_there = (hot_plug.*has)(id);
    const std::string why_not = (hot_plug.*remove)(id);
    return is_there ? done_unless(why_not) : Failure{why_not, "DeviceNotFound"};
}

} // namespace

Result add_device(const MachineParts& parts, const Json& arguments) {
    return done_unless(parts.control.hot_plug().add_device(arguments.dump()));
}

Result remove_device(const MachineParts& parts, const Json& arguments) {
    return removed(parts.control.hot_plug(), arguments["id"], &HotPlug::has_device,
                   &HotPlug::remove_device);
}

// Names of passed descriptors begin with no digit, so that others are numbers.
Result add_network(const MachineParts& parts, const Json& arguments) {
    Json value = arguments;
    const Json fd = member(arguments, {"fd"});
    runtime::FileDescriptor passed;
    if (fd.is_string() && !begins_with_digit(fd.get<std::string>())) {
        passed = parts.control.descriptors().take(fd.get<std::string>());
        if (!passed) {
            return Failure{"File descriptor named '" + fd.get<std::string>() +
                           "' has not been found"};
        }
        value["fd"] = passed.get();
    }
    return done_unless(parts.control.hot_plug().add_network(value.dump(), std::move(passed)));
}

Result set_link(const MachineParts& parts, const Json& arguments) {
    const std::string name = arguments["name"];
    return parts.control.hot_plug().set_link(name, arguments["up"])
               ? done()
               : Failure{"Device '" + name + "' not found", "DeviceNotFound"};
}

Result name_descriptor(const MachineParts& parts, const Json& arguments) {
    const std::string name = arguments["fdname"];
    const std::string why_not = parts.control.descriptors().give_name(name);
    if (why_not.empty() && begins_with_digit(name)) {
        static_cast<void>(parts.control.descriptors().close(name));
        return Failure{"Parameter 'fdname' expects a name not starting with a digit"};
    }
    return done_unless(why_not);
}

Result close_descriptor(const MachineParts& parts, const Json& arguments) {
    const std::string name = arguments["fdname"];
    return parts.control.descriptors().close(name)
               ? done()
               : Failure{"File descriptor named '" + name + "' not found"};
}

Result remove_network(const MachineParts& parts, const Json& arguments) {
    return removed(parts.control.hot_plug(), arguments["id"], &HotPlug::has_network,
                   &HotPlug::remove_network);
}

Result add_object(const MachineParts& parts, const Json& arguments) {
    return done_unless(parts.control.hot_plug().add_object(arguments.dump()));
}

Result remove_object(const MachineParts& parts, const Json& arguments) {
    return done_unless(parts.control.hot_plug().remove_object(arguments["id"]));
}

// A socket is a server unless it says not, which waits for nobody.
Result add_characters(const MachineParts& parts, const Json& arguments) {
    const Json type = member(arguments, {"backend", "type"});
    const Json data = member(arguments, {"backend", "data"});
    if (!type.is_string()) {
        return Failure{"argument 'backend' has no 'type'"};
    }
    const std::string kind = type.get<std::string>();
    std::string value = quoted(kind) + ",id=" + quoted(arguments["id"].get<std::string>());
    const Json file = member(data, {"out"});
    if (kind == "file" && file.is_string()) {
        value += ",path=" + quoted(file.get<std::string>());
    } else if (kind == "socket") {
        const bool serves = member(data, {"server"}) != Json(false);
        const bool waits = member(data, {"wait"}) == Json(true);
        value += address_of(data) + ",server=" + (serves ? "on" : "off") +
                 ",wait=" + (waits ? "on" : "off");
    }
    return done_unless(parts.control.hot_plug().add_characters(value));
}

Result remove_characters(const MachineParts& parts, const Json& arguments) {
    return done_unless(parts.control.hot_plug().remove_characters(arguments["id"]));
}

} // namespace ulna::system::qmp
