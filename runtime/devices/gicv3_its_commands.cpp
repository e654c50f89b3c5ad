// The commands of the ITS (IHI 0069 5.3). Each is complete when the next one starts, so SYNC has
// nothing to wait for.
#include "runtime/devices/gicv3_its.h"

#include "runtime/devices/guest_error.h"

namespace ulna::devices {

namespace {
enum Operation : unsigned {
    kMovi = 0x01,
    kInt = 0x03,
    kClear = 0x04,
    kSync = 0x05,
    kMapd = 0x08,
    kMapc = 0x09,
    kMapti = 0x0a,
    kMapi = 0x0b,
    kInv = 0x0c,
    kInvall = 0x0d,
    kMovall = 0x0e,
    kDiscard = 0x0f,
};
constexpr u64 kCommandBytes = 32;
constexpr u64 kValid = u64{1} << 63;

u32 device_of(const std::array<u64, 4>& c) { return static_cast<u32>(c[0] >> 32); }
u32 event_of(const std::array<u64, 4>& c) { return static_cast<u32>(c[1]); }
u16 collection_of(const std::array<u64, 4>& c) { return static_cast<u16>(c[2]); }
// RDbase: with GITS_TYPER.PTA 0 the number of a CPU. What is too large fits no CPU.
unsigned cpu_of(u64 word) { return static_cast<unsigned>(word >> 16 & 0xffff'ffff); }
} // namespace

void Gicv3Its::run_queue() {
    if (!enabled_ || (queue_base_ & kValid) == 0) {
        return;
    }
    const PhysAddr base = queue_base_ & 0x000f'ffff'ffff'f000;
    const u64 bytes = ((queue_base_ & 0xff) + 1) * 4096;
    if (queue_write_ >= bytes) {
        log_bad_access("gicv3 its queue", Direction::Write, queue_write_, kCommandBytes);
        return;
    }
    queue_read_ %= bytes;
    while (queue_read_ != queue_write_) {
        Command command;
        if (!memory_.read_ram(base + queue_read_, command.data(), kCommandBytes)) {
            log_bad_access("gicv3 its queue", Direction::Read, queue_read_, kCommandBytes);
            return; // and nothing goes on until the queue is elsewhere
        }
        if (!run(command)) {
            log_bad_access("gicv3 its command", Direction::Write, command[0] & 0xff, kCommandBytes);
        }
        queue_read_ = (queue_read_ + kCommandBytes) % bytes;
    }
}

bool Gicv3Its::run(const Command& command) {
    const unsigned operation = command[0] & 0xff;
    const u32 device = device_of(command), event = event_of(command);
    const u16 collection = collection_of(command);
    const bool valid = (command[2] & kValid) != 0;
    switch (operation) {
    case kSync:
        return true;
    case kMapd: {
        const DeviceEntry entry{command[2] & 0x000f'ffff'ffff'ff00,
                                static_cast<unsigned>(command[1] & 31) + 1};
        return map_device(device, valid ? std::optional{entry} : std::nullopt);
    }
    case kMapc:
        return map_collection(collection, valid ? std::optional{cpu_of(command[2])} : std::nullopt);
    case kMapti:
        return map_event(device, event, static_cast<u32>(command[1] >> 32), collection);
    case kMapi:
        return map_event(device, event, event, collection);
    case kInvall: {
        const auto cpu = find_cpu(collection);
        if (cpu) {
            gic_.reload_lpis(*cpu);
        }
        return cpu.has_value();
    }
    case kMovall: {
        const unsigned from = cpu_of(command[2]), to = cpu_of(command[3]);
        if (from >= gic_.cpu_count() || to >= gic_.cpu_count()) {
            return false;
        }
        gic_.move_all_lpis(from, to);
        return true;
    }
    default:
        return run_on_event(operation, command);
    }
}

// Commands about an event that is mapped.
bool Gicv3Its::run_on_event(unsigned operation, const Command& command) {
    const u32 device = device_of(command);
    const auto event = find_event(device, event_of(command));
    const auto cpu = event ? find_cpu(event->collection) : std::nullopt;
    if (!cpu) {
        return false;
    }
    switch (operation) {
    case kInt:
        gic_.set_lpi(*cpu, event->intid, true);
        return true;
    case kClear:
        gic_.set_lpi(*cpu, event->intid, false);
        return true;
    case kInv:
        gic_.reload_lpi(*cpu, event->intid);
        return true;
    case kDiscard:
        gic_.set_lpi(*cpu, event->intid, false);
        return write_entry(event->at, 0);
    case kMovi: {
        const u16 collection = collection_of(command);
        const auto to = find_cpu(collection);
        if (!to || !map_event(device, event_of(command), event->intid, collection)) {
            return false;
        }
        gic_.move_lpi(*cpu, *to, event->intid);
        return true;
    }
    default:
        return false;
    }
}

} // namespace ulna::devices
