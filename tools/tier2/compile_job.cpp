#include "tools/tier2/compile_job.h"

#include "ir/opt/pipeline.h"
#include "runtime/tier2/requested_code.h"

namespace ulna::tier2_server {

namespace {

// False: some block cannot be made from the bytes at hand.
bool lift(const runtime::CompileRequest& request, std::vector<ir::Block>& blocks) {
    runtime::RequestedCode source(request.pages);
    const frontend::TranslateOptions options{.cpu = &request.cpu,
                                             .max_instructions = request.max_instructions,
                                             .max_side_exits = request.max_side_exits,
                                             .system = request.mode.system()};
    blocks.resize(request.blocks.size());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        const GuestAddr pc = request.blocks[i];
        frontend::translate({pc, request.mode, source.page_of(pc).value_or(0)}, source, options,
                            blocks[i]);
        if (blocks[i].guest_pcs.empty()) {
            return false;
        }
        ir::run_passes(blocks[i], {.enabled = request.passes});
    }
    return true;
}

// Of a call only one that is always right: where several functions are inlined, one after the
// other, the comparisons are mispredicted more often than the call was (call_indirect).
std::vector<backend::tier2::IndirectGuess> guesses_for(const runtime::CompileRequest& request,
                                                       const std::vector<ir::Block>& blocks) {
    std::vector<backend::tier2::IndirectGuess> guesses;
    for (const ir::Block& block : blocks) {
        const std::size_t before = guesses.size();
        for (const runtime::IndirectTarget& target : request.indirect_targets) {
            if (target.block == block.key.pc) {
                guesses.push_back({target.block, target.target});
            }
        }
        if (std::holds_alternative<ir::ExitCallIndirect>(block.exit) &&
            guesses.size() > before + 1) {
            guesses.resize(before);
        }
    }
    return guesses;
}

// Tier 1 lets such operations trap where Arm differs (BlockMode::kTrapsFp), tier 2 still looks at
// every result: fp_nbody takes three times as long.
bool is_better_in_tier1(const std::vector<ir::Block>& blocks) {
    constexpr std::size_t kOneIn = 16;
    std::size_t all = 0, arithmetic = 0;
    for (const ir::Block& block : blocks) {
        if (!block.key.mode.traps_fp()) {
            return false;
        }
        for (const ir::Inst& inst : block.insts) {
            all += !inst.dead;
            arithmetic +=
                !inst.dead && ir::Opcode::FAdd <= inst.op && inst.op <= ir::Opcode::FMulAdd;
        }
    }
    return arithmetic * kOneIn > all;
}

} // namespace

runtime::CompileAnswer compile(backend::tier2::Compiler& compiler,
                               const runtime::CompileRequest& request) {
    namespace tier2 = backend::tier2;
    runtime::CompileAnswer answer;
    std::vector<ir::Block> blocks;
    if (!lift(request, blocks)) {
        answer.refusal = "code";
        return answer;
    }
    if (request.only_worthwhile && is_better_in_tier1(blocks)) {
        answer.refusal = "floating point";
        return answer;
    }
    std::vector<const ir::Block*> pointers;
    for (const ir::Block& block : blocks) {
        pointers.push_back(&block);
        answer.guest_instructions += static_cast<u32>(block.guest_pcs.size());
    }
    const std::vector<tier2::IndirectGuess> guesses = guesses_for(request, blocks);
    const tier2::Options options{.mask_tags = request.mask_tags,
                                 .call_return_pairing = request.call_return_pairing,
                                 .only_worthwhile = request.only_worthwhile,
                                 .keep_text = request.wants_text};
    tier2::CompiledRegion compiled;
    const tier2::Refusal refusal = compiler.compile({pointers, guesses}, options, compiled);
    const tier2::Times& times = compiler.times();
    answer.nanoseconds = times.lower + times.optimise + times.generate + times.place;
    if (refusal != tier2::Refusal::None) {
        answer.refusal = tier2::refusal_name(refusal);
        return answer;
    }
    answer.code = std::move(compiled.code);
    answer.text = compiler.text().optimised;
    return answer;
}

} // namespace ulna::tier2_server
