#include "runtime/debug/gdb_xml.h"

#include "runtime/debug/gdb_packet.h"

namespace ulna::runtime::debug {

namespace {

std::string quoted(std::string_view text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
        case '&':
            result += "&amp;";
            break;
        case '<':
            result += "&lt;";
            break;
        case '>':
            result += "&gt;";
            break;
        case '"':
            result += "&quot;";
            break;
        default:
            result += c;
        }
    }
    return result;
}

std::string attribute(std::string_view name, std::string_view value) {
    return ' ' + std::string{name} + "=\"" + quoted(value) + '"';
}

} // namespace

std::string target_xml(std::span<const GdbFeature> features) {
    std::string xml = "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
                      "<target version=\"1.0\">\n<architecture>aarch64</architecture>\n";
    unsigned number = 0;
    for (const GdbFeature& feature : features) {
        xml += "<feature" + attribute("name", feature.name) + ">\n" + feature.types;
        for (const GdbRegister& reg : feature.registers) {
            xml += "<reg" + attribute("name", reg.name) +
                   attribute("bitsize", std::to_string(reg.bits)) + attribute("type", reg.type) +
                   attribute("regnum", std::to_string(number++));
            xml += (*reg.group != '\0' ? attribute("group", reg.group) : "") + "/>\n";
        }
        xml += "</feature>\n";
    }
    return xml + "</target>\n";
}

std::string threads_xml(std::span<const GdbThread> threads) {
    std::string xml = "<?xml version=\"1.0\"?>\n<threads>\n";
    for (const GdbThread& thread : threads) {
        xml += "<thread" + attribute("id", hex_number(thread.id)) + ">" +
               quoted(thread.description) + "</thread>\n";
    }
    return xml + "</threads>\n";
}

} // namespace ulna::runtime::debug
