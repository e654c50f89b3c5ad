#include "runtime/devices/pl031.h"

#include <time.h>

#include "runtime/devices/guest_error.h"
#include "runtime/devices/primecell.h"
#include "runtime/devices/state_visitor.h"

namespace ulna::devices {

namespace {
constexpr u64 kDr = 0x00, kMr = 0x04, kLr = 0x08, kCr = 0x0c, kImsc = 0x10, kRis = 0x14,
              kMis = 0x18, kIcr = 0x1c;
constexpr PrimeCellId kId{0x31, 0x10, 0x04, 0x00};
constexpr u64 kNsPerSecond = 1'000'000'000;
} // namespace

u64 realtime_ns() {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<u64>(now.tv_sec) * kNsPerSecond + static_cast<u64>(now.tv_nsec);
}

Pl031::Pl031(EventLoop& loop, InterruptLine& interrupt, u64 now_ns)
    : loop_(loop),
      interrupt_(interrupt),
      alarm_(loop,
             [this] {
                 raised_ = true;
                 update_interrupt();
             }),
      ahead_ns_(now_ns - loop.now_ns()) {}

void Pl031::reset() {
    alarm_.cancel();
    match_ = load_ = 0;
    unmasked_ = raised_ = false;
    update_interrupt();
}

void Pl031::visit_state(StateVisitor& visit) {
    // A machine with a clock of its own knows no other.
    const auto reference = [&] { return loop_.has_clock() ? loop_.now_ns() : realtime_ns(); };
    u64 ahead_of_reference = now_ns() - reference();
    bool waits = alarm_.is_set();
    u64 alarm = alarm_.deadline_ns() + ahead_ns_; // as the clock shows it
    visit(ahead_of_reference, waits, alarm, match_, load_, unmasked_, raised_);
    if (!visit.loading()) {
        return;
    }
    ahead_ns_ = ahead_of_reference + reference() - loop_.now_ns();
    alarm_.cancel();
    if (waits) {
        alarm_.set(alarm > now_ns() ? alarm - ahead_ns_ : 0);
    }
    update_interrupt();
}

u64 Pl031::now_ns() const { return loop_.now_ns() + ahead_ns_; }

u32 Pl031::seconds() const { return static_cast<u32>(now_ns() / kNsPerSecond); }

// When the counter becomes what RTCMR holds: now, or when it comes there by 32-bit counting.
void Pl031::set_alarm() {
    const u32 left = match_ - seconds();
    const u64 whole = now_ns() / kNsPerSecond + left;
    alarm_.set(left == 0 ? 0 : whole * kNsPerSecond - ahead_ns_);
}

void Pl031::update_interrupt() { interrupt_.set(raised_ && unmasked_); }

u64 Pl031::read(u64 offset, unsigned bytes) {
    switch (offset) {
    case kDr:
        return seconds();
    case kMr:
        return match_;
    case kLr:
        return load_;
    case kCr:
        return 1; // always counting
    case kImsc:
        return unmasked_;
    case kRis:
        return raised_;
    case kMis:
        return raised_ && unmasked_;
    default:
        break;
    }
    if (const auto id = read_primecell_id(kId, offset)) {
        return *id;
    }
    log_bad_access("pl031", Direction::Read, offset, bytes);
    return 0;
}

void Pl031::write(u64 offset, unsigned bytes, u64 value) {
    switch (offset) {
    case kMr:
        match_ = static_cast<u32>(value);
        set_alarm();
        break;
    case kLr:
        load_ = static_cast<u32>(value);
        ahead_ns_ = u64{load_} * kNsPerSecond - loop_.now_ns();
        set_alarm();
        break;
    case kCr:
        break;
    case kImsc:
        unmasked_ = (value & 1) != 0;
        update_interrupt();
        break;
    case kIcr:
        raised_ = raised_ && (value & 1) == 0;
        update_interrupt();
        break;
    default:
        log_bad_access("pl031", Direction::Write, offset, bytes);
    }
}

} // namespace ulna::devices
