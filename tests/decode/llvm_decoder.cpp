#include "tests/decode/llvm_decoder.h"

#include <algorithm>
#include <cstring>

#include "llvm-c/Target.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/MCInst.h"
#include "llvm/MC/MCInstPrinter.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/MCTargetOptions.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/AArch64TargetParser.h"
#include "llvm/TargetParser/Triple.h"

#include "ir/support/check.h"

namespace ulna::decode {

namespace {

constexpr const char* kTriple = "aarch64";

const llvm::Target& target() {
    static const llvm::Target* const found = [] {
        LLVMInitializeAArch64TargetInfo();
        LLVMInitializeAArch64TargetMC();
        LLVMInitializeAArch64Disassembler();
        std::string error;
        return llvm::TargetRegistry::lookupTarget(kTriple, error);
    }();
    CHECK(found != nullptr);
    return *found;
}

// LLVM's names for the features, with everything else switched off: "+lse,-sve,...". LLVM's table
// says which architectural features one of its own stands for ("FEAT_SHA1, FEAT_SHA256"); having
// one of them is having it.
std::string llvm_features(std::span<const std::string> features,
                          std::vector<std::string>& unknown) {
    unknown.assign(features.begin(), features.end());
    std::string result;
    for (const llvm::AArch64::ExtensionInfo& extension : llvm::AArch64::Extensions) {
        if (extension.PosTargetFeature.empty()) {
            continue;
        }
        bool present = false;
        llvm::SmallVector<llvm::StringRef, 4> names;
        extension.ArchFeatureName.split(names, ", ");
        for (const llvm::StringRef name : names) {
            present |= std::ranges::find(features, name.str()) != features.end();
            std::erase(unknown, name.str());
        }
        const llvm::StringRef name =
            present ? extension.PosTargetFeature : extension.NegTargetFeature;
        result += (result.empty() ? "" : ",") + name.str();
    }
    return result;
}

// Instructions whose operand says what they do.
constexpr llvm::StringRef kSystemInstructions[] = {
    "MRS", "MSR", "SYSxt", "SYSLxt", "MSRpstateImm1", "MSRpstateImm4", "MSRpstatesvcrImm1",
};

} // namespace

struct LlvmDecoder::State {
    std::unique_ptr<llvm::MCRegisterInfo> registers;
    std::unique_ptr<llvm::MCAsmInfo> assembly;
    std::unique_ptr<llvm::MCInstrInfo> instructions;
    std::unique_ptr<llvm::MCSubtargetInfo> subtarget;
    std::unique_ptr<llvm::MCContext> context;
    std::unique_ptr<llvm::MCDisassembler> disassembler;
    std::unique_ptr<llvm::MCInstPrinter> printer;
    llvm::MCInst inst; // the last one decoded
    unsigned mrs = 0;
    std::vector<bool> is_system;    // by instruction
    std::vector<FlagUse> flag_uses; // by instruction
};

LlvmDecoder::LlvmDecoder(std::span<const std::string> features)
    : state_{std::make_unique<State>()} {
    State& s = *state_;
    s.registers.reset(target().createMCRegInfo(kTriple));
    s.assembly.reset(target().createMCAsmInfo(*s.registers, kTriple, llvm::MCTargetOptions{}));
    s.instructions.reset(target().createMCInstrInfo());
    s.subtarget.reset(
        target().createMCSubtargetInfo(kTriple, "generic", llvm_features(features, unknown_)));
    const llvm::Triple triple{kTriple};
    s.context = std::make_unique<llvm::MCContext>(triple, s.assembly.get(), s.registers.get(),
                                                  s.subtarget.get());
    s.disassembler.reset(target().createMCDisassembler(*s.subtarget, *s.context));
    s.printer.reset(
        target().createMCInstPrinter(triple, 0, *s.assembly, *s.instructions, *s.registers));
    s.is_system.resize(s.instructions->getNumOpcodes());
    llvm::MCRegister nzcv;
    for (unsigned i = 1; i < s.registers->getNumRegs(); ++i) {
        nzcv = std::string_view{s.registers->getName(i)} == "NZCV" ? llvm::MCRegister{i} : nzcv;
    }
    CHECK(nzcv.isValid());
    for (unsigned i = 0; i < s.instructions->getNumOpcodes(); ++i) {
        const llvm::MCInstrDesc& desc = s.instructions->get(i);
        s.flag_uses.push_back({desc.hasImplicitUseOfPhysReg(nzcv),
                               desc.hasImplicitDefOfPhysReg(nzcv, s.registers.get())});
    }
    std::size_t found = 0;
    for (unsigned i = 0; i < s.is_system.size(); ++i) {
        s.is_system[i] = std::ranges::find(kSystemInstructions, s.instructions->getName(i)) !=
                         std::end(kSystemInstructions);
        found += s.is_system[i] ? 1 : 0;
        s.mrs = s.instructions->getName(i) == "MRS" ? i : s.mrs;
    }
    CHECK(found == std::size(kSystemInstructions)); // else LLVM has renamed one
}

LlvmDecoder::~LlvmDecoder() = default;

LlvmDecoder::Result LlvmDecoder::decode(u32 word) {
    State& s = *state_;
    s.inst.clear();
    s.inst.setOpcode(0); // a failed decode adds the implicit operands of whatever it finds here
    u8 bytes[4];
    std::memcpy(bytes, &word, sizeof bytes);
    u64 length = 0;
    const auto status = s.disassembler->getInstruction(s.inst, length, bytes, 0, llvm::nulls());
    if (status == llvm::MCDisassembler::Fail ||
        (is_system(s.inst.getOpcode()) && system_operand().empty())) {
        return {Verdict::Unallocated, 0};
    }
    return {status == llvm::MCDisassembler::Success ? Verdict::Allocated : Verdict::Unpredictable,
            s.inst.getOpcode()};
}

LlvmDecoder::FlagUse LlvmDecoder::flag_use(unsigned instruction) const {
    return state_->flag_uses[instruction];
}

bool LlvmDecoder::is_system(unsigned instruction) const { return state_->is_system[instruction]; }

std::string LlvmDecoder::print() const {
    std::string result;
    llvm::raw_string_ostream out{result};
    state_->printer->printInst(&state_->inst, 0, "", *state_->subtarget, out);
    out.flush();
    std::ranges::replace(result, '\t', ' ');
    return result.substr(std::min(result.size(), result.find_first_not_of(' ')));
}

// "mrs x0, NZCV", "msr NZCV, x0", "dc zva, x0", "tlbi vmalle1" against "mrs x0, S3_3_C4_C2_7",
// "sys #3, c7, c4, #7, x0".
std::string LlvmDecoder::system_operand() {
    const std::string printed = print();
    const std::size_t space = printed.find(' ');
    const std::string mnemonic = printed.substr(0, space);
    std::string operand = printed.substr(std::min(printed.size(), space + 1));
    operand = state_->inst.getOpcode() == state_->mrs ? operand.substr(operand.find(' ') + 1)
                                                      : operand.substr(0, operand.find(','));
    const bool is_number = operand.size() > 3 && operand[0] == 'S' && operand[2] == '_';
    if (mnemonic == "mrs" || mnemonic == "msr") {
        return is_number ? "" : operand;
    }
    return mnemonic == "sys" || mnemonic == "sysl" ? "" : mnemonic + "." + operand;
}

std::string LlvmDecoder::name(const Result& result, u32 word) {
    if (result.instruction == 0) {
        return "-";
    }
    std::string name = state_->instructions->getName(result.instruction).str();
    if (is_system(result.instruction)) {
        static_cast<void>(decode(word));
        name += "." + system_operand();
    }
    return name;
}

std::string LlvmDecoder::mnemonic(unsigned instruction) const {
    llvm::MCInst inst;
    inst.setOpcode(instruction);
    const char* const text = state_->printer->getMnemonic(&inst).first;
    const std::string_view mnemonic = text == nullptr ? "" : text;
    return std::string{mnemonic.substr(0, mnemonic.find_first_of(" \t"))};
}

unsigned LlvmDecoder::instruction_count() const { return state_->instructions->getNumOpcodes(); }

std::string LlvmDecoder::text(u32 word) {
    return decode(word).verdict == Verdict::Unallocated ? "" : print();
}

} // namespace ulna::decode
