#include "runtime/devices/fw_cfg.h"

#include <algorithm>

#include "runtime/devices/guest_error.h"
#include "runtime/devices/state_visitor.h"

namespace ulna::devices {

namespace {

constexpr u64 kSelector = 8, kDma = 16, kEnd = 24;
constexpr u64 kDmaSignature = 0x51454d5520434647; // "QEMU CFG", read from kDma
constexpr u32 kTraditional = 1 << 0, kHasDma = 1 << 1;
constexpr u16 kWriteChannel = 0x4000; // of a selector: writes to items are not possible
constexpr std::size_t kMostName = 56, kMostFiles = 0x400;

// FWCfgDmaAccess in guest memory, all big-endian.
struct DmaAccess {
    u32 control;
    u32 length;
    u64 address;
};
static_assert(sizeof(DmaAccess) == 16);
constexpr u32 kError = 1 << 0, kRead = 1 << 1, kSkip = 1 << 2, kSelect = 1 << 3, kWrite = 1 << 4;

template <class T> void append_big_endian(std::vector<u8>& to, T value) {
    for (unsigned i = sizeof value; i-- > 0;) {
        to.push_back(static_cast<u8>(value >> (8 * i)));
    }
}

std::vector<u8> little_endian(u64 value, unsigned bytes) {
    std::vector<u8> to;
    for (unsigned i = 0; i < bytes; ++i) {
        to.push_back(static_cast<u8>(value >> (8 * i)));
    }
    return to;
}

} // namespace

FwCfg::FwCfg(const PhysicalMemory& memory) : memory_(memory) {
    set(kSignature, {'Q', 'E', 'M', 'U'});
    set_number(kId, kTraditional | kHasDma, 4);
    set(kUuid, std::vector<u8>(16));
    set_number(kNoGraphic, 1, 2);
    set_number(kBootMenu, 0, 2);
    make_directory();
}

void FwCfg::set(Key key, std::vector<u8> bytes) { items_[key] = std::move(bytes); }
void FwCfg::set_number(Key key, u64 value, unsigned bytes) {
    set(key, little_endian(value, bytes));
}

bool FwCfg::add_file(const std::string& name, std::vector<u8> bytes, std::string& why_not) {
    if (name.empty() || name.size() >= kMostName) {
        why_not = "a name of 1 to 55 characters";
        return false;
    }
    if (files_.contains(name) || files_.size() >= kMostFiles) {
        why_not = files_.contains(name) ? "there is another one" : "too many files";
        return false;
    }
    const auto key = static_cast<u16>(kFirstFile + files_.size());
    files_[name] = key;
    items_[key] = std::move(bytes);
    make_directory();
    return true;
}

// Sorted by name, as firmware may expect.
void FwCfg::make_directory() {
    std::vector<u8> directory;
    append_big_endian(directory, static_cast<u32>(files_.size()));
    for (const auto& [name, key] : files_) {
        append_big_endian(directory, static_cast<u32>(items_[key].size()));
        append_big_endian(directory, key);
        append_big_endian(directory, u16{0});
        std::string padded = name;
        padded.resize(kMostName);
        directory.insert(directory.end(), padded.begin(), padded.end());
    }
    items_[kFileDirectory] = std::move(directory);
}

void FwCfg::reset() {
    select(0);
    dma_address_ = 0;
}

void FwCfg::visit_state(StateVisitor& visit) { visit(selected_, at_, dma_address_); }

const std::vector<u8>& FwCfg::item() const {
    static const std::vector<u8> kNone;
    const auto found = items_.find(selected_);
    return found != items_.end() ? found->second : kNone;
}

void FwCfg::select(u16 key) {
    selected_ = static_cast<u16>(key & ~kWriteChannel);
    at_ = 0;
}

u8 FwCfg::next_byte() {
    const std::vector<u8>& bytes = item();
    return at_ < bytes.size() ? bytes[at_++] : u8{0};
}

// Registers are big-endian, and data is a stream of bytes: the first goes to the lowest address.
u64 FwCfg::read(u64 offset, unsigned bytes) {
    if (offset < kSelector) {
        u64 value = 0;
        for (unsigned i = 0; i < bytes; ++i) {
            value |= u64{next_byte()} << (8 * i);
        }
        return value;
    }
    if (offset >= kDma && offset + bytes <= kEnd) {
        const u64 in_memory = __builtin_bswap64(kDmaSignature) >> (8 * (offset - kDma));
        return bytes == 8 ? in_memory : in_memory & ((u64{1} << (8 * bytes)) - 1);
    }
    log_bad_access("fw_cfg", Direction::Read, offset, bytes);
    return 0;
}

void FwCfg::write(u64 offset, unsigned bytes, u64 value) {
    if (offset == kSelector && bytes == 2) {
        select(__builtin_bswap16(static_cast<u16>(value)));
    } else if (offset >= kDma && (bytes == 4 || bytes == 8)) {
        write_dma_address(offset, bytes, value);
    } else if (offset >= kSelector) { // writes of data are ignored
        log_bad_access("fw_cfg", Direction::Write, offset, bytes);
    }
}

// The low half, or all at once, starts the transfer.
void FwCfg::write_dma_address(u64 offset, unsigned bytes, u64 value) {
    if (bytes == 8) {
        run_dma(__builtin_bswap64(value));
        return;
    }
    const u64 half = __builtin_bswap32(static_cast<u32>(value));
    if (offset == kDma) {
        dma_address_ = half << 32;
    } else {
        run_dma(dma_address_ | half);
        dma_address_ = 0;
    }
}

void FwCfg::run_dma(PhysAddr at) {
    DmaAccess access;
    u32 result = kError;
    if (memory_.read_ram(at, &access, sizeof access)) {
        const u32 control = __builtin_bswap32(access.control);
        const u32 length = __builtin_bswap32(access.length);
        if ((control & kSelect) != 0) {
            select(static_cast<u16>(control >> 16));
        }
        if ((control & kRead) != 0) {
            result = copy_to(__builtin_bswap64(access.address), length) ? 0 : kError;
        } else if ((control & kWrite) != 0) {
            result = kError; // no item is writable
        } else {
            at_ += (control & kSkip) != 0 ? length : 0;
            result = 0;
        }
    }
    const u32 big_endian = __builtin_bswap32(result);
    (void)memory_.write_ram(at, &big_endian, sizeof big_endian);
}

// What lies behind the item's end is zeros.
bool FwCfg::copy_to(PhysAddr to, u64 bytes) {
    const std::vector<u8>& from = item();
    const u64 copied = at_ < from.size() ? std::min<u64>(bytes, from.size() - at_) : 0;
    if (memory_.ram(to, bytes) == nullptr) {
        return bytes == 0;
    }
    bool is_done = copied == 0 || memory_.write_ram(to, from.data() + at_, copied);
    static constexpr u8 kZeros[4096] = {};
    for (u64 done = copied; is_done && done < bytes; done += sizeof kZeros) {
        is_done = memory_.write_ram(to + done, kZeros, std::min<u64>(bytes - done, sizeof kZeros));
    }
    at_ += copied;
    return is_done;
}

} // namespace ulna::devices
