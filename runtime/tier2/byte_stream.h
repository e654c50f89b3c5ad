// Plain data as bytes, for messages between processes of one build on one host.
#pragma once

#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "ir/support/types.h"

namespace ulna::runtime {

class ByteWriter {
  public:
    template <class T> void value(const T& value) {
        static_assert(std::has_unique_object_representations_v<T>); // no padding
        bytes(&value, sizeof value);
    }
    // The count, then the elements.
    template <class T> void array(std::span<const T> elements) {
        static_assert(std::has_unique_object_representations_v<T>); // no padding
        value(static_cast<u32>(elements.size()));
        bytes(elements.data(), elements.size_bytes());
    }
    [[nodiscard]] std::vector<u8> take() { return std::move(out_); }

  private:
    void bytes(const void* data, std::size_t count) {
        const auto* const begin = static_cast<const u8*>(data);
        out_.insert(out_.end(), begin, begin + count);
    }
    std::vector<u8> out_;
};

// Reads what a ByteWriter has written. Past the end, and from there on, everything is zero and
// ok() is false.
class ByteReader {
  public:
    explicit ByteReader(std::span<const u8> bytes) : rest_{bytes} {}

    template <class T> void value(T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        if (!ok_ || rest_.size() < sizeof value) {
            ok_ = false;
            return;
        }
        std::memcpy(&value, rest_.data(), sizeof value);
        rest_ = rest_.subspan(sizeof value);
    }
    template <class T> void array(std::vector<T>& elements) {
        u32 count = 0;
        value(count);
        if (!ok_ || rest_.size() / sizeof(T) < count) {
            ok_ = false;
            return;
        }
        elements.resize(count);
        std::memcpy(elements.data(), rest_.data(), count * sizeof(T));
        rest_ = rest_.subspan(count * sizeof(T));
    }
    [[nodiscard]] bool ok() const { return ok_; }
    [[nodiscard]] bool at_end() const { return ok_ && rest_.empty(); }

  private:
    std::span<const u8> rest_;
    bool ok_ = true;
};

} // namespace ulna::runtime
