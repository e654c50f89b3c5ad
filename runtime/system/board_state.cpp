// What a board has in snapshots.
#include "runtime/system/board.h"

namespace ulna::system {

using devices::StatePart;
using devices::StateVisitor;

namespace {
template <class Part>
void add(std::vector<StatePart>& parts, std::string name, u32 version, Part& part) {
    parts.push_back(
        {std::move(name), version, [&part](StateVisitor& visit) { part.visit_state(visit); }});
}
} // namespace

std::string Board::why_no_snapshot() const {
    return virtio_devices_.empty() && pci_devices_.empty() ? "" : "not yet of virtio devices";
}

void Board::drain() {}

void Board::go_on() {}

void Board::add_state(std::vector<StatePart>& parts) {
    add(parts, "uart", 1, *uart_);
    add(parts, "clock", 1, *clock_);
    add(parts, "pins", 1, *pins_);
    add(parts, "power key", 1, *power_key_);
    add(parts, "fw_cfg", 1, *fw_cfg_);
    for (unsigned n = 0; n < flash_.size(); ++n) {
        add(parts, "flash " + std::to_string(n), 1, *flash_[n]);
    }
}

void Board::add_images(std::vector<std::unique_ptr<devices::StateImage>>& images) {
    for (unsigned n = 0; n < flash_.size(); ++n) {
        images.push_back(flash_[n]->image("contents of flash " + std::to_string(n)));
    }
}

} // namespace ulna::system
