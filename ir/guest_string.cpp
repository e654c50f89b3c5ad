#include "ir/guest_string.h"

#include <atomic>

#include "ir/guest_state.h"

namespace ulna::ir {

namespace {

constexpr u64 kPageBytes = 4096, kWideBytes = 16;
constexpr unsigned kWideLog2 = 4;

bool is_inside_page(GuestAddr first) { return first % kPageBytes <= kPageBytes - kWideBytes; }

// What remains, where a fault of the next access finds it.
void publish(u64& left, u64 count) {
    left = count;
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

// Says now and then whether there is other work to do.
class PendingCheck {
  public:
    PendingCheck(u64& left, const u32& pending) : left_{left}, pending_{pending} {}
    // `count` remains after a step of so many bytes. True: stop here, which `left` says.
    [[nodiscard]] bool stops_at(u64 count, u64 bytes) {
        bytes_ += bytes;
        if (count == 0 || bytes_ < kStringChunkBytes) {
            return false;
        }
        bytes_ = 0;
        if (__atomic_load_n(&pending_, __ATOMIC_RELAXED) == 0) {
            return false;
        }
        publish(left_, count);
        return true;
    }

  private:
    u64& left_;
    const u32& pending_;
    u64 bytes_ = 0;
};

void copy(GuestAddr to, GuestAddr from, bool wide) {
    const unsigned size_log2 = wide ? kWideLog2 : 0;
    store_guest(to, size_log2, load_guest(from, size_log2));
}

bool copy_up(GuestAddr to, GuestAddr from, u64 count, u64& left, const u32& pending) {
    // Closer behind the source, a byte would be read that has just been written.
    const bool far = to - from >= kWideBytes;
    PendingCheck check{left, pending};
    while (count != 0) {
        publish(left, count);
        const GuestAddr a = untagged(to + count), b = untagged(from + count);
        const bool wide =
            far && u64{0} - count >= kWideBytes && is_inside_page(a) && is_inside_page(b);
        copy(a, b, wide);
        const u64 bytes = wide ? kWideBytes : 1;
        count += bytes;
        if (check.stops_at(count, bytes)) {
            return false;
        }
    }
    return true;
}

bool copy_down(GuestAddr to, GuestAddr from, u64 count, u64& left, const u32& pending) {
    const bool far = from - to >= kWideBytes;
    bool enters_page = true; // a fault names the byte
    PendingCheck check{left, pending};
    while (count != 0) {
        publish(left, count);
        const GuestAddr a = untagged(to + count - kWideBytes);
        const GuestAddr b = untagged(from + count - kWideBytes);
        const bool wide =
            far && !enters_page && count >= kWideBytes && is_inside_page(a) && is_inside_page(b);
        if (wide) {
            copy(a, b, true);
        } else {
            copy(untagged(to + count - 1), untagged(from + count - 1), false);
        }
        const u64 bytes = wide ? kWideBytes : 1;
        count -= bytes;
        enters_page = (to + count) % kPageBytes == 0 || (from + count) % kPageBytes == 0;
        if (check.stops_at(count, bytes)) {
            return false;
        }
    }
    return true;
}

} // namespace

bool copy_guest(GuestAddr to, GuestAddr from, u64 count, u64& left, const u32& pending) {
    return static_cast<i64>(count) > 0 ? copy_down(to, from, count, left, pending)
                                       : copy_up(to, from, count, left, pending);
}

bool set_guest(GuestAddr to, u64 count, u8 byte, u64& left, const u32& pending) {
    const u64 bytes8 = u64{byte} * 0x0101'0101'0101'0101;
    PendingCheck check{left, pending};
    while (count != 0) {
        publish(left, count);
        const GuestAddr a = untagged(to + count);
        const bool wide = u64{0} - count >= kWideBytes && is_inside_page(a);
        store_guest(a, wide ? kWideLog2 : 0, {bytes8, bytes8});
        const u64 bytes = wide ? kWideBytes : 1;
        count += bytes;
        if (check.stops_at(count, bytes)) {
            return false;
        }
    }
    return true;
}

} // namespace ulna::ir
