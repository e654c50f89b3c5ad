// Block -> text. README.md has the grammar; parser.cpp is the inverse.
//
// Two rules keep the round trip exact: whatever the row of opcodes.def does not ask for but the
// instruction holds anyway is printed in a trailing {aux=..., imm=...}, and deleted instructions
// are left out, their numbers with them.
#include "ir/printer.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>
#include <iterator>

#include "ir/helpers.h"
#include "ir/text_names.h"

namespace ulna::ir {

namespace {

template <class... Fs> struct Overloaded : Fs... { using Fs::operator()...; };
template <class... Fs> Overloaded(Fs...) -> Overloaded<Fs...>;

class Printer {
  public:
    explicit Printer(const Block& block) : block_{block} {}

    std::string run() {
        append("block {:#x} mode={:#x}", block_.key.pc, block_.key.mode.bits);
        append("{}\n", block_.nzcv_live_out ? "" : " nzcv_dead");
        for (std::size_t i = 0; i < block_.insts.size(); ++i) {
            const Inst& inst = block_.insts[i];
            if (!inst.dead) {
                guest_instructions_up_to(inst.guest_index + std::size_t{1});
                instruction(static_cast<ValueId>(i), inst);
            }
        }
        guest_instructions_up_to(block_.guest_pcs.size());
        exit();
        return std::move(out_);
    }

  private:
    template <class... Args> void append(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    }

    void guest_instructions_up_to(std::size_t count) {
        for (; next_guest_ < count && next_guest_ < block_.guest_pcs.size(); ++next_guest_) {
            append("  insn {:#x}", block_.guest_pcs[next_guest_]);
            if (next_guest_ < block_.guest_words.size()) {
                append(" {:#010x}", block_.guest_words[next_guest_]);
            }
            out_ += '\n';
        }
    }

    void value(ValueId id) {
        if (id == kNoValue) {
            out_ += '_';
        } else {
            append("%{}", id);
        }
    }

    void shape_suffix(u16 aux) {
        const Shape shape = Shape::unpack(aux);
        if (shape.pack() == aux && shape.lane_log2 < text::kLaneLetters.size()) {
            append(".{}{}", shape.lanes(), text::kLaneLetters[shape.lane_log2]);
            aux_done_ = true;
        }
    }

    // .type, .shape, .cond and the like, glued to the operation.
    void suffixes(const Inst& inst) {
        const OpInfo& row = info(inst.op);
        const bool shaped_vector = row.param == Param::Shape && inst.type == Type::V128;
        if (row.result == 'T' && !shaped_vector) {
            append(".{}", type_name(inst.type));
        }
        switch (row.param) {
        case Param::Shape:
            if (!is_fp(inst.type) || inst.aux != 0) {
                shape_suffix(inst.aux);
            }
            break;
        case Param::Cond:
            if (inst.aux < 16) {
                append(".{}", cond_name(inst.cond()));
                aux_done_ = true;
            }
            break;
        case Param::Conv:
            if (inst.aux <= static_cast<u16>(Type::Nzcv)) {
                append(".{}", type_name(static_cast<Type>(inst.aux)));
                aux_done_ = true;
            }
            break;
        default:
            break;
        }
        if (inst.op == Opcode::AtomicRmw && inst.imm < text::kAtomicOps.size()) {
            append(".{}", text::kAtomicOps[inst.imm]);
            imm_done_ = true;
        }
    }

    void separator() {
        out_ += first_operand_ ? " " : ", ";
        first_operand_ = false;
    }

    // What stands before the values: a slot, a helper, a fence kind.
    void leading_operand(const Inst& inst) {
        if (info(inst.op).param == Param::Slot && inst.imm < kSlotCount) {
            separator();
            out_ += slot_name(inst.slot());
            imm_done_ = true;
        } else if (inst.op == Opcode::CallHelper && inst.imm < kHelperCount) {
            separator();
            out_ += kHelperInfo[inst.imm].name;
            imm_done_ = true;
        } else if (inst.op == Opcode::Fence && inst.imm < text::kFences.size()) {
            separator();
            out_ += text::kFences[inst.imm];
            imm_done_ = true;
        } else if (inst.op == Opcode::StoreTag && inst.imm < text::kTagSpans.size()) {
            separator();
            out_ += text::kTagSpans[inst.imm];
            imm_done_ = true;
        }
    }

    // [base + index << shift + displacement]; returns how many arguments it took.
    unsigned address(const Inst& inst) {
        const bool full = is_indexed(inst.op);
        const bool displaced = full || is_check(inst.op);
        const u64 displacement = displacement_of(inst);
        separator();
        out_ += '[';
        value(inst.args[0]);
        if (full && inst.args[1] != kNoValue) {
            out_ += " + ";
            value(inst.args[1]);
        }
        if (inst.mem().index_shift != 0) {
            append(" << {}", inst.mem().index_shift);
        }
        if (displaced && displacement != 0) {
            const bool negative = static_cast<i64>(displacement) < 0;
            append(" {} {:#x}", negative ? '-' : '+',
                   negative ? u64{0} - displacement : displacement);
        }
        out_ += ']';
        imm_done_ |= displaced;
        return full ? 2 : 1;
    }

    void memory_attributes(const Inst& inst) {
        const MemInfo mem = inst.mem();
        append(" {}",
               inst.op == Opcode::HostRange ? RangeInfo::unpack(inst.imm).bytes : mem.bytes());
        if (mem.sign) {
            out_ += " signed";
        }
        if (mem.order != MemOrder::Plain) {
            append(" {}", text::kOrders[static_cast<unsigned>(mem.order)]);
        }
        if (mem.aligned) {
            out_ += " aligned";
        }
        if (mem.within_16) {
            out_ += " within16";
        }
        if (mem.access != Access::Unsaid) {
            append(" {}", text::kAccesses[static_cast<unsigned>(mem.access)]);
        }
        if (mem.unprivileged) {
            out_ += " unprivileged";
        }
        if (mem.pair) {
            out_ += " pair";
        }
        if (mem.tag_unchecked) {
            out_ += " tag_unchecked";
        }
        aux_done_ = mem.pack() == inst.aux;
    }

    void immediate(const Inst& inst) {
        const Param param = info(inst.op).param;
        const bool always = param == Param::Imm || inst.op == Opcode::ConstVec;
        const bool if_set = param == Param::Shape || param == Param::Conv || param == Param::Flag;
        if (!imm_done_ && (always || (if_set && inst.imm != 0))) {
            separator();
            append("{:#x}", inst.imm);
            imm_done_ = true;
        }
    }

    void leftovers(const Inst& inst) {
        if (inst.op == Opcode::ExitIf && inst.aux != 0) {
            out_ += inst.aux == kExitIfNzcvDead ? " nzcv_dead" : " contextsync";
            aux_done_ = inst.aux <= kExitIfContextSync;
        }
        if (!aux_done_ && inst.aux != 0) {
            append(" {{aux={:#x}}}", inst.aux);
        }
        if (!imm_done_ && inst.imm != 0) {
            append(" {{imm={:#x}}}", inst.imm);
        }
    }

    void instruction(ValueId id, const Inst& inst) {
        aux_done_ = imm_done_ = false;
        first_operand_ = true;
        out_ += "  ";
        if (inst.type != Type::Void) {
            append("%{} = ", id);
        }
        out_ += info(inst.op).text;
        suffixes(inst);
        leading_operand(inst);
        const bool is_memory = info(inst.op).param == Param::Mem;
        for (unsigned i = is_memory ? address(inst) : 0; i < inst.arg_count; ++i) {
            separator();
            value(inst.args[i]);
        }
        if (is_memory) {
            memory_attributes(inst);
        }
        immediate(inst);
        leftovers(inst);
        out_ += '\n';
    }

    void btype(unsigned value) {
        if (value != 0) {
            append(" btype {}", value);
        }
    }
    void exit() {
        out_ += "  exit ";
        std::visit(
            Overloaded{
                [&](const ExitDirect& e) {
                    append("direct {:#x}{}", e.target, e.synchronizes ? " sync" : "");
                },
                [&](const ExitCond& e) {
                    out_ += "cond ";
                    value(e.condition);
                    append(", {:#x}, {:#x}", e.taken, e.not_taken);
                },
                [&](const ExitIndirect& e) {
                    out_ += "indirect ";
                    value(e.target);
                    btype(e.btype);
                },
                [&](const ExitCall& e) { append("call {:#x}, {:#x}", e.target, e.return_to); },
                [&](const ExitCallIndirect& e) {
                    out_ += "callindirect ";
                    value(e.target);
                    append(", {:#x}", e.return_to);
                    btype(e.btype);
                },
                [&](const ExitReturn& e) {
                    out_ += "return ";
                    value(e.target);
                },
                [&](const ExitTo& e) {
                    append("to {}, {:#x}, ", exit_reason_name(e.reason), e.pc);
                    value(e.arg);
                    append(", {:#x}", e.imm);
                },
            },
            block_.exit);
        out_ += '\n';
    }

    const Block& block_;
    std::string out_;
    std::size_t next_guest_ = 0;
    bool aux_done_ = false, imm_done_ = false; // is the field already in the text?
    bool first_operand_ = true;
};

} // namespace

std::string print(const Block& block) { return Printer{block}.run(); }

} // namespace ulna::ir
