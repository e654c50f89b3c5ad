// The bytes of 9P messages: little-endian integers, and strings with a 16-bit length. A reader that
// has run out gives zeroes and says so in the end, so that a message is taken apart in one line.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/support/types.h"

namespace ulna::devices::virtio {

class P9Reader {
  public:
    explicit P9Reader(std::span<const u8> bytes) : bytes_(bytes) {}

    [[nodiscard]] u8 take8() { return take<u8>(); }
    [[nodiscard]] u16 take16() { return take<u16>(); }
    [[nodiscard]] u32 take32() { return take<u32>(); }
    [[nodiscard]] u64 take64() { return take<u64>(); }
    [[nodiscard]] std::string take_string() {
        const auto text = take_bytes(take16());
        return {reinterpret_cast<const char*>(text.data()), text.size()};
    }
    [[nodiscard]] std::span<const u8> take_bytes(u64 count) {
        if (count > bytes_.size()) {
            ran_out_ = true;
            bytes_ = {};
            return {};
        }
        const auto taken = bytes_.first(count);
        bytes_ = bytes_.subspan(count);
        return taken;
    }
    [[nodiscard]] bool ran_out() const { return ran_out_; }

  private:
    template <class T> T take() {
        const auto bytes = take_bytes(sizeof(T));
        T value{};
        if (!bytes.empty()) {
            std::memcpy(&value, bytes.data(), sizeof value);
        }
        return value;
    }

    std::span<const u8> bytes_;
    bool ran_out_ = false;
};

class P9Writer {
  public:
    void put8(u8 value) { put(value); }
    void put16(u16 value) { put(value); }
    void put32(u32 value) { put(value); }
    void put64(u64 value) { put(value); }
    void put_string(std::string_view text) {
        put16(static_cast<u16>(text.size()));
        bytes_.insert(bytes_.end(), text.begin(), text.end());
    }
    // Room for so many bytes, to be written to at once.
    [[nodiscard]] std::span<u8> extend(u64 count) {
        bytes_.resize(bytes_.size() + count);
        return std::span(bytes_).last(count);
    }
    void shorten(u64 bytes) { bytes_.resize(bytes); }
    void set32(u64 at, u32 value) { std::memcpy(&bytes_[at], &value, sizeof value); }
    [[nodiscard]] u64 size() const { return bytes_.size(); }
    [[nodiscard]] const std::vector<u8>& bytes() const { return bytes_; }

  private:
    template <class T> void put(T value) {
        std::memcpy(extend(sizeof value).data(), &value, sizeof value);
    }

    std::vector<u8> bytes_;
};

} // namespace ulna::devices::virtio
