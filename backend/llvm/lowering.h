// IR of a region -> LLVM IR.
//
// HOW TO WRITE A LOWERING
//
//     // a & ~b
//     Value* lower_AndNot(Lowering& l, const Inst& inst) {
//         return l.b.CreateAnd(l.value(inst.args[0]), l.b.CreateNot(l.value(inst.args[1])));
//     }
//     table[Opcode::AndNot] = lower_AndNot;
//
// Types: i1..i64 are themselves, f16 is i16, f32 and f64 are float and double, v128 is <2 x i64>,
// nzcv is Flags. A lowering of an operation with an nzcv result calls set_flags and returns null.
//
// Rules
//   - No poison: no nsw, nuw or inbounds; shift counts are masked; divisions are guarded.
//   - FP operations are constrained intrinsics. What they may get wrong goes to with_exact().
//   - An operation without a row is evaluated out of line by ir::eval, as in tier 1.
#pragma once

#include <bitset>
#include <optional>

#include "backend/llvm/abi.h"
#include "backend/llvm/exits.h"
#include "backend/llvm/flag_liveness.h"
#include "backend/llvm/host_op.h"
#include "backend/llvm/region_graph.h"
#include "backend/llvm/tier2.h"

namespace ulna::backend::tier2 {

using ir::Inst;
using ir::Opcode;
using ir::ValueId;
using llvm::BasicBlock;
using llvm::Value;

enum class Flag : u8 { N, Z, C, V, Lt }; // Lt: N != V, which LLVM would not find again

// An nzcv value: its flags, or what they follow from. They are made where they are used: many are
// used on cold ways only, and most nowhere.
struct Flags {
    static constexpr unsigned kCount = 5;
    Value* n = nullptr;
    Value* z = nullptr;
    Value* c = nullptr;
    Value* v = nullptr;
    Value* lt = nullptr;
    // A condition that is a value already, of an FP compare.
    ir::Cond known_condition = ir::Cond::AL;
    Value* known = nullptr;

    enum class Source : u8 {
        Values,
        Sub,    // a - b
        Add,    // a + b
        Adc,    // a + b + condition
        Result, // a, of a logical operation
        Select, // then or otherwise, by condition
    };
    Source source = Source::Values;
    Value* a = nullptr;
    Value* b = nullptr;
    Value* condition = nullptr;
    const Flags* then = nullptr; // of the same block
    const Flags* otherwise = nullptr;

    [[nodiscard]] std::array<Value*, kCount> all() const { return {n, z, c, v, lt}; }
    [[nodiscard]] static Flags of(const std::array<Value*, kCount>& all) {
        Flags flags;
        flags.n = all[0], flags.z = all[1], flags.c = all[2], flags.v = all[3], flags.lt = all[4];
        return flags;
    }
};

class Lowering;
using LowerFn = Value* (*)(Lowering& l, const Inst& inst);
struct LowerTable {
    LowerFn fn[ir::kOpcodeCount] = {};
    LowerFn& operator[](Opcode op) { return fn[static_cast<unsigned>(op)]; }
};
void add_int_lowerings(LowerTable& table);
void add_flag_lowerings(LowerTable& table);
void add_memory_lowerings(LowerTable& table);
void add_atomic_lowerings(LowerTable& table);
void add_fp_lowerings(LowerTable& table);
void add_vec_lowerings(LowerTable& table);

// What the functions of a region have in common.
struct RegionModule {
    RegionModule(const Region& region, const Options& options);

    const Options& options;
    const RegionGraph graph;
    const FlagLiveness flags;
    const std::vector<CodePlace> other_pages;
    llvm::LLVMContext context;
    llvm::Module module;
    std::vector<llvm::Function*> functions; // as RegionGraph numbers them
    std::vector<ExitStub> exits;
    std::vector<llvm::Function*> exit_functions;
    std::vector<HostOp> host_ops;
    u32 page_guard_exit = 0;          // in exits, where there are other pages
    std::vector<GuestAddr> guest_pcs; // of all blocks
    std::vector<u32> first_guest_pc;  // by block

    [[nodiscard]] u32 exit_number(const ExitStub& exit); // in exits
    [[nodiscard]] llvm::Function* exit_function(const ExitStub& exit) {
        return exit_functions[exit_number(exit)];
    }
    // Of a machine: to the block at a guest address without ranges.
    [[nodiscard]] ExitStub exit_without_ranges(GuestAddr pc) const;
    [[nodiscard]] Vectors vectors_of(int function) const;
};

// Whether all of its operations can be lowered or evaluated.
[[nodiscard]] bool can_lower(const ir::Block& block);
// Makes the functions' bodies.
void lower(RegionModule& module);

using SlotSet = std::bitset<ir::kSlotCount>;

// One function.
class Lowering {
  public:
    Lowering(RegionModule& module, int function);
    void run();

    llvm::IRBuilder<> b;

    // --- the block and its values
    [[nodiscard]] const Options& options() const { return module_.options; }
    [[nodiscard]] const ir::Block& block() const { return *block_; }
    [[nodiscard]] ir::BlockMode mode() const { return block_->key.mode; }
    [[nodiscard]] Value* value(ValueId id) const;
    [[nodiscard]] const Flags& flags(ValueId id) const { return flags_[id]; }
    void set_flags(const Inst& inst, const Flags& flags) { flags_[id_of(inst)] = flags; }
    [[nodiscard]] ir::Type type_of(ValueId id) const { return block_->insts[id].type; }
    [[nodiscard]] unsigned width_of(ValueId id) const { return ir::bit_width(type_of(id)); }
    [[nodiscard]] GuestAddr pc_of(const Inst& inst) const;

    // --- types and constants
    [[nodiscard]] llvm::Type* type(ir::Type type);
    [[nodiscard]] llvm::IntegerType* int_type(unsigned bits) { return b.getIntNTy(bits); }
    [[nodiscard]] llvm::FixedVectorType* v128();
    [[nodiscard]] llvm::FixedVectorType* int_lanes(ir::Shape shape); // of a whole register
    [[nodiscard]] Value* constant(V128 value);
    [[nodiscard]] Value* zero_vector() { return constant({}); }

    // --- conversions
    [[nodiscard]] Value* flag(const Flags& flags, Flag flag);
    [[nodiscard]] std::array<Value*, Flags::kCount> all_flags(const Flags& flags);
    [[nodiscard]] Value* pack(const Flags& flags); // i32, as the cell
    [[nodiscard]] Flags unpack(Value* packed);
    // A value as integer bits, zero-extended to 64; not v128.
    [[nodiscard]] Value* to_bits(ValueId id);
    // The low bits of an integer or f16, in a register of 32 or 64 bits whose rest is anything.
    [[nodiscard]] Value* low_bits(ValueId id, unsigned bits);
    [[nodiscard]] Value* from_bits(Value* bits64, ir::Type type); // not nzcv, v128
    [[nodiscard]] Value* zext_to(Value* v, unsigned bits);

    // --- guest state
    [[nodiscard]] Value* cell(std::size_t offset); // address in CpuState
    [[nodiscard]] Value* get(ir::Slot slot);
    void set(ir::Slot slot, Value* v);
    [[nodiscard]] Flags get_nzcv();
    // Reads what a fault at `inst` would have to show: before control flow that faults on one of
    // its ways, because a value read there would be kept for the other ones too.
    void prepare_state(const Inst& inst);
    void set_nzcv(const Flags& flags);
    void set_qc(Value* saturated); // FPSR.QC, where the condition holds

    // --- opaque host instructions
    Value* host_op(HostOp op, llvm::ArrayRef<Value*> operands, llvm::Type* result = nullptr);
    // The same, which may fault at the guest instruction of `inst`.
    Value* faulting_op(HostOp op,
                       const Inst& inst,
                       llvm::ArrayRef<Value*> operands,
                       llvm::Type* result = nullptr);
    // Of a machine: where the bytes are that an access finds at the address.
    Value* look(const Inst& inst, Value* address);
    // Out of line by ir::eval. Null for an nzcv result, whose flags are set.
    Value* eval(const Inst& inst);
    // `fast`, or the exact evaluation of `inst` where `inexact` (i1) holds.
    Value* with_exact(const Inst& inst, Value* fast, Value* inexact);

    // The same where `fast` must not be executed for operands that are `odd`.
    template <class F> Value* guarded(const Inst& inst, Value* odd, F fast) {
        BasicBlock* const common = new_block("common");
        BasicBlock* const exact = new_block("exact");
        BasicBlock* const join = new_block("join");
        b.CreateCondBr(odd, exact, common, unlikely());
        b.SetInsertPoint(common);
        Value* const value = fast();
        BasicBlock* const common_end = b.GetInsertBlock();
        b.CreateBr(join);
        return join_exact(inst, value, common_end, exact, join);
    }

    // --- control flow
    BasicBlock* new_block(const char* name);
    // Goes on at the builder's place when `condition` is false; `otherwise` runs where it is true,
    // and must leave.
    template <class F> void leave_if(Value* condition, F otherwise) {
        BasicBlock* const leaving = new_block("leave");
        BasicBlock* const next = new_block("next");
        b.CreateCondBr(condition, leaving, next, unlikely());
        b.SetInsertPoint(leaving);
        const auto saved = current_;
        otherwise();
        current_ = saved;
        b.SetInsertPoint(next);
    }
    // Leaves to the runtime; state is as at the guest instruction.
    void leave_to_runtime(ir::ExitReason reason, GuestAddr pc, Value* exit_arg);
    // Goes to a guest address, inside the region or out of it.
    void go_to(GuestAddr target, GuestAddr from, bool nzcv_live);
    void go_to(int node, GuestAddr target, GuestAddr from, bool nzcv_live);
    [[nodiscard]] llvm::MDNode* unlikely();
    [[nodiscard]] llvm::MDNode* likely();
    [[nodiscard]] llvm::MDNode* equally_likely(std::size_t cases);

  private:
    // The values that slots have at this place of the block; null: what the slot's variable holds.
    struct Current {
        std::array<Value*, ir::kSlotCount> slots{};
        std::optional<Flags> nzcv;
        SlotSet dirty;   // may differ from the cell in CpuState
        SlotSet changed; // differ from the variable
    };
    struct SlotVariable {
        std::array<llvm::AllocaInst*, Flags::kCount> parts{}; // NZCV has all, others the first
    };

    [[nodiscard]] ValueId id_of(const Inst& inst) const {
        return static_cast<ValueId>(&inst - block_->insts.data());
    }
    Value* join_exact(
        const Inst& inst, Value* fast, BasicBlock* fast_end, BasicBlock* exact, BasicBlock* join);
    [[nodiscard]] bool is_argument(unsigned slot) const;
    void find_slots();
    void find_in_cells();
    void find_in_frame();
    [[nodiscard]] bool is_value(ir::Slot slot) const;
    void find_dirty();
    void find_lazy();
    [[nodiscard]] bool is_in_cycle(int node) const;
    [[nodiscard]] bool leaves_function(int node) const;
    [[nodiscard]] std::vector<ir::Slot> shown_slots(bool nzcv_live) const;
    void make_variables();
    [[nodiscard]] bool reads_cell(unsigned slot) const;
    [[nodiscard]] Flags load_nzcv();
    void lower_node(int node);
    void lower_instruction(const Inst& inst);
    void lower_exit();
    void lower_return(Value* target, bool nzcv_live, bool pairing);
    void lower_call_indirect(const ir::ExitCallIndirect& exit, bool nzcv_live, bool pairing);
    void lower_indirect(const ir::ExitIndirect& exit, bool nzcv_live);
    void enter(int node, bool nzcv_live);
    void leave_to(GuestAddr target, bool is_backward, bool nzcv_live);
    void store_variables(bool nzcv_live);
    void write_back(bool nzcv_live);
    void leave_by(const ExitStub& exit, Value* rax = nullptr);
    void tail_call(llvm::Function* to, Value* rax);
    [[nodiscard]] llvm::SmallVector<Value*, kArgumentCount> state_arguments(Value* rax);
    void poll();

    RegionModule& module_;
    const int number_;
    llvm::Function* const function_;
    const Vectors vectors_;
    llvm::Value* state_ = nullptr; // biased, as in R15
    BasicBlock* entry_ = nullptr;

    // Slots that differ from their cells where a node begins: on some way there, on all ways.
    struct Dirty {
        SlotSet may, must = SlotSet{}.set();
    };
    SlotSet used_;                          // cached slots that the function's blocks name
    SlotSet in_cells_;                      // of those, what stays in memory all the time
    SlotSet in_frame_;                      // or in the function's frame: in their variables
    SlotSet lazy_;                          // not read before they are needed
    std::vector<Dirty> dirty_at_;           // by node
    std::vector<BasicBlock*> basic_blocks_; // by node
    std::array<SlotVariable, ir::kSlotCount> variables_{};

    const ir::Block* block_ = nullptr;
    int node_ = 0;
    Current current_;
    std::vector<Value*> values_;
    std::vector<Flags> flags_;
    std::vector<bool> flags_live_after_; // by instruction
};

} // namespace ulna::backend::tier2
