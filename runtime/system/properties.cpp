#include "runtime/system/properties.h"

#include <algorithm>

#include "runtime/option_values.h"

namespace ulna::system {

namespace {

// At commas; two are one that belongs to the text.
std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != ',') {
            parts.back() += text[i];
        } else if (i + 1 < text.size() && text[i + 1] == ',') {
            parts.back() += ',';
            ++i;
        } else {
            parts.emplace_back();
        }
    }
    std::erase(parts, "");
    return parts;
}

std::string quoted_list(const std::vector<std::string>& names) {
    std::string list;
    for (std::size_t i = 0; i < names.size(); ++i) {
        list += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
    }
    return list;
}

} // namespace

Properties::Properties(const std::string& text, const std::string& implied) {
    const std::vector<std::string> parts = split(text);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::string& part = parts[i];
        if (const std::size_t equals = part.find('='); equals != part.npos) {
            items_.push_back({part.substr(0, equals), part.substr(equals + 1)});
        } else if (i == 0 && !implied.empty()) {
            items_.push_back({implied, part});
        } else {
            items_.push_back({part, "on"});
        }
    }
}

void Properties::note(const std::string& key, const char* type, std::vector<std::string> values) {
    if (std::ranges::find(known_, key, &Known::key) == known_.end()) {
        known_.push_back({key, type, std::move(values)});
    }
}

bool Properties::has(const std::string& key) {
    note(key, "str");
    return std::any_of(items_.begin(), items_.end(),
                       [&](const Item& item) { return item.key == key; });
}

std::vector<std::string> Properties::texts(const std::string& key) {
    note(key, "str");
    std::vector<std::string> values;
    for (Item& item : items_) {
        if (item.key == key) {
            item.is_taken = true;
            values.push_back(item.value);
        }
    }
    return values;
}

std::string Properties::text(const std::string& key, const std::string& fallback) {
    const std::vector<std::string> values = texts(key);
    return values.empty() ? fallback : values.back();
}

std::string Properties::required(const std::string& key) {
    const std::string value = text(key);
    if (value.empty()) {
        fail("needs " + key + "=");
    }
    return value;
}

bool Properties::flag(const std::string& key, bool fallback) {
    note(key, "bool");
    if (!has(key)) {
        return fallback;
    }
    const std::string value = text(key);
    const std::optional<bool> parsed = runtime::parse_switch(value);
    if (!parsed) {
        fail(key + "=" + value + ": on or off");
    }
    return parsed.value_or(fallback);
}

u64 Properties::number(const std::string& key, u64 fallback, u64 least, u64 most) {
    note(key, "int");
    if (!has(key)) {
        return fallback;
    }
    const std::string value = text(key);
    const std::optional<u64> parsed = runtime::parse_number(value);
    if (!parsed || *parsed < least || *parsed > most) {
        fail(key + "=" + value + ": a number from " + std::to_string(least) + " to " +
             std::to_string(most));
        return fallback;
    }
    return *parsed;
}

std::size_t Properties::choice(const std::string& key,
                               const std::vector<std::string>& names,
                               std::size_t fallback) {
    note(key, "str", names);
    if (!has(key)) {
        return fallback;
    }
    const std::string value = text(key);
    const auto found = std::find(names.begin(), names.end(), value);
    if (found == names.end()) {
        fail(key + "=" + value + ": " + quoted_list(names));
        return fallback;
    }
    return static_cast<std::size_t>(found - names.begin());
}

Properties Properties::group(const std::string& name) {
    const std::string prefix = name + ".";
    std::vector<Item> items;
    for (Item& item : items_) {
        if (item.key.starts_with(prefix)) {
            item.is_taken = true;
            items.push_back({item.key.substr(prefix.size()), item.value});
        }
    }
    return Properties{std::move(items)};
}

void Properties::absorb(const std::string& name, Properties group) {
    for (Known& known : group.known_) {
        note(name + "." + known.key, known.type, std::move(known.values));
    }
    const std::string error = group.finish();
    constexpr std::string_view kNeeds = "needs ";
    if (error.starts_with(kNeeds)) {
        fail(std::string(kNeeds) + name + "." + error.substr(kNeeds.size()));
    } else if (!error.empty()) {
        fail(name + "." + error);
    }
}

void Properties::fail(const std::string& why) {
    if (error_.empty()) {
        error_ = why;
    }
}

std::string Properties::finish() {
    for (const Item& item : items_) {
        if (!item.is_taken) {
            fail(item.key + ": no such property");
        }
    }
    return error_;
}

} // namespace ulna::system
