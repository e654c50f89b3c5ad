#include "runtime/jit/lifter.h"

#include <algorithm>

#include "ir/opt/pipeline.h"
#include "ir/printer.h"
#include "runtime/debug/disassemble.h"
#include "runtime/debug/log.h"
#include "runtime/engine.h"

#ifndef NDEBUG
#include <cstdio>

#include "ir/verifier.h"
#endif

namespace ulna::runtime {

namespace {

// How far past a successor's start the frontend may have looked for its use of the flags.
constexpr u64 kLookAheadBytes = 40;

using debug::Item;

void verify_in_debug([[maybe_unused]] const ir::Block& block) {
#ifndef NDEBUG
    if (const std::string errors = ir::verify(block); !errors.empty()) {
        std::fprintf(stderr, "%s%s", errors.c_str(), ir::print(block).c_str());
        UNREACHABLE("malformed IR");
    }
#endif
}

} // namespace

std::span<const u32> Lifter::TrackingSource::words(GuestAddr pc) {
    filter_.mark(key_.location_of(pc));
    const std::span<const u32> words = source_.words(pc);
    if (first_) {
        first_ = false;
        failed_ = words.empty();
    }
    return snapshot_ != nullptr ? snapshot_->take(pc, words) : words;
}

Lifter::Lifter(const EngineConfig& config, PageFilter& filter, debug::Statistics& statistics)
    : options_{config.translate},
      passes_{config.passes},
      statistics_{statistics},
      takes_snapshots_{config.persistent != nullptr},
      snapshot_{*config.code},
      source_{*config.code, filter} {}

bool Lifter::lift(ir::BlockKey key) {
    extent_.reset();
    source_.start(key);
    {
        const debug::StageTimer timer{statistics_.lift_ticks};
        snapshot_.start(key.pc);
        source_.use_snapshot(takes_snapshots_ ? &snapshot_ : nullptr);
        frontend::translate(key, source_, options_, block_);
        source_.use_snapshot(nullptr);
    }
    if (source_.failed() || block_.guest_pcs.empty()) {
        return false;
    }
    verify_in_debug(block_);
    const auto [low, high] = std::minmax_element(block_.guest_pcs.begin(), block_.guest_pcs.end());
    extent_.add(key.location_of(*low), *high + 4 - *low); // all in one page
    debug::count(statistics_.blocks);
    debug::count(statistics_.guest_instructions, block_.guest_pcs.size());
    debug::count(statistics_.ir_instructions, block_.insts.size());
    add_look_ahead();
    const bool dumps = debug::any_log_enabled() && debug::log_wants(key.pc);
    if (dumps) {
        dump_guest();
        if (debug::log_enabled(Item::Op)) {
            dump_ir("OP");
        }
    }
    {
        const debug::StageTimer timer{statistics_.pass_ticks};
        ir::run_passes(block_, {.enabled = passes_});
    }
    verify_in_debug(block_);
    debug::count(statistics_.ir_after_passes, block_.insts.size()); // none is dead
    if (dumps && debug::log_enabled(Item::OpOpt)) {
        dump_ir("OP after optimization");
    }
    return true;
}

// Flags were found dead by looking at the successors' code: a change there concerns this block too.
void Lifter::add_look_ahead() {
    const auto add = [&](GuestAddr target) {
        if (block_.key.same_page(target)) {
            extent_.add(block_.key.location_of(target), kLookAheadBytes);
        }
    };
    for (const ir::Inst& inst : block_.insts) {
        if (inst.op == ir::Opcode::ExitIf && inst.aux != 0) { // flags dead on the way out
            add(inst.imm);
        }
    }
    if (block_.nzcv_live_out) {
        return;
    }
    if (const auto* direct = std::get_if<ir::ExitDirect>(&block_.exit)) {
        add(direct->target);
    } else if (const auto* cond = std::get_if<ir::ExitCond>(&block_.exit)) {
        add(cond->taken);
        add(cond->not_taken);
    } else if (const auto* call = std::get_if<ir::ExitCall>(&block_.exit)) {
        add(call->target);
    }
}

void Lifter::dump_guest() const {
    if (debug::log_enabled(Item::InAsm)) {
        debug::log_text("----------------\nIN:\n" +
                        debug::disassemble_guest(block_.guest_words, block_.guest_pcs) + "\n");
    }
}

void Lifter::dump_ir(const char* title) const {
    debug::log_text(std::string{title} + ":\n" + ir::print(block_) + "\n");
}

} // namespace ulna::runtime
