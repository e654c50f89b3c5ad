#include "tests/support/tier2_backend.h"

#include <cstdio>

#include "ir/support/check.h"

namespace ulna::test {

namespace {

class Tier2Backend final : public backend::Backend {
  public:
    explicit Tier2Backend(std::unique_ptr<backend::Backend> host) : host_{std::move(host)} {}

    void compile(const ir::Block& block,
                 const backend::CompileOptions& options,
                 backend::CompiledBlock& out) override {
        using namespace backend::tier2;
        Options chosen;
        chosen.mask_tags = options.mask_tags;
        chosen.call_return_pairing = options.call_return_pairing;
        chosen.verify = true;
        if (options.spill_everything) {
            chosen.optimise = false;
            chosen.codegen_level = 1;
        }
        const ir::Block* const blocks[] = {&block};
        const Refusal refusal = compiler_.compile({blocks}, chosen, region_);
        if (refusal == Refusal::Operation) {
            host_->compile(block, options, out); // as in a program: it stays with tier 1
            return;
        }
        if (refusal != Refusal::None) {
            std::fprintf(stderr, "tier 2 refuses: %s %s\n", refusal_name(refusal),
                         compiler_.why().c_str());
        }
        CHECK(refusal == Refusal::None);
        out = region_.code;
    }
    backend::Stubs make_stubs(const backend::RuntimeCalls& calls) override {
        return host_->make_stubs(calls);
    }
    void prepare_state(ir::CpuState& state,
                       const backend::Stubs& stubs,
                       u64 stub_base,
                       u64 return_stack_top) override {
        host_->prepare_state(state, stubs, stub_base, return_stack_top);
    }

  private:
    std::unique_ptr<backend::Backend> host_;
    backend::tier2::Compiler compiler_;
    backend::tier2::CompiledRegion region_;
};

} // namespace

std::unique_ptr<backend::Backend> make_tier2_backend(std::string& why_not) {
    auto host = backend::make_host_backend(why_not);
    return host == nullptr ? nullptr : std::make_unique<Tier2Backend>(std::move(host));
}

} // namespace ulna::test
