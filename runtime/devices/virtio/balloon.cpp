#include "runtime/devices/virtio/balloon.h"

#include <algorithm>
#include <cstring>

namespace ulna::devices::virtio {
namespace {

// Section 5.5.2. Queues follow one another without gaps for what is not offered.
enum Queue : unsigned { kInflate = 0, kDeflate = 1, kReport = 2 };
constexpr u32 kQueueEntries = 128, kReportEntries = 32;
// Section 5.5.3.
constexpr u64 kDeflateOnOom = 1u << 2, kPageReporting = 1u << 5;
// Section 5.5.4: pages that the guest is to give up, and those that it has given.
enum Config : u64 { kTarget = 0, kActual = 4 };

constexpr u64 kMostPages = 16384; // of one request; drivers send 256
constexpr u64 kQuietNs = 1'000'000'000;

std::vector<u32> queue_sizes(const BalloonOptions& options) {
    return options.reports_free_pages ? std::vector{kQueueEntries, kQueueEntries, kReportEntries}
                                      : std::vector{kQueueEntries, kQueueEntries};
}

} // namespace

Balloon::Balloon(EventLoop& loop,
                 PhysicalMemory& memory,
                 u64 ram_bytes,
                 BalloonOptions options,
                 std::function<void(u64 ram_left)> changed)
    : VirtioDevice(queue_sizes(options)),
      memory_(memory),
      ram_bytes_(ram_bytes),
      options_(options),
      changed_(std::move(changed)),
      quiet_(loop.add_timer(
          [this] {
              if (is_untold_) {
                  tell();
              }
          },
          EventLoop::Time::Host)) {}

u64 Balloon::features() const {
    return (options_.deflates_without_memory ? kDeflateOnOom : 0) |
           (options_.reports_free_pages ? kPageReporting : 0);
}

u32 Balloon::field(u64 offset) const {
    u32 value = 0;
    std::memcpy(&value, &config_[offset], sizeof value);
    return value;
}

void Balloon::set_field(u64 offset, u32 value) {
    std::memcpy(&config_[offset], &value, sizeof value);
}

u64 Balloon::ram_left() const { return ram_bytes_ - field(kActual) * kPageBytes; }

void Balloon::set_target(u64 ram_bytes) {
    set_field(kTarget,
              static_cast<u32>((ram_bytes_ - std::min(ram_bytes, ram_bytes_)) / kPageBytes));
    if (has_driver()) {
        driver().config_changed();
    }
}

void Balloon::write_config(u64 offset, unsigned bytes, u64 value) {
    if (offset != kActual || bytes != 4 || value > ram_bytes_ / kPageBytes ||
        value == field(kActual)) {
        return;
    }
    set_field(kActual, static_cast<u32>(value));
    is_untold_ = true;
    if (!quiet_->is_set()) {
        tell();
    }
}

void Balloon::tell() {
    is_untold_ = false;
    quiet_->set(monotonic_ns() + kQuietNs);
    changed_(ram_left());
}

// All RAM is there again for who starts anew.
void Balloon::reset() { set_field(kActual, 0); }

void Balloon::visit_state(StateVisitor& visit) {
    for (const u64 offset : {kTarget, kActual}) {
        u32 pages = field(offset);
        visit.bounded(pages, static_cast<u32>(ram_bytes_ / kPageBytes));
        set_field(offset, pages);
    }
}

void Balloon::notified(unsigned queue) {
    while (const auto request = next(queue)) {
        if (queue == kInflate) {
            if (total_bytes(request->readable()) > kMostPages * sizeof(u32)) {
                return refuse(queue, "more pages in a request than any driver gives up at once");
            }
            discard_listed(*request);
        } else if (queue == kReport) { // the buffers themselves are what is free
            for (const iovec& piece : request->writable()) {
                memory_.discard(static_cast<u8*>(piece.iov_base), piece.iov_len);
            }
        } // who takes pages back just uses them
        complete(queue, *request, 0);
    }
}

// Numbers of pages, which mostly follow one another, up or down.
void Balloon::discard_listed(const Chain& request) {
    std::vector<u32> pages(total_bytes(request.readable()) / sizeof(u32));
    gather(request.readable(), 0, pages.data(), pages.size() * sizeof(u32));
    std::ranges::sort(pages);
    for (std::size_t first = 0; first < pages.size();) {
        std::size_t end = first + 1;
        while (end < pages.size() && pages[end] - pages[end - 1] <= 1) {
            ++end;
        }
        const u64 bytes = (u64{pages[end - 1]} - pages[first] + 1) * kPageBytes;
        if (u8* const host = memory_.ram(pages[first] * kPageBytes, bytes, Space::NonSecure)) {
            memory_.discard(host, bytes);
        }
        first = end;
    }
}

} // namespace ulna::devices::virtio
