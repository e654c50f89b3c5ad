// What comes to a machine and goes from it.
#include <nlohmann/json.hpp>

#include "runtime/system/qmp/commands.h"

namespace ulna::system::qmp {

Result add_device(const MachineParts& parts, const Json& arguments) {
    return done_unless(parts.control.hot_plug().add_device(arguments.dump()));
}

Result remove_device(const MachineParts& parts, const Json& arguments) {
    HotPlug& hot_plug = parts.control.hot_plug();
    const std::string id = arguments["id"];
    const bool is_there = hot_plug.has_device(id);
    const std::string why_not = hot_plug.remove_device(id);
    return is_there ? done_unless(why_not) : Failure{why_not, "DeviceNotFound"};
}

} // namespace ulna::system::qmp
