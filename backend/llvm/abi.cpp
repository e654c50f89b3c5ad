#include "backend/llvm/abi.h"

namespace ulna::backend::tier2 {

namespace {
// Without it LLVM would keep values in RBX, RBP and XMM12..15 across calls, where tier 1 uses them.
constexpr const char* kNoCalleeSaved = "no_callee_saved_registers";
} // namespace

llvm::FunctionType* function_type(llvm::LLVMContext& context, Vectors vectors) {
    auto* const i64 = llvm::Type::getInt64Ty(context);
    auto* const vec = llvm::FixedVectorType::get(i64, 2);
    llvm::SmallVector<llvm::Type*, kArgumentCount> types(argument_count(vectors), i64);
    types[kStateArgument] = llvm::PointerType::get(context, 0);
    std::fill(types.begin() + kFirstVecArgument, types.end(), vec);
    return llvm::FunctionType::get(llvm::Type::getVoidTy(context), types, false);
}

llvm::Function* declare_function(llvm::Module& module, const llvm::Twine& name, Vectors vectors) {
    auto* const function = llvm::Function::Create(function_type(module.getContext(), vectors),
                                                  llvm::GlobalValue::ExternalLinkage, name, module);
    function->setDSOLocal(true);
    function->setCallingConv(llvm::CallingConv::X86_RegCall);
    function->addFnAttr(kNoCalleeSaved);
    function->addFnAttr("prefer-vector-width", "128"); // upper halves of YMM stay clean
    function->addFnAttr("no-realign-stack");           // a vector's spill slot needs no alignment
    if (vectors == Vectors::None) {
        function->addFnAttr(llvm::Attribute::NoImplicitFloat);
    }
    function->addFnAttr(llvm::Attribute::NoUnwind);
    function->addFnAttr(llvm::Attribute::NoRedZone);
    return function;
}

void add_stack_probe(llvm::Function& function, llvm::ArrayRef<u8> then) {
    // cmp byte [rsp - kFrameRoom], 0
    std::vector<u8> code = {0x80, 0xbc, 0x24, 0, 0, 0, 0, 0};
    static_assert(kStackProbeBytes == 8);
    const u32 displacement = 0u - kFrameRoom;
    std::memcpy(code.data() + 3, &displacement, sizeof displacement);
    code.insert(code.end(), then.begin(), then.end());
    function.setPrologueData(
        llvm::ConstantDataArray::get(function.getContext(), llvm::ArrayRef<u8>(code)));
}

void add_call_attributes(llvm::CallInst& call) {
    call.setCallingConv(llvm::CallingConv::X86_RegCall);
    call.addFnAttr(llvm::Attribute::get(call.getContext(), kNoCalleeSaved));
    call.setDoesNotThrow();
}

} // namespace ulna::backend::tier2
