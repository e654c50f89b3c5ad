#include "runtime/devices/state_visitor.h"

#include <algorithm>

namespace ulna::devices {

void StateVisitor::fail(std::string why) {
    if (!failed()) {
        why_not_ = std::move(why);
    }
}

void StateVisitor::finish() {
    if (loading_ && !rest_.empty()) {
        fail("more than there should be");
    }
}

void StateVisitor::put(const void* data, std::size_t bytes) {
    const auto* const begin = static_cast<const u8*>(data);
    saved_.insert(saved_.end(), begin, begin + bytes);
}

void StateVisitor::get(void* data, std::size_t bytes) {
    if (rest_.size() < bytes) {
        fail("less than there should be");
    }
    if (!failed()) {
        std::memcpy(data, rest_.data(), bytes);
        rest_ = rest_.subspan(bytes);
    }
}

void StateVisitor::visit(bool& field) {
    u8 byte = field ? 1 : 0;
    bounded(byte, 1);
    field = byte != 0;
}

u64 StateVisitor::count(u64 now, u64 most) {
    u64 value = now;
    bounded(value, most);
    return failed() ? 0 : value;
}

void StateVisitor::text(std::string& field, u64 most_bytes) {
    std::string value = field;
    value.resize(count(value.size(), std::min<u64>(most_bytes, loading_ ? rest_.size() : ~u64{0})));
    loading_ ? get(value.data(), value.size()) : put(value.data(), value.size());
    const auto is_printed = [](char c) { return c >= ' ' && c <= '~'; };
    if (!std::ranges::all_of(value, is_printed)) { // it will be, in messages
        fail("a text with bytes that are none");
    }
    if (!failed()) {
        field = std::move(value);
    }
}

} // namespace ulna::devices
