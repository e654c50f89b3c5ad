#include "runtime/system/json_properties.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ulna::system {

namespace {

using Json = nlohmann::json;
using Items = std::vector<Properties::Item>;

void add(Items& to, const std::string& key, const Json& value);

void add_list(Items& to, const std::string& key, const Json& list) {
    for (std::size_t n = 0; n < list.size(); ++n) {
        const Json& one = list[n];
        const bool is_text = one.is_object() && one.size() == 1 && one.contains("str");
        if (is_text) {
            add(to, key, one["str"]);
        } else {
            add(to, key + "." + std::to_string(n), one);
        }
    }
}

void add_members(Items& to, const std::string& prefix, const Json& object) {
    for (const auto& [name, value] : object.items()) {
        add(to, prefix + name, value);
    }
}

void add(Items& to, const std::string& key, const Json& value) {
    if (value.is_object()) {
        add_members(to, key + ".", value);
    } else if (value.is_array()) {
        add_list(to, key, value);
    } else if (value.is_string()) {
        to.push_back({key, value.get<std::string>()});
    } else if (value.is_boolean()) {
        to.push_back({key, value.get<bool>() ? "on" : "off"});
    } else {
        to.push_back({key, value.is_null() ? "" : value.dump()});
    }
}

// Of a text of any length, what fits into a line.
std::string shortened(const std::string& text) {
    constexpr std::size_t kMost = 40;
    std::string line = text.substr(0, kMost);
    std::ranges::replace_if(
        line, [](char c) { return c < ' '; }, ' ');
    return line + (text.size() > kMost ? "..." : "");
}

// How deep brackets are in each other, as far as it matters: the parser calls itself for each.
bool is_too_deep(const std::string& text) {
    constexpr int kMost = 64;
    int depth = 0;
    for (const char c : text) {
        depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
        if (depth > kMost) {
            return true;
        }
    }
    return false;
}

} // namespace

Properties properties_of(const Json& object) {
    Items items;
    add_members(items, "", object);
    return Properties{std::move(items)};
}

Properties Properties::of_option(const std::string& text, const std::string& implied) {
    if (!text.starts_with('{')) {
        return {text, implied};
    }
    const Json value = is_too_deep(text) ? Json(Json::value_t::discarded)
                                         : Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!value.is_object()) {
        Properties none{Items{}};
        none.fail("'" + shortened(text) + "': no object of JSON");
        return none;
    }
    return properties_of(value);
}

} // namespace ulna::system
