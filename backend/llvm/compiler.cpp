// The stages: lower, optimise, generate, place.
#include <ctime>

#include "backend/llvm/codegen.h"
#include "backend/llvm/object.h"
#include "ir/support/check.h"

namespace ulna::backend::tier2 {

namespace {

// CPU time of this thread: compilation is to run beside the guest.
class StopWatch {
  public:
    explicit StopWatch(u64& nanoseconds) : nanoseconds_{nanoseconds} {}
    ~StopWatch() { nanoseconds_ = now() - start_; }
    StopWatch(const StopWatch&) = delete;

  private:
    static u64 now() {
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<u64>(time.tv_sec) * 1'000'000'000 + static_cast<u64>(time.tv_nsec);
    }
    u64& nanoseconds_;
    const u64 start_ = now();
};

std::string text_of(const llvm::Module& module) {
    std::string text;
    llvm::raw_string_ostream out(text);
    module.print(out, nullptr);
    return text;
}

} // namespace

const char* refusal_name(Refusal refusal) {
    constexpr const char* kNames[kRefusalCount] = {"none",           "no blocks", "mixed modes",
                                                   "not worthwhile", "operation", "object"};
    return kNames[static_cast<unsigned>(refusal)];
}

struct Compiler::Impl {
    CodeGenerator generator;
    // Kept for all compilations: registering what passes can ask for takes longer than a small one.
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager sccs;
    llvm::ModuleAnalysisManager modules;
    llvm::FunctionPassManager minimal, full;
    Times times;
    Text text;
    std::array<u64, kRefusalCount> refusals{};
    std::string why;

    Impl() {
        llvm::PassBuilder builder(&generator.machine());
        builder.registerModuleAnalyses(modules);
        builder.registerCGSCCAnalyses(sccs);
        builder.registerFunctionAnalyses(functions);
        builder.registerLoopAnalyses(loops);
        builder.crossRegisterProxies(loops, functions, sccs, modules);
        make_pipelines();
    }

    void make_pipelines() {
        minimal.addPass(llvm::PromotePass());
        full.addPass(llvm::PromotePass());
        full.addPass(llvm::EarlyCSEPass());
        full.addPass(llvm::InstCombinePass());
        full.addPass(llvm::SimplifyCFGPass());
        full.addPass(llvm::ADCEPass());
    }

    Refusal compile(const Region& region, const Options& options, CompiledRegion& out) {
        out.code.reset();
        out.entries.clear();
        out.frame_bytes = 0;
        times = {};
        text = {};
        if (region.blocks.empty()) {
            return Refusal::NoBlocks;
        }
        for (const ir::Block* block : region.blocks) {
            if (!(block->key.mode == region.blocks[0]->key.mode)) {
                return Refusal::MixedModes;
            }
            if (!can_lower(*block)) {
                return Refusal::Operation;
            }
        }
        std::optional<RegionModule> module;
        {
            const StopWatch watch(times.lower);
            module.emplace(region, options);
            if (options.only_worthwhile && !module->graph.is_worthwhile()) {
                return Refusal::NotWorthwhile;
            }
            module->module.setTargetTriple(generator.machine().getTargetTriple().str());
            module->module.setDataLayout(generator.machine().createDataLayout());
            lower(*module);
        }
        if (options.keep_text) {
            text.lowered = text_of(module->module);
        }
        if (options.verify) {
            verify(module->module);
        }
        {
            const StopWatch watch(times.optimise);
            llvm::FunctionPassManager& passes = options.optimise ? full : minimal;
            for (llvm::Function* function : module->functions) {
                passes.run(*function, functions);
            }
            functions.clear();
            loops.clear();
        }
        if (options.keep_text) {
            text.optimised = text_of(module->module);
        }
        llvm::StringRef object;
        {
            const StopWatch watch(times.generate);
            object = generator.generate(module->module, options.codegen_level, options.verify);
        }
        const StopWatch watch(times.place);
        out.code.key = region.blocks[0]->key;
        out.code.guest_pcs = module->guest_pcs;
        const bool placed = place(*module, {object.data(), object.size()}, out, why);
        return placed ? Refusal::None : Refusal::Object;
    }

    static void verify(const llvm::Module& module) {
        if (llvm::verifyModule(module, &llvm::errs())) {
            module.print(llvm::errs(), nullptr);
            UNREACHABLE("lowered IR that LLVM's verifier refuses");
        }
    }
};

Compiler::Compiler() : impl_{std::make_unique<Impl>()} {}
Compiler::~Compiler() = default;

Refusal Compiler::compile(const Region& region, const Options& options, CompiledRegion& out) {
    const Refusal refusal = impl_->compile(region, options, out);
    ++impl_->refusals[static_cast<unsigned>(refusal)];
    return refusal;
}

const Times& Compiler::times() const { return impl_->times; }
const Text& Compiler::text() const { return impl_->text; }
const std::string& Compiler::why() const { return impl_->why; }
const std::array<u64, kRefusalCount>& Compiler::refusals() const { return impl_->refusals; }

} // namespace ulna::backend::tier2
