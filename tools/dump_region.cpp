#include "tools/dump_region.h"

#include <algorithm>
#include <cstdio>
#include <deque>

#include "ir/opt/pipeline.h"
#include "runtime/debug/disassemble.h"

namespace ulna {

namespace {

using backend::tier2::CompiledRegion;
using backend::tier2::Compiler;
using backend::tier2::Refusal;
using backend::tier2::Times;

// Everything that direct control flow reaches, nearest first, up to a number of instructions.
std::deque<ir::Block> collect(const RegionDump& options, frontend::CodeSource& source) {
    std::deque<ir::Block> blocks;
    std::deque<GuestAddr> work = {options.start};
    unsigned instructions = 0;
    const auto known = [&](GuestAddr pc) {
        return std::any_of(blocks.begin(), blocks.end(),
                           [&](const ir::Block& b) { return b.key.pc == pc; });
    };
    for (; !work.empty() && instructions < options.max_instructions; work.pop_front()) {
        const GuestAddr pc = work.front();
        if (known(pc) || source.words(pc).empty()) {
            continue;
        }
        ir::Block& block = blocks.emplace_back();
        frontend::translate({pc, ir::BlockMode::from_fpcr(options.fpcr)}, source, options.translate,
                            block);
        ir::run_passes(block, {});
        instructions += static_cast<unsigned>(block.guest_pcs.size());
        if (const auto* direct = std::get_if<ir::ExitDirect>(&block.exit)) {
            work.push_back(direct->target);
        } else if (const auto* cond = std::get_if<ir::ExitCond>(&block.exit)) {
            work.push_back(cond->taken);
            work.push_back(cond->not_taken);
        } else if (const auto* call = std::get_if<ir::ExitCall>(&block.exit)) {
            work.push_back(call->return_to);
        } else if (const auto* indirect = std::get_if<ir::ExitCallIndirect>(&block.exit)) {
            work.push_back(indirect->return_to);
        }
        for (const ir::Inst& inst : block.insts) {
            if (!inst.dead && inst.op == ir::Opcode::ExitIf) {
                work.push_back(inst.imm);
            }
        }
    }
    return blocks;
}

void print_stage(const char* name, u64 ns, double instructions) {
    std::printf("%-8s %9.1f us  %7.2f us per guest instruction\n", name,
                static_cast<double>(ns) / 1e3, static_cast<double>(ns) / 1e3 / instructions);
}

} // namespace

void dump_region(const RegionDump& options, frontend::CodeSource& source) {
    const std::deque<ir::Block> blocks = collect(options, source);
    std::vector<const ir::Block*> pointers;
    std::size_t instructions = 0;
    for (const ir::Block& block : blocks) {
        pointers.push_back(&block);
        instructions += block.guest_pcs.size();
        if (!options.totals_only) {
            std::printf("=== block 0x%llx\n", static_cast<unsigned long long>(block.key.pc));
            std::fputs(
                runtime::debug::disassemble_guest(block.guest_words, block.guest_pcs).c_str(),
                stdout);
        }
    }
    Compiler compiler;
    CompiledRegion region;
    backend::tier2::Options compile = options.compile;
    compile.keep_text = !options.totals_only;
    const Refusal refusal = compiler.compile({pointers}, compile, region);
    if (refusal != Refusal::None) {
        std::printf("refused: %s %s\n", refusal_name(refusal), compiler.why().c_str());
        return;
    }
    if (!options.totals_only) {
        if (!options.quiet) {
            std::printf("--- LLVM IR as lowered\n%s", compiler.text().lowered.c_str());
        }
        std::printf("--- LLVM IR\n%s", compiler.text().optimised.c_str());
        std::fputs(runtime::debug::disassemble_host(region.code.code, 0).c_str(), stdout);
    }
    // Best of several: the first one finds cold caches.
    compile.keep_text = false;
    constexpr u64 kNever = ~u64{0};
    Times best{kNever, kNever, kNever, kNever};
    for (unsigned i = 0; i < 9; ++i) {
        (void)compiler.compile({pointers}, compile, region);
        const Times& took = compiler.times();
        best = {std::min(best.lower, took.lower), std::min(best.optimise, took.optimise),
                std::min(best.generate, took.generate), std::min(best.place, took.place)};
    }
    const auto n = static_cast<double>(std::max<std::size_t>(1, instructions));
    std::printf("=== %zu blocks, %zu functions, %zu guest instructions; %zu bytes, %u hot, %zu "
                "links, %zu fault sites, %zu locations, frames of %u bytes\n",
                blocks.size(), region.entries.size(), instructions, region.code.code.size(),
                region.code.hot_bytes, region.code.links.size(), region.code.faults.size(),
                region.code.locations.size(), region.frame_bytes);
    print_stage("lower", best.lower, n);
    print_stage("optimise", best.optimise, n);
    print_stage("generate", best.generate, n);
    print_stage("place", best.place, n);
    print_stage("all", best.lower + best.optimise + best.generate + best.place, n);
}

} // namespace ulna
