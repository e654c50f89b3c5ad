// Where the messages of PCI functions go in a machine of Arm: to the interrupt controller, by the
// address that its driver gave to the functions. Messages to other addresses are lost, and told.
#pragma once

#include "runtime/devices/gicv2m.h"
#include "runtime/devices/gicv3_its.h"
#include "runtime/devices/pci/msix.h"

namespace ulna::devices::pci {

// To an ITS at `base`; the DeviceID is the requester's.
class ItsMessages final : public MsiTarget {
  public:
    ItsMessages(Gicv3Its& its, PhysAddr base) : its_(its), translater_(base + its.kTranslater) {}
    void send(PhysAddr address, u32 data, u32 requester_id) override {
        if (address != translater_) {
            return log_bad_access("PCI messages", Direction::Write, address, 4);
        }
        its_.send(requester_id, data);
    }

  private:
    Gicv3Its& its_;
    PhysAddr translater_;
};

// To the frame of a GICv2 at `base`.
class V2mMessages final : public MsiTarget {
  public:
    V2mMessages(Gicv2m& frame, PhysAddr base) : frame_(frame), base_(base) {}
    void send(PhysAddr address, u32 data, u32 /*requester_id*/) override {
        if (address != base_ + Gicv2m::kSetSpi) {
            return log_bad_access("PCI messages", Direction::Write, address, 4);
        }
        frame_.write(Gicv2m::kSetSpi, 4, data);
    }

  private:
    Gicv2m& frame_;
    PhysAddr base_;
};

} // namespace ulna::devices::pci
