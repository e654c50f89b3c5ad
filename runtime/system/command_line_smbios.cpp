// -smbios and -uuid: what the machine says about itself.
#include <algorithm>
#include <charconv>

#include "runtime/system/command_line_parse.h"
#include "runtime/system/properties.h"

namespace ulna::system {

namespace {

void take_uuid(Properties& properties, Uuid& to, const std::string& text) {
    const auto uuid = parse_uuid(text);
    if (!uuid) {
        properties.fail(text + ": such as 33db4d5b-1ff7-401c-9657-7441c03dd766");
    }
    to = uuid.value_or(to);
}

struct Text {
    const char* name;
    std::string& value;
};
void take(Properties& properties, std::initializer_list<Text> texts) {
    for (const Text& text : texts) {
        text.value = properties.text(text.name, text.value);
    }
}
u16 take_word(Properties& properties, const char* name, u16 value) {
    return static_cast<u16>(properties.number(name, value, 0, 0xffff));
}

// Two bytes, such as 1.2.
void take_release(Properties& properties, smbios::Bios& to) {
    const std::string release = properties.text("release");
    const auto number = [](std::string_view digits, u8& value) {
        const char* const end = digits.data() + digits.size();
        return std::from_chars(digits.data(), end, value) == std::from_chars_result{end, {}};
    };
    const std::string_view all = release;
    const std::size_t dot = std::min(all.find('.'), all.size());
    if (dot == all.size() || !number(all.substr(0, dot), to.major) ||
        !number(all.substr(dot + 1), to.minor)) {
        properties.fail("release=" + release + ": such as 1.2, each up to 255");
    }
}

void take_bios(Properties& properties, smbios::Bios& to) {
    take(properties, {{"vendor", to.vendor}, {"version", to.version}, {"date", to.date}});
    to.is_uefi = properties.flag("uefi", to.is_uefi);
    if (properties.has("release")) {
        take_release(properties, to);
    }
}

void take_system(Properties& properties, smbios::System& to) {
    take(properties, {{"manufacturer", to.manufacturer},
                      {"product", to.product},
                      {"version", to.version},
                      {"serial", to.serial},
                      {"sku", to.sku},
                      {"family", to.family}});
    if (properties.has("uuid")) {
        take_uuid(properties, to.uuid, properties.text("uuid"));
    }
}

void take_board(Properties& properties, smbios::Board& to) {
    take(properties, {{"manufacturer", to.manufacturer},
                      {"product", to.product},
                      {"version", to.version},
                      {"serial", to.serial},
                      {"asset", to.asset},
                      {"location", to.location}});
}

void take_chassis(Properties& properties, smbios::Chassis& to) {
    take(properties, {{"manufacturer", to.manufacturer},
                      {"version", to.version},
                      {"serial", to.serial},
                      {"asset", to.asset},
                      {"sku", to.sku}});
}

void take_processor(Properties& properties, smbios::Processor& to) {
    take(properties, {{"sock_pfx", to.socket_prefix},
                      {"manufacturer", to.manufacturer},
                      {"version", to.version},
                      {"serial", to.serial},
                      {"asset", to.asset},
                      {"part", to.part}});
    to.most_mhz = take_word(properties, "max-speed", to.most_mhz);
    to.mhz = take_word(properties, "current-speed", to.mhz);
    to.id = properties.number("processor-id", to.id, 0, ~u64{0});
}

void take_strings(Properties& properties, std::vector<std::string>& to) {
    constexpr std::size_t kMost = 255; // a byte counts them
    for (const std::string& text : properties.texts("value")) {
        to.push_back(text);
        if (text.empty() || to.size() > kMost) {
            properties.fail("value=" + text + ": up to 255 texts, which are not empty");
        }
    }
}

void take_memory(Properties& properties, smbios::Memory& to) {
    take(properties, {{"loc_pfx", to.locator_prefix},
                      {"bank", to.bank},
                      {"manufacturer", to.manufacturer},
                      {"serial", to.serial},
                      {"asset", to.asset},
                      {"part", to.part}});
    to.speed = take_word(properties, "speed", to.speed);
}

} // namespace

void set_smbios(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "type");
    SmbiosOptions& to = parse.options.smbios;
    constexpr u64 kMostType = 255;
    switch (properties.number("type", kMostType, 0, kMostType)) {
    case 0:
        take_bios(properties, to.bios ? *to.bios : to.bios.emplace());
        break;
    case 1:
        take_system(properties, to.system);
        break;
    case 2:
        take_board(properties, to.board ? *to.board : to.board.emplace());
        break;
    case 3:
        take_chassis(properties, to.chassis);
        break;
    case 4:
        take_processor(properties, to.processor);
        break;
    case 11:
        take_strings(properties, to.oem_strings);
        break;
    case 17:
        take_memory(properties, to.memory);
        break;
    default:
        properties.fail("type=: 0, 1, 2, 3, 4, 11 or 17");
    }
    parse.finish("-smbios", properties);
}

void set_uuid(CommandLineParse& parse, const std::string& value) {
    Properties properties("uuid=" + value, "uuid");
    take_uuid(properties, parse.options.smbios.system.uuid, properties.text("uuid"));
    parse.finish("-uuid", properties);
}

} // namespace ulna::system
