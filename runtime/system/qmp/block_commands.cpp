// What is done to nodes, trays and media.
#include <nlohmann/json.hpp>

#include "runtime/system/json_properties.h"
#include "runtime/system/qmp/commands.h"

namespace ulna::system::qmp {

namespace {

using Force = BlockDrives::Force;
using devices::virtio::BlockFormat;

Force force_of(const Json& arguments) {
    return arguments.value("force", false) ? Force::Yes : Force::No;
}

// By what all of these name it; empty, with a failure, if that is nobody.
std::string drive_of(const MachineParts& parts, const Json& arguments, Failure& failure) {
    const std::string device = arguments.value("device", ""), id = arguments.value("id", "");
    if (device.empty() == id.empty()) {
        failure = {"one of the arguments 'device' and 'id' is needed"};
        return "";
    }
    const std::string name = device + id;
    if (!parts.board.drives().has(name)) {
        failure = {"there is no drive '" + name + "'", "DeviceNotFound"};
        return "";
    }
    return name;
}

template <class Act> Result with_drive(const MachineParts& parts, const Json& arguments, Act act) {
    Failure failure;
    const std::string drive = drive_of(parts, arguments, failure);
    return drive.empty() ? failure : done_unless(act(parts.board.drives(), drive));
}

} // namespace

Result add_node(const MachineParts& parts, const Json& arguments) {
    Properties properties = properties_of(arguments);
    return done_unless(parts.board.drives().add_node(properties));
}

Result remove_node(const MachineParts& parts, const Json& arguments) {
    return done_unless(parts.board.drives().remove_node(arguments["node-name"].get<std::string>()));
}

Result eject(const MachineParts& parts, const Json& arguments) {
    return with_drive(parts, arguments, [&](BlockDrives& drives, const std::string& drive) {
        return drives.eject(drive, force_of(arguments));
    });
}

Result open_tray(const MachineParts& parts, const Json& arguments) {
    return with_drive(parts, arguments, [&](BlockDrives& drives, const std::string& drive) {
        return drives.open_tray(drive, force_of(arguments));
    });
}

Result close_tray(const MachineParts& parts, const Json& arguments) {
    return with_drive(parts, arguments, [](BlockDrives& drives, const std::string& drive) {
        return drives.close_tray(drive);
    });
}

Result remove_medium(const MachineParts& parts, const Json& arguments) {
    return with_drive(parts, arguments, [](BlockDrives& drives, const std::string& drive) {
        return drives.remove_medium(drive);
    });
}

Result insert_medium(const MachineParts& parts, const Json& arguments) {
    return with_drive(parts, {{"id", arguments["id"]}},
                      [&](BlockDrives& drives, const std::string& drive) {
                          return drives.insert_medium(drive, arguments["node-name"]);
                      });
}

Result change_medium(const MachineParts& parts, const Json& arguments) {
    const std::string mode = arguments.value("read-only-mode", "retain");
    const std::string format = arguments.value("format", "");
    const auto access = parse_access(mode);
    const auto known = parse_block_format(format);
    if (!access) {
        return Failure{"argument 'read-only-mode' has to be retain, read-only or read-write"};
    }
    if (!known) {
        return Failure{"argument 'format' has to be raw or qcow2"};
    }
    return with_drive(parts, arguments, [&](BlockDrives& drives, const std::string& drive) {
        return drives.change_medium(drive, {.path = arguments["filename"], .format = *known},
                                    *access, force_of(arguments));
    });
}

} // namespace ulna::system::qmp
