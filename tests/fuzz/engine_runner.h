// Runs fuzz cases on one of Ulna's engines.
#pragma once

#include <memory>
#include <string>

#include "runtime/engine.h"
#include "tests/fuzz/case.h"

namespace ulna::fuzz {

class EngineRunner {
  public:
    // Maps the code and data areas on first use.
    static std::unique_ptr<EngineRunner>
    create(const std::string& name, runtime::EngineConfig config, std::string& why_not);
    ~EngineRunner();
    [[nodiscard]] FuzzResult run(const FuzzCase& test);
    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    EngineRunner() = default;
    std::string name_;
    std::unique_ptr<runtime::Engine> engine_;
    ir::CpuState* state_ = nullptr;
};

} // namespace ulna::fuzz
