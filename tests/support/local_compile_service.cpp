#include "tests/support/local_compile_service.h"

#include <deque>

#include "ir/support/check.h"
#include "tools/tier2/compile_job.h"

namespace ulna::test {

namespace {

class LocalCompileService final : public runtime::CompileService {
  public:
    [[nodiscard]] bool submit(u64 job, std::span<const u8> bytes, u32) override {
        runtime::CompileRequest request;
        CHECK(decode(bytes, request));
        const runtime::CompileAnswer answer = tier2_server::compile(compiler_, request);
        const runtime::CompileAnswer again = tier2_server::compile(compiler_, request);
        CHECK(answer.code.code == again.code.code && answer.refusal == again.refusal);
        finished_.push_back({job, encode(answer)});
        return true;
    }
    [[nodiscard]] std::optional<Finished> take_finished(ir::CpuState*) override {
        if (finished_.empty()) {
            return {};
        }
        Finished first = std::move(finished_.front());
        finished_.pop_front();
        return first;
    }
    void after_fork_in_child() override { finished_.clear(); }

  private:
    backend::tier2::Compiler compiler_;
    std::deque<Finished> finished_;
};

} // namespace

std::unique_ptr<runtime::CompileService> make_local_compile_service() {
    return std::make_unique<LocalCompileService>();
}

} // namespace ulna::test
