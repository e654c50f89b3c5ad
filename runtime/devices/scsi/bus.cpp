#include "runtime/devices/scsi/bus.h"

#include "ir/support/check.h"

namespace ulna::devices::scsi {

namespace {

constexpr u8 kRequestSense = 0x03, kInquiry = 0x12, kReportUnits = 0xa0;

Completion answer(std::span<const u8> bytes, u64 allocated, Scatter in) {
    if (allocated > total_bytes(in)) {
        return {.overrun = true};
    }
    return {.moved = scatter(in, 0, bytes.data(), std::min<u64>(bytes.size(), allocated))};
}

// What is said of a unit that is not there (SPC-4, sections 4.6.4 and 6.6.2).
Completion execute_without_unit(const Cdb& cdb, Scatter in) {
    constexpr u8 kNotCapable = 0x7f;
    constexpr std::array<u8, 36> kNobody{kNotCapable, 0, 5, 2, 31};
    switch (cdb[0]) {
    case kInquiry:
        return (cdb[1] & 1) != 0 ? Completion{.sense = sense::kBadField}
                                 : answer(kNobody, cdb.field(3, 2), in);
    case kRequestSense:
        return answer(fixed_format(sense::kNoUnit), cdb[4], in);
    default:
        return {.sense = sense::kNoUnit};
    }
}

} // namespace

void Bus::add(Address at, std::unique_ptr<LogicalUnit> unit) {
    CHECK(units_.emplace(at, std::move(unit)).second);
}

std::unique_ptr<LogicalUnit> Bus::remove(Address at) {
    return std::move(units_.extract(at).mapped());
}

bool Bus::has_target(u8 target) const {
    const auto found = units_.lower_bound({target, 0});
    return found != units_.end() && found->first.target == target;
}

LogicalUnit* Bus::find(Address at) {
    const auto found = units_.find(at);
    return found != units_.end() ? found->second.get() : nullptr;
}

Completion Bus::execute(Address at, const Cdb& cdb, Scatter out, Scatter in) {
    if (cdb[0] == kReportUnits) {
        return report_units(at.target, cdb, in);
    }
    LogicalUnit* const unit = find(at);
    return unit != nullptr ? unit->execute(cdb, out, in) : execute_without_unit(cdb, in);
}

// Section 6.33. Unit 0 is always among them.
Completion Bus::report_units(u8 target, const Cdb& cdb, Scatter in) const {
    constexpr u64 kHeaderBytes = 8, kUnitBytes = 8;
    constexpr u8 kMostSelect = 2, kFlatSpace = 0x40;
    constexpr u64 kLeastAllocated = 16;
    const u64 allocated = cdb.field(6, 4);
    if (cdb[2] > kMostSelect || allocated < kLeastAllocated) {
        return {.sense = sense::kBadField};
    }
    std::vector<u8> bytes(kHeaderBytes + kUnitBytes);
    for (auto it = units_.lower_bound({target, 1}); it != units_.end(); ++it) {
        if (it->first.target != target) {
            break;
        }
        const u16 unit = it->first.unit;
        const u8 space = unit < 256 ? 0 : kFlatSpace;
        bytes.insert(bytes.end(), {static_cast<u8>(space | unit >> 8), static_cast<u8>(unit)});
        bytes.resize(bytes.size() + kUnitBytes - 2);
    }
    constexpr u8 kWellKnownOnly = 1;
    if (cdb[2] == kWellKnownOnly) { // there are none
        bytes.resize(kHeaderBytes);
    }
    store_big_endian(std::span{bytes}.first(4), bytes.size() - kHeaderBytes);
    return answer(bytes, allocated, in);
}

} // namespace ulna::devices::scsi
