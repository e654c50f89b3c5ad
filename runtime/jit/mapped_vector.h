// A vector that only grows, and does so without copying: its memory is remapped. It comes from the
// host in steps, since page by page each would be a fault.
#pragma once

#include <algorithm>
#include <span>
#include <type_traits>

#include "ir/support/types.h"

namespace ulna::runtime {

// Zeroed private memory that moves when it grows, with pages around it that cannot be accessed.
class GrowingMemory {
  public:
    GrowingMemory() = default;
    ~GrowingMemory();
    GrowingMemory(const GrowingMemory&) = delete;
    GrowingMemory& operator=(const GrowingMemory&) = delete;

    // Room for `bytes`; ends the process when there is no memory.
    u8* reserve(u64 bytes) {
        if (bytes > present_bytes_) {
            grow(bytes);
        }
        return memory_;
    }

  private:
    void grow(u64 bytes);
    [[nodiscard]] bool move_to_larger(u64 bytes);

    u8* memory_ = nullptr; // between guards
    u64 mapped_bytes_ = 0, present_bytes_ = 0;
};

template <class T>
requires std::is_trivially_copyable_v<T>
class MappedVector {
  public:
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] T& operator[](std::size_t i) { return values_[i]; }
    [[nodiscard]] const T& operator[](std::size_t i) const { return values_[i]; }
    [[nodiscard]] const T* begin() const { return values_; }
    [[nodiscard]] const T* end() const { return values_ + size_; }

    T& push_back(const T& value) {
        const T copy = value; // it may be one of ours
        reserve(size_ + 1);
        return values_[size_++] = copy;
    }
    void append(std::span<const T> values) {
        reserve(size_ + values.size());
        std::copy(values.begin(), values.end(), values_ + size_);
        size_ += values.size();
    }

  private:
    void reserve(std::size_t count) {
        values_ = reinterpret_cast<T*>(memory_.reserve(count * sizeof(T)));
    }

    GrowingMemory memory_;
    T* values_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace ulna::runtime
