#include "runtime/jit/block_table.h"

#include <sys/mman.h>

#include "ir/support/check.h"

namespace ulna::runtime {

namespace {

// Keys are hashed: every page is touched soon, and at first read, which would fault twice.
void* zero_pages(u64 bytes) {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        out_of_memory("the table of translations");
    }
    return memory;
}

} // namespace

BlockTable::Array::Array(unsigned log2, const Array* underneath)
    : mask{(u64{1} << log2) - 1},
      log2_slots{log2},
      slots{static_cast<Slot*>(zero_pages(sizeof(Slot) << log2))},
      below{underneath} {}

BlockTable::Array::~Array() {
    munmap(slots, sizeof(Slot) << log2_slots);
    if (std::atomic<u64>* const all = places.load(); all != nullptr) {
        munmap(all, sizeof(u64) << log2_slots);
    }
}

BlockTable::BlockTable(unsigned log2_slots) { use(std::make_unique<Array>(log2_slots)); }

void BlockTable::use(std::unique_ptr<Array> array) {
    arrays_.push_back(std::move(array));
    current_.store(arrays_.back().get(), std::memory_order_release);
}

BlockTable::Packed BlockTable::pack(ir::BlockKey key) {
    // The PC's bit 0 is clear: the mode may reach into it.
    // What the first word has no place for of a machine's PC is its sign and four bits.
    constexpr unsigned kModeBits = 17, kPageBits = 40, kUpperBits = 5;
    static_assert(ir::kBlockModeBits <= kModeBits + 64 - kPageBits - kUpperBits);
    DCHECK(representable(key.pc, key.mode.system()) && key.mode.bits < (1u << ir::kBlockModeBits) &&
           key.page >> kPageBits == 0);
    const u64 mode = key.mode.bits & ones(kModeBits), more = key.mode.bits >> kModeBits,
              upper = bits(key.pc, 52, 48);
    return {key.pc << 16 | u64{1} << 17 | mode,
            more == 0 ? 0 : key.page | more << kPageBits | upper << (64 - kUpperBits)};
}

u64 BlockTable::find(ir::BlockKey key) const {
    const Packed packed = pack(key);
    const Array* array = current_.load(std::memory_order_acquire);
    do {
        if (const Slot* const slot = find_in(*array, packed); slot != nullptr) {
            return slot->value.load(std::memory_order_acquire);
        }
        array = array->below;
    } while (array != nullptr);
    return 0;
}

BlockTable::Slot* BlockTable::find_in(const Array& array, Packed packed) {
    for (u64 i = first_slot(array, packed);; i = (i + 1) & array.mask) {
        const u64 found = array.slots[i].key.load(std::memory_order_acquire);
        if (found == packed.key && holds(array, i, packed)) {
            return &array.slots[i];
        }
        if (found == 0) {
            return nullptr;
        }
    }
}

// The slot that holds the key, or the empty one where it belongs.
u64 BlockTable::slot_for(const Array& array, Packed packed) {
    for (u64 i = first_slot(array, packed);; i = (i + 1) & array.mask) {
        const u64 found = array.slots[i].key.load(std::memory_order_relaxed);
        if (found == 0 || (found == packed.key && holds(array, i, packed))) {
            return i;
        }
    }
}

void BlockTable::insert(ir::BlockKey key, u64 value) {
    DCHECK(value != 0);
    if (used_slots_ * 2 > arrays_.back()->mask) {
        grow();
    }
    Array& array = *arrays_.back();
    const Packed packed = pack(key);
    const u64 index = slot_for(array, packed);
    Slot& slot = array.slots[index];
    // The value first: a reader that sees the key sees it too.
    slot.value.store(value, std::memory_order_release);
    if (slot.key.load(std::memory_order_relaxed) == 0) {
        ++used_slots_;
        take_slot(array, index, packed);
    }
}

void BlockTable::take_slot(Array& array, u64 index, Packed packed) {
    if (packed.place != 0) {
        std::atomic<u64>* places = array.places.load(std::memory_order_relaxed);
        if (places == nullptr) {
            places = static_cast<std::atomic<u64>*>(zero_pages(sizeof(u64) << array.log2_slots));
            array.places.store(places, std::memory_order_release);
        }
        places[index].store(packed.place, std::memory_order_relaxed);
    }
    array.slots[index].key.store(packed.key, std::memory_order_release);
}

void BlockTable::remove(ir::BlockKey key) {
    const Packed packed = pack(key);
    for (const Array* array = arrays_.back().get(); array != nullptr; array = array->below) {
        if (Slot* const slot = find_in(*array, packed); slot != nullptr) {
            slot->value.store(0, std::memory_order_release);
        }
    }
}

void BlockTable::start_layer() {
    constexpr unsigned kLog2Slots = 9;
    if (const Array& below = *arrays_.back(); below.log2_slots > kLog2Slots + 1) {
        use(std::make_unique<Array>(kLog2Slots, &below));
        used_slots_ = 0;
    }
}

// The keys that `to` does not have.
void BlockTable::copy(const Array& from, Array& to) {
    for (u64 i = 0; i <= from.mask; ++i) {
        const u64 value = from.slots[i].value.load(std::memory_order_relaxed);
        const Packed packed{from.slots[i].key.load(std::memory_order_relaxed), place_at(from, i)};
        const u64 index = value != 0 ? slot_for(to, packed) : 0;
        if (value != 0 && to.slots[index].key.load(std::memory_order_relaxed) == 0) {
            to.slots[index].value.store(value, std::memory_order_relaxed);
            take_slot(to, index, packed);
            ++used_slots_;
        }
    }
}

void BlockTable::grow() {
    const Array& old = *arrays_.back();
    const bool merges = old.below != nullptr && old.log2_slots + 1 == old.below->log2_slots;
    auto bigger = std::make_unique<Array>(old.log2_slots + (merges ? 2 : 1),
                                          merges ? old.below->below : old.below);
    used_slots_ = 0;
    copy(old, *bigger);
    if (merges) {
        copy(*old.below, *bigger);
    }
    // A reader in the old array may now find a block that is removed meanwhile: as if it had been
    // faster, and its thread is told to drop what it found (Engine::invalidate).
    use(std::move(bigger));
}

} // namespace ulna::runtime
