// Drives the translation of one extended block, and decides where it goes on and how it ends.
#include "frontend/a64/translator.h"

#include "frontend/a64/decoder.h"
#include "frontend/a64/flag_lookahead.h"

namespace ulna::frontend {

Translator::Translator(ir::Block& block, CodeSource& source, const TranslateOptions& options)
    : b{block},
      source_{source},
      options_{options},
      start_{block.key.pc},
      words_{source.words(start_)},
      pc_{start_},
      next_pc_{start_},
      guarded_{mode().bti() && source.guarded_word(start_).has_value()} {
    words_ = words_.first(std::min(words_.size(), visited_.size()));
}

void Translator::run() {
    if (words_.empty()) {
        static_cast<void>(leave(ir::ExitReason::FetchFault, pc_));
        return;
    }
    bool go_on = true;
    for (unsigned count = 0; go_on; ++count, pc_ = next_pc_) {
        if (count == options_.max_instructions || !in_words(pc_) || visited_[(pc_ - start_) / 4]) {
            static_cast<void>(end(ir::ExitDirect{pc_}));
            break;
        }
        const u64 index = (pc_ - start_) / 4;
        visited_.set(index);
        next_pc_ = pc_ + 4;
        const u32 word = words_[index];
        b.begin_guest_instruction(pc_, word);
        const Encoding* encoding = decode(word, cpu().features);
        go_on = encoding != nullptr ? encoding->handler(*this, word) : undefined();
    }
    b.block().nzcv_live_out = !wrote_nzcv_ || !nzcv_dead_after(b.block().exit);
}

bool Translator::undefined() { return leave(ir::ExitReason::Undefined, pc_); }

Value Translator::holds(Cond cond) {
    return cond >= Cond::AL ? b.c1(true) : b.testcond(cond, nzcv());
}

// --- Where to go on

// A block holds each guest instruction at most once, so loops end it.
bool Translator::can_continue_at(GuestAddr target) {
    return options_.follow_branches && in_words(target) && !visited_[(target - start_) / 4] &&
           b.block().guest_pcs.size() < options_.max_instructions;
}

bool Translator::jump(GuestAddr target) {
    if (!can_continue_at(target)) {
        return end(ir::ExitDirect{target});
    }
    next_pc_ = target;
    return true;
}

// A forward branch mostly skips something or leaves a loop: the fall-through stays in the block. A
// backward branch mostly closes a loop: it ends the block, and both sides are linked.
bool Translator::branch_if(Value condition, GuestAddr target) {
    if (target > pc_ && side_exits_ < options_.max_side_exits && can_continue_at(next())) {
        ++side_exits_;
        const u16 aux = wrote_nzcv_ && nzcv_dead_at(target) ? ir::kExitIfNzcvDead : 0;
        b.emit(Opcode::ExitIf, Type::Void, {condition}, aux, target);
        return true;
    }
    return end(ir::ExitCond{condition.id, target, next()});
}

// --- Is NZCV dead?

bool Translator::nzcv_dead_at(GuestAddr address) {
    if (in_words(address)) {
        return nzcv_is_dead_in(words_.subspan((address - start_) / 4), cpu().features);
    }
    if (align_down(address, kPageBytes) != align_down(start_, kPageBytes) ||
        !is_aligned(address, 4) || extra_fetches_ == kMaxExtraFetches) {
        return false;
    }
    ++extra_fetches_;
    return nzcv_is_dead_in(source_.words(address), cpu().features);
}

bool Translator::nzcv_dead_after(const ir::Exit& exit) {
    if (const auto* direct = std::get_if<ir::ExitDirect>(&exit)) {
        return nzcv_dead_at(direct->target);
    }
    if (const auto* cond = std::get_if<ir::ExitCond>(&exit)) {
        return nzcv_dead_at(cond->taken) && nzcv_dead_at(cond->not_taken);
    }
    if (const auto* call = std::get_if<ir::ExitCall>(&exit)) {
        return nzcv_dead_at(call->target);
    }
    return false; // indirect: the target is unknown; ExitTo: the runtime may show the flags
}

} // namespace ulna::frontend
