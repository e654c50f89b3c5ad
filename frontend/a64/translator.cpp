// Drives the translation of one extended block, and decides where it goes on and how it ends.
#include "frontend/a64/translator.h"

#include <algorithm>

#include "frontend/a64/decoder.h"
#include "frontend/a64/flag_lookahead.h"
#include "frontend/a64/machine.h"

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
        if (mode().counts()) {
            count == 0 ? begin_counting() : set_counted(count);
        }
        const std::size_t first_inst = b.block().insts.size();
        new_sp_ = {};
        if (const auto lifted = mode().system() ? lift_for_machine(*this, word) : std::nullopt) {
            go_on = *lifted;
        } else {
            go_on = encoding != nullptr ? encoding->handler(*this, word) : undefined();
        }
        if (mode().misaligned_sp()) [[unlikely]] {
            go_on = check_sp(word, first_inst) && go_on;
        } else if (new_sp_.valid()) {
            go_on = go_on && keep_sp_aligned();
        }
    }
    if (mode().counts()) {
        finish_counting();
    }
    b.block().nzcv_live_out =
        !wrote_nzcv_ || !options_.follow_branches || !nzcv_dead_after(b.block().exit);
}

bool Translator::undefined() { return leave(ir::ExitReason::Undefined, pc_); }

Value Translator::holds(Cond cond) {
    return cond >= Cond::AL ? b.c1(true) : b.testcond(cond, nzcv());
}

// Then NZCV is a constant, which is much cheaper to keep than a comparison's: behind B.NE it stays
// live in every function that ends with a check of its stack.
void Translator::found_equal() {
    if (!last_nzcv_.valid()) {
        return;
    }
    switch (b.block().insts[last_nzcv_.id].op) {
    case Opcode::SubFlags:
        set_nzcv(b.nzcv_const(0b0110));
        break;
    case Opcode::LogicFlags:
        set_nzcv(b.nzcv_const(0b0100));
        break;
    default:
        break;
    }
}

// --- Counting instructions. A block is entered only if all of it may be executed. Before each
// instruction the slot is told of those before it; of these writes the passes leave what somebody
// can see, so the count is exact at every way out, and costs a block mostly one write.

void Translator::begin_counting() {
    instructions_left_ = b.get(Slot::InstructionsLeft);
    instructions_needed_ = b.c64(0);
    b.raise_if(b.icmp(Cond::LO, instructions_left_, instructions_needed_),
               ir::ExitReason::InstructionLimit);
}

void Translator::set_counted(u64 instructions) {
    if (mode().counts() && instructions != counted_) {
        counted_ = instructions;
        b.set(Slot::InstructionsLeft, b.sub(instructions_left_, b.c64(instructions)));
    }
}

// An exit that stays at its instruction leaves that one to others.
void Translator::finish_counting() {
    const u64 all = b.block().guest_pcs.size();
    const auto* const to = std::get_if<ir::ExitTo>(&b.block().exit);
    const bool left_one = to != nullptr && to->pc == b.block().guest_pcs.back();
    set_counted(left_one ? all - 1 : all);
    b.block()[instructions_needed_.id].imm = all;
}

// --- The alignment of SP (CheckSPAlignment). A block's mode says whether SP is misaligned, and a
// block ends where that may change; so an access by SP is checked while it is translated.

namespace {

bool accesses_by_sp(const ir::Block& block, u32 word, std::size_t first_inst) {
    const bool load_store = (word & 0x0a00'0000) == 0x0800'0000;
    const bool literal = (word & 0x3b00'0000) == 0x1800'0000;
    const bool by_sp = load_store && !literal && bits(word, 9, 5) == 31;
    // Prefetches have no access.
    return by_sp && std::any_of(block.insts.begin() + static_cast<std::ptrdiff_t>(first_inst),
                                block.insts.end(),
                                [](const ir::Inst& inst) { return ir::accesses_memory(inst.op); });
}

// Bits 3:0 of a value, where they are known; SP's are zero.
std::optional<u64> low_bits(const ir::Block& block, ir::ValueId id) {
    const ir::Inst& inst = block[id];
    switch (inst.op) {
    case Opcode::Const:
        return inst.imm & 15;
    case Opcode::Get:
        return inst.slot() == Slot::SP ? std::optional<u64>{0} : std::nullopt;
    case Opcode::Add:
    case Opcode::Sub: {
        const auto x = low_bits(block, inst.args[0]), y = low_bits(block, inst.args[1]);
        if (!x || !y) {
            return std::nullopt;
        }
        return (inst.op == Opcode::Add ? *x + *y : *x - *y) & 15;
    }
    case Opcode::And: {
        const auto mask = low_bits(block, inst.args[1]);
        return mask && *mask == 0 ? mask : std::nullopt;
    }
    default:
        return std::nullopt;
    }
}

} // namespace

// In a block whose mode says that SP is misaligned.
bool Translator::check_sp(u32 word, std::size_t first_inst) {
    if (accesses_by_sp(b.block(), word, first_inst)) {
        b.block().insts.resize(first_inst);
        return leave(ir::ExitReason::SpAlignment, pc_);
    }
    return !new_sp_.valid() || leave(ir::ExitReason::ContextSync, next_pc_);
}

// Behind an instruction that has set SP, in a block whose mode says that it is aligned.
bool Translator::keep_sp_aligned() {
    const auto low = low_bits(b.block(), new_sp_.id);
    if (low && *low != 0) {
        return leave(ir::ExitReason::ContextSync, next_pc_);
    }
    if (!low) {
        set_counted(b.block().guest_pcs.size());
        const Value misaligned = b.icmp(Cond::NE, b.and_(new_sp_, b.c64(15)), b.c64(0));
        b.exit_if(misaligned, next_pc_, ir::kExitIfContextSync);
    }
    return true;
}

// --- Where to go on

// A block holds each guest instruction once, so loops end it, but for what can_repeat() says.
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

// A CBNZ of what the store-exclusive just before it says: it goes back when another CPU was faster.
bool Translator::retries_exclusive() {
    constexpr u32 kStoreExclusiveMask = 0x3fc0'0000, kStoreExclusive = 0x0800'0000;
    constexpr u32 kCbnzMask = 0x7f00'0000, kCbnz = 0x3500'0000;
    if (pc_ == start_ || !in_words(pc_ - 4)) {
        return false;
    }
    const u32 before = words_[(pc_ - 4 - start_) / 4], word = words_[(pc_ - start_) / 4];
    return (before & kStoreExclusiveMask) == kStoreExclusive && (word & kCbnzMask) == kCbnz &&
           (before >> 16 & 31) == (word & 31);
}

// A forward branch mostly skips something or leaves a loop: the fall-through stays in the block. A
// backward branch mostly closes a loop: it ends the block, and both sides are linked.
bool Translator::branch_if(Value condition, GuestAddr target) {
    const bool is_rare = target > pc_ || retries_exclusive();
    if (is_rare && side_exits_ < options_.max_side_exits && can_continue_at(next())) {
        ++side_exits_;
        exit_if(condition, target);
        return true;
    }
    if (can_repeat(target)) {
        ++repetitions_;
        exit_if(b.not_(condition), next());
        visited_.reset();
        next_pc_ = start_;
        return true;
    }
    if (shows_nzcv_only_behind(target)) {
        exit_if(b.not_(condition), next());
        return end(ir::ExitDirect{target});
    }
    return end(ir::ExitCond{condition.id, target, next()});
}

// Of a loop of several blocks, which sets flags anew in its next turn: leaving it is a side exit,
// so that they are made there only. (A loop of one block needs no help, backend/x64/flag_plan.cpp.)
bool Translator::shows_nzcv_only_behind(GuestAddr target) {
    return target <= pc_ && target != start_ && wrote_nzcv_ && options_.follow_branches &&
           nzcv_dead_at(target) && !nzcv_dead_at(next());
}

void Translator::exit_if(Value condition, GuestAddr target) {
    set_counted(b.block().guest_pcs.size());
    const u16 aux = wrote_nzcv_ && nzcv_dead_at(target) ? ir::kExitIfNzcvDead : 0;
    b.emit(Opcode::ExitIf, Type::Void, {condition}, aux, target);
}

namespace {

// A loop that only reads, with a full barrier in each turn: a later one finds nothing to wait for,
// where it is in the same block. (LeakSanitizer looks at 2^28 entries in such a loop.)
bool repeats_fences(const ir::Block& block) {
    const auto is_fence = [](const ir::Inst& inst) {
        return inst.op == Opcode::Fence &&
               static_cast<ir::FenceKind>(inst.imm) == ir::FenceKind::Full;
    };
    return std::any_of(block.insts.begin(), block.insts.end(), is_fence) &&
           std::none_of(block.insts.begin(), block.insts.end(), [](const ir::Inst& inst) {
               return ir::has_effect(inst.op, ir::Effects::Store, ir::Effects::Call);
           });
}

} // namespace

// A short loop is in its block several times where turns are worth joining: in a machine its
// accesses share a look at the TLB (ir/opt/share_lookups.cpp); loops over vectors run long, and the
// look at pending work and the jump back are a good part of a turn; fences are needed once.
bool Translator::can_repeat(GuestAddr target) {
    constexpr unsigned kTurns = 4, kMostInstructions = 48;
    const ir::Block& block = b.block();
    const unsigned turns = repetitions_ + 1;
    const std::size_t turn = block.guest_pcs.size() / turns;
    const bool is_short =
        block.guest_pcs.size() + turn <= std::min(kMostInstructions, options_.max_instructions);
    if (target != start_ || mode().no_ranges() || !options_.follow_branches || turns == kTurns ||
        !is_short) {
        return false;
    }
    if (repeats_fences(block)) {
        return side_exits_ <= turns;
    }
    return side_exits_ == 0 &&
           std::any_of(block.insts.begin(), block.insts.end(), [](const ir::Inst& inst) {
               return inst.op == Opcode::HostAddress ||
                      (inst.op == Opcode::Load && ir::in_vector_register(inst.type));
           });
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
        return !direct->synchronizes && nzcv_dead_at(direct->target);
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
