// Random programs and states for the machine of tests/insn.
//
// Programs are straight runs of random instructions, among them forward branches of every kind,
// calls and returns, and loops whose counters bound them. Some registers have a role, so that
// memory accesses mostly hit the data window and branches the program; instructions that would
// write them are not chosen:
//
//   X19 X20    a valid FPSR and FPCR value, for MSR
//   X21, X24   loop counters
//   X22        a saved X30
//   X23        branch targets
//   X25        points near an edge of the window: accesses may fault
//   X26        a small index
//   X27 X28 SP point into the window's middle; base writeback may move them, and X25
//   X30        return address; the leave address before the first call
#pragma once

#include <string>
#include <vector>

#include "tests/fuzz/edge_values.h"
#include "tests/fuzz/random.h"
#include "tests/fuzz/rows.h"
#include "tests/insn/machine.h"

namespace ulna::fuzz {

inline constexpr unsigned kFpcrValue = 20;

struct GeneratorOptions {
    const frontend::CpuModel* cpu = nullptr;
    std::string filter;        // only rows whose name contains this, beside what they need
    bool exact_filter = false; // is this
    unsigned length = 0;       // instructions in a program; 0: varies
    bool random_fpcr = true;
    std::vector<std::string> excluded; // row names
};

class Generator {
  public:
    Generator(std::uint64_t seed, GeneratorOptions options);
    // A wild one may use any register as an address, so its stores may hit anything that is mapped.
    [[nodiscard]] MachineProgram program(bool wild = false);
    // A state to start the latest program from, with pointers into window 0.
    [[nodiscard]] MachineState state();

  private:
    struct Fixup { // the word's PC-relative field gets the distance to the label
        std::size_t at;
        Field field;
        std::size_t label; // number of an element, or of a function
    };

    // generator_words.cpp
    void find_system_registers(); // those that MRS and MSR may name
    [[nodiscard]] std::uint32_t field_value(const Field& field);
    [[nodiscard]] std::uint32_t random_word(const Row& row);
    [[nodiscard]] std::uint32_t memory_word(const Row& row, std::uint32_t word);
    [[nodiscard]] std::uint32_t system_register_word(const Row& row, std::uint32_t word);
    [[nodiscard]] bool usable(const Row& row, std::uint32_t word);

    // generator_parts.cpp: each appends words
    bool emit_plain(const Row& row);
    void plain();
    void branch(const Row& row);
    void register_branch(const Row& row);
    void authenticated_branch(const Row& row);
    void sign_pointer(const Row& row);
    void authenticated_load(const Row& row);
    void exclusive_pair(const Row& row);
    void copy_or_set(const Row& row);
    void loop_end();
    void functions();
    [[nodiscard]] bool is_harmless(const Row& row) const;
    [[nodiscard]] bool clobbered(std::size_t start, unsigned reg) const;
    void branch_to(std::uint32_t word, const Field& field, std::size_t label);
    void push(std::uint32_t word) { words_.push_back(word); }
    [[nodiscard]] bool fits(std::size_t words) const { return words_.size() + words <= budget_; }

    void element();
    void emit_row(const Row& row);
    void resolve();
    [[nodiscard]] const Row* row_named(std::string_view name) const;
    [[nodiscard]] std::uint64_t random_fpcr();

    Random random_;
    GeneratorOptions options_;
    std::vector<Row> rows_;
    std::vector<const Row*> chosen_; // rows that the filter takes
    std::vector<const Row*> branch_rows_, exclusive_rows_, system_rows_; // among them
    std::vector<std::uint32_t> readable_, writable_; // system registers, op1:CRn:CRm:op2
    bool has_fp16_ = false, has_afp_ = false;

    // The program that is being made.
    std::vector<std::uint32_t> words_;
    std::size_t budget_ = 0;
    bool wild_ = false;
    bool sequence_ = false;           // registers with a role keep it
    std::vector<std::size_t> starts_; // first word of each element: where branches lead
    std::size_t main_start_ = 0;      // first element that is not a function
    std::vector<Fixup> fixups_, function_fixups_;
    unsigned function_count_ = 0;
    std::vector<std::size_t> function_starts_;
    std::uint64_t program_fpcr_ = 0;
};

} // namespace ulna::fuzz
