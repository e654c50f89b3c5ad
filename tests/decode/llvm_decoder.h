// LLVM's AArch64 decoder, the second opinion on which words are instructions.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/support/types.h"

namespace ulna::decode {

enum class Verdict : u8 {
    Unallocated,
    Allocated,
    Unpredictable, // an instruction whose operands make it CONSTRAINED UNPREDICTABLE
};

// One per thread.
class LlvmDecoder {
  public:
    // Features by their architectural names ("FEAT_LSE"); what is not listed is absent.
    explicit LlvmDecoder(std::span<const std::string> features);
    ~LlvmDecoder();

    // `instruction` is 0, or an index into LLVM's tables. Words of MRS, MSR, SYS and SYSL count as
    // allocated only when LLVM knows the register or operation and the features have it.
    struct Result {
        Verdict verdict;
        unsigned instruction;
    };
    [[nodiscard]] Result decode(u32 word);
    // "ADDXri"; with the register or operation for system instructions: "MRS.NZCV", "SYSxt.dc.zva".
    [[nodiscard]] std::string name(const Result& result, u32 word);
    struct FlagUse {
        bool reads, writes; // NZCV
    };
    [[nodiscard]] FlagUse flag_use(unsigned instruction) const;
    // Whether words of one instruction can have different names.
    [[nodiscard]] bool is_system(unsigned instruction) const;
    [[nodiscard]] std::string mnemonic(unsigned instruction) const; // "add"
    [[nodiscard]] unsigned instruction_count() const;
    [[nodiscard]] std::string text(u32 word); // "add x0, x1, #1", empty: unallocated

    // Those of the features that LLVM has no name for.
    [[nodiscard]] const std::vector<std::string>& unknown_features() const { return unknown_; }

  private:
    // What a system instruction names ("NZCV", "dc.zva"), empty when it is not known.
    [[nodiscard]] std::string system_operand();
    [[nodiscard]] std::string print() const;

    struct State;
    std::unique_ptr<State> state_;
    std::vector<std::string> unknown_;
};

} // namespace ulna::decode
