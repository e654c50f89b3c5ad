// A command to a logical unit: its descriptor block (CDB), and the data that goes with it.
#pragma once

#include <algorithm>
#include <array>

#include "runtime/devices/scsi/big_endian.h"
#include "runtime/devices/scsi/sense.h"
#include "runtime/devices/virtio/scatter.h"

namespace ulna::devices::scsi {

using virtio::gather, virtio::scatter, virtio::slice, virtio::total_bytes, virtio::Scatter;

class Cdb {
  public:
    static constexpr std::size_t kMostBytes = 32;

    // What is not there reads as zeroes; what is longer than any command is left out.
    explicit Cdb(std::span<const u8> bytes) {
        std::copy_n(bytes.begin(), std::min(bytes.size(), kMostBytes), bytes_.begin());
    }
    [[nodiscard]] u8 operator[](std::size_t at) const { return bytes_[at]; }
    [[nodiscard]] u64 field(std::size_t at, std::size_t bytes) const {
        return load_big_endian(std::span{bytes_}.subspan(at, bytes));
    }

  private:
    std::array<u8, kMostBytes> bytes_{};
};

// Which blocks a command is about, by the format of its group (SPC-4, section 4.2.2).
struct Extent {
    u64 first = 0, count = 0;
};
[[nodiscard]] inline Extent extent_of(const Cdb& cdb) {
    switch (cdb[0] >> 5) {
    case 0: // 6 bytes; no blocks are 256
        return {cdb.field(1, 3) & 0x1f'ffff, cdb[4] == 0 ? u64{256} : cdb[4]};
    case 4: // 16 bytes
        return {cdb.field(2, 8), cdb.field(10, 4)};
    case 5: // 12 bytes
        return {cdb.field(2, 4), cdb.field(6, 4)};
    default: // 10 bytes
        return {cdb.field(2, 4), cdb.field(7, 2)};
    }
}

// WRITE SAME (16) of zeroes, which needs no block (NDOB).
[[nodiscard]] inline bool is_without_block(const Cdb& cdb) {
    constexpr u8 kWriteSame16 = 0x93, kNoDataOut = 1;
    return cdb[0] == kWriteSame16 && (cdb[1] & kNoDataOut) != 0;
}

// The initiator's buffers, which are hostile memory: read once, or written only.
struct Data {
    Scatter out;   // to the unit
    Scatter in;    // from it
    u64 moved = 0; // bytes, of either
};

struct Completion {
    Sense sense;          // good: status GOOD, else CHECK CONDITION
    u64 moved = 0;        // bytes of the data
    bool overrun = false; // nothing was done: the command moves more than the buffers have
};

} // namespace ulna::devices::scsi
