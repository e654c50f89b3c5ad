// The options for what is behind devices: disk images, folders, serial lines.
#include <algorithm>

#include "runtime/system/command_line_parse.h"
#include "runtime/system/properties.h"
#include "runtime/system/pseudo_terminals.h"

namespace ulna::system {

namespace {

devices::virtio::SharedFolder::Options folder_of(Properties& properties) {
    (void)properties.choice("fsdriver", {"local"}, 0);
    const std::size_t model =
        properties.choice("security_model", {"none", "mapped", "mapped-xattr"}, 0);
    devices::virtio::SharedFolder::Options folder;
    folder.path = properties.required("path");
    folder.ownership =
        model == 0 ? devices::virtio::Ownership::Host : devices::virtio::Ownership::Mapped;
    folder.read_only = properties.flag("readonly");
    properties.ignore("multidevs");
    properties.ignore("writeout");
    return folder;
}

// Which bank of flash: the next one if the option does not say.
void set_bank(DriveOption& drive, const std::vector<DriveOption>& others, Properties& properties) {
    constexpr u64 kNext = 1000;
    const u64 index = properties.number("index", kNext, 0, kNext);
    const u64 unit = properties.number("unit", index, 0, kNext);
    if (drive.interface != DriveOption::Interface::Pflash) {
        return;
    }
    drive.unit = static_cast<unsigned>(unit);
    if (unit == kNext) {
        drive.unit = static_cast<unsigned>(
            std::count_if(others.begin(), others.end(), [](const DriveOption& other) {
                return other.interface == DriveOption::Interface::Pflash;
            }));
    }
    if (drive.unit > 1) {
        properties.fail("if=pflash: there are two banks, unit=0 and unit=1");
    }
}

// How the host keeps what is written; but for `unsafe` all of it survives when the guest wants so.
void set_drive_policy(DriveOption& drive, Properties& properties) {
    constexpr std::size_t kUnsafe = 4;
    const std::size_t cache = properties.choice(
        "cache", {"writeback", "none", "off", "writethrough", "unsafe", "directsync"}, 0);
    drive.policy.flushes = !properties.flag("cache.no-flush", cache == kUnsafe);
    drive.policy.discards = properties.choice("discard", {"unmap", "on", "ignore", "off"}, 0) < 2;
    for (const char* const name :
         {"cache.direct", "cache.writeback", "aio", "detect-zeroes", "werror", "rerror"}) {
        properties.ignore(name);
    }
}

} // namespace

void add_drive(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "file");
    DriveOption drive;
    drive.interface = static_cast<DriveOption::Interface>(
        properties.choice("if", {"virtio", "pflash", "none"}, 0));
    drive.id = properties.text("id");
    const bool is_cd = properties.choice("media", {"disk", "cdrom"}, 0) == 1;
    drive.file = is_cd ? properties.text("file") : properties.required("file");
    drive.read_only = properties.flag("read-only", properties.flag("readonly", is_cd));
    drive.snapshot = properties.flag("snapshot");
    set_bank(drive, parse.options.drives, properties);
    drive.format = static_cast<devices::virtio::BlockFormat>(
        properties.choice("format", {"auto", "raw", "qcow2"}, 0));
    if (drive.interface == DriveOption::Interface::Pflash &&
        drive.format == devices::virtio::BlockFormat::Qcow2) {
        properties.fail("format=qcow2: flash is raw");
    }
    set_drive_policy(drive, properties);
    add_with_id(parse.options.drives, drive, properties);
    parse.finish("-drive", properties);
}

void add_folder(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "fsdriver");
    add_with_id(parse.options.folders, {properties.required("id"), folder_of(properties)},
                properties);
    parse.finish("-fsdev", properties);
}

// A folder and its device in one.
void add_virtfs(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "fsdriver");
    DeviceOption device{.kind = DeviceOption::Kind::Folder};
    device.folder = properties.text("id", "virtfs" + std::to_string(parse.options.folders.size()));
    device.driver = "virtio-9p-device";
    device.tag = properties.required("mount_tag");
    parse.options.folders.push_back({device.folder, folder_of(properties)});
    parse.options.add(device);
    parse.finish("-virtfs", properties);
}

namespace {

std::string socket_of(Properties& properties) {
    const std::string host = properties.text("host"), port = properties.text("port");
    if (!port.empty()) {
        return "tcp:" + host + ":" + port;
    }
    if (properties.has("fd")) {
        constexpr u64 kMost = 1 << 20;
        return "fd:" + std::to_string(properties.number("fd", 0, 0, kMost));
    }
    return "unix:" + properties.required("path");
}

} // namespace

void add_characters(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "backend");
    const std::vector<std::string> kinds = {"stdio", "null", "file", "socket", "pty"};
    const std::size_t kind = properties.choice("backend", kinds, 1);
    CharacterOption characters{properties.required("id"), kinds[kind]};
    if (kind == 2) {
        characters.words += ":" + properties.required("path");
    } else if (kind == 3) {
        characters.words = socket_of(properties);
        const bool waits = properties.flag("wait", true);
        if (properties.flag("server")) {
            characters.words += waits ? ",server=on" : ",server=on,wait=off";
        }
    } else if (kind == 4) {
        characters.words = unopened_pty(characters.id);
    } else if (properties.flag("mux") && kind == 0) {
        characters.words = "mon:stdio";
    }
    properties.ignore("signal");
    add_with_id(parse.options.characters, std::move(characters), properties);
    parse.finish("-chardev", properties);
}

void add_firmware_item(CommandLineParse& parse, const std::string& value) {
    constexpr std::size_t kMostName = 55; // of the directory's 56 bytes
    Properties properties(value, "name");
    FirmwareItem item{properties.text("name"), properties.text("string"), properties.text("file")};
    if (item.name.empty() || item.name.size() > kMostName) {
        properties.fail("needs a name of 1 to 55 characters");
    } else if (item.text.empty() == item.file.empty()) {
        properties.fail("needs either string= or file=");
    }
    parse.options.firmware_items.push_back(std::move(item));
    parse.finish("-fw_cfg", properties);
}

namespace {

// What make_character_backend() knows, or a -chardev.
void check_characters(CommandLineParse& parse, const char* option, const std::string& value) {
    for (const char* const known : {"stdio", "mon:stdio", "null", "none", "pty"}) {
        if (value == known) {
            return;
        }
    }
    const std::size_t colon = value.find(':');
    const bool has_rest = colon != value.npos && colon + 1 < value.size();
    for (const char* const kind : {"file", "unix", "tcp", "fd", "chardev"}) {
        if (has_rest && value.substr(0, colon) == kind) {
            return;
        }
    }
    parse.fail(option + (" " + value) +
               ": stdio, mon:stdio, file:PATH, unix:PATH[,server=on], tcp:HOST:PORT[,server=on], "
               "pty, chardev:ID or null");
}

} // namespace

void add_serial(CommandLineParse& parse, const std::string& value) {
    parse.options.serials.push_back(value);
    check_characters(parse, "-serial", value);
}

void set_monitor(CommandLineParse& parse, const std::string& value) {
    parse.options.monitor = value;
    check_characters(parse, "-monitor", value);
}

void add_qmp(CommandLineParse& parse, const std::string& value) {
    if (value == "none") {
        return;
    }
    parse.options.qmp.push_back(value);
    check_characters(parse, "-qmp", value);
}

void add_monitor(CommandLineParse& parse, const std::string& value) {
    Properties properties(value, "chardev");
    const std::string where = "chardev:" + properties.required("chardev");
    properties.ignore("id");
    properties.ignore("pretty");
    if (properties.choice("mode", {"readline", "control"}, 0) == 0) {
        parse.options.monitor = where;
    } else {
        parse.options.qmp.push_back(where);
    }
    parse.finish("-mon", properties);
}

namespace {

// Whoever names a character device gets what it is, which nobody else has then.
void resolve(CommandLineParse& parse,
             const char* option,
             const std::string& label,
             std::string& where) {
    constexpr std::string_view kPrefix = "chardev:";
    if (where == "pty") {
        where = unopened_pty(label);
    }
    if (!where.starts_with(kPrefix)) {
        if (!where.empty() && where != "none") {
            parse.options.lines.push_back({label, where});
        }
        return;
    }
    auto& all = parse.options.characters;
    const auto found = std::find_if(all.begin(), all.end(), [&](const CharacterOption& one) {
        return one.id == where.substr(kPrefix.size());
    });
    if (found == all.end()) {
        parse.fail(option + (" " + where) + ": no -chardev with this id");
        return;
    }
    where = found->words;
    parse.options.lines.push_back(*found);
    all.erase(found);
}

} // namespace

void resolve_characters(CommandLineParse& parse) {
    for (std::size_t n = 0; n < parse.options.serials.size(); ++n) {
        resolve(parse, "-serial", "serial" + std::to_string(n), parse.options.serials[n]);
    }
    resolve(parse, "-monitor", "compat_monitor0", parse.options.monitor);
    for (std::size_t n = 0; n < parse.options.qmp.size(); ++n) {
        resolve(parse, "-qmp", "compat_monitor" + std::to_string(n + 1), parse.options.qmp[n]);
    }
}

} // namespace ulna::system
