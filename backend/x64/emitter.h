// The context in which the operations of one block are emitted: code buffer, register allocator,
// cold paths, literal pool, fault sites.
//
// HOW TO WRITE AN EMITTER
//
//     // lane-wise a + b
//     void emit_VAdd(Emitter& e, const Inst& inst) {
//         const Xmm a = e.use_xmm(inst.args[0]);        // in a register, read-only
//         const XmmMem b = e.use_xmm_mem(inst.args[1]); // register or 16-byte aligned memory,
//         read-only const Xmm d = e.def_xmm(inst, Overlap::Any);  // the result; last, after all
//         uses e.c.vpaddd(d, a, b);
//     }
//     table.set(Opcode::VAdd, emit_VAdd, kKeepsFlags);
//
// Rules
//   - Call the use_* functions first, then def_*, then emit. All registers handed out stay valid
//   until the
//     emitter returns; then the driver releases them. Registers from use_gpr / use_xmm are
//     read-only (they may be pinned guest registers or be needed later); use_*_copy and scratch_*
//     may be written.
//   - Order: uses, takes (take_gpr), then def, then scratches; a scratch asked for before def never
//   equals the
//     result. Asking for scratch may emit a spill or save store, never anything that changes
//     EFLAGS.
//   - The result register may be an argument's register only as `overlap` says. The register's old
//   value
//     is dead in that case. Nothing that can fault or leave the block may come after the result is
//     first written.
//   - Integer registers: i64 is whole; for i32, i16, i8 arguments the bits above the type are
//   UNSPECIFIED
//     (use cvt32(), or use_gpr_zext for zeroed upper bits). i32 results must be written by a 32-bit
//     instruction (upper half zero). i1 and nzcv are 0/1 and 0..15 with all upper bits zero.
//   - FP scalars sit in lane 0 of an XMM register; bits above are UNSPECIFIED, unless
//   scalar_is_clean(v).
//     An emitter whose scalar result has zero upper bits calls mark_clean(inst). v128 results are
//     always exact in all 128 bits: a Shape of 8 bytes (or one lane) must zero the rest.
//   - XMM temporaries are only four, and scratch_xmm never fails: past four it borrows a pinned
//   register,
//     saved before and restored after the operation. So an operation that may fault must not need
//     many.
//   - EFLAGS: an entry without kKeepsFlags is taken to destroy them.
//   - No Xbyak labels in common paths (they are slow): use Jump/bind, or cold().
//   - FP control: MXCSR is the guest's (rounding, FTZ/DAZ per FPCR, all masked). e.mode() has the
//   FPCR fields.
//   - FPSR.QC has no x86 counterpart: `or dword [e.state(offsetof(CpuState, fpsr))], 1 << 27`, or
//   cold path.
//
// Cold paths run after the hot code: a lambda that captures (by value, trivially copyable, up to 64
// bytes) the registers it needs. It may use the fixed registers it captured, and cold_eval; not
// use_/def_/scratch_:
//
//     const Xmm t = e.scratch_xmm();
//     e.c.vaddsd(t, a, b);
//     e.c.vucomisd(t, t);
//     const ColdEval exact = e.cold_eval_of(inst, {a.getIdx(), b.getIdx()}, t.getIdx());
//     e.cold(e.jcc(Cc::P), [=](Emitter& e) { e.emit_cold_eval(exact); }); // then continues after
//     this line e.define(inst, t);
#pragma once

#include <array>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "backend/x64/operand.h"
#include "ir/eval.h"
#include "ir/support/pick.h"

namespace ulna::backend::x64 {

using ir::Block;
using ir::Inst;
using ir::Opcode;
using ir::ValueId;
using GprMem = RegMem;
using XmmMem = RegMem;

class Emitter;
using EmitFn = void (*)(Emitter& e, const Inst& inst);

enum EmitFlags : u8 {
    kDefault = 0,
    kKeepsFlags = 1, // the emitted code leaves EFLAGS alone
};

// What an operation's code has to do with EFLAGS; link_flags follows them by it.
enum class FlagRole : u8 {
    Keeps,     // leaves them alone
    Destroys,  // leaves nothing known in them
    Access,    // a load, store or probe: keeps_flags says which
    Condition, // evaluates a condition, into a value
    Select,    // consumes a condition
    ExitIf,
    Carry, // consumes a condition as its carry, then destroys them
    ZExt,  // consumes a condition when it extends one
    Flags, // makes an nzcv value, when one is needed
    FCmp,
    Sub, // leave the flags of their result
    Add,
    Logic,
};

// Opcode -> emitter. Operations without a row are evaluated out of line (Emitter::call_eval).
class EmitTable {
  public:
    struct Row {
        EmitFn fn = nullptr;
        FlagRole role = FlagRole::Destroys;
    };
    void set(Opcode op, EmitFn fn, u8 flags = kDefault) {
        rows_[static_cast<unsigned>(op)] = {fn, flags & kKeepsFlags ? FlagRole::Keeps
                                                                    : FlagRole::Destroys};
    }
    void set_role(Opcode op, FlagRole role) { rows_[static_cast<unsigned>(op)].role = role; }
    [[nodiscard]] const Row& operator[](Opcode op) const {
        return rows_[static_cast<unsigned>(op)];
    }

  private:
    std::array<Row, ir::kOpcodeCount> rows_{};
};
void add_int_emitters(EmitTable& table);    // emit_int*.cpp
void add_mem_emitters(EmitTable& table);    // emit_mem*.cpp
void add_fp_emitters(EmitTable& table);     // emit_fp*.cpp
void add_vec_emitters(EmitTable& table);    // emit_vec*.cpp
void add_crypto_emitters(EmitTable& table); // emit_crypto.cpp
void add_flag_roles(EmitTable& table);      // flag_plan.cpp
// emit_fp_alternate.cpp, instead of those of FP: for FPCR.AH, and out of line
void add_alternate_emitters(EmitTable& table);
void add_exact_emitters(EmitTable& table);
// emit_fp_trapping.cpp, instead of some of FP: for BlockMode::traps_fp
void add_trapping_emitters(EmitTable& table);

// Xbyak on a fixed scratch buffer.
class Code : public Xbyak::CodeGenerator {
  public:
    Code(void* buffer, std::size_t bytes) : Xbyak::CodeGenerator(bytes, buffer) {}
    [[nodiscard]] u32 position() const { return static_cast<u32>(getSize()); }
    void rewind(u32 position) { setSize(position); }
    [[nodiscard]] u8* at(u32 position) { return const_cast<u8*>(getCode()) + position; }
};

// A forward jump (rel32) whose target is bound later.
struct Jump {
    u32 end = 0; // position after the displacement
};
// A position already emitted.
struct Position {
    u32 at = 0;
};

// Operands of an out-of-line evaluation made in cold code, where the allocator is no longer
// available.
struct ColdEval {
    ir::OpParams params;
    u8 arg_count = 0;
    u8 args[ir::kMaxArgs] = {};        // host register numbers
    ir::Type types[ir::kMaxArgs] = {}; // decide register file and how many bits count
    u8 result = kNoReg;
    ir::Type result_type = ir::Type::Void;
    u32 borrowed = 0; // pinned registers on loan as scratch: bit n integer, bit 16 + n vector
};

class Emitter {
  public:
    Emitter();
    ~Emitter();
    Emitter(const Emitter&) = delete;

    void compile(const Block& block, const CompileOptions& options, CompiledBlock& out);

    Code c; // e.c.vaddsd(...): the assembler

    // --- the block
    [[nodiscard]] const Block& block() const { return *block_; }
    [[nodiscard]] ir::BlockMode mode() const { return block_->key.mode; }
    [[nodiscard]] const CompileOptions& options() const { return *options_; }
    [[nodiscard]] const Inst& inst_of(ValueId v) const { return insts_[v]; }
    [[nodiscard]] ir::Type type_of(ValueId v) const { return insts_[v].type; }

    // --- constants among arguments
    [[nodiscard]] bool is_const(ValueId v) const { // of any type
        return insts_[rep(v)].op == Opcode::Const;
    }
    [[nodiscard]] u64 const_value(ValueId v) const {
        const Inst& inst = insts_[rep(v)];
        return inst.imm & ones(std::min(ir::bit_width(type_of(v)), ir::bit_width(inst.type)));
    }
    // A guest address that moves with the block.
    [[nodiscard]] bool is_address(ValueId v) const {
        return insts_[rep(v)].op == Opcode::CodeAddress;
    }
    // Made again where it is needed: it never goes to memory.
    [[nodiscard]] bool is_remade(ValueId v) const {
        return is_const(v) || is_vconst(v) || is_address(v);
    }
    [[nodiscard]] bool is_vconst(ValueId v) const { return insts_[rep(v)].op == Opcode::ConstVec; }
    [[nodiscard]] V128 vconst_value(ValueId v) const;
    [[nodiscard]] static bool fits_imm32(u64 value) {
        return static_cast<i64>(value) == static_cast<i32>(value);
    }

    // --- integer arguments
    [[nodiscard]] Gpr use_gpr(ValueId v);      // read-only
    [[nodiscard]] Gpr use_gpr_zext(ValueId v); // read-only, bits above the type zero
    [[nodiscard]] Gpr
    use_gpr_copy(ValueId v); // writable; takes the value's own register when it dies here
    // Register, or the memory the value lives in, sized `bits` (32 or 64).
    [[nodiscard]] GprMem use_gpr_mem(ValueId v, unsigned bits);
    // Its low 8, 16, 32 or 64 bits as a register part, or the memory of that size.
    [[nodiscard]] GprMem use_gpr_part(ValueId v, unsigned bits);
    // The value is in memory and this operation is its last use: it can only be a memory operand
    // well.
    [[nodiscard]] bool in_memory_only(ValueId v) const;
    [[nodiscard]] bool in_pinned_xmm(ValueId v) const;
    // The value into a scratch register that is exactly `reg`.
    void use_gpr_in(ValueId v, HostReg reg);

    // --- vector and FP arguments
    [[nodiscard]] Xmm use_xmm(ValueId v);
    [[nodiscard]] Xmm use_xmm_copy(ValueId v);
    // Register or memory holding the value: at least 16 bytes readable and 16-byte aligned for
    // v128; for scalars memory holds at least the scalar (constants of f32/f64 come as literals
    // with zero upper bits).
    [[nodiscard]] XmmMem use_xmm_mem(ValueId v);
    [[nodiscard]] bool scalar_is_clean(ValueId v) const; // upper bits of its register are zero
    void mark_clean(const Inst& inst);
    // Before instructions that have no VEX form. Half precision and copies of memory leave upper
    // halves of YMM registers in use, and then each change between the two kinds costs 100 cycles
    // on some of Intel's CPUs. Once a block: the same block hardly makes them dirty again.
    void clean_upper_halves() {
        if (!std::exchange(upper_halves_clean_, true)) {
            c.vzeroupper();
        }
    }

    // --- results
    [[nodiscard]] Gpr def_gpr(const Inst& inst, Overlap overlap = Overlap::None);
    [[nodiscard]] Xmm def_xmm(const Inst& inst, Overlap overlap = Overlap::None);
    // The result is in this register, obtained by scratch_*, take_gpr or use_*_copy.
    void define(const Inst& inst, Gpr reg);
    void define(const Inst& inst, Xmm reg);
    // The result register, holding a copy of `a` to be modified: for two-operand instructions. All
    // other arguments must have been used already.
    [[nodiscard]] Gpr def_gpr_from(const Inst& inst, ValueId a);
    // True when the result would best go to the register that holds v (commutative operations
    // exchange).
    [[nodiscard]] bool hint_is_register_of(const Inst& inst, ValueId v) const;
    // The result is the argument itself (no code).
    void define_as(const Inst& inst, ValueId same);
    // What reads `part` behind this operation reads its result instead, whose low bits are the
    // same: one value less to keep. Between the two calls `part` is used for the last time.
    [[nodiscard]] u16 detach_later_uses(ValueId part);
    void attach_uses(const Inst& inst, ValueId part, u16 uses);

    // --- scratch, until the end of this operation
    [[nodiscard]] Gpr scratch_gpr();
    [[nodiscard]] Xmm scratch_xmm();
    // A particular register as scratch; its value is moved away (pinned ones come back afterwards).
    // Must come before any use_* that could otherwise hand it out.
    Gpr take_gpr(HostReg reg);

    // --- memory of the state and literals
    [[nodiscard]] Address state(std::size_t offset, unsigned bits = 64); // [r15 + offset - bias]
    [[nodiscard]] Address
    literal(V128 value); // 16-byte aligned, xmmword; use at once in one instruction
    [[nodiscard]] Address literal64(u64 value) { return literal({value, value}); }
    [[nodiscard]] Address literal32(u32 value) { return literal64(u64{value} << 32 | value); }
    void load_imm(Gpr reg, u64 value); // keeps EFLAGS when they are needed
    void load_imm(Xmm reg, V128 value);
    void move(Gpr to, Gpr from);
    void move(Xmm to, Xmm from);

    // Call immediately before emitting an instruction that accesses guest memory; with the guest
    // instruction's index in cold paths.
    void fault_site();
    void fault_site(u16 guest_index);
    // Pinned registers (bit n: host register n) as scratch over accesses that may fault: their
    // contents wait in the slots. For instructions with fixed registers.
    void lend_gprs(u32 mask);
    void return_gprs(u32 mask);

    // --- jumps without labels
    [[nodiscard]] Jump jcc(Cc cc); // rel32 forward
    [[nodiscard]] Jump jmp();
    void bind(Jump jump); // to here
    void bind(Jump jump, Position target);
    // rel8 forms, for a few instructions ahead.
    [[nodiscard]] Jump jcc_short(Cc cc);
    void bind_short(Jump jump);
    [[nodiscard]] Position here() const { return {c.position()}; }
    void jcc_back(Cc cc, Position target);
    void jmp_back(Position target);

    // Emits `body(e)` out of line, reached by the pending jump, and ends it with a jump back to
    // here (the position where cold() was called):
    //     Jump nan = e.jcc(Cc::P);
    //     e.cold(nan, [=](Emitter& e) { ... });
    template <class F> void cold(Jump from, F body) { defer(from, here(), true, body); }
    // The same, but the body leaves by itself.
    template <class F> void cold_noreturn(Jump from, F body) { defer(from, here(), false, body); }

    // --- out-of-line evaluation by ir::eval. Preserves every register but the result's, and EFLAGS
    // not.
    void call_eval(const Inst& inst);
    // For cold paths: params_of(inst) with arguments in the given registers (of the kind their type
    // needs) and the result to `result`.
    [[nodiscard]] ColdEval
    cold_eval_of(const Inst& inst, std::initializer_list<int> arg_regs, int result) const;
    void emit_cold_eval(const ColdEval& eval);

    // --- conditions: makes EFLAGS say whether i1 value v holds. Some FP conditions need the parity
    // flag too.
    struct Condition {
        Cc cc;
        enum : u8 { Plain, AndNoParity, OrParity } parity = Plain; // holds: cc && !P, cc || P
    };
    [[nodiscard]] Condition condition(ValueId v);
    void set_byte(Gpr to, Condition condition, Gpr scratch); // low byte; keeps EFLAGS

  private:
    // What the allocator knows about a value. Kept for representatives only (see rep).
    struct ValueState {
        ValueId rep; // the value whose register and memory this one shares (itself if none)
        u16 uses;    // head of the list of future uses in uses_, kNoUse when dead
        i32 memory;  // offset in CpuState of a valid copy, or kNoMemory
        u8 reg;      // host register that holds it, or kNoReg
        u8 hint;     // register the result would best be computed into, or kNoReg
        u8 flags;    // ValueFlags
        u8 spill;    // spill cell that `memory` names, or kNoReg
    };
    enum ValueFlags : u8 {
        kVector = 1,     // lives in an XMM register
        kNeedsValue = 2, // i1, nzcv: some consumer needs it in a register
        kClean = 4,      // FP scalar whose register has zero upper bits
        kSkip = 8,       // no code: aliased, dead, or fused into its consumers
        kFused = 16,     // FP compare that some live consumer makes
    };
    enum PlanFlags : u8 {
        kSetsFlags =
            1, // emit in the form that leaves result flags in EFLAGS, a consumer relies on them
        kHasFlags = 2,      // this consumer's condition is already in EFLAGS
        kFlagsReserved = 4, // EFLAGS set earlier are still needed: keep them
        kSinksFlags = 8,    // this exit sets NZCV on its way out, to flags that EFLAGS hold
    };
    struct UseRecord {
        u16 at;   // index of the using instruction
        u16 next; // the value's next use
        ValueId value;
    };
    // What EFLAGS hold, as far as the analysis follows it.
    struct FlagsContent {
        enum Kind : u8 { Unknown, Sub, Add, Logic, Result } kind = Unknown;
        ValueId a = ir::kNoValue, b = ir::kNoValue; // operands
        ValueId result = ir::kNoValue;
        bool wide = false;
        u16 producer = 0;
    };
    // A Set of NZCV that is made only where it is seen: at the exits in (set, end).
    struct SunkFlags {
        ValueId set, flags; // the Set, and its value
        unsigned end;
        bool failed; // EFLAGS do not hold the flags at some exit
    };
    struct ColdPath {
        Jump from;
        Position back;
        bool returns;
        void (*run)(Emitter&, const void*);
        alignas(16) u8 captures[104];
    };
    struct LiteralUse {
        u32 start;   // position of the instruction
        u32 literal; // index
    };
    struct Borrowed {
        u8 reg;
        bool vector;
        bool gave_memory; // the value's memory was set to the home cell for the time being
        ValueId owner;    // the value that was in it, or kNoValue
    };
    // The record at the bottom of uses_, which ends every list: of no instruction, after all.
    static constexpr u16 kNoUse = 0;
    static constexpr u16 kNever = 0xffff;
    static constexpr i32 kNoMemory = -1;

    template <class F> void defer(Jump from, Position back, bool returns, F body) {
        static_assert(std::is_trivially_copyable_v<F> && sizeof(F) <= sizeof(ColdPath::captures));
        ColdPath& path = cold_.emplace_back();
        path.from = from;
        path.back = back;
        path.returns = returns;
        path.run = [](Emitter& e, const void* captures) { (*static_cast<const F*>(captures))(e); };
        std::memcpy(path.captures, &body, sizeof(F));
    }

    // analysis.cpp
    void analyse();
    void find_aliases_and_value_needs();
    [[nodiscard]] bool takes_bits(const Inst& inst) const;
    void note_needed_bits(const Inst& inst);
    void link_flags();
    void find_uses_and_hints();
    [[nodiscard]] bool is_idle(unsigned index) const;
    void plan_flags();
    void find_sinkable_flags();
    void mark_observers(const SunkFlags& sunk);
    void check_sunk(unsigned index, const FlagsContent& have);
    [[nodiscard]] bool shows_flags(unsigned index) const;
    [[nodiscard]] bool loop_overwrites_flags() const;
    [[nodiscard]] bool is_only_consumer(ValueId set) const;
    [[nodiscard]] Opcode sunk_op(unsigned index) const;
    [[nodiscard]] bool sunk_carry_is_borrow(unsigned index) const;
    [[nodiscard]] u32 sunk_flags_of_zero(unsigned index) const;
    template <class F> void for_each_use(unsigned index, F&& use) const;
    template <class F> void for_each_condition_use(ValueId condition, F&& use) const;
    template <class F> void for_each_leaf_of_condition(ValueId condition, F&& use) const;
    [[nodiscard]] bool same_operand(ValueId a, ValueId b) const;
    [[nodiscard]] FlagsContent flags_after(ValueId condition) const;
    [[nodiscard]] FlagsContent flags_of_source(const Inst& source) const;
    [[nodiscard]] bool same_flags(const FlagsContent& have, const FlagsContent& wanted) const;
    void mark_fused(unsigned index);
    void compare_before_call(unsigned call);
    [[nodiscard]] ValueId condition_made_by(unsigned index) const;
    [[nodiscard]] ValueId flags_of_condition(ValueId condition) const;
    [[nodiscard]] bool is_made_unseen(unsigned fcmp) const;
    [[nodiscard]] bool keeps_flags(const Inst& access) const;
    [[nodiscard]] bool flags_satisfy(const FlagsContent& flags, ValueId condition) const;
    void add_use(ValueId v, unsigned at, bool exists = true);

    // emitter.cpp
    void emit_instructions();
    void finish_instruction(unsigned index);
    struct Stub {
        u32 displacement; // position of the jump's displacement
        GuestAddr target;
    };
    void emit_cold_paths();
    void emit_link_stub(const Stub& stub);
    void place_literals(CompiledBlock& out);
    void spill_temporaries();
    void store_scratch(unsigned index, ir::Type type, u8 reg);
    void call_eval_thunk(const ir::OpParams& params);

    // regalloc.cpp
    [[nodiscard]] ValueId rep(ValueId v) const { return values_[v].rep; }
    [[nodiscard]] ValueState& state_of(ValueId v) { return values_[values_[v].rep]; }
    [[nodiscard]] const ValueState& state_of(ValueId v) const { return values_[values_[v].rep]; }
    [[nodiscard]] bool dies_here(ValueId rep) const;
    [[nodiscard]] bool may_consume(ValueId rep) const;
    [[nodiscard]] u16 next_use(ValueId rep) const;
    [[nodiscard]] u8 alloc_gpr();
    [[nodiscard]] u8 alloc_xmm();
    [[nodiscard]] u8 find_victim(const ValueId* owners, u32 candidates) const;
    void evict_gpr(u8 reg);
    void evict_xmm(u8 reg);
    void borrow_gpr(u8 reg);
    void borrow_xmm(u8 reg);
    void return_borrowed();
    void store_to_spill(ValueId rep);
    // Arithmetic instead of branches: what dies where is hard to predict.
    void release_if(ValueId rep, bool dies) {
        ValueState& value = values_[rep];
        static_assert(kVector == 1);
        const unsigned reg = value.reg + (value.flags & kVector) * 16u;
        ValueId& owner = owner_[pick(dies & (value.reg != kNoReg), reg, kNowhere)];
        owner = pick(owner == rep, ir::kNoValue, owner);
        value.reg = pick(dies, kNoReg, value.reg);
        if (dies & (value.spill != kNoReg)) {
            release_spill(value);
        }
    }
    void release_spill(ValueState& value);
    void bind_gpr(ValueId rep, u8 reg);
    void bind_xmm(ValueId rep, u8 reg);
    void load_value(Gpr to, ValueId v);
    void load_value(Xmm to, ValueId v);
    void preserve_before_overwrite(u8 reg, bool vector);
    [[nodiscard]] RegMem value_memory(ValueId rep, unsigned bits) const {
        DCHECK(values_[rep].memory != kNoMemory);
        return RegMem::state_cell(static_cast<std::size_t>(values_[rep].memory), bits);
    }
    [[nodiscard]] u8 try_hint(const Inst& inst, Overlap overlap, bool vector);
    [[nodiscard]] bool is_other_argument(const Inst& inst, ValueId rep) const;
    void set_pinned(ValueId v, u8 reg, bool vector);
    [[nodiscard]] u8 try_reuse(const Inst& inst, Overlap overlap, bool vector);

  public:
    // --- for the core emitters only
    // True when EFLAGS must come out of this operation as the flags of its result (analysis decided
    // so).
    [[nodiscard]] bool must_set_flags() const { return plan_[index_] & kSetsFlags; }
    // True when EFLAGS must not change in this operation.
    [[nodiscard]] bool flags_reserved() const { return plan_[index_] & kFlagsReserved; }
    [[nodiscard]] bool needs_value(const Inst& inst) const;
    [[nodiscard]] bool is_used(const Inst& inst) const;
    [[nodiscard]] bool same_value(ValueId a, ValueId b) const { return rep(a) == rep(b); }
    [[nodiscard]] ValueId id_of(const Inst& inst) const {
        return static_cast<ValueId>(&inst - block_->insts.data());
    }
    void condition_to_gpr(const Inst& inst, ValueId condition);
    void zero_extend(const Inst& inst, ValueId v, unsigned bits);
    [[nodiscard]] bool is_fusable_flags(ValueId flags) const;
    void cmov(Cc cc, bool wide, Gpr to, const GprMem& from);
    void get_slot(const Inst& inst);
    void set_slot(const Inst& inst);
    void store_value(const Mem& to, ValueId v, unsigned bits);
    void flags_to_value(const Inst& inst, bool invert_carry);
    void compare(ValueId a, ValueId b);
    void add_compare(ValueId a, ValueId b);
    void compare_zero(ValueId a);
    void test_against_zero(const GprMem& value, bool wide);
    [[nodiscard]] Condition test_bit(const Inst& inst);
    [[nodiscard]] Condition test_flags_value(ValueId flags, ir::Cond cond);
    [[nodiscard]] Condition compare_fp(const Inst& inst, ir::Cond cond);
    [[nodiscard]] Condition evaluate_condition(ValueId v);
    void hold_flags() { flags_held_ = true; }
    [[nodiscard]] bool has_flags() const { return plan_[index_] & kHasFlags; }
    void carry_from(ValueId condition); // CF = condition
    void emit_exit();
    void emit_exit_if(const Inst& inst);
    void emit_raise_if(const Inst& inst);
    void raise(GuestAddr pc, ir::ExitReason reason);
    void raise(GuestAddr pc, ir::ExitReason reason, u32 exit_arg);
    void check_pending(GuestAddr resume);
    void check_pending_rax(unsigned btype);
    void probe_jump_cache(unsigned btype);
    void jump_to_probed(unsigned btype);
    void call_probed(unsigned btype);
    void branch_to_probed(unsigned operation, unsigned btype);
    void store_btype(unsigned btype);
    [[nodiscard]] bool has_jump_table(unsigned btype) const;
    void jump_indirect(unsigned btype = 0);
    void return_site(GuestAddr return_to);
    void store_pc(GuestAddr pc);
    void load_address(unsigned reg, GuestAddr address);
    void note_address(AddressSite::Form form);
    [[nodiscard]] GuestAddr branch_pc() const;
    void leave_direct(GuestAddr target);
    void leave_at_safepoint(GuestAddr resume);
    void leave_backward(GuestAddr target); // by way of a safe point
    void leave_if(Cc cc, GuestAddr target);
    void leave_if(Condition condition, GuestAddr target);
    void leave_unless(Condition condition, GuestAddr target);
    void leave_for_sync(Condition condition, GuestAddr target);
    void exit_conditionally(const ir::ExitCond& exit);
    void leave_with_flags(Cc cc, GuestAddr target);
    void emit_flags_bits(bool invert_carry);
    void exit_by_call(const ir::ExitCall& exit);
    void exit_by_indirect_call(const ir::ExitCallIndirect& exit);
    void call_indirect(GuestAddr return_to, unsigned btype);
    [[nodiscard]] bool is_far(GuestAddr target) const;
    void jump_far(GuestAddr target);
    void exit_by_return(const ir::ExitReturn& exit);
    void exit_to_runtime(const ir::ExitTo& exit);
    [[nodiscard]] Address thunk(std::size_t offset) {
        return state(offsetof(ir::CpuState, thunks) + offset);
    }
    void call_helper(const Inst& inst);
    void commit_store();
    [[nodiscard]] Mem memory_operand(const Inst& inst);
    [[nodiscard]] Gpr memory_address(const Inst& inst);
    void check_alignment(Gpr address, ir::MemInfo mem);
    [[nodiscard]] Gpr memory_address_copy(const Inst& inst);
    void full_fence();
    [[nodiscard]] bool is_drained() const;
    void prepare_store_value(ValueId v, unsigned bits);
    [[nodiscard]] Mem address_expression(const Inst& inst);
    void strip_tag(Gpr address);
    [[nodiscard]] Gpr
    scratch_copy(ValueId v) { // a writable copy that leaves the value's own register alone
        const Gpr to = scratch_gpr();
        load_value(to, v);
        return to;
    }
    void align_for_displacement(unsigned opcode_bytes);
    void link_jump(GuestAddr target);
    void link_jcc(Cc cc, GuestAddr target);
    void link_call(GuestAddr target);

  private:
    const Block* block_ = nullptr;
    const CompileOptions* options_ = nullptr;
    CompiledBlock* out_ = nullptr;
    EmitTable ordinary_, trapping_, alternate_, exact_;
    const EmitTable* table_ = &ordinary_; // the block's, by its FPCR

    // The block's; the vectors below grow only, so that no block pays for initialising them.
    const Inst* insts_ = nullptr;
    unsigned count_ = 0; // of insts_
    std::vector<ValueState> values_;
    std::vector<u8> plan_;        // PlanFlags per instruction, and one more for the exit
    std::vector<UseRecord> uses_; // a stack: the uses of the next instruction are on top
    unsigned use_count_ = 0;      // of uses_, the mark at its bottom included
    bool sets_nzcv_ = false;      // some live instruction does
    unsigned index_ = 0;          // of the instruction being emitted

    // Representative in each register, or kNoValue; and a place that stands for no register.
    static constexpr unsigned kNowhere = 32;
    ValueId owner_[kNowhere + 1];
    ValueId *const gpr_owner_ = owner_, *const xmm_owner_ = owner_ + 16;
    u32 gpr_locked_ = 0, xmm_locked_ = 0; // handed out in this operation
    std::vector<Borrowed> borrowed_;
    u64 free_spills_ = 0;
    u32 free_vspills_ = 0;
    ValueId slot_owner_[ir::kSlotCount]; // representative whose memory is the slot's cell

    std::vector<ColdPath> cold_;
    std::vector<V128> literals_;
    std::vector<LiteralUse> literal_uses_;
    std::vector<SunkFlags> sunk_; // in order
    bool flags_held_ = false;     // EFLAGS were made in this operation and are about to be consumed
    bool upper_halves_clean_ = false;
    u32 condition_start_ = 0, condition_end_ = 0; // the compare of the last condition()
    std::vector<Stub> stubs_;
};

} // namespace ulna::backend::x64
