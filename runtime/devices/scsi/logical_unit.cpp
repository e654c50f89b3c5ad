#include "runtime/devices/scsi/logical_unit.h"

#include <utility>

#include "ir/support/check.h"

namespace ulna::devices::scsi {

namespace {

// What a command moves, and where its CDB says how much.
enum class Moves : u8 {
    Nothing,
    In,         // up to the allocation length
    Out,        // a list of parameters, of the length given
    BlocksIn,   // as many as it names
    BlocksOut,  // likewise
    OneBlockOut // or none, if its NDOB bit says so
};

// What a command is refused without, or what does not keep it back.
enum Needs : u8 {
    kDespiteAttention = 1, // it is carried out, and the attention stays
    kMedium = 2,
    kWritable = 4,
    kCd = 8,
};

} // namespace

struct LogicalUnit::Row {
    u8 operation;
    Moves moves;
    u8 at, bytes; // of the length's field, where it is not the number of blocks
    unsigned needs;
    Handler handler;
};

// clang-format off
const LogicalUnit::Row LogicalUnit::kRows[] = {
    // SPC-4
    {0x00, Moves::Nothing,     0,  0, kMedium,             &LogicalUnit::do_nothing},        // TEST UNIT READY
    {0x03, Moves::In,          4,  1, kDespiteAttention,   &LogicalUnit::request_sense},     // REQUEST SENSE
    {0x12, Moves::In,          3,  2, kDespiteAttention,   &LogicalUnit::inquiry},           // INQUIRY
    {0x15, Moves::Out,         4,  1, 0,                   &LogicalUnit::mode_select},       // MODE SELECT (6)
    {0x16, Moves::Nothing,     0,  0, 0,                   &LogicalUnit::do_nothing},        // RESERVE (6)
    {0x17, Moves::Nothing,     0,  0, 0,                   &LogicalUnit::do_nothing},        // RELEASE (6)
    {0x1a, Moves::In,          4,  1, 0,                   &LogicalUnit::mode_sense},        // MODE SENSE (6)
    {0x55, Moves::Out,         7,  2, 0,                   &LogicalUnit::mode_select},       // MODE SELECT (10)
    {0x5a, Moves::In,          7,  2, 0,                   &LogicalUnit::mode_sense},        // MODE SENSE (10)
    // SBC-3
    {0x08, Moves::BlocksIn,    0,  0, kMedium,             &LogicalUnit::read},              // READ (6)
    {0x0a, Moves::BlocksOut,   0,  0, kMedium | kWritable, &LogicalUnit::write},             // WRITE (6)
    {0x1b, Moves::Nothing,     0,  0, 0,                   &LogicalUnit::start_stop},        // START STOP UNIT
    {0x1e, Moves::Nothing,     0,  0, 0,                   &LogicalUnit::prevent_removal},   // PREVENT ALLOW MEDIUM REMOVAL
    {0x25, Moves::Nothing,     0,  0, kMedium,             &LogicalUnit::read_capacity},     // READ CAPACITY (10)
    {0x28, Moves::BlocksIn,    0,  0, kMedium,             &LogicalUnit::read},              // READ (10)
    {0x2a, Moves::BlocksOut,   0,  0, kMedium | kWritable, &LogicalUnit::write},             // WRITE (10)
    {0x2b, Moves::Nothing,     0,  0, kMedium,             &LogicalUnit::check_range},       // SEEK (10)
    {0x2e, Moves::BlocksOut,   0,  0, kMedium | kWritable, &LogicalUnit::write},             // WRITE AND VERIFY (10)
    {0x2f, Moves::Nothing,     0,  0, kMedium,             &LogicalUnit::check_range},       // VERIFY (10)
    {0x35, Moves::Nothing,     0,  0, kMedium,             &LogicalUnit::synchronize},       // SYNCHRONIZE CACHE (10)
    {0x41, Moves::OneBlockOut, 0,  0, kMedium | kWritable, &LogicalUnit::write_same},        // WRITE SAME (10)
    {0x42, Moves::Out,         7,  2, kMedium | kWritable, &LogicalUnit::unmap},             // UNMAP
    {0x88, Moves::BlocksIn,    0,  0, kMedium,             &LogicalUnit::read},              // READ (16)
    {0x8a, Moves::BlocksOut,   0,  0, kMedium | kWritable, &LogicalUnit::write},             // WRITE (16)
    {0x8e, Moves::BlocksOut,   0,  0, kMedium | kWritable, &LogicalUnit::write},             // WRITE AND VERIFY (16)
    {0x8f, Moves::Nothing,     0,  0, kMedium,             &LogicalUnit::check_range},       // VERIFY (16)
    {0x91, Moves::Nothing,     0,  0, kMedium,             &LogicalUnit::synchronize},       // SYNCHRONIZE CACHE (16)
    {0x93, Moves::OneBlockOut, 0,  0, kMedium | kWritable, &LogicalUnit::write_same},        // WRITE SAME (16)
    {0x9e, Moves::In,          10, 4, kMedium,             &LogicalUnit::service_action_in}, // SERVICE ACTION IN (16)
    {0xa8, Moves::BlocksIn,    0,  0, kMedium,             &LogicalUnit::read},              // READ (12)
    {0xaa, Moves::BlocksOut,   0,  0, kMedium | kWritable, &LogicalUnit::write},             // WRITE (12)
    {0xaf, Moves::Nothing,     0,  0, kMedium,             &LogicalUnit::check_range},       // VERIFY (12)
    // MMC-6
    {0x43, Moves::In,          7,  2, kCd | kMedium,           &LogicalUnit::read_toc},          // READ TOC/PMA/ATIP
    {0x46, Moves::In,          7,  2, kCd | kDespiteAttention, &LogicalUnit::get_configuration}, // GET CONFIGURATION
    {0x4a, Moves::In,          7,  2, kCd | kDespiteAttention, &LogicalUnit::event_status},      // GET EVENT STATUS NOTIFICATION
    {0x51, Moves::In,          7,  2, kCd | kMedium,           &LogicalUnit::disc_information},  // READ DISC INFORMATION
    {0xbd, Moves::In,          8,  2, kCd,                     &LogicalUnit::mechanism_status},  // MECHANISM STATUS
};
// clang-format on

LogicalUnit::LogicalUnit(UnitOptions options, std::shared_ptr<virtio::BlockBackend> medium)
    : options_{std::move(options)}, medium_{std::move(medium)} {}

const LogicalUnit::Row* LogicalUnit::find(u8 operation) const {
    const auto* const row = std::ranges::find(kRows, operation, &Row::operation);
    return row == std::end(kRows) || ((row->needs & kCd) != 0 && !is_cd()) ? nullptr : row;
}

bool LogicalUnit::fits(const Row& row, const Cdb& cdb, const Data& data) const {
    const u64 blocks_bytes = extent_of(cdb).count * block_bytes();
    switch (row.moves) {
    case Moves::Nothing:
        return true;
    case Moves::In:
        return cdb.field(row.at, row.bytes) <= total_bytes(data.in);
    case Moves::Out:
        return cdb.field(row.at, row.bytes) <= total_bytes(data.out);
    case Moves::BlocksIn:
        return blocks_bytes <= total_bytes(data.in);
    case Moves::BlocksOut:
        return blocks_bytes <= total_bytes(data.out);
    case Moves::OneBlockOut:
        return block_bytes() <= total_bytes(data.out) || is_without_block(cdb);
    }
    UNREACHABLE("what a command moves");
}

Sense LogicalUnit::medium_state() const {
    return tray_is_open_        ? sense::kTrayIsOpen
           : medium_ == nullptr ? sense::kNoMedium
                                : sense::kGood;
}

Sense LogicalUnit::take_attention() {
    const Attention told = std::exchange(attention_, Attention::None);
    if (told != Attention::None && std::exchange(medium_came_, false)) {
        attention_ = Attention::MediumChanged;
    }
    switch (told) {
    case Attention::None:
        return sense::kGood;
    case Attention::MediumChanged:
        return sense::kMediumChanged;
    case Attention::MediumWent:
        return sense::kMediumWent;
    case Attention::Reset:
        return sense::kReset;
    }
    UNREACHABLE("what a command is told of");
}

Sense LogicalUnit::why_not(const Row& row) {
    if (attention_ != Attention::None && (row.needs & kDespiteAttention) == 0) {
        return take_attention();
    }
    if ((row.needs & kMedium) != 0 && !medium_state().is_good()) {
        return medium_state();
    }
    if ((row.needs & kWritable) != 0 && !can_write()) {
        return is_cd() ? sense::kBadOperation : sense::kWriteProtected;
    }
    return sense::kGood;
}

Completion LogicalUnit::execute(const Cdb& cdb, Scatter out, Scatter in) {
    const Row* const row = find(cdb[0]);
    if (row == nullptr) {
        return {.sense = sense::kBadOperation};
    }
    Data data{out, in};
    if (!fits(*row, cdb, data)) {
        return {.overrun = true};
    }
    if (const Sense sense = why_not(*row); !sense.is_good()) {
        return {.sense = sense};
    }
    const Sense sense = (this->*row->handler)(cdb, data);
    return {.sense = sense, .moved = data.moved};
}

Sense LogicalUnit::reply(Data& data, std::span<const u8> bytes, u64 allocated) {
    data.moved = scatter(data.in, 0, bytes.data(), std::min<u64>(bytes.size(), allocated));
    return sense::kGood;
}

void LogicalUnit::reset() {
    attention_ = Attention::Reset;
    medium_came_ = has_new_medium_ = eject_is_wanted_ = false;
    write_cache_ = true;
    tray_is_open_ = removal_is_prevented_ = false;
}

void LogicalUnit::set_tray(bool open) {
    if (std::exchange(tray_is_open_, open) != open && on_tray_moved_) {
        on_tray_moved_(open);
    }
}

void LogicalUnit::request_eject(bool by_force) {
    eject_is_wanted_ = true;
    removal_is_prevented_ = removal_is_prevented_ && !by_force;
}

void LogicalUnit::move_tray(bool open) {
    medium_came_ = !open;
    attention_ = std::max(attention_, Attention::MediumWent);
    has_new_medium_ = true;
    eject_is_wanted_ = false;
    set_tray(open);
}

std::string LogicalUnit::identity() const {
    return std::string{is_cd() ? "CD drive" : "disk"} + " '" + options_.device_id + "' " +
           (is_removable()       ? "whose medium goes out"
            : medium_ != nullptr ? medium_->identity()
                                 : "without a medium");
}

void LogicalUnit::visit_state(StateVisitor& visit) {
    visit.enumerator(attention_, Attention::Reset);
    visit(medium_came_, has_new_medium_, eject_is_wanted_);
    visit(write_cache_, tray_is_open_, removal_is_prevented_);
}

} // namespace ulna::devices::scsi
