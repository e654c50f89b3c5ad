// A pin by which the guest makes something happen: when it goes high.
#pragma once

#include <functional>

#include "runtime/devices/device.h"

namespace ulna::devices {

class PinAction : public InterruptLine {
  public:
    explicit PinAction(std::function<void()> act) : act_{std::move(act)} {}
    void set(bool asserted) override {
        if (asserted) {
            act_();
        }
    }

  private:
    std::function<void()> act_;
};

} // namespace ulna::devices
