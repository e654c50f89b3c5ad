// Commands of drives whose medium goes out, and of CD and DVD drives (MMC-6, chapter 6).
#include <utility>

#include "runtime/devices/scsi/logical_unit.h"

namespace ulna::devices::scsi {

namespace {

constexpr u16 kProfileCd = 0x08, kProfileDvd = 0x10;
constexpr u64 kMostCdBlocks = 80 * 60 * 75; // 80 minutes
constexpr u8 kLeadOut = 0xaa;
constexpr u8 kDataTrack = 0x14; // ADR 1; a data track that cannot be copied into

// A block's address, as a number or as minutes, seconds and frames.
std::array<u8, 4> address(u64 block, bool as_time) {
    constexpr u64 kFrames = 75, kSeconds = 60, kLeadIn = 150;
    std::array<u8, 4> bytes{};
    if (as_time) {
        const u64 frames = block + kLeadIn;
        return {0, static_cast<u8>(frames / kFrames / kSeconds),
                static_cast<u8>(frames / kFrames % kSeconds), static_cast<u8>(frames % kFrames)};
    }
    store_big_endian(bytes, block);
    return bytes;
}

void append_track(std::vector<u8>& to, u8 track, u64 block, bool as_time) {
    to.insert(to.end(), {0, kDataTrack, track, 0});
    const std::array<u8, 4> where = address(block, as_time);
    to.insert(to.end(), where.begin(), where.end());
}

} // namespace

Sense LogicalUnit::start_stop(const Cdb& cdb, Data&) {
    constexpr u8 kStart = 1, kLoadEject = 2, kPowerCondition = 0xf0;
    const bool start = (cdb[4] & kStart) != 0;
    if ((cdb[4] & kPowerCondition) != 0 || (cdb[4] & kLoadEject) == 0 || !is_removable()) {
        return sense::kGood;
    }
    if (!start && !tray_is_open_ && removal_is_prevented_) {
        return sense::kRemovalPrevented;
    }
    set_tray(!start);
    return sense::kGood;
}

Sense LogicalUnit::prevent_removal(const Cdb& cdb, Data&) {
    removal_is_prevented_ = is_removable() && (cdb[4] & 1) != 0;
    return sense::kGood;
}

// One track with all blocks, in one session.
Sense LogicalUnit::read_toc(const Cdb& cdb, Data& data) {
    constexpr u8 kContents = 0, kSessions = 1, kTime = 2;
    const bool as_time = (cdb[1] & kTime) != 0;
    const u8 format = (cdb[2] & 15) != 0 ? cdb[2] & 15 : cdb[9] >> 6;
    const u8 start = cdb[6];
    std::vector<u8> bytes{0, 0, 1, 1}; // first and last track or session
    if (format == kContents && (start <= 1 || start == kLeadOut)) {
        if (start <= 1) {
            append_track(bytes, 1, 0, as_time);
        }
        append_track(bytes, kLeadOut, blocks(), as_time);
    } else if (format == kSessions) {
        append_track(bytes, 1, 0, as_time);
    } else {
        return sense::kBadField;
    }
    store_big_endian(std::span{bytes}.first(2), bytes.size() - 2);
    return reply(data, bytes, cdb.field(7, 2));
}

u16 LogicalUnit::profile() const {
    return !medium_state().is_good() ? 0 : blocks() <= kMostCdBlocks ? kProfileCd : kProfileDvd;
}

Sense LogicalUnit::get_configuration(const Cdb& cdb, Data& data) {
    enum Feature : u16 { kProfiles = 0, kCore = 1, kRemovableMedium = 3 };
    constexpr u8 kPersistentAndCurrent = 3, kScsi = 1, kTrayThatEjectsAndLocks = 0x29;
    constexpr u8 kOneOnly = 2; // all of them are current
    const u8 request = cdb[1] & 3;
    const u64 start = cdb.field(2, 2);
    if (request == 3) {
        return sense::kBadField;
    }
    std::vector<u8> bytes(8);
    store_big_endian(std::span{bytes}.subspan(6, 2), profile());
    const auto add = [&](Feature feature, u8 version, const std::vector<u8>& rest) {
        if (request == kOneOnly ? feature != start : feature < start) {
            return;
        }
        const u8 flags = static_cast<u8>(version << 2 | kPersistentAndCurrent);
        bytes.insert(bytes.end(),
                     {0, static_cast<u8>(feature), flags, static_cast<u8>(rest.size())});
        bytes.insert(bytes.end(), rest.begin(), rest.end());
    };
    const auto is_current = [&](u16 one) { return static_cast<u8>(profile() == one); };
    add(kProfiles, 0,
        {0, kProfileDvd, is_current(kProfileDvd), 0, 0, kProfileCd, is_current(kProfileCd), 0});
    add(kCore, 2, {0, 0, 0, kScsi, 0, 0, 0, 0});
    add(kRemovableMedium, 0, {kTrayThatEjectsAndLocks, 0, 0, 0});
    store_big_endian(std::span{bytes}.first(4), bytes.size() - 4);
    return reply(data, bytes, cdb.field(7, 2));
}

// Section 6.7.2.4; each event is told once.
u8 LogicalUnit::take_media_event() {
    constexpr u8 kNoChange = 0, kEjectRequest = 1, kNewMedia = 2;
    if (tray_is_open_) {
        return kNoChange;
    }
    if (std::exchange(has_new_medium_, false)) {
        return kNewMedia;
    }
    return std::exchange(eject_is_wanted_, false) ? kEjectRequest : kNoChange;
}

Sense LogicalUnit::event_status(const Cdb& cdb, Data& data) {
    constexpr u8 kPolled = 1, kMediaClass = 4, kNoEvent = 0x80, kMediumIsThere = 2, kTrayOpen = 1;
    if ((cdb[1] & kPolled) == 0) {
        return sense::kBadField;
    }
    const bool wants_media = (cdb[4] & 1 << kMediaClass) != 0;
    std::vector<u8> bytes{0, 0, wants_media ? kMediaClass : kNoEvent, 1 << kMediaClass};
    if (wants_media) {
        const u8 state = tray_is_open_ ? kTrayOpen : medium_ != nullptr ? kMediumIsThere : u8{0};
        bytes.insert(bytes.end(), {take_media_event(), state, 0, 0});
    }
    store_big_endian(std::span{bytes}.first(2), bytes.size() - 2);
    return reply(data, bytes, cdb.field(7, 2));
}

// Finished, with one session of one track.
Sense LogicalUnit::disc_information(const Cdb& cdb, Data& data) {
    constexpr u8 kCompleteSession = 0x0c, kFinalized = 0x02;
    if ((cdb[1] & 7) != 0) {
        return sense::kBadField;
    }
    std::vector<u8> bytes(34);
    store_big_endian(std::span{bytes}.first(2), bytes.size() - 2);
    bytes[2] = kCompleteSession | kFinalized;
    bytes[3] = bytes[4] = bytes[5] = bytes[6] = 1;
    return reply(data, bytes, cdb.field(7, 2));
}

Sense LogicalUnit::mechanism_status(const Cdb& cdb, Data& data) {
    std::array<u8, 8> bytes{};
    bytes[1] = tray_is_open_ ? 0x10 : 0;
    return reply(data, bytes, cdb.field(8, 2));
}

} // namespace ulna::devices::scsi
