#include "runtime/devices/gic_lines.h"

#include "ir/support/check.h"

namespace ulna::devices::gic {

namespace {
constexpr unsigned kPpis = kFirstSpi - kFirstPpi;
} // namespace

InputLines::InputLines(unsigned cpus, unsigned spis, Set set) : set_(std::move(set)), cpus_(cpus) {
    lines_.reserve(cpus * kPpis + spis);
    for (unsigned cpu = 0; cpu < cpus; ++cpu) {
        for (u32 intid = kFirstPpi; intid < kFirstSpi; ++intid) {
            lines_.emplace_back(set_, cpu, intid);
        }
    }
    for (unsigned n = 0; n < spis; ++n) {
        lines_.emplace_back(set_, 0, kFirstSpi + n);
    }
}

InterruptLine& InputLines::spi(unsigned n) { return lines_.at(cpus_ * kPpis + n); }

InterruptLine& InputLines::ppi(unsigned cpu, u32 intid) {
    CHECK(intid >= kFirstPpi && intid < kFirstSpi);
    return lines_.at(cpu * kPpis + intid - kFirstPpi);
}

} // namespace ulna::devices::gic
