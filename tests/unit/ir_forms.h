// Every form of an operation that means something: result type, argument types, aux, imm. Found by
// asking the verifier about all candidates, so that what generators build is exactly what it
// accepts.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "ir/builder.h"
#include "ir/verifier.h"

namespace ulna::test {

struct Form {
    ir::Opcode op;
    ir::Type type; // of the result
    u16 aux = 0;
    u64 imm = 0;
    u8 arg_count = 0;
    ir::Type args[ir::kMaxArgs] = {}; // Void: absent

    friend bool operator==(const Form&, const Form&) = default;
};

inline constexpr ir::Type kValueTypes[] = {
    ir::Type::I1,  ir::Type::I8,  ir::Type::I16, ir::Type::I32,  ir::Type::I64,
    ir::Type::F16, ir::Type::F32, ir::Type::F64, ir::Type::V128, ir::Type::Nzcv};

// Pure and sticky operations, whose value a form determines together with the arguments.
[[nodiscard]] inline bool has_forms(ir::Opcode op) {
    return ir::is_mergeable(op) && op != ir::Opcode::Const && op != ir::Opcode::ConstVec;
}

class FormFinder {
  public:
    explicit FormFinder(ir::Opcode op) : op_{op}, row_{ir::info(op)} {
        find_types();
        find_immediates();
    }

    [[nodiscard]] std::vector<Form> run() {
        for (const ir::Type type : types_) {
            form_ = {op_, type};
            arguments(row_.args);
        }
        return std::move(found_);
    }

  private:
    void find_types() {
        constexpr std::pair<char, ir::Type> kFixed[] = {
            {'1', ir::Type::I1},   {'w', ir::Type::I32},  {'x', ir::Type::I64},
            {'V', ir::Type::V128}, {'n', ir::Type::Nzcv}, {'v', ir::Type::Void}};
        for (const auto& [letter, type] : kFixed) {
            if (letter == row_.result) {
                types_ = {type};
            }
        }
        if (row_.result == 'T') {
            types_.assign(std::begin(kValueTypes), std::end(kValueTypes));
        }
    }

    void find_immediates() {
        switch (row_.param) {
        case ir::Param::Shape:
        case ir::Param::Conv:
            for (u64 fraction = 0; fraction <= 65; ++fraction) {
                for (u64 rest = 0; rest < 16; ++rest) { // signedness, rounding
                    immediates_.push_back(fraction | (rest & 1) << 8 | rest >> 1 << 16);
                }
            }
            [[fallthrough]];
        case ir::Param::Imm:
        case ir::Param::Flag:
            for (u64 low = 0; low < 130; ++low) {
                immediates_.push_back(low);
            }
            for (u64 high = 1; high < 17; ++high) { // a second lane, or one option bit
                for (u64 low = 0; low <= (high == 1 ? 65u : 16u); ++low) {
                    immediates_.push_back(low | high << 8);
                }
            }
            for (const u64 high : {32, 64}) { // integer bits
                for (u64 low = 0; low < 8; ++low) {
                    immediates_.push_back(low | high << 8);
                }
            }
            std::sort(immediates_.begin(), immediates_.end());
            immediates_.erase(std::unique(immediates_.begin(), immediates_.end()),
                              immediates_.end());
            break;
        default:
            immediates_ = {0};
            break;
        }
    }

    void arguments(const char* letter) {
        if (*letter == 0) {
            parameters();
            return;
        }
        const bool optional = letter[1] == '?';
        const char* const rest = letter + 1 + optional;
        for (const ir::Type type : kValueTypes) {
            if (!may_be(*letter, type)) {
                continue;
            }
            form_.args[form_.arg_count++] = type;
            arguments(rest);
            --form_.arg_count;
        }
        if (optional) {
            form_.args[form_.arg_count++] = ir::Type::Void;
            arguments(rest);
            --form_.arg_count;
        }
    }

    // Saves asking about what the row alone excludes.
    [[nodiscard]] bool may_be(char letter, ir::Type type) const {
        switch (letter) {
        case 'T':
            return type == form_.type;
        case 'V':
            return type == ir::Type::V128;
        case 'x':
            return type == ir::Type::I64;
        default:
            return true;
        }
    }

    void parameters() {
        form_.aux = 0;
        form_.imm = 0;
        switch (row_.param) {
        case ir::Param::Shape:
            for (u16 lane = 0; lane <= 5; ++lane) {
                for (u16 count = 0; count <= 5; ++count) {
                    form_.aux = static_cast<u16>(lane | count << 4);
                    with_immediates();
                }
            }
            break;
        case ir::Param::Conv:
            form_.aux = static_cast<u16>(form_.args[0]);
            with_immediates();
            break;
        case ir::Param::Cond:
            for (form_.aux = 0; form_.aux <= 16; ++form_.aux) {
                keep_if_legal();
            }
            break;
        default:
            with_immediates();
            break;
        }
    }

    void with_immediates() {
        // Every type and shape that an operation has goes with one of these.
        constexpr u64 kProbes[] = {
            0, 1, 2, 4, static_cast<u64>(ir::Rounding::Current), ir::FixedInfo{}.pack(), 32 << 8};
        const bool possible = std::any_of(std::begin(kProbes), std::end(kProbes), [&](u64 imm) {
            form_.imm = imm;
            return errors_of_form().empty();
        });
        if (!possible) {
            return;
        }
        for (const u64 imm : immediates_) {
            form_.imm = imm;
            keep_if_legal();
        }
    }
    void keep_if_legal() {
        if (errors_of_form().empty()) {
            found_.push_back(form_);
        }
    }

    [[nodiscard]] std::string errors_of_form() {
        block_.reset({0x1000, {}});
        ir::Builder b{block_};
        std::array<ir::ValueId, ir::kMaxArgs> args{};
        for (unsigned i = 0; i < form_.arg_count; ++i) {
            args[i] = form_.args[i] == ir::Type::Void   ? ir::kNoValue
                      : form_.args[i] == ir::Type::V128 ? b.vzero().id
                                                        : b.constant(form_.args[i], 0).id;
        }
        (void)b.emit(form_.op, form_.type, {}, form_.aux, form_.imm);
        ir::Inst& inst = block_.insts.back();
        inst.arg_count = form_.arg_count;
        std::copy(args.begin(), args.begin() + form_.arg_count, inst.args);
        return ir::verify(block_);
    }

    const ir::Opcode op_;
    const ir::OpInfo& row_;
    std::vector<ir::Type> types_;
    std::vector<u64> immediates_;
    Form form_{};
    ir::Block block_;
    std::vector<Form> found_;
};

// All legal forms of an operation.
[[nodiscard]] inline const std::vector<Form>& forms_of(ir::Opcode op) {
    static std::array<std::vector<Form>, ir::kOpcodeCount> known;
    std::vector<Form>& forms = known[static_cast<unsigned>(op)];
    if (forms.empty() && has_forms(op)) {
        forms = FormFinder{op}.run();
        CHECK(!forms.empty());
    }
    return forms;
}

} // namespace ulna::test
