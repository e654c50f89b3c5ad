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

BlockTable::Array::Array(unsigned log2)
    : mask{(u64{1} << log2) - 1},
      log2_slots{log2},
      slots{static_cast<Slot*>(zero_pages(sizeof(Slot) << log2))} {}

BlockTable::Array::~Array() { munmap(slots, sizeof(Slot) << log2_slots); }

BlockTable::BlockTable(unsigned log2_slots) {
    arrays_.push_back(std::make_unique<Array>(log2_slots));
    current_.store(arrays_.back().get(), std::memory_order_release);
}

u64 BlockTable::pack(ir::BlockKey key) {
    static_assert(ir::kBlockModeBits <= 16 + 1,
                  "the PC's bit 0 is clear: the mode may reach into it");
    DCHECK(representable(key.pc) && key.mode.bits < (1u << ir::kBlockModeBits));
    return key.pc << 16 | u64{1} << 17 | key.mode.bits;
}

u64 BlockTable::find(ir::BlockKey key) const {
    const Array& array = *current_.load(std::memory_order_acquire);
    const u64 packed = pack(key);
    for (u64 i = first_slot(array, packed);; i = (i + 1) & array.mask) {
        const Slot& slot = array.slots[i];
        const u64 found = slot.key.load(std::memory_order_acquire);
        if (found == packed) {
            return slot.value.load(std::memory_order_acquire);
        }
        if (found == 0) {
            return 0;
        }
    }
}

// The slot that holds the key, or the empty one where it belongs.
BlockTable::Slot& BlockTable::slot_for(const Array& array, u64 packed) {
    for (u64 i = first_slot(array, packed);; i = (i + 1) & array.mask) {
        Slot& slot = array.slots[i];
        const u64 found = slot.key.load(std::memory_order_relaxed);
        if (found == packed || found == 0) {
            return slot;
        }
    }
}

void BlockTable::insert(ir::BlockKey key, u64 value) {
    DCHECK(value != 0);
    if (used_slots_ * 2 > arrays_.back()->mask) {
        grow();
    }
    const u64 packed = pack(key);
    Slot& slot = slot_for(*arrays_.back(), packed);
    // The value first: a reader that sees the key sees it too.
    slot.value.store(value, std::memory_order_release);
    if (slot.key.load(std::memory_order_relaxed) == 0) {
        ++used_slots_;
        slot.key.store(packed, std::memory_order_release);
    }
}

void BlockTable::remove(ir::BlockKey key) {
    const u64 packed = pack(key);
    Slot& slot = slot_for(*arrays_.back(), packed);
    if (slot.key.load(std::memory_order_relaxed) == packed) {
        slot.value.store(0, std::memory_order_release);
    }
}

void BlockTable::grow() {
    const Array& old = *arrays_.back();
    auto bigger = std::make_unique<Array>(old.log2_slots + 1);
    used_slots_ = 0;
    for (u64 i = 0; i <= old.mask; ++i) {
        const u64 value = old.slots[i].value.load(std::memory_order_relaxed);
        if (value != 0) {
            const u64 packed = old.slots[i].key.load(std::memory_order_relaxed);
            Slot& slot = slot_for(*bigger, packed);
            slot.value.store(value, std::memory_order_relaxed);
            slot.key.store(packed, std::memory_order_relaxed);
            ++used_slots_;
        }
    }
    // A reader in the old array may now find a block that is removed meanwhile: as if it had been
    // faster, and its thread is told to drop what it found (Engine::invalidate).
    arrays_.push_back(std::move(bigger));
    current_.store(arrays_.back().get(), std::memory_order_release);
}

} // namespace ulna::runtime
