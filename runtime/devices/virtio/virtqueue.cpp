#include "runtime/devices/virtio/virtqueue.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstring>

#include "ir/support/bits.h"

namespace ulna::devices::virtio {
namespace {

// virtio 1.2, sections 2.7.5 to 2.7.8.
constexpr u64 kDescriptorBytes = 16;
constexpr u16 kDescNext = 1;
constexpr u16 kDescWrite = 2;
constexpr u16 kDescIndirect = 4;
constexpr u16 kAvailNoInterrupt = 1;
// Both rings: flags, index, entries, and the other side's event index.
constexpr u64 kFlags = 0;
constexpr u64 kIndex = 2;
constexpr u64 kEntries = 4;
constexpr u64 kAvailEntryBytes = 2;
constexpr u64 kUsedEntryBytes = 8;
constexpr u64 kEventBytes = 2;
// A chain may be no longer than the queue (section 2.7.5.3.1). Drivers with small queues have put
// more into an indirect table all the same, and peers take it.
constexpr u32 kMostPieces = 1024;
constexpr u64 kMostChainBytes = u64{1} << 32; // section 2.7.4

template <class T> T load(const u8* at, std::memory_order order) {
    return std::atomic_ref<T>(*reinterpret_cast<T*>(const_cast<u8*>(at))).load(order);
}
template <class T> void store(u8* at, T value, std::memory_order order) {
    std::atomic_ref<T>(*reinterpret_cast<T*>(at)).store(value, order);
}

u8* event_index(u8* ring, u32 entries, u64 entry_bytes) {
    return ring + kEntries + entries * entry_bytes;
}

} // namespace

struct Virtqueue::Descriptor {
    u64 address;
    u32 bytes;
    u16 flags;
    u16 next;
};

struct Virtqueue::Table {
    const u8* host;
    u32 entries;

    // A copy, which the fence keeps the compiler from reading again: what is checked is what is
    // used.
    [[nodiscard]] Descriptor at(u32 index) const {
        static_assert(sizeof(Descriptor) == kDescriptorBytes);
        Descriptor copy;
        std::memcpy(&copy, host + index * kDescriptorBytes, sizeof copy);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        return copy;
    }
};

bool Virtqueue::breaks(const char* why) {
    why_broken_ = why;
    return false;
}

bool Virtqueue::enable(const PhysicalMemory& memory, const Setup& setup, Options options) {
    disable();
    memory_ = &memory;
    setup_ = setup;
    options_ = options;
    entries_ = setup.entries;
    if (entries_ == 0 || entries_ > kMostEntries || !std::has_single_bit(entries_)) {
        return breaks("queue size is not a power of two");
    }
    // Alignment: section 2.7.
    if (!is_aligned(setup.descriptors, 16) || !is_aligned(setup.driver_area, 2) ||
        !is_aligned(setup.device_area, 4)) {
        return breaks("ring is misaligned");
    }
    descriptors_ = memory.ram(setup.descriptors, entries_ * kDescriptorBytes);
    available_ =
        memory.ram(setup.driver_area, kEntries + entries_ * kAvailEntryBytes + kEventBytes);
    used_ = memory.ram(setup.device_area, kEntries + entries_ * kUsedEntryBytes + kEventBytes);
    if (descriptors_ == nullptr || available_ == nullptr || used_ == nullptr) {
        return breaks("ring is not in RAM");
    }
    enabled_ = true;
    return true;
}

void Virtqueue::disable() {
    enabled_ = false;
    why_broken_.clear();
    ++generation_;
    next_available_ = next_used_ = published_used_ = 0;
}

// Chains that somebody still has are of the past: they carry another generation.
void Virtqueue::visit_state(StateVisitor& visit, const PhysicalMemory& memory, u32 most_entries) {
    constexpr u64 kMostWhy = 200;
    bool enabled = enabled_;
    Setup setup = setup_;
    Options options = options_;
    std::string why_broken = why_broken_;
    std::array<u16, 3> positions{next_available_, next_used_, published_used_};
    visit(enabled, options.indirect, options.event_index, positions);
    visit_setup(visit, setup, most_entries);
    visit.text(why_broken, kMostWhy);
    if (!visit.loading() || visit.failed()) {
        return;
    }
    disable();
    setup_ = setup;
    options_ = options;
    if (enabled && !enable(memory, setup, options)) {
        visit.fail("a queue whose " + why_broken_);
    }
    why_broken_ = std::move(why_broken);
    next_available_ = positions[0];
    next_used_ = positions[1];
    published_used_ = positions[2];
}

void Virtqueue::visit_setup(StateVisitor& visit, Setup& setup, u32 most_entries) {
    visit.bounded(setup.entries, most_entries);
    visit(setup.descriptors, setup.driver_area, setup.device_area);
}

bool Virtqueue::available() {
    // Acquire: the entries and descriptors were written before the index.
    const auto waiting = [&] {
        return static_cast<u16>(load<u16>(available_ + kIndex, std::memory_order_acquire) -
                                next_available_);
    };
    u16 count = waiting();
    if (count == 0 && options_.event_index) {
        // The driver notifies when it passes this position (section 2.7.10). It may have passed
        // while we wrote it, so look again; the fence pairs with the driver's between its index and
        // its look at ours.
        store<u16>(event_index(used_, entries_, kUsedEntryBytes), next_available_,
                   std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        count = waiting();
    }
    if (count > entries_) {
        return breaks("more requests available than the queue has entries");
    }
    return count != 0;
}

std::optional<Chain> Virtqueue::pop() {
    if (!enabled_ || broken() || !available()) {
        return std::nullopt;
    }
    Chain chain;
    chain.generation = generation_;
    chain.head =
        load<u16>(available_ + kEntries + (next_available_ & (entries_ - 1)) * kAvailEntryBytes,
                  std::memory_order_relaxed);
    if (!read_chain(chain)) {
        return std::nullopt;
    }
    ++next_available_;
    return chain;
}

void Virtqueue::unpop(u16 chains) { next_available_ = static_cast<u16>(next_available_ - chains); }

bool Virtqueue::read_chain(Chain& chain) {
    Table table{descriptors_, entries_};
    bool in_indirect_table = false;
    u64 bytes = 0;
    u32 index = chain.head;
    for (u32 seen = 0; seen < kMostPieces; ++seen) {
        if (index >= table.entries) {
            return breaks("descriptor index is outside of its table");
        }
        const Descriptor descriptor = table.at(index);
        if ((descriptor.flags & kDescIndirect) != 0) {
            const auto inner = in_indirect_table ? std::nullopt : indirect_table(descriptor);
            if (!inner) {
                return breaks("indirect descriptor is malformed");
            }
            table = *inner;
            in_indirect_table = true;
            index = 0;
            continue;
        }
        if (!add_piece(chain, descriptor, bytes)) {
            return false;
        }
        if ((descriptor.flags & kDescNext) == 0) {
            return true;
        }
        index = descriptor.next;
    }
    return breaks("descriptor chain does not end");
}

// Section 2.7.5.3: the write flag of the descriptor means nothing, and nothing may follow it.
std::optional<Virtqueue::Table> Virtqueue::indirect_table(const Descriptor& descriptor) {
    if (!options_.indirect || (descriptor.flags & kDescNext) != 0 || descriptor.bytes == 0 ||
        descriptor.bytes % kDescriptorBytes != 0) {
        return std::nullopt;
    }
    const u8* host = memory_->ram(descriptor.address, descriptor.bytes);
    if (host == nullptr) {
        return std::nullopt;
    }
    return Table{host, static_cast<u32>(descriptor.bytes / kDescriptorBytes)};
}

bool Virtqueue::add_piece(Chain& chain, const Descriptor& descriptor, u64& bytes) {
    const bool writable = (descriptor.flags & kDescWrite) != 0;
    if (!writable && chain.readable_pieces != chain.pieces.size()) {
        return breaks("buffer to read follows one to write");
    }
    if (descriptor.bytes == 0) {
        return true;
    }
    u8* const host = memory_->ram(descriptor.address, descriptor.bytes);
    if (host == nullptr) {
        return breaks("buffer is not in RAM");
    }
    bytes += descriptor.bytes;
    if (bytes > kMostChainBytes) {
        return breaks("descriptor chain has more than 4 GiB");
    }
    chain.pieces.push_back({host, descriptor.bytes});
    chain.readable_pieces += writable ? 0 : 1;
    return true;
}

void Virtqueue::push(const Chain& chain, u64 written) {
    if (!enabled_ || broken() || chain.generation != generation_) {
        return;
    }
    u8* const entry = used_ + kEntries + (next_used_ & (entries_ - 1)) * kUsedEntryBytes;
    store<u32>(entry, chain.head, std::memory_order_relaxed);
    store<u32>(entry + 4, static_cast<u32>(written), std::memory_order_relaxed);
    ++next_used_;
}

bool Virtqueue::publish() {
    if (!enabled_ || broken() || published_used_ == next_used_) {
        return false;
    }
    // Release: the buffers and the entries are there before the index says so.
    store<u16>(used_ + kIndex, next_used_, std::memory_order_release);
    const u16 before = published_used_;
    published_used_ = next_used_;
    // The driver writes its wish, then looks at our index once more; we do it the other way round.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!options_.event_index) {
        const u16 flags = load<u16>(available_ + kFlags, std::memory_order_relaxed);
        return (flags & kAvailNoInterrupt) == 0;
    }
    // Section 2.7.7.2: whether the position was passed; differences, as positions wrap.
    const u16 event =
        load<u16>(event_index(available_, entries_, kAvailEntryBytes), std::memory_order_relaxed);
    return static_cast<u16>(next_used_ - event - 1) < static_cast<u16>(next_used_ - before);
}

} // namespace ulna::devices::virtio
