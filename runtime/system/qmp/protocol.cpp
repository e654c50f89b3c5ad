#include "runtime/system/qmp/protocol.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/system/qmp/schema.h"

namespace ulna::system::qmp {

namespace {

constexpr const char* kNegotiate = "qmp_capabilities";
constexpr const char* kNames = "query-commands";
constexpr const char* kSchema = "query-qmp-schema";
const Argument kEnable{"enable", Argument::Type::List, false};

// As QEMU prints it, for scripts that look at text.
std::string spaced(const std::string& json) {
    std::string text;
    bool in_string = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        text += json[i];
        if (in_string && json[i] == '\\') {
            text += json[++i];
        } else if (json[i] == '"') {
            in_string = !in_string;
        } else if (!in_string && (json[i] == ':' || json[i] == ',')) {
            text += ' ';
        }
    }
    return text;
}

// ASCII alone, whatever bytes are in it.
std::string line_of(const Json& value) {
    return spaced(value.dump(-1, ' ', true, Json::error_handler_t::replace)) + "\r\n";
}

Failure not_found(std::string description) { return {std::move(description), "CommandNotFound"}; }

const char* name_of(Argument::Type type) {
    switch (type) {
    case Argument::Type::Text:
        return "a string";
    case Argument::Type::Integer:
        return "an integer";
    case Argument::Type::Unsigned:
        return "an integer that is not negative";
    case Argument::Type::Boolean:
        return "true or false";
    case Argument::Type::List:
        return "a list";
    case Argument::Type::Object:
        return "an object";
    }
    return "";
}

bool fits(Argument::Type type, const Json& value) {
    switch (type) {
    case Argument::Type::Text:
        return value.is_string();
    case Argument::Type::Integer:
        return value.is_number_integer() &&
               (!value.is_number_unsigned() || value.get<u64>() <= u64{INT64_MAX});
    case Argument::Type::Unsigned:
        return value.is_number_unsigned();
    case Argument::Type::Boolean:
        return value.is_boolean();
    case Argument::Type::List:
        return value.is_array();
    case Argument::Type::Object:
        return value.is_object();
    }
    return false;
}

// Empty: they are as the command has them.
std::string
why_not(const std::vector<Argument>& expected, const Json& arguments, bool takes_more = false) {
    for (const Argument& argument : expected) {
        const auto found = arguments.find(argument.name);
        if (found == arguments.end()) {
            if (argument.required) {
                return "argument '" + argument.name + "' is missing";
            }
        } else if (!fits(argument.type, *found)) {
            return "argument '" + argument.name + "' has to be " + name_of(argument.type);
        }
    }
    for (const auto& [name, value] : arguments.items()) {
        if (!takes_more && std::ranges::count(expected, name, &Argument::name) == 0) {
            return "there is no argument '" + name + "'";
        }
    }
    return "";
}

// The same of a message's members.
std::string why_no_message(const Json& message) {
    if (!message.is_object()) {
        return "a message has to be an object";
    }
    for (const auto& [name, value] : message.items()) {
        if (name != "execute" && name != "arguments" && name != "id") {
            return "a message has no member '" + name + "'";
        }
    }
    const auto command = message.find("execute");
    if (command == message.end()) {
        return "member 'execute' is missing";
    }
    if (!command->is_string()) {
        return "member 'execute' has to be a string";
    }
    const auto arguments = message.find("arguments");
    return arguments != message.end() && !arguments->is_object()
               ? "member 'arguments' has to be an object"
               : "";
}

} // namespace

std::string greeting(const Json& version) {
    return line_of({{"QMP", {{"version", version}, {"capabilities", Json::array()}}}});
}

std::string Session::answer(const Message& message) {
    const Json parsed =
        message.is_error ? Json() : Json::parse(message.text, nullptr, /*allow_exceptions=*/false);
    Json answer;
    Result result;
    if (message.is_error || parsed.is_discarded()) {
        const std::string reason = message.is_error ? message.text : "no such value";
        result = Failure{"JSON parse error, " + reason};
    } else {
        result = execute(parsed);
        if (const auto id = parsed.is_object() ? parsed.find("id") : parsed.end();
            id != parsed.end()) {
            answer["id"] = *id;
        }
    }
    if (const auto* const failure = std::get_if<Failure>(&result)) {
        answer["error"] = {{"class", failure->error_class}, {"desc", failure->description}};
    } else {
        answer["return"] = std::get<Json>(std::move(result));
    }
    return line_of(answer);
}

Result Session::execute(const Json& message) {
    if (std::string reason = why_no_message(message); !reason.empty()) {
        return Failure{std::move(reason)};
    }
    const std::string& name = message["execute"].get_ref<const std::string&>();
    const Json arguments = message.value("arguments", Json::object());
    if (name == kNegotiate) {
        return negotiate(arguments);
    }
    if (!negotiated_) {
        return not_found("capabilities have to be negotiated first, by 'qmp_capabilities'");
    }
    return run(name, arguments);
}

Result Session::negotiate(const Json& arguments) {
    if (negotiated_) {
        return not_found("capabilities have been negotiated already");
    }
    if (std::string reason = why_not({kEnable}, arguments); !reason.empty()) {
        return Failure{std::move(reason)};
    }
    if (!arguments.value("enable", Json::array()).empty()) {
        return Failure{"argument 'enable' has a capability that was not offered"};
    }
    negotiated_ = true;
    return Json::object();
}

Result Session::run(const std::string& name, const Json& arguments) {
    const auto command = std::ranges::find(commands_, name, &Command::name);
    const bool is_own = name == kNames || name == kSchema;
    if (!is_own && command == commands_.end()) {
        return not_found("there is no command '" + name + "'");
    }
    if (std::string reason = why_not(is_own ? std::vector<Argument>{} : command->arguments,
                                     arguments, !is_own && command->takes_more);
        !reason.empty()) {
        return Failure{std::move(reason)};
    }
    return !is_own ? command->run(arguments) : Result{name == kNames ? names() : schema()};
}

Json Session::names() const {
    Json all = Json::array();
    for (const Command& command : all_commands()) {
        all.push_back({{"name", command.name}});
    }
    return all;
}

Json Session::schema() const { return schema_of(all_commands()); }

// With those that need no machine.
std::vector<Command> Session::all_commands() const {
    std::vector<Command> all = {{kNegotiate, {kEnable}, {}}, {kNames, {}, {}}, {kSchema, {}, {}}};
    all.insert(all.end(), commands_.begin(), commands_.end());
    return all;
}

} // namespace ulna::system::qmp
