// BlockKey -> value, for look-ups by any thread at any time without a lock. One writer at a time.
//
// Open addressing with linear probing over pairs of atomics. A key, once in a slot, stays there;
// removing clears the value only, and the slot is used again for the same key. A full table is
// replaced by one of twice the size; the old arrays live as long as the table, since a reader may
// still be in one (their sum is less than the newest, and a table dies with its generation).
//
// In a forked child, where to write to a page copies it, later insertions go to a layer of their
// own: another array, with the one before below it, until it has grown to that one's size and both
// become one.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "ir/block_key.h"

namespace ulna::runtime {

class BlockTable {
  public:
    explicit BlockTable(unsigned log2_slots = 12);

    // Guest addresses that can be keys: Linux user space has 48 bits at most; those of a machine
    // are extended from 52.
    [[nodiscard]] static constexpr bool representable(GuestAddr pc, bool system = false) {
        const u64 upper = pc >> (system ? 52 : 48);
        return (upper == 0 || (system && upper == 0xfff)) && (pc & 3) == 0;
    }

    // The value, or 0. From any thread.
    [[nodiscard]] u64 find(ir::BlockKey key) const;

    // It will be asked for this key.
    void prefetch(ir::BlockKey key) const {
        const Array& array = *current_.load(std::memory_order_acquire);
        __builtin_prefetch(&array.slots[first_slot(array, pack(key))], 1);
    }

    // The caller holds the translation lock. Values are not 0.
    void insert(ir::BlockKey key, u64 value);
    void remove(ir::BlockKey key);

    // What is there so far is only read from now on, but by remove().
    void start_layer();

  private:
    struct Slot {
        std::atomic<u64> key;
        std::atomic<u64> value;
    };
    // A power of two of slots; zero pages are empty slots, and cost nothing until touched.
    struct Array {
        explicit Array(unsigned log2_slots, const Array* below = nullptr);
        ~Array();
        Array(const Array&) = delete;
        Array& operator=(const Array&) = delete;

        const u64 mask;
        const unsigned log2_slots;
        Slot* const slots;
        const Array* const below; // what is not here may be there
        // Of each slot's key, written before it; null while all are 0.
        std::atomic<std::atomic<u64>*> places{nullptr};
    };
    struct Packed {
        u64 key;   // PC and mode, never 0 (bit 17 is bit 1 of the PC, which is always clear)
        u64 place; // what is not in `key` of page, PC and mode: mostly 0 but in machines
    };

    [[nodiscard]] static Packed pack(ir::BlockKey key);
    [[nodiscard]] static u64 first_slot(const Array& array, Packed packed) {
        return ((packed.key ^ packed.place << 20) * 0x9e37'79b9'7f4a'7c15u) >>
               (64 - array.log2_slots);
    }
    [[nodiscard]] static bool holds(const Array& array, u64 slot, Packed packed) {
        return place_at(array, slot) == packed.place;
    }
    [[nodiscard]] static u64 place_at(const Array& array, u64 slot) {
        const auto* const places = array.places.load(std::memory_order_acquire);
        return places != nullptr ? places[slot].load(std::memory_order_relaxed) : 0;
    }
    // An empty slot becomes this key's; its value is there.
    static void take_slot(Array& array, u64 index, Packed packed);
    [[nodiscard]] static u64 slot_for(const Array& array, Packed packed);
    // The slot that holds the key, or null.
    [[nodiscard]] static Slot* find_in(const Array& array, Packed packed);
    void copy(const Array& from, Array& to);
    void grow();
    void use(std::unique_ptr<Array> array);

    std::vector<std::unique_ptr<Array>> arrays_; // newest last
    std::atomic<const Array*> current_{nullptr};
    u64 used_slots_ = 0;
};

} // namespace ulna::runtime
