#include "tests/fuzz/rows.h"

#include <algorithm>

namespace ulna::fuzz {

namespace {

// The fields of a pattern (frontend/a64/pattern.h has the syntax).
std::vector<Field> parse_fields(std::string_view pattern) {
    std::vector<Field> fields;
    unsigned left = 32;
    while (!pattern.empty()) {
        if (pattern[0] == ' ') {
            pattern.remove_prefix(1);
            continue;
        }
        if (pattern[0] == '0' || pattern[0] == '1' || pattern[0] == '-') {
            pattern.remove_prefix(1);
            --left;
            continue;
        }
        const auto token = pattern.substr(0, pattern.find(' '));
        const auto name = token.substr(0, token.find_first_of(":!"));
        unsigned width = 1;
        if (const auto colon = token.find(':'); colon != token.npos) {
            width = 0;
            for (const char c : token.substr(colon + 1)) {
                if (c < '0' || c > '9') {
                    break;
                }
                width = width * 10 + static_cast<unsigned>(c - '0');
            }
        }
        left -= width;
        const bool ignored = name[0] == '_';
        fields.push_back({ignored ? name.substr(1) : name, left, width, ignored});
        pattern.remove_prefix(token.size());
    }
    return fields;
}

} // namespace

const Field* Row::field(std::string_view wanted) const {
    const auto found =
        std::ranges::find_if(fields, [&](const Field& f) { return f.name == wanted; });
    return found == fields.end() ? nullptr : &*found;
}

const Field* Row::branch_offset() const {
    if (!is_branch_or_system()) {
        return nullptr;
    }
    for (const char* name : {"imm26", "imm19", "imm14"}) {
        if (const Field* offset = field(name)) {
            return offset;
        }
    }
    return nullptr;
}

const Field* Row::literal_offset() const { return is_load_store() ? field("imm19") : nullptr; }

std::vector<Row> rows_of(const frontend::CpuModel& cpu) {
    std::vector<Row> rows;
    const auto encodings = frontend::encodings();
    for (unsigned i = 0; i < encodings.size(); ++i) {
        if (cpu.features.has(encodings[i].feature)) {
            rows.push_back({&encodings[i], i, parse_fields(encodings[i].pattern)});
        }
    }
    return rows;
}

Effects effects_of(u32 word, const frontend::CpuModel& cpu) {
    struct OneWord final : frontend::CodeSource {
        u32 word = 0;
        std::span<const u32> words(GuestAddr) override { return {&word, 1}; }
    } source;
    source.word = word;
    frontend::TranslateOptions options;
    options.cpu = &cpu;
    options.max_instructions = 1;
    constexpr GuestAddr kAnywhere = 0x10001000;
    static ir::Block block;
    block.reset({kAnywhere, {}});
    frontend::translate(block.key, source, options, block);

    Effects effects;
    const auto* direct = std::get_if<ir::ExitDirect>(&block.exit);
    effects.leaves = direct == nullptr || direct->target != kAnywhere + 4;
    if (const auto* exit = std::get_if<ir::ExitTo>(&block.exit)) {
        effects.undefined = exit->reason == ir::ExitReason::Undefined;
    }
    for (const ir::Inst& inst : block.insts) {
        effects.memory |= ir::may_fault(inst.op);
        effects.floating |= ir::effects_of(inst.op) == ir::Effects::Sticky;
        effects.leaves |= inst.op == ir::Opcode::ExitIf;
        if (inst.op == ir::Opcode::Set && ir::is_gpr(inst.slot())) {
            effects.writes.set(static_cast<unsigned>(inst.slot()));
        }
    }
    return effects;
}

} // namespace ulna::fuzz
