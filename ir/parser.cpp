// Text -> block: the inverse of printer.cpp, plus comments and free numbering of values, for tests
// written by hand. It checks spelling only; whether the block makes sense is the verifier's
// business.
#include "ir/parser.h"

#define FMT_HEADER_ONLY
#include <cctype>
#include <cstdlib>
#include <fmt/format.h>
#include <optional>

#include "ir/helpers.h"
#include "ir/signature.h"
#include "ir/text_names.h"

namespace ulna::ir {

namespace {

// One line, consumed from the left. The first error sticks; later calls do nothing.
class Line {
  public:
    explicit Line(std::string_view text) : rest_{text} { skip_space(); }

    [[nodiscard]] const std::string& error() const { return error_; }
    [[nodiscard]] bool ok() const { return error_.empty(); }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] bool next_is(char c) const { return !rest_.empty() && rest_[0] == c; }
    void fail(std::string why) {
        if (error_.empty()) {
            error_ = std::move(why);
        }
        rest_ = {};
    }

    bool accept(std::string_view token) {
        if (!rest_.starts_with(token)) {
            return false;
        }
        rest_.remove_prefix(token.size());
        skip_space();
        return true;
    }
    void expect(std::string_view token) {
        if (!accept(token)) {
            fail(fmt::format("expected '{}' before '{}'", token, rest_));
        }
    }
    // Letters, digits and underscores.
    std::string_view word() {
        std::size_t n = 0;
        while (n < rest_.size() && (std::isalnum(static_cast<u8>(rest_[n])) || rest_[n] == '_')) {
            ++n;
        }
        const std::string_view result = rest_.substr(0, n);
        if (n == 0) {
            fail(fmt::format("expected a name before '{}'", rest_));
            return result;
        }
        rest_.remove_prefix(n);
        skip_space();
        return result;
    }
    u64 number() {
        const bool negative = accept("-");
        const std::string text{word()};
        char* end = nullptr;
        const u64 value = std::strtoull(text.c_str(), &end, 0);
        if (text.empty() || *end != 0) {
            fail(fmt::format("'{}' is not a number", text));
        }
        return negative ? u64{0} - value : value;
    }

  private:
    void skip_space() {
        while (!rest_.empty() && std::isspace(static_cast<u8>(rest_[0]))) {
            rest_.remove_prefix(1);
        }
    }
    std::string_view rest_;
    std::string error_;
};

std::optional<Opcode> find_opcode(std::string_view name) {
    for (unsigned i = 0; i < kOpcodeCount; ++i) {
        if (name == kOpInfo[i].text) {
            return static_cast<Opcode>(i);
        }
    }
    return std::nullopt;
}

std::optional<Type> find_type(std::string_view name) {
    for (unsigned i = 0; i <= static_cast<unsigned>(Type::Nzcv); ++i) {
        if (name == type_name(static_cast<Type>(i))) {
            return static_cast<Type>(i);
        }
    }
    return std::nullopt;
}

std::optional<Cond> find_cond(std::string_view name) {
    for (unsigned i = 0; i < 16; ++i) {
        if (name == cond_name(static_cast<Cond>(i))) {
            return static_cast<Cond>(i);
        }
    }
    return std::nullopt;
}

// "4s"
std::optional<Shape> find_shape(std::string_view name) {
    if (name.size() < 2) {
        return std::nullopt;
    }
    const std::size_t lane = text::kLaneLetters.find(name.back());
    const std::string_view count = name.substr(0, name.size() - 1);
    for (u8 count_log2 = 0; count_log2 <= 4 && lane != std::string_view::npos; ++count_log2) {
        if (count == fmt::format("{}", 1u << count_log2)) {
            return Shape{static_cast<u8>(lane), count_log2};
        }
    }
    return std::nullopt;
}

class Parser {
  public:
    explicit Parser(Block& out) : block_{out} { block_.reset({}); }

    std::string run(std::string_view text) {
        for (unsigned line_number = 1; !text.empty(); ++line_number) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            std::string_view content = text.substr(0, end);
            text.remove_prefix(std::min(end + 1, text.size()));
            content = content.substr(0, content.find_first_of("#;"));
            Line line{content};
            if (!line.at_end()) {
                statement(line);
                if (line.ok() && !line.at_end()) {
                    line.fail("text after the end of the statement");
                }
            }
            if (!line.ok()) {
                return fmt::format("line {}: {}", line_number, line.error());
            }
        }
        return exit_seen_ ? "" : "no exit at the end";
    }

  private:
    void statement(Line& line) {
        if (exit_seen_) {
            return line.fail("the exit must come last");
        }
        if (line.next_is('%')) {
            const u64 number = value_number(line);
            line.expect("=");
            const ValueId id = instruction(line, line.word());
            define(line, number, id);
            return;
        }
        const std::string_view word = line.word();
        if (word == "block") {
            header(line);
        } else if (word == "insn") {
            block_.guest_pcs.push_back(line.number());
            block_.guest_words.push_back(line.at_end() ? 0 : static_cast<u32>(line.number()));
        } else if (word == "exit") {
            exit(line);
            exit_seen_ = true;
        } else {
            instruction(line, word);
        }
    }

    void header(Line& line) {
        block_.key.pc = line.number();
        if (line.accept("mode=")) {
            block_.key.mode.bits = static_cast<u32>(line.number());
        }
        block_.nzcv_live_out = !line.accept("nzcv_dead");
    }

    u64 value_number(Line& line) {
        line.expect("%");
        const u64 number = line.number();
        if (number >= kNoValue) {
            line.fail("value number too large");
            return 0;
        }
        return number;
    }

    void define(Line& line, u64 number, ValueId id) {
        if (!line.ok()) {
            return;
        }
        if (number >= ids_.size()) {
            ids_.resize(number + 1, kNoValue);
        }
        if (ids_[number] != kNoValue) {
            return line.fail(fmt::format("%{} is defined twice", number));
        }
        if (block_[id].type == Type::Void) {
            return line.fail("this operation has no value");
        }
        ids_[number] = id;
    }

    ValueId value(Line& line) {
        if (line.accept("_")) {
            return kNoValue;
        }
        const u64 number = value_number(line);
        if (line.ok() && (number >= ids_.size() || ids_[number] == kNoValue)) {
            line.fail(fmt::format("%{} is not defined", number));
        }
        return line.ok() ? ids_[number] : kNoValue;
    }

    void add_arg(Line& line, Inst& inst, ValueId id) {
        if (inst.arg_count == kMaxArgs) {
            return line.fail("too many arguments");
        }
        inst.args[inst.arg_count++] = id;
    }

    template <class T> T required(Line& line, std::optional<T> found, const char* what) {
        if (!found && line.ok()) {
            line.fail(fmt::format("unknown {}", what));
        }
        return found.value_or(T{});
    }

    void suffixes(Line& line, Inst& inst) {
        const OpInfo& row = info(inst.op);
        inst.type = type_of_letter(row.result);
        bool have_type = row.result != 'T', have_shape = false;
        while (line.ok() && line.accept(".")) {
            const std::string_view word = line.word();
            if (!have_type) {
                have_type = true;
                if (const auto type = find_type(word)) {
                    inst.type = *type;
                    continue;
                }
                inst.type = Type::V128; // a vector form names only its shape
            }
            if (row.param == Param::Shape && !have_shape) {
                inst.aux = required(line, find_shape(word), "shape").pack();
                have_shape = true;
            } else if (row.param == Param::Cond) {
                inst.aux = static_cast<u16>(required(line, find_cond(word), "condition"));
            } else if (row.param == Param::Conv) {
                inst.aux = static_cast<u16>(required(line, find_type(word), "type"));
            } else if (inst.op == Opcode::AtomicRmw) {
                inst.imm = text::find(text::kAtomicOps, word);
                if (inst.imm == text::kAtomicOps.size()) {
                    line.fail("unknown atomic operation");
                }
            } else {
                line.fail(fmt::format("unexpected .{}", word));
            }
        }
        if (!have_type) {
            line.fail("the type is missing");
        }
    }

    // True when the operation has such an operand and it was read.
    bool leading_operand(Line& line, Inst& inst) {
        std::size_t count = 0;
        if (info(inst.op).param == Param::Slot) {
            const std::string_view name = line.word();
            count = kSlotCount;
            for (inst.imm = 0; inst.imm < count && name != slot_name(inst.slot()); ++inst.imm) {
            }
        } else if (inst.op == Opcode::CallHelper) {
            const std::string_view name = line.word();
            count = kHelperCount;
            for (inst.imm = 0; inst.imm < count && name != kHelperInfo[inst.imm].name; ++inst.imm) {
            }
        } else if (inst.op == Opcode::Fence) {
            count = text::kFences.size();
            inst.imm = text::find(text::kFences, line.word());
        } else if (inst.op == Opcode::StoreTag) {
            count = text::kTagSpans.size();
            inst.imm = text::find(text::kTagSpans, line.word());
        } else {
            return false;
        }
        if (inst.imm == count) {
            line.fail("unknown slot, helper, fence or span of tags");
        }
        return true;
    }

    void address(Line& line, Inst& inst, MemInfo& mem) {
        const bool full = is_indexed(inst.op);
        line.expect("[");
        add_arg(line, inst, value(line));
        if (full) {
            add_arg(line, inst, kNoValue);
        }
        while (line.ok() && !line.accept("]")) {
            if (line.accept("<<")) {
                mem.index_shift = static_cast<u8>(line.number());
                continue;
            }
            const bool negative = line.accept("-");
            if (!negative) {
                line.expect("+");
            }
            if (line.next_is('%') && full) {
                inst.args[1] = value(line);
            } else {
                const u64 displacement = line.number();
                inst.imm = negative ? u64{0} - displacement : displacement;
            }
        }
    }

    void memory_attributes(Line& line, Inst& inst, MemInfo mem) {
        const u64 bytes = line.number();
        if (inst.op == Opcode::HostRange) {
            inst.imm = RangeInfo{static_cast<i32>(inst.imm), static_cast<u32>(bytes)}.pack();
        } else if (!std::has_single_bit(bytes) || bytes > 16) {
            return line.fail("access size must be 1, 2, 4, 8 or 16");
        } else {
            mem.size_log2 = static_cast<u8>(std::countr_zero(bytes));
        }
        while (line.ok() && !line.at_end() && !line.next_is('{')) {
            const std::string_view word = line.word();
            const std::size_t order = text::find(text::kOrders, word);
            const std::size_t access = text::find(text::kAccesses, word);
            if (access < text::kAccesses.size()) {
                mem.access = static_cast<Access>(access);
            } else if (order < text::kOrders.size()) {
                mem.order = static_cast<MemOrder>(order);
            } else if (word == "signed") {
                mem.sign = true;
            } else if (word == "aligned") {
                mem.aligned = true;
            } else if (word == "within16") {
                mem.within_16 = true;
            } else if (word == "unprivileged") {
                mem.unprivileged = true;
            } else if (word == "pair") {
                mem.pair = true;
            } else if (word == "tag_unchecked") {
                mem.tag_unchecked = true;
            } else {
                line.fail(fmt::format("unknown attribute '{}'", word));
            }
        }
        inst.aux = mem.pack();
    }

    void leftovers(Line& line, Inst& inst) {
        if (line.accept("nzcv_dead")) {
            inst.aux = kExitIfNzcvDead;
        } else if (line.accept("contextsync")) {
            inst.aux = kExitIfContextSync;
        }
        while (line.ok() && line.accept("{")) {
            if (line.accept("aux=")) {
                inst.aux = static_cast<u16>(line.number());
            } else {
                line.expect("imm=");
                inst.imm = line.number();
            }
            line.expect("}");
        }
    }

    ValueId instruction(Line& line, std::string_view name) {
        Inst inst{Opcode::Const,
                  Type::Void,
                  0,
                  0,
                  guest_index(),
                  {kNoValue, kNoValue, kNoValue, kNoValue},
                  0,
                  0,
                  false};
        inst.op = required(line, find_opcode(name), "operation");
        suffixes(line, inst);
        bool more = !leading_operand(line, inst) || line.accept(",");
        MemInfo mem;
        const bool is_memory = line.ok() && info(inst.op).param == Param::Mem;
        if (is_memory) {
            address(line, inst, mem);
            more = line.accept(",");
        }
        while (line.ok() && more && (line.next_is('%') || line.next_is('_'))) {
            add_arg(line, inst, value(line));
            more = line.accept(",");
        }
        if (is_memory && line.ok()) {
            memory_attributes(line, inst, mem);
        } else if (more && !line.at_end() && !line.next_is('{')) {
            inst.imm = line.number();
        }
        leftovers(line, inst);
        block_.insts.push_back(inst);
        return static_cast<ValueId>(block_.insts.size() - 1);
    }

    [[nodiscard]] u16 guest_index() const {
        return block_.guest_pcs.empty() ? 0 : static_cast<u16>(block_.guest_pcs.size() - 1);
    }

    u8 btype(Line& line) {
        if (!line.accept("btype")) {
            return 0;
        }
        const u64 value = line.number();
        if (value > 3) {
            line.fail("btype is 0 to 3");
        }
        return static_cast<u8>(value);
    }
    GuestAddr comma_number(Line& line) {
        line.expect(",");
        return line.number();
    }
    void exit(Line& line) {
        const std::string_view kind = line.word();
        if (kind == "direct") {
            ExitDirect e{line.number()};
            e.synchronizes = line.accept("sync");
            block_.exit = e;
        } else if (kind == "cond") {
            ExitCond e{value(line), 0, 0};
            e.taken = comma_number(line);
            e.not_taken = comma_number(line);
            block_.exit = e;
        } else if (kind == "indirect") {
            ExitIndirect e{value(line)};
            e.btype = btype(line);
            block_.exit = e;
        } else if (kind == "call") {
            ExitCall e{line.number(), 0};
            e.return_to = comma_number(line);
            block_.exit = e;
        } else if (kind == "callindirect") {
            ExitCallIndirect e{value(line), 0};
            e.return_to = comma_number(line);
            e.btype = btype(line);
            block_.exit = e;
        } else if (kind == "return") {
            block_.exit = ExitReturn{value(line)};
        } else if (kind == "to") {
            exit_to(line);
        } else {
            line.fail("unknown exit");
        }
    }

    void exit_to(Line& line) {
        const std::string_view name = line.word();
        unsigned reason = 0;
        while (reason < kExitReasonCount &&
               name != exit_reason_name(static_cast<ExitReason>(reason))) {
            ++reason;
        }
        if (reason == kExitReasonCount) {
            return line.fail("unknown exit reason");
        }
        ExitTo e{static_cast<ExitReason>(reason), comma_number(line), kNoValue, 0};
        if (line.accept(",")) {
            e.arg = value(line);
            e.imm = comma_number(line);
        }
        block_.exit = e;
    }

    Block& block_;
    std::vector<ValueId> ids_; // number in the text -> value
    bool exit_seen_ = false;
};

} // namespace

std::string parse(std::string_view text, Block& out) { return Parser{out}.run(text); }

} // namespace ulna::ir
