// The monitor's commands about what comes and goes while a machine runs.
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

} // namespace ulna::system
