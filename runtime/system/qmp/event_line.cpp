#include "runtime/system/qmp/event_line.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include "ir/support/check.h"

namespace ulna::system::qmp {

namespace {

const char* name_of(MachineEvent::Kind kind) {
    switch (kind) {
    case MachineEvent::Kind::Stop:
        return "STOP";
    case MachineEvent::Kind::Resume:
        return "RESUME";
    case MachineEvent::Kind::PowerKey:
        return "POWERDOWN";
    case MachineEvent::Kind::Reset:
        return "RESET";
    case MachineEvent::Kind::Shutdown:
        return "SHUTDOWN";
    case MachineEvent::Kind::BalloonChange:
        return "BALLOON_CHANGE";
    case MachineEvent::Kind::TrayMoved:
        return "DEVICE_TRAY_MOVED";
    case MachineEvent::Kind::DeviceDeleted:
        return "DEVICE_DELETED";
    case MachineEvent::Kind::UnplugRefused:
        return "DEVICE_UNPLUG_GUEST_ERROR";
    }
    UNREACHABLE("a kind of event");
}

// ShutdownCause of QEMU's qapi/run-state.json.
const char* name_of(Cause cause) {
    switch (cause) {
    case Cause::GuestShutdown:
        return "guest-shutdown";
    case Cause::GuestReset:
        return "guest-reset";
    case Cause::HostQuit:
        return "host-qmp-quit";
    case Cause::HostReset:
        return "host-qmp-system-reset";
    case Cause::HostSignal:
        return "host-signal";
    case Cause::HostUser:
        return "host-ui";
    }
    UNREACHABLE("a cause");
}

bool is_guests(Cause cause) { return cause == Cause::GuestShutdown || cause == Cause::GuestReset; }

// Names of the user's, as they may be in JSON's strings.
std::string escaped(const std::string& text) {
    std::string safe;
    for (const char c : text) {
        const bool is_plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';
        safe += is_plain ? std::string{c} : fmt::format("\\u{:04x}", static_cast<u8>(c));
    }
    return safe;
}

std::string data_of(const MachineEvent& event) {
    switch (event.kind) {
    case MachineEvent::Kind::Reset:
    case MachineEvent::Kind::Shutdown:
        return fmt::format(R"("data": {{"guest": {}, "reason": "{}"}}, )", is_guests(event.cause),
                           name_of(event.cause));
    case MachineEvent::Kind::BalloonChange:
        return fmt::format(R"("data": {{"actual": {}}}, )", event.ram_left);
    case MachineEvent::Kind::TrayMoved:
        return fmt::format(R"("data": {{"device": "{}", "tray-open": {}, "id": "{}"}}, )",
                           escaped(event.drive), event.is_open, escaped(event.device));
    case MachineEvent::Kind::DeviceDeleted:
    case MachineEvent::Kind::UnplugRefused: {
        const std::string id =
            event.device.empty() ? "" : fmt::format(R"("device": "{}", )", escaped(event.device));
        return fmt::format(R"("data": {{{}"path": "{}"}}, )", id, escaped(event.path));
    }
    default:
        return "";
    }
}

} // namespace

std::vector<EventDescription> describe_events() {
    using Kind = MachineEvent::Kind;
    using enum Argument::Type;
    const std::vector<Argument> cause = {{"guest", Boolean}, {"reason"}};
    const std::vector<Argument> device = {{"device", Text, false}, {"path"}};
    return {{name_of(Kind::Stop), {}},
            {name_of(Kind::Resume), {}},
            {name_of(Kind::PowerKey), {}},
            {name_of(Kind::Reset), cause},
            {name_of(Kind::Shutdown), cause},
            {name_of(Kind::BalloonChange), {{"actual", Integer}}},
            {name_of(Kind::TrayMoved), {{"device"}, {"id"}, {"tray-open", Boolean}}},
            {name_of(Kind::DeviceDeleted), device},
            {name_of(Kind::UnplugRefused), device}};
}

std::string event_line(const MachineEvent& event, u64 microseconds) {
    constexpr u64 kSecond = 1'000'000;
    return fmt::format(R"({{"event": "{}", {}"timestamp": {{"seconds": {}, "microseconds": {}}}}})"
                       "\r\n",
                       name_of(event.kind), data_of(event), microseconds / kSecond,
                       microseconds % kSecond);
}

} // namespace ulna::system::qmp
