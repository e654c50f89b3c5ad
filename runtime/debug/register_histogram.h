// Which guest registers translated code reads and writes, weighted by executions: the measurement
// behind backend/exec_abi.h. Counted are the Gets and Sets left after the passes, which are what a
// register that is not pinned pays for. A block that is left early counts whole.
#pragma once

#include <deque>
#include <string>

#include "ir/block.h"

namespace ulna::runtime::debug {

class RegisterHistogram {
  public:
    // Call for each block about to be compiled; its code adds one to the counter at every entry.
    [[nodiscard]] u64* add(const ir::Block& block);
    // A line per register: reads, writes, and its share of all accesses to its kind of register.
    [[nodiscard]] std::string text() const;

  private:
    struct Record {
        u64 entries = 0;
        u8 reads[ir::kSlotCount] = {}, writes[ir::kSlotCount] = {};
    };
    std::deque<Record> blocks_; // counters keep their address
};

} // namespace ulna::runtime::debug
