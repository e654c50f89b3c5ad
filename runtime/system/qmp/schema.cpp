#include "runtime/system/qmp/schema.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "runtime/system/block_node_options.h"
#include "runtime/system/qmp/event_line.h"

namespace ulna::system::qmp {

namespace {

// Types have numbers for names, as QEMU's do; those that are the same have the same.
class Schema {
  public:
    Schema() {
        for (const auto& [name, json] :
             {std::pair{"str", "string"}, {"int", "int"}, {"bool", "boolean"}, {"any", "value"}}) {
            entries_.push_back({{"name", name}, {"meta-type", "builtin"}, {"json-type", json}});
        }
    }
    std::string add(Json type) {
        std::string& name = names_[type.dump()];
        if (name.empty()) {
            name = std::to_string(names_.size() - 1);
            type["name"] = name;
            entries_.push_back(std::move(type));
        }
        return name;
    }
    std::string array_of(const std::string& element) {
        const std::string name = "[" + element + "]";
        if (std::ranges::count(arrays_, name) == 0) {
            arrays_.push_back(name);
            entries_.push_back({{"name", name}, {"meta-type", "array"}, {"element-type", element}});
        }
        return name;
    }
    std::string object(Json members, Json more = Json::object()) {
        more["meta-type"] = "object";
        more["members"] = std::move(members);
        return add(std::move(more));
    }
    std::string enumeration(const std::vector<std::string>& values) {
        Json members = Json::array();
        for (const std::string& value : values) {
            members.push_back({{"name", value}});
        }
        return add({{"meta-type", "enum"}, {"values", values}, {"members", std::move(members)}});
    }
    // A command or an event, which people know by its name.
    void add_named(Json entry) { entries_.push_back(std::move(entry)); }
    [[nodiscard]] Json take() { return std::move(entries_); }

  private:
    Json entries_ = Json::array();
    std::map<std::string, std::string> names_; // by description
    std::vector<std::string> arrays_;
};

Json member(const std::string& name, const std::string& type, bool required) {
    Json one = {{"name", name}, {"type", type}};
    if (!required) {
        one["default"] = nullptr;
    }
    return one;
}

std::string type_of(Schema& schema, Argument::Type type) {
    switch (type) {
    case Argument::Type::Text:
        return "str";
    case Argument::Type::Integer:
    case Argument::Type::Unsigned:
        return "int";
    case Argument::Type::Boolean:
        return "bool";
    case Argument::Type::List:
        return schema.array_of("any");
    case Argument::Type::Object:
        return "any";
    }
    return "any";
}

std::string arguments_of(Schema& schema, const std::vector<Argument>& arguments) {
    Json members = Json::array();
    for (const Argument& one : arguments) {
        members.push_back(member(one.name, type_of(schema, one.type), one.required));
    }
    return schema.object(std::move(members));
}

// --- Nodes: a union by driver, whose variants follow from what each driver knows.

std::string type_of(Schema& schema, const Properties::Known& known) {
    return known.values.empty() ? known.type : schema.enumeration(known.values);
}

// Those of a driver alone, "cache.direct" and the like as objects.
std::string
variant_of(Schema& schema, const NodeProperties& node, const std::vector<std::string>& common) {
    std::map<std::string, Json> members, inner;
    for (const Properties::Known& known : node.known) {
        const std::size_t dot = known.key.find('.');
        const std::string name = known.key.substr(0, dot);
        if (std::ranges::count(common, name) != 0) {
            continue;
        }
        if (dot == std::string::npos) {
            members[name] = type_of(schema, known);
        } else {
            inner[name].push_back(member(known.key.substr(dot + 1), type_of(schema, known), false));
        }
    }
    for (auto& [name, list] : inner) {
        members[name] = schema.object(list);
    }
    Json list = Json::array();
    for (const auto& [name, type] : members) {
        list.push_back(member(name, type, name == "filename"));
    }
    return schema.object(std::move(list));
}

std::string node_arguments(Schema& schema) {
    const std::vector<NodeProperties> nodes = node_properties();
    std::vector<std::string> drivers;
    for (const NodeProperties& node : nodes) {
        drivers.push_back(node.driver);
    }
    const std::string cache =
        schema.object({member("direct", "bool", false), member("no-flush", "bool", false)});
    const Json members = {
        member("driver", schema.enumeration(drivers), true),
        member("node-name", "str", false),
        member("discard", schema.enumeration({"ignore", "unmap"}), false),
        member("cache", cache, false),
        member("read-only", "bool", false),
        member("auto-read-only", "bool", false),
        member("force-share", "bool", false),
        member("detect-zeroes", schema.enumeration({"off", "on", "unmap"}), false)};
    std::vector<std::string> common;
    for (const Json& one : members) {
        common.push_back(one["name"]);
    }
    Json variants = Json::array();
    for (const NodeProperties& node : nodes) {
        variants.push_back({{"case", node.driver}, {"type", variant_of(schema, node, common)}});
    }
    return schema.object(members, {{"tag", "driver"}, {"variants", std::move(variants)}});
}

// By the name's beginning: who asks gets a value.
std::string answer_of(Schema& schema, const std::string& command) {
    if (command == "human-monitor-command") {
        return "str";
    }
    const bool asks = command.starts_with("query-") || command.starts_with("qom-") ||
                      command.starts_with("device-list-");
    return asks ? "any" : schema.object(Json::array());
}

} // namespace

Json schema_of(std::span<const Command> commands) {
    Schema schema;
    for (const Command& command : commands) {
        // What other commands take besides, their arguments decide: types and drivers.
        const std::string arguments = command.name == "blockdev-add"
                                          ? node_arguments(schema)
                                          : arguments_of(schema, command.arguments);
        schema.add_named({{"name", command.name},
                          {"meta-type", "command"},
                          {"arg-type", arguments},
                          {"ret-type", answer_of(schema, command.name)},
                          {"allow-oob", false}});
    }
    for (const EventDescription& event : describe_events()) {
        schema.add_named({{"name", event.name},
                          {"meta-type", "event"},
                          {"arg-type", arguments_of(schema, event.data)}});
    }
    return schema.take();
}

} // namespace ulna::system::qmp
