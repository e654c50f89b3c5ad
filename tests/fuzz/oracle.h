// Independent executions of fuzz cases, to compare Ulna's engines with.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tests/fuzz/case.h"

namespace ulna::fuzz {

class Oracle {
  public:
    virtual ~Oracle() = default;
    // nullopt: this oracle can't judge the case (reason kept in `why`).
    [[nodiscard]] virtual std::optional<FuzzResult> run(const FuzzCase& test) = 0;
    // What it computes: FPSR bits are not modelled by every oracle.
    [[nodiscard]] virtual bool models_fpsr() const = 0;
    [[nodiscard]] virtual const char* name() const = 0;
};

// VIXL's simulator in this process. Runs straight-line code; FPCR must be zero or DN only.
[[nodiscard]] std::unique_ptr<Oracle> make_vixl_oracle();
// The harness program under an emulator (or a real CPU): one process that serves all cases. Null
// with a reason when it can't be started.
[[nodiscard]] std::unique_ptr<Oracle>
make_peer_oracle(const std::string& emulator, const std::string& harness, std::string& why_not);

} // namespace ulna::fuzz
