#include "runtime/devices/pl061.h"

#include "runtime/devices/guest_error.h"
#include "runtime/devices/primecell.h"
#include "runtime/devices/state_visitor.h"

namespace ulna::devices {

namespace {
// GPIODATA is 256 words: the address says which pins an access means.
constexpr u64 kDataEnd = 0x400, kDir = 0x400, kIs = 0x404, kIbe = 0x408, kIev = 0x40c, kIe = 0x410,
              kRis = 0x414, kMis = 0x418, kIc = 0x41c, kAfsel = 0x420;
constexpr PrimeCellId kId{0x61, 0x10, 0x04, 0x00};
u8 data_mask(u64 offset) { return static_cast<u8>(offset >> 2); }
} // namespace

Pl061::Pl061(InterruptLine& interrupt) : interrupt_(interrupt) {
    for (unsigned n = 0; n < kPins; ++n) {
        pins_.emplace_back(*this, n);
    }
}

void Pl061::Pin::set(bool asserted) {
    gpio_.outside_ = static_cast<u8>(asserted ? gpio_.outside_ | bit_ : gpio_.outside_ & ~bit_);
    gpio_.update();
}

void Pl061::reset() {
    data_ = direction_ = level_sensitive_ = both_edges_ = high_ = enabled_ = alternate_ = 0;
    update();
    edges_ = 0;
    interrupt_.set(false);
}

void Pl061::visit_state(StateVisitor& visit) {
    visit(outside_, data_, direction_, level_sensitive_, both_edges_, high_, enabled_, alternate_,
          edges_, seen_);
    if (visit.loading()) {
        update();
    }
}

u8 Pl061::levels() const {
    return static_cast<u8>((data_ & direction_) | (outside_ & ~direction_));
}

u8 Pl061::raised() const {
    const u8 as_wanted = static_cast<u8>(~(levels() ^ high_)); // high_: GPIOIEV
    return static_cast<u8>((as_wanted & level_sensitive_) | (edges_ & ~level_sensitive_));
}

void Pl061::update() {
    const u8 changed = (outside_ ^ seen_) & ~direction_;
    seen_ = outside_;
    edges_ |= static_cast<u8>(changed & ~level_sensitive_ & (both_edges_ | ~(outside_ ^ high_)));
    for (unsigned n = 0; n < kPins; ++n) {
        if (outputs_[n] != nullptr) {
            outputs_[n]->set((data_ & direction_ & 1 << n) != 0);
        }
    }
    interrupt_.set((raised() & enabled_) != 0);
}

u8* Pl061::storage(u64 offset) {
    switch (offset) {
    case kDir:
        return &direction_;
    case kIs:
        return &level_sensitive_;
    case kIbe:
        return &both_edges_;
    case kIev:
        return &high_;
    case kIe:
        return &enabled_;
    case kAfsel:
        return &alternate_;
    default:
        return nullptr;
    }
}

u64 Pl061::read(u64 offset, unsigned bytes) {
    if (offset < kDataEnd) {
        return levels() & data_mask(offset);
    }
    if (const u8* const stored = storage(offset)) {
        return *stored;
    }
    if (offset == kRis || offset == kMis) {
        return raised() & (offset == kMis ? enabled_ : 0xff);
    }
    if (const auto id = read_primecell_id(kId, offset)) {
        return *id;
    }
    log_bad_access("pl061", Direction::Read, offset, bytes);
    return 0;
}

void Pl061::write(u64 offset, unsigned bytes, u64 value) {
    if (offset < kDataEnd) {
        const u8 mask = data_mask(offset) & direction_;
        data_ = static_cast<u8>((data_ & ~mask) | (value & mask));
    } else if (u8* const stored = storage(offset)) {
        *stored = static_cast<u8>(value);
    } else if (offset == kIc) {
        edges_ &= static_cast<u8>(~value);
    } else {
        log_bad_access("pl061", Direction::Write, offset, bytes);
        return;
    }
    update();
}

} // namespace ulna::devices
