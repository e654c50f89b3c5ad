// VIXL's AArch64 simulator, in this process, as a second opinion.
#pragma once

#include <memory>

#include "tests/insn/test_machine.h"

namespace ulna::fuzz {

class VixlOracle {
  public:
    VixlOracle();
    ~VixlOracle();
    // False: it has no opinion. It rounds to nearest and never flushes, raises no exceptions, and
    // does not implement everything. Memory effects are left in the window.
    [[nodiscard]] bool run(unsigned slot, const MachineState& in, MachineResult& out);

  private:
    struct Simulator;
    std::unique_ptr<Simulator> simulator_;
};

} // namespace ulna::fuzz
