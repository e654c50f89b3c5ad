#include "runtime/devices/pci/msix.h"

#include <algorithm>
#include <cstring>

#include "ir/support/check.h"
#include "runtime/devices/state_visitor.h"

namespace ulna::devices::pci {

namespace {
constexpr u64 kEntryBytes = 16;
constexpr u32 kMasked = 1;
} // namespace

Msix::Msix(unsigned vectors) : entries_(vectors), pending_(vectors) {
    CHECK(vectors <= kMostVectors);
    static_assert(sizeof(Entry) == kEntryBytes);
}

void Msix::connect(MsiTarget* target, u32 requester_id) {
    target_ = target;
    requester_id_ = requester_id;
}

void Msix::reset() {
    std::fill(entries_.begin(), entries_.end(), Entry{});
    std::fill(pending_.begin(), pending_.end(), false);
    enabled_ = masked_ = false;
}

void Msix::visit_state(StateVisitor& visit) {
    for (std::size_t n = 0; n < entries_.size(); ++n) {
        Entry& entry = entries_[n];
        bool pending = pending_[n];
        visit(entry.address, entry.data, entry.control, pending);
        pending_[n] = pending;
    }
    visit(enabled_, masked_);
}

void Msix::configure(bool enabled, bool masked) {
    enabled_ = enabled;
    masked_ = masked;
    send_pending();
}

u64 Msix::read(u64 offset, unsigned bytes) const {
    u64 value = 0;
    if (offset / kEntryBytes < entries_.size()) {
        const auto* entry = reinterpret_cast<const u8*>(&entries_[offset / kEntryBytes]);
        std::memcpy(&value, entry + offset % kEntryBytes, bytes);
    } else if (offset >= kPendingOffset) {
        for (u64 bit = 0; bit < bytes * 8; ++bit) {
            const u64 vector = (offset - kPendingOffset) * 8 + bit;
            value |= vector < pending_.size() && pending_[vector] ? u64{1} << bit : 0;
        }
    }
    return value;
}

void Msix::write(u64 offset, unsigned bytes, u64 value) {
    if (offset / kEntryBytes < entries_.size() && bytes >= 4) { // smaller ones are undefined
        auto* entry = reinterpret_cast<u8*>(&entries_[offset / kEntryBytes]);
        std::memcpy(entry + offset % kEntryBytes, &value, bytes);
        send_pending();
    }
}

void Msix::trigger(unsigned vector) {
    if (enabled_ && vector < entries_.size()) {
        pending_[vector] = true;
        send_pending();
    }
}

void Msix::send_pending() {
    if (!enabled_ || masked_ || target_ == nullptr) {
        return;
    }
    for (size_t vector = 0; vector < entries_.size(); ++vector) {
        const Entry entry = entries_[vector];
        if (pending_[vector] && (entry.control & kMasked) == 0) {
            pending_[vector] = false;
            target_->send(entry.address, entry.data, requester_id_);
        }
    }
}

} // namespace ulna::devices::pci
