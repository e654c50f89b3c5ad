#include "runtime/devices/virtio/block.h"

#include <cstring>

namespace ulna::devices::virtio {
namespace {

constexpr u64 kSectorBytes = BlockBackend::kSectorBytes;
constexpr u32 kQueueEntries = 256;

// Section 5.2.3.
enum Feature : u64 {
    kSegMax = 1u << 2,
    kReadOnly = 1u << 5,
    kBlkSize = 1u << 6,
    kFlush = 1u << 9,
    kTopology = 1u << 10,
    kConfigWce = 1u << 11,
    kDiscard = 1u << 13,
    kWriteZeroes = 1u << 14,
};

// Section 5.2.4; offsets of the fields that are set.
enum Config : u64 {
    kCapacity = 0,
    kSegMaxField = 12,
    kBlkSizeField = 20,
    kPhysicalBlockExp = 24,
    kMinIoSize = 26,
    kWriteback = 32,
    kMaxDiscardSectors = 36,
    kMaxDiscardSeg = 40,
    kDiscardSectorAlignment = 44,
    kMaxWriteZeroesSectors = 48,
    kMaxWriteZeroesSeg = 52,
    kWriteZeroesMayUnmap = 56,
};
constexpr u32 kMostRanges = 64;              // of one request to discard
constexpr u32 kMostRangeSectors = 0x3f'ffff; // just under 2 GiB

// Section 5.2.6.
enum Type : u32 {
    kIn = 0,
    kOut = 1,
    kFlushType = 4,
    kGetId = 8,
    kDiscardType = 11,
    kWriteZeroesType = 13,
};
enum Result : u8 { kOk = 0, kIoError = 1, kUnsupported = 2 };

struct Header {
    u32 type;
    u32 reserved;
    u64 sector;
};
struct Range { // of virtio_blk_discard_write_zeroes
    u64 sector;
    u32 sectors;
    u32 flags;
};
constexpr u32 kRangeUnmap = 1;
constexpr u64 kIdBytes = 20;

Result result_of(int error) { return error == 0 ? kOk : kIoError; }

} // namespace

class Block::Request final : public Worker::Job {
  public:
    Request(Block& disk, unsigned queue, Chain chain)
        : disk_(disk), queue_(queue), chain_(std::move(chain)) {}

    // Where header, data and status are; null or what is wrong.
    [[nodiscard]] const char* parse() {
        if (gather(chain_.readable(), 0, &header_, sizeof header_) != sizeof header_) {
            return "request without a header";
        }
        const u64 writable_bytes = total_bytes(chain_.writable());
        if (writable_bytes == 0) {
            return "request without a place for its status";
        }
        out_ = slice(chain_.readable(), sizeof header_, ~u64{0});
        in_ = slice(chain_.writable(), 0, writable_bytes - 1);
        write_through_ = disk_.writes_through();
        return nullptr;
    }

    void work() override {
        const Result result = serve();
        scatter(chain_.writable(), total_bytes(in_), &result, sizeof result);
        // The status comes last, so a request that failed has written it, but not all before it.
        written_ = result == kOk || in_.empty() ? total_bytes(chain_.writable()) : 0;
    }

    void finish() override { disk_.complete(queue_, chain_, written_); }

  private:
    [[nodiscard]] Result serve() {
        switch (header_.type) {
        case kIn:
            return is_inside(header_.sector, total_bytes(in_))
                       ? result_of(disk_.backend_->read(header_.sector * kSectorBytes, in_))
                       : kIoError;
        case kOut:
            return write();
        case kFlushType:
            return result_of(disk_.backend_->flush());
        case kGetId:
            return get_id();
        case kDiscardType:
        case kWriteZeroesType:
            return change_ranges();
        }
        return kUnsupported;
    }

    [[nodiscard]] bool is_inside(u64 sector, u64 bytes) const {
        const u64 sectors = disk_.backend_->bytes() / kSectorBytes;
        return bytes % kSectorBytes == 0 && sector <= sectors &&
               bytes / kSectorBytes <= sectors - sector;
    }

    [[nodiscard]] Result flushed(int error) {
        return result_of(error == 0 && write_through_ ? disk_.backend_->flush() : error);
    }

    [[nodiscard]] Result write() {
        if (disk_.backend_->read_only() || !is_inside(header_.sector, total_bytes(out_))) {
            return kIoError;
        }
        return flushed(disk_.backend_->write(header_.sector * kSectorBytes, out_));
    }

    [[nodiscard]] Result get_id() {
        std::array<char, kIdBytes> id{}; // ends with a zero only if shorter
        disk_.serial_.copy(id.data(), id.size());
        scatter(in_, 0, id.data(), id.size());
        return kOk;
    }

    [[nodiscard]] Result change_ranges() {
        if (disk_.backend_->read_only()) {
            return kIoError;
        }
        const u64 bytes = total_bytes(out_);
        if (bytes == 0 || bytes % sizeof(Range) != 0 || bytes / sizeof(Range) > kMostRanges) {
            return kUnsupported;
        }
        Result result = kOk;
        for (u64 at = 0; at < bytes && result == kOk; at += sizeof(Range)) {
            Range range;
            gather(out_, at, &range, sizeof range);
            result = change(range);
        }
        return result == kOk ? flushed(0) : result;
    }

    [[nodiscard]] Result change(const Range& range) {
        const bool discard = header_.type == kDiscardType;
        if ((range.flags & ~kRangeUnmap) != 0 || (discard && range.flags != 0)) {
            return kUnsupported;
        }
        const u64 bytes = u64{range.sectors} * kSectorBytes;
        if (range.sectors > kMostRangeSectors || !is_inside(range.sector, bytes)) {
            return kIoError;
        }
        const u64 offset = range.sector * kSectorBytes;
        return range.sectors == 0
                   ? kOk
                   : result_of(discard ? disk_.backend_->discard(offset, bytes)
                                       : disk_.backend_->write_zeroes(offset, bytes));
    }

    Block& disk_;
    unsigned queue_;
    Chain chain_;
    Header header_{};
    std::vector<iovec> out_, in_;
    bool write_through_ = false;
    u64 written_ = 0;
};

Block::Block(std::shared_ptr<BlockBackend> backend,
             std::string serial,
             std::mutex& machine_lock,
             Worker::Place place)
    : VirtioDevice({kQueueEntries}),
      backend_(std::move(backend)),
      serial_(std::move(serial)),
      worker_(machine_lock, place) {
    fill_config();
}

u64 Block::features() const {
    const u64 always = kSegMax | kBlkSize | kFlush | kTopology | kConfigWce;
    return always | (backend_->read_only() ? u64{kReadOnly} : u64{kDiscard | kWriteZeroes});
}

void Block::fill_config() {
    const auto set = [this](u64 offset, auto value) {
        std::memcpy(&config_[offset], &value, sizeof value);
    };
    set(kCapacity, backend_->bytes() / kSectorBytes);
    set(kSegMaxField, u32{kQueueEntries - 2}); // without header and status
    set(kBlkSizeField, u32{kSectorBytes});
    set(kPhysicalBlockExp, u8{3}); // 4096 bytes, as most hosts' files
    set(kMinIoSize, u16{8});
    set(kWriteback, u8{1});
    set(kMaxDiscardSectors, kMostRangeSectors);
    set(kMaxDiscardSeg, kMostRanges);
    set(kDiscardSectorAlignment, u32{8});
    set(kMaxWriteZeroesSectors, kMostRangeSectors);
    set(kMaxWriteZeroesSeg, kMostRanges);
    set(kWriteZeroesMayUnmap, u8{1});
}

// Section 5.2.6.2: a driver that cannot flush relies on each write being there.
bool Block::writes_through() const {
    return has(kConfigWce) ? config_[kWriteback] == 0 : !has(kFlush);
}

void Block::write_config(u64 offset, unsigned bytes, u64 value) {
    if (offset == kWriteback && bytes == 1 && has(kConfigWce)) {
        config_[kWriteback] = value != 0 ? 1 : 0;
    }
}

void Block::visit_state(StateVisitor& visit) { visit.bounded(config_[kWriteback], 1); }

void Block::notified(unsigned queue) {
    while (auto chain = next(queue)) {
        auto request = std::make_unique<Request>(*this, queue, std::move(*chain));
        if (const char* wrong = request->parse()) {
            return refuse(queue, wrong);
        }
        worker_.add(std::move(request));
    }
}

void Block::stop(unsigned /*queue*/) { worker_.drop_all(); }

void Block::reset() { config_[kWriteback] = 1; }

} // namespace ulna::devices::virtio
