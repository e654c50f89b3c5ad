// The driver's side of virtio for tests: a machine's RAM, a device behind virtio-mmio, and rings as
// a kernel writes them.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/devices/virtio/mmio_transport.h"

namespace ulna::devices::virtio {

class TestLine final : public InterruptLine {
  public:
    void set(bool on) override {
        edges += on && !asserted ? 1 : 0;
        asserted = on;
    }
    bool asserted = false;
    unsigned edges = 0;
};

struct Piece {
    PhysAddr at;
    u32 bytes;
    bool writable = false;
};

class TestDriver {
  public:
    static constexpr PhysAddr kRam = 0x4000'0000;
    static constexpr u64 kRamBytes = 8 << 20;
    static constexpr u64 kAllOffered = ~u64{0};

    // Makes RAM; the device comes by attach().
    TestDriver() {
        std::string why_not;
        ram = memory.add_ram(kRam, kRamBytes, why_not, PhysicalMemory::RamKind::Shared);
    }
    void attach(VirtioDevice* device) {
        transport = std::make_unique<MmioTransport>(device, memory, line);
    }

    u32 read(u64 offset) { return static_cast<u32>(transport->read(offset, 4)); }
    void write(u64 offset, u32 value) { transport->write(offset, 4, value); }

    u64 offered() {
        write(0x014, 0);
        const u64 low = read(0x010);
        write(0x014, 1);
        return low | u64{read(0x010)} << 32;
    }
    // Up to FEATURES_OK; whether the device has set it.
    bool negotiate(u64 features) {
        write(0x070, 0);
        write(0x070, 1);
        write(0x070, 3);
        features &= features == kAllOffered ? offered() : ~u64{0};
        write(0x024, 0);
        write(0x020, static_cast<u32>(features));
        write(0x024, 1);
        write(0x020, static_cast<u32>(features >> 32));
        write(0x070, 11);
        rings_.clear();
        return (read(0x070) & 8) != 0;
    }
    void set_up_queue(u32 queue, u32 entries) {
        Ring& ring = rings_[queue];
        ring = {entries, allocate(16 * entries, 4096), allocate(6 + 2 * entries, 4096),
                allocate(6 + 8 * entries, 4096)};
        write(0x030, queue);
        write(0x038, entries);
        set_address(0x080, ring.descriptors);
        set_address(0x090, ring.available);
        set_address(0x0a0, ring.used);
        write(0x044, 1);
    }
    void bring_up(u64 features, u32 queues, u32 entries = 16) {
        negotiate(features);
        for (u32 queue = 0; queue < queues; ++queue) {
            set_up_queue(queue, entries);
        }
        write(0x070, 15);
    }

    PhysAddr allocate(u64 bytes, u64 alignment = 16) {
        next_ = (next_ + alignment - 1) & ~(alignment - 1);
        const PhysAddr at = next_;
        next_ += bytes;
        std::memset(host(at), 0, bytes);
        return at;
    }
    void rewind() { next_ = kRam; } // forgets all allocations
    void rewind_to(u64 offset) { next_ = kRam + offset; }
    PhysAddr store(const void* bytes, u64 count) {
        const PhysAddr at = allocate(count);
        std::memcpy(host(at), bytes, count);
        return at;
    }
    u8* host(PhysAddr at) { return ram + (at - kRam); }
    template <class T> T load(PhysAddr at) {
        T value;
        std::memcpy(&value, host(at), sizeof value);
        return value;
    }
    template <class T> void put(PhysAddr at, T value) {
        std::memcpy(host(at), &value, sizeof value);
    }

    // --- rings
    void put_descriptor(PhysAddr table, u32 index, PhysAddr at, u32 bytes, u16 flags, u16 next) {
        put<u64>(table + 16 * index, at);
        put<u32>(table + 16 * index + 8, bytes);
        put<u16>(table + 16 * index + 12, flags);
        put<u16>(table + 16 * index + 14, next);
    }
    void put_chain(PhysAddr table, u32 first, const std::vector<Piece>& pieces) {
        for (u32 i = 0; i < pieces.size(); ++i) {
            const bool last = i + 1 == pieces.size();
            put_descriptor(table, first + i, pieces[i].at, pieces[i].bytes,
                           static_cast<u16>((last ? 0 : 1) | (pieces[i].writable ? 2 : 0)),
                           static_cast<u16>(last ? 0 : first + i + 1));
        }
    }
    // Makes a chain available whose descriptors start at the ring's index `head`.
    void offer(u32 queue, u16 head) {
        Ring& ring = rings_[queue];
        put<u16>(ring.available + 4 + 2 * (ring.next_available % ring.entries), head);
        put<u16>(ring.available + 2, ++ring.next_available);
    }
    u16 add(u32 queue, const std::vector<Piece>& pieces) {
        Ring& ring = rings_[queue];
        const u16 head = static_cast<u16>(ring.next_descriptor);
        if (head + pieces.size() > ring.entries) {
            ring.next_descriptor = 0;
            return add(queue, pieces);
        }
        ring.next_descriptor += static_cast<u32>(pieces.size());
        put_chain(ring.descriptors, head, pieces);
        offer(queue, head);
        return head;
    }
    u16 add_indirect(u32 queue, const std::vector<Piece>& pieces) {
        Ring& ring = rings_[queue];
        const PhysAddr table = allocate(16 * pieces.size());
        put_chain(table, 0, pieces);
        const u16 head = static_cast<u16>(ring.next_descriptor++ % ring.entries);
        put_descriptor(ring.descriptors, head, table, static_cast<u32>(16 * pieces.size()), 4, 0);
        offer(queue, head);
        return head;
    }
    void notify(u32 queue) { write(0x050, queue); }

    u16 used_index(u32 queue) { return load<u16>(rings_[queue].used + 2); }
    struct Used {
        u32 head;
        u32 bytes;
    };
    Used used(u32 queue, u16 position) {
        const Ring& ring = rings_[queue];
        return load<Used>(ring.used + 4 + 8 * (position % ring.entries));
    }
    // Waits, without the machine's lock, until the device has given back so many requests.
    bool wait_used(u32 queue, u16 index, std::mutex& machine) {
        for (int tries = 0; tries < 5000; ++tries) {
            {
                const std::lock_guard held(machine);
                if (used_index(queue) == index) {
                    return true;
                }
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return false;
    }

    struct Ring {
        u32 entries = 0;
        PhysAddr descriptors = 0, available = 0, used = 0;
        u16 next_available = 0;
        u32 next_descriptor = 0;
    };
    Ring& ring(u32 queue) { return rings_[queue]; }
    PhysAddr used_event(u32 queue) { // the driver's: in the available ring
        return rings_[queue].available + 4 + 2 * rings_[queue].entries;
    }
    PhysAddr available_event(u32 queue) { // the device's
        return rings_[queue].used + 4 + 8 * rings_[queue].entries;
    }

    PhysicalMemory memory;
    u8* ram = nullptr;
    TestLine line;
    std::unique_ptr<MmioTransport> transport;

  private:
    void set_address(u64 offset, PhysAddr at) {
        write(offset, static_cast<u32>(at));
        write(offset + 4, static_cast<u32>(at >> 32));
    }

    PhysAddr next_ = kRam;
    std::map<u32, Ring> rings_;
};

} // namespace ulna::devices::virtio
