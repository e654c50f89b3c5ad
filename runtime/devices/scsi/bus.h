// The units that an initiator reaches, by target and logical unit number, and what a target says
// for all of its units, be they there or not.
#pragma once

#include <map>

#include "runtime/devices/scsi/logical_unit.h"

namespace ulna::devices::scsi {

struct Address {
    u8 target = 0;
    u16 unit = 0; // below kUnits
    auto operator<=>(const Address&) const = default;
};
constexpr unsigned kTargets = 256, kUnits = 16384;

class Bus {
  public:
    void add(Address at, std::unique_ptr<LogicalUnit> unit);       // there is none yet
    [[nodiscard]] std::unique_ptr<LogicalUnit> remove(Address at); // it is there
    [[nodiscard]] bool has_target(u8 target) const;
    [[nodiscard]] LogicalUnit* find(Address at);

    // Of a target that is there.
    [[nodiscard]] Completion execute(Address at, const Cdb& cdb, Scatter out, Scatter in);

    template <class Call> void for_each(Call call) const {
        for (const auto& [at, unit] : units_) {
            call(at, *unit);
        }
    }

  private:
    [[nodiscard]] Completion report_units(u8 target, const Cdb& cdb, Scatter in) const;

    std::map<Address, std::unique_ptr<LogicalUnit>> units_;
};

} // namespace ulna::devices::scsi
