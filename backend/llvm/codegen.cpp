#include "backend/llvm/codegen.h"

#include "backend/llvm/host_op.h"
#include "ir/support/check.h"

namespace ulna::backend::tier2 {

namespace {

constexpr const char* kTriple = "x86_64-unknown-linux-gnu";

// The host must have x86-64-v3; of the rest, what we lower to intrinsics.
std::string host_features() {
    std::string features;
    const auto host = llvm::sys::getHostCPUFeatures();
    for (const char* name : {"aes", "pclmul", "sha"}) {
        if (host.lookup(name)) {
            features += std::string(features.empty() ? "" : ",") + "+" + name;
        }
    }
    return features;
}

void set_option(const char* name, bool value) {
    static_cast<llvm::cl::opt<bool>*>(llvm::cl::getRegisteredOptions().lookup(name))
        ->setValue(value);
}

void start_llvm() {
    static const bool once = [] {
        LLVMInitializeX86TargetInfo();
        LLVMInitializeX86Target();
        LLVMInitializeX86TargetMC();
        LLVMInitializeX86AsmPrinter();
        // Nobody reads the live-out registers of patchpoints, and this pass does not know what
        // becomes of the exits' registers.
        set_option("enable-patchpoint-liveness", false);
        // Addresses are folded already; other induction variables would only be more values to
        // keep, since a fault must show the guest's.
        set_option("disable-lsr", true);
        return true;
    }();
    (void)once;
}

// LLVM takes patchpoints for calls of unknown code: it reserves R11 for reaching them, and a frame
// pointer. Ours are not: those that need R11 say so, and those whose result needs a register of its
// own.
class PatchpointsAreInstructions : public llvm::MachineFunctionPass {
  public:
    static char ID;
    PatchpointsAreInstructions() : llvm::MachineFunctionPass(ID) {}

    bool runOnMachineFunction(llvm::MachineFunction& function) override {
        for (llvm::MachineBasicBlock& block : function) {
            for (llvm::MachineInstr& inst : block) {
                if (inst.getOpcode() == llvm::TargetOpcode::PATCHPOINT) {
                    drop_scratch_registers(inst);
                    set_result_apart(inst);
                }
            }
        }
        function.getFrameInfo().setHasPatchPoint(false);
        function.getRegInfo().freezeReservedRegs();
        return true;
    }

  private:
    static void drop_scratch_registers(llvm::MachineInstr& inst) {
        const llvm::PatchPointOpers operands(&inst);
        if ((operands.getID() & kUsesR11) != 0) {
            return;
        }
        for (unsigned i = inst.getNumOperands(); i-- > 0;) {
            const llvm::MachineOperand& operand = inst.getOperand(i);
            if (operand.isReg() && operand.isDef() && operand.isImplicit() &&
                operand.isEarlyClobber()) {
                inst.removeOperand(i);
            }
        }
    }
    static void set_result_apart(llvm::MachineInstr& inst) {
        if ((llvm::PatchPointOpers(&inst).getID() & kResultApart) != 0) {
            inst.getOperand(0).setIsEarlyClobber();
        }
    }
};
char PatchpointsAreInstructions::ID = 0;

std::unique_ptr<llvm::LLVMTargetMachine> make_target_machine() {
    start_llvm();
    std::string error;
    const llvm::Target* const target = llvm::TargetRegistry::lookupTarget(kTriple, error);
    CHECK(target != nullptr);
    llvm::TargetOptions options;
    options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
    return std::unique_ptr<llvm::LLVMTargetMachine>(static_cast<llvm::LLVMTargetMachine*>(
        target->createTargetMachine(kTriple, "x86-64-v3", host_features(), options,
                                    llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                    llvm::CodeGenOptLevel::Default, true)));
}

} // namespace

// The passes of one level, for all modules: to make them, and to find out what each needs of the
// others, takes as long as generating a small module.
struct CodeGenerator::Pipeline {
    const unsigned level;
    const bool verify;
    llvm::SmallVector<char, 0> object;
    llvm::raw_svector_ostream stream{object};
    llvm::legacy::PassManager passes;

    // What LLVMTargetMachine::addPassesToEmitFile does, with a pass of ours.
    Pipeline(llvm::LLVMTargetMachine& machine, unsigned level, bool verify)
        : level{level}, verify{verify} {
        machine.setOptLevel(static_cast<llvm::CodeGenOptLevel>(level));
        auto* const info = new llvm::MachineModuleInfoWrapperPass(&machine);
        llvm::TargetPassConfig* const config = machine.createPassConfig(passes);
        config->setDisableVerify(!verify);
        passes.add(config);
        passes.add(info);
        config->insertPass(&llvm::FinalizeISelID, new PatchpointsAreInstructions);
        const bool impossible = config->addISelPasses();
        CHECK(!impossible);
        config->addMachinePasses();
        config->setInitialized();
        const bool unprintable =
            machine.addAsmPrinter(passes, stream, nullptr, llvm::CodeGenFileType::ObjectFile,
                                  info->getMMI().getContext());
        CHECK(!unprintable);
        passes.add(llvm::createFreeMachineFunctionPass());
    }
};

CodeGenerator::CodeGenerator() : machine_{make_target_machine()} {}
CodeGenerator::~CodeGenerator() = default;

llvm::StringRef CodeGenerator::generate(llvm::Module& module, unsigned level, bool verify) {
    if (pipeline_ == nullptr || pipeline_->level != level || pipeline_->verify != verify) {
        pipeline_.reset();
        pipeline_ = std::make_unique<Pipeline>(*machine_, level, verify);
    }
    pipeline_->object.clear();
    pipeline_->passes.run(module);
    return {pipeline_->object.data(), pipeline_->object.size()};
}

} // namespace ulna::backend::tier2
