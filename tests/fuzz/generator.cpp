#include "tests/fuzz/generator.h"

#include <algorithm>

#include "tests/fuzz/generator_words.h"

namespace ulna::fuzz {

namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::ranges::any_of(names, [&](const std::string& n) { return n == name; });
}

} // namespace

Generator::Generator(std::uint64_t seed, GeneratorOptions options)
    : random_{seed}, options_{std::move(options)}, rows_{rows_of(*options_.cpu)} {
    for (const Row& row : rows_) {
        const bool wanted = options_.exact_filter
                                ? row.name() == options_.filter
                                : row.name().find(options_.filter) != std::string_view::npos;
        if (!wanted || contains(options_.excluded, row.name())) {
            continue;
        }
        chosen_.push_back(&row);
        if (row.is_branch_or_system()) {
            (row.branch_offset() != nullptr || (row.info->bits & 0xfe000000) == 0xd6000000
                 ? branch_rows_
                 : system_rows_)
                .push_back(&row);
        } else if (row.is_exclusive()) {
            exclusive_rows_.push_back(&row);
        }
    }
    find_system_registers();
    has_fp16_ = (options_.cpu->id_aa64pfr0_el1 >> 16 & 15) == 1;
    has_afp_ = options_.cpu->features.has(frontend::Feature::AFP);
}

const Row* Generator::row_named(std::string_view name) const {
    const auto found = std::ranges::find_if(rows_, [&](const Row& r) { return r.name() == name; });
    return found == rows_.end() ? nullptr : &*found;
}

// --- Programs

void Generator::element() {
    starts_.push_back(words_.size());
    if (sequence_ && fits(8) && random_.one_in(10) && options_.filter.empty()) {
        loop_end();
        return;
    }
    const auto from = [&](const std::vector<const Row*>& rows) -> const Row& {
        return *rows[random_.below(static_cast<u32>(rows.size()))];
    };
    const u32 kind = sequence_ ? random_.below(20) : 19;
    const Row& row = kind < 3 && !branch_rows_.empty()       ? from(branch_rows_)
                     : kind == 3 && !exclusive_rows_.empty() ? from(exclusive_rows_)
                     : kind == 4 && !system_rows_.empty()    ? from(system_rows_)
                                                             : from(chosen_);
    emit_row(row);
}

void Generator::emit_row(const Row& row) {
    const auto name = row.name();
    const bool needs_room = row.is_exclusive() || row.is_branch_or_system() || row.is_copy_or_set();
    if (needs_room && !fits(6) && sequence_) {
        plain();
    } else if (row.branch_offset() != nullptr) {
        branch(row);
    } else if (name == "BR" || name == "BLR" || name == "RET") {
        register_branch(row);
    } else if (row.info->feature == frontend::Feature::PAuth && row.field("M") != nullptr) {
        row.is_load_store() ? authenticated_load(row) : authenticated_branch(row);
    } else if (row.name().starts_with("PAC_")) {
        fits(4) ? sign_pointer(row) : plain();
    } else if (row.is_exclusive()) {
        exclusive_pair(row);
    } else if (row.is_copy_or_set()) {
        copy_or_set(row);
    } else if (name == "SVC" ||
               ((name == "UDF" || name == "BRK") && sequence_ && !random_.one_in(24))) {
        plain();
    } else if (!emit_plain(row)) {
        plain();
    }
}

MachineProgram Generator::program(bool wild) {
    wild_ = wild;
    u32 length = options_.length;
    if (length == 0) {
        const u32 kind = random_.below(20);
        length = kind < 7    ? 1
                 : kind < 12 ? 2 + random_.below(8)
                             : 10 + random_.below(kMaxWords - 12);
    }
    words_.clear();
    starts_.clear();
    fixups_.clear();
    function_fixups_.clear();
    function_starts_.clear();
    budget_ = std::min<std::size_t>(length, kMaxWords - 2);
    sequence_ = length > 1;
    main_start_ = 0;
    function_count_ = length > 20 && options_.filter.empty() ? random_.below(3) : 0;
    program_fpcr_ = random_.one_in(2) ? 0 : random_fpcr();
    if (!sequence_) {
        const Row& row = *chosen_[random_.below(static_cast<u32>(chosen_.size()))];
        if (std::ranges::count(branch_rows_, &row) != 0) { // something to jump over
            sequence_ = true;
            budget_ = 8;
            starts_.push_back(0);
            emit_row(row);
            for (unsigned n = 1 + random_.below(3); n != 0; --n) {
                starts_.push_back(words_.size());
                push(add_immediate(random_.below(4), random_.below(4)) | random_.below(4096) << 10);
            }
        } else {
            starts_.push_back(0);
            budget_ = 8;
            emit_row(row);
        }
    } else {
        const bool functions_first = function_count_ != 0 && random_.one_in(2);
        if (functions_first) {
            starts_.push_back(0);
            branch_to(branch_word(), kImm26, 1);
            functions();
            main_start_ = 1;
        }
        const std::size_t reserve = functions_first ? 0 : function_count_ * 7u + 1;
        budget_ -= std::min(budget_ - 2, reserve);
        while (fits(1)) {
            element();
        }
        if (!functions_first && function_count_ != 0) {
            branch_to(branch_word(), kImm26, ~std::size_t{0});
            functions();
        }
    }
    resolve();
    MachineProgram result{};
    result.count = static_cast<u32>(std::min<std::size_t>(words_.size(), kMaxWords));
    std::copy_n(words_.begin(), result.count, result.words);
    return result;
}

void Generator::resolve() {
    const auto patch = [&](const Fixup& fixup, std::size_t target) {
        const auto value = fixup.field.name == "lo12" ? target * 4 : target - fixup.at;
        words_[fixup.at] = fixup.field.set(words_[fixup.at], static_cast<u32>(value));
    };
    for (const Fixup& fixup : fixups_) {
        patch(fixup, fixup.label < starts_.size() ? starts_[fixup.label] : words_.size());
    }
    for (const Fixup& fixup : function_fixups_) {
        patch(fixup, function_starts_[fixup.label]);
    }
}

// --- States

u64 Generator::random_fpcr() {
    if (!options_.random_fpcr) {
        return 0;
    }
    return u64{random_.below(4)} << 22 | u64{random_.one_in(3)} << 24 |
           u64{random_.one_in(3)} << 25 | u64{random_.one_in(4)} << 26 |
           u64{has_fp16_ && random_.one_in(3)} << 19 |
           (has_afp_ && random_.one_in(2) ? random_.below(8) : 0); // FIZ AH NEP
}

MachineState Generator::state() {
    MachineState state{};
    for (u64& x : state.x) {
        x = edge_integer(random_);
    }
    for (u64& v : state.v) {
        v = edge_lanes(random_);
    }
    const auto pointer = [&] {
        const u64 tag = random_.one_in(48) ? random_.next() & ~(~u64{0} >> 8) : 0;
        return tag | (MACHINE_DATA + kDataBytes / 2 - 2048 + random_.below(256) * 16 +
                      (random_.one_in(8) ? random_.below(16) : 0));
    };
    const auto edge = [&] {
        const u64 edges[] = {0, kDataBytes, kWindowBytes};
        return MACHINE_DATA + pick(random_, edges) - 32 + random_.below(64);
    };
    constexpr u64 kFpsrBits = 0x0800009f; // QC, IDC, IXC, UFC, OFC, DZC, IOC
    state.x[kFpsrValue] = random_.next() & kFpsrBits;
    state.x[kFpcrValue] = random_fpcr();
    state.x[kCounter0] = random_.below(5);
    state.x[kCounter1] = random_.below(6);
    state.x[kTarget] = MACHINE_CODE;
    state.x[kEdge] = edge();
    state.x[kIndex] = random_.below(16) * 8;
    if (random_.one_in(6)) {
        state.x[kIndex] = u64{0} - random_.below(256);
    }
    state.x[kBase0] = pointer();
    state.x[kBase1] = pointer();
    state.x[kLink] = MACHINE_LEAVE;
    state.sp = pointer() & (random_.one_in(16) ? ~u64{0} : ~u64{15});
    state.nzcv = random_.below(16);
    state.fpcr = random_.one_in(4) ? random_fpcr() : program_fpcr_;
    state.fpsr = random_.one_in(4) ? random_.next() & kFpsrBits : 0;
    state.tpidr = random_.next();
    return state;
}

} // namespace ulna::fuzz
