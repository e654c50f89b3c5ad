// The monitor's commands about what comes and goes while a machine runs.
#include "runtime/option_values.h"
#include "runtime/system/monitor.h"

namespace ulna::system {

namespace {

std::string as_error(const std::string& why_not) {
    return why_not.empty() ? "" : "Error: " + why_not + "\n";
}

} // namespace

std::string Monitor::add_device(const Words& arguments) {
    return as_error(control_.hot_plug().add_device(arguments[0]));
}

std::string Monitor::remove_device(const Words& arguments) {
    return as_error(control_.hot_plug().remove_device(arguments[0]));
}

std::string Monitor::add_network(const Words& arguments) {
    return as_error(control_.hot_plug().add_network(arguments[0]));
}

std::string Monitor::remove_network(const Words& arguments) {
    return as_error(control_.hot_plug().remove_network(arguments[0]));
}

std::string Monitor::add_object(const Words& arguments) {
    return as_error(control_.hot_plug().add_object(arguments[0]));
}

std::string Monitor::remove_object(const Words& arguments) {
    return as_error(control_.hot_plug().remove_object(arguments[0]));
}

std::string Monitor::add_characters(const Words& arguments) {
    return as_error(control_.hot_plug().add_characters(arguments[0]));
}

std::string Monitor::remove_characters(const Words& arguments) {
    return as_error(control_.hot_plug().remove_characters(arguments[0]));
}

std::string Monitor::set_link(const Words& arguments) {
    const auto up = runtime::parse_switch(arguments[1]);
    if (!up) {
        return "usage: set_link NAME on|off\n";
    }
    return control_.hot_plug().set_link(arguments[0], *up)
               ? ""
               : as_error("Device '" + arguments[0] + "' not found");
}

// The first word is where it would be on a bus, which nothing here is.
std::string Monitor::add_drive(const Words& arguments) {
    const std::string why_not = control_.hot_plug().add_drive(arguments[1]);
    return why_not.empty() ? "OK\n" : as_error(why_not);
}

std::string Monitor::remove_drive(const Words& arguments) {
    return as_error(control_.hot_plug().remove_drive(arguments[0]));
}

} // namespace ulna::system
