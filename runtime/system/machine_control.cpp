#include "runtime/system/machine_control.h"

namespace ulna::system {

void MachineControl::stop() {
    machine_.run_control().stop();
    static_cast<void>(machine_.run_control().wait_until_parked());
}

std::string MachineControl::resume() {
    if (machine_.run_control().why_stopped() == RunControl::Stop::Reason::PowerOff) {
        return "the machine is switched off, and has to be reset first";
    }
    machine_.run_control().resume();
    return "";
}

void MachineControl::reset() {
    machine_.request_reset(Cause::HostReset);
    static_cast<void>(machine_.run_control().wait_until_restarted());
}

void MachineControl::press_power_key() {
    machine_.tell({MachineEvent::Kind::PowerKey});
    machine_.loop().post([this] { board_.press_power_key(); });
}

bool MachineControl::set_ram(u64 bytes) {
    const std::lock_guard lock{machine_.lock()};
    devices::virtio::Balloon* const balloon = board_.balloon();
    if (balloon != nullptr) {
        balloon->set_target(bytes);
    }
    return balloon != nullptr;
}

std::optional<u64> MachineControl::ram_left() const {
    const std::lock_guard lock{machine_.lock()};
    const devices::virtio::Balloon* const balloon = board_.balloon();
    return balloon != nullptr ? std::optional{balloon->ram_left()} : std::nullopt;
}

std::vector<Board::PciReport> MachineControl::pci_functions() const {
    const std::lock_guard lock{machine_.lock()};
    return board_.pci_functions();
}

void MachineControl::quit() {
    // One that is stopping for a reset would start again.
    static_cast<void>(machine_.run_control().wait_until_restarted());
    machine_.stop(0, Cause::HostQuit);
}

} // namespace ulna::system
