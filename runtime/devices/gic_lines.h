// What goes into an interrupt controller and what comes out of it: lines that devices and the CPUs'
// timers drive, and those that CPUs hear.
#pragma once

#include <functional>
#include <vector>

#include "runtime/devices/device.h"
#include "runtime/devices/virt_map.h"

namespace ulna::devices::gic {

using virt::kFirstPpi;
using virt::kFirstSpi;

class InputLines {
  public:
    // Whom they tell. `cpu`: whose PPI it is; 0 for SPIs, which belong to nobody.
    using Set = std::function<void(unsigned cpu, u32 intid, bool asserted)>;
    InputLines(unsigned cpus, unsigned spis, Set set);
    InputLines(const InputLines&) = delete;
    InputLines& operator=(const InputLines&) = delete;

    [[nodiscard]] InterruptLine& spi(unsigned n); // INTID kFirstSpi + n
    [[nodiscard]] InterruptLine& ppi(unsigned cpu, u32 intid);

  private:
    class Line : public InterruptLine {
      public:
        Line(const Set& set, unsigned cpu, u32 intid) : set_(set), cpu_(cpu), intid_(intid) {}
        void set(bool asserted) override { set_(cpu_, intid_, asserted); }

      private:
        const Set& set_;
        unsigned cpu_;
        u32 intid_;
    };

    Set set_;
    unsigned cpus_;
    std::vector<Line> lines_; // PPIs of each CPU, then SPIs
};

// What a CPU hears; null: nobody listens. The virtual ones count below EL2, as HCR_EL2 says.
struct Outputs {
    InterruptLine* irq = nullptr;
    InterruptLine* fiq = nullptr;
    InterruptLine* virtual_irq = nullptr;
    InterruptLine* virtual_fiq = nullptr;
    // Of group 1, from a GICv3 with two Security states: which of IRQ and FIQ it is follows from
    // the state that the CPU is in (IHI 0069 4.6.2).
    InterruptLine* nonsecure_group1 = nullptr;
    InterruptLine* secure_group1 = nullptr;
};

// Who makes the current access to a frame is in the Secure state. Empty: the controller has no
// Security Extensions.
using AccessesSecurely = std::function<bool()>;

// Two of them, one of which an interface drives at a time, such as IRQ and FIQ; told only of
// changes.
class OutputPair {
  public:
    OutputPair() = default;
    OutputPair(InterruptLine* first, InterruptLine* second) : first_{first}, second_{second} {}
    void drive(bool signalled, bool by_second) {
        first_.drive(signalled && !by_second);
        second_.drive(signalled && by_second);
    }

  private:
    struct Output {
        InterruptLine* line = nullptr;
        bool driven = false;
        void drive(bool asserted) {
            if (driven != asserted) {
                driven = asserted;
                if (line != nullptr) {
                    line->set(asserted);
                }
            }
        }
    };
    Output first_, second_;
};

} // namespace ulna::devices::gic
