// The tree of a machine's objects, as far as the command line makes it: containers, and what has a
// name in them.
#include <map>
#include <nlohmann/json.hpp>

#include "runtime/system/qmp/commands.h"

namespace ulna::system::qmp {

namespace {

// By path; the types of what is there.
using Tree = std::map<std::string, std::string>;

Tree tree_of(const MachineParts& parts) {
    const SystemOptions options = parts.control.options();
    Tree tree = {{"/", "container"},
                 {"/chardevs", "container"},
                 {"/objects", "container"},
                 {"/machine", options.has_board ? "virt-10.0-machine" : "none-machine"},
                 {"/machine/peripheral", "container"},
                 {"/machine/peripheral-anon", "container"},
                 {"/machine/unattached", "container"}};
    for (const DeviceOption& device : options.devices) {
        tree[qom_path(device)] = device.driver;
    }
    for (const ObjectOption& object : options.objects) {
        tree["/objects/" + object.id] = object.type;
    }
    for (const auto* const list : {&options.lines, &options.characters}) {
        for (const CharacterOption& one : *list) {
            tree["/chardevs/" + one.id] = "chardev";
        }
    }
    const std::string model = options.cpu_model.name;
    for (std::size_t n = 0; options.has_board && n < parts.machine.cpus().size(); ++n) {
        tree["/machine/unattached/device[" + std::to_string(n) + "]"] = model + "-arm-cpu";
    }
    return tree;
}

// Without a slash at its end; a name alone is looked for anywhere.
std::string path_of(const Tree& tree, std::string path) {
    while (path.size() > 1 && path.ends_with('/')) {
        path.pop_back();
    }
    if (path.starts_with('/')) {
        return path;
    }
    for (const auto& [one, type] : tree) {
        if (one.ends_with("/" + path)) {
            return one;
        }
    }
    return "";
}

// What is in a container.
std::vector<std::pair<std::string, std::string>> children_of(const Tree& tree,
                                                             const std::string& path) {
    const std::string prefix = path == "/" ? path : path + "/";
    std::vector<std::pair<std::string, std::string>> children;
    for (const auto& [one, type] : tree) {
        if (one != path && one.starts_with(prefix) && one.find('/', prefix.size()) == one.npos) {
            children.emplace_back(one.substr(prefix.size()), type);
        }
    }
    return children;
}

Failure no_object(const std::string& path) {
    return {"there is no object '" + path + "'", "DeviceNotFound"};
}

} // namespace

Result list_object(const MachineParts& parts, const Json& arguments) {
    const Tree tree = tree_of(parts);
    const std::string path = path_of(tree, arguments["path"]);
    if (!tree.contains(path)) {
        return no_object(arguments["path"]);
    }
    Json list = Json::array({{{"name", "type"}, {"type", "string"}}});
    for (const auto& [name, type] : children_of(tree, path)) {
        list.push_back({{"name", name}, {"type", "child<" + type + ">"}});
    }
    return list;
}

// A child's value is where it is.
Result get_property(const MachineParts& parts, const Json& arguments) {
    const Tree tree = tree_of(parts);
    const std::string path = path_of(tree, arguments["path"]), name = arguments["property"];
    const auto found = tree.find(path);
    if (found == tree.end()) {
        return no_object(arguments["path"]);
    }
    if (name == "type") {
        return found->second;
    }
    const std::string child = (path == "/" ? "" : path) + "/" + name;
    return tree.contains(child) ? Result{child}
                                : Failure{"object '" + path + "' has no property '" + name + "'"};
}

} // namespace ulna::system::qmp
