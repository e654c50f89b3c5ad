#include "tests/fuzz/shrink.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "tests/fuzz/rows.h"

namespace ulna::fuzz {

using insn::Case;
using insn::default_case;
using insn::Outcome;

namespace {

using Still = std::function<bool(const Case&)>;

// PC-relative field of a word, in words; literal pools do not move with the program.
struct Relative {
    Field field;
    bool moves;
};
std::optional<Relative> relative_field(u32 word) {
    const char* const name = frontend::encoding_name(word);
    static const auto rows = rows_of(frontend::default_cpu());
    for (const Row& row : rows) {
        if (name == nullptr || row.name() != name) {
            continue;
        }
        if (const Field* offset = row.branch_offset()) {
            return Relative{*offset, true};
        }
        if (const Field* offset = row.literal_offset()) {
            return Relative{*offset, false};
        }
        if (row.name() == "ADR") {
            return Relative{*row.field("immhi"), true};
        }
    }
    return std::nullopt;
}

// Without word `gone`; distances are corrected.
MachineProgram without(const MachineProgram& program, unsigned gone) {
    MachineProgram result{};
    for (unsigned i = 0; i < program.count; ++i) {
        if (i == gone) {
            continue;
        }
        u32 word = program.words[i];
        if (const auto relative = relative_field(word)) {
            const Field& field = relative->field;
            const i32 distance =
                static_cast<i32>(field.get(word) << (32 - field.width)) >> (32 - field.width);
            const i32 from = static_cast<i32>(i), to = from + distance;
            const i32 cut = static_cast<i32>(gone);
            const i32 new_from = from - (from > cut);
            const i32 new_to =
                relative->moves ? to - (to > cut && to <= static_cast<i32>(program.count)) : to;
            word = field.set(word, static_cast<u32>(new_to - new_from));
        }
        result.words[result.count++] = word;
    }
    return result;
}

bool attempt(Case& test, const Case& smaller, const Still& still) {
    if (!still(smaller)) {
        return false;
    }
    test = smaller;
    return true;
}

void shrink_words(Case& test, const Still& still) {
    for (unsigned i = test.program.count; i-- > 0 && test.program.count > 1;) {
        Case smaller = test;
        smaller.program = without(test.program, i);
        if (!attempt(test, smaller, still) && test.program.words[i] != MACHINE_NOP) {
            smaller = test;
            smaller.program.words[i] = MACHINE_NOP; // something else needs the distance
            attempt(test, smaller, still);
        }
    }
}

// Replaces a cell by the first of `values` that will do.
void shrink_cell(Case& test,
                 u64 MachineState::*cell,
                 std::initializer_list<u64> values,
                 const Still& still) {
    for (const u64 value : values) {
        if (test.state.*cell == value) {
            return;
        }
        Case smaller = test;
        smaller.state.*cell = value;
        if (attempt(test, smaller, still)) {
            return;
        }
    }
}
template <std::size_t N>
void shrink_cells(Case& test,
                  u64 (MachineState::*cells)[N],
                  std::initializer_list<u64> values,
                  const Still& still) {
    for (std::size_t i = 0; i < N; ++i) {
        for (const u64 value : values) {
            if ((test.state.*cells)[i] == value ||
                (default_case().state.*cells)[i] == (test.state.*cells)[i]) {
                break;
            }
            Case smaller = test;
            (smaller.state.*cells)[i] = value;
            if (attempt(test, smaller, still)) {
                break;
            }
        }
    }
}

// Fills as much of [from, from + bytes) with the default as will do.
void shrink_memory(Case& test, u32 from, u32 bytes, const Still& still) {
    const auto& plain = default_case().memory;
    if (std::memcmp(test.memory.data() + from, plain.data() + from, bytes) == 0) {
        return;
    }
    Case smaller = test;
    std::copy_n(plain.begin() + from, bytes, smaller.memory.begin() + from);
    if (attempt(test, smaller, still) || bytes == 1) {
        return;
    }
    shrink_memory(test, from, bytes / 2, still);
    shrink_memory(test, from + bytes / 2, bytes - bytes / 2, still);
}

void shrink_state(Case& test, const Still& still) {
    for (unsigned i = 0; i < 31; ++i) {
        Case smaller = test;
        smaller.state.x[i] = default_case().state.x[i];
        if (smaller.state.x[i] != test.state.x[i]) {
            attempt(test, smaller, still);
        }
    }
    shrink_cells(test, &MachineState::v, {insn::kFill}, still);
    shrink_cell(test, &MachineState::sp, {default_case().state.sp}, still);
    shrink_cell(test, &MachineState::nzcv, {0}, still);
    shrink_cell(test, &MachineState::fpcr, {0}, still);
    shrink_cell(test, &MachineState::fpsr, {0}, still);
    shrink_cell(test, &MachineState::tpidr, {0}, still);
    shrink_memory(test, 0, kDataBytes, still);
    shrink_memory(test, kDataBytes, kReadOnlyBytes, still);
}

} // namespace

Case shrunk(Case test, const Still& still) {
    shrink_words(test, still);
    shrink_words(test, still);
    shrink_state(test, still);
    shrink_cells(test, &MachineState::x, {insn::kFill, 0, 1, ~u64{0}}, still);
    shrink_cells(test, &MachineState::v, {insn::kFill, 0, 1, ~u64{0}}, still);
    return test;
}

Case simplified(Case test, const std::function<bool(const Case&, Outcome&)>& run) {
    Outcome before;
    if (!run(test, before)) {
        return test;
    }
    // What the program leaves alone is what it was; everything else must come out the same.
    const auto still = [&](const Case& smaller) {
        Outcome after;
        if (!run(smaller, after)) {
            return false;
        }
        const auto kept = [](u64 old_in, u64 old_out, u64 in, u64 out) {
            return out == (old_in == old_out ? in : old_out);
        };
        const MachineState &i0 = test.state, &o0 = before.result.state, &i1 = smaller.state,
                           &o1 = after.result.state;
        bool same =
            after.result.signal == before.result.signal &&
            after.result.code == before.result.code && after.result.pc == before.result.pc &&
            after.result.address == before.result.address && kept(i0.sp, o0.sp, i1.sp, o1.sp) &&
            kept(i0.nzcv, o0.nzcv, i1.nzcv, o1.nzcv) && kept(i0.fpcr, o0.fpcr, i1.fpcr, o1.fpcr) &&
            kept(i0.fpsr, o0.fpsr, i1.fpsr, o1.fpsr) &&
            kept(i0.tpidr, o0.tpidr, i1.tpidr, o1.tpidr);
        for (unsigned i = 0; i < 31; ++i) {
            same = same && kept(i0.x[i], o0.x[i], i1.x[i], o1.x[i]);
        }
        for (unsigned i = 0; i < 64; ++i) {
            same = same && kept(i0.v[i], o0.v[i], i1.v[i], o1.v[i]);
        }
        std::vector<u8> end0 = test.memory, end1 = smaller.memory;
        for (const auto& change : before.memory) {
            std::memcpy(end0.data() + change.offset, &change.value, 8);
        }
        for (const auto& change : after.memory) {
            std::memcpy(end1.data() + change.offset, &change.value, 8);
        }
        for (unsigned i = 0; i < kWindowBytes && same; ++i) {
            same = kept(test.memory[i], end0[i], smaller.memory[i], end1[i]);
        }
        if (same) {
            before = after;
        }
        return same;
    };
    shrink_state(test, still);
    return test;
}

} // namespace ulna::fuzz
