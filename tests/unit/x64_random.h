// Random blocks over every IR operation, and the comparison of interpreter and translated code on
// them.
#pragma once

#include <array>
#include <random>

#include "ir/builder.h"
#include "ir/eval.h"
#include "ir/opt/pipeline.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "tests/unit/ir_forms.h"
#include "tests/unit/x64_faults.h"

namespace ulna::test {

inline constexpr unsigned kMemoryBytes = 1024;
struct alignas(64) GuestMemory {
    u8 bytes[kMemoryBytes];
};
inline constexpr unsigned kPageBytes = 4096;
// At the start of a page, which one follows that faults.
inline GuestMemory& guest_memory() {
    static u8* const pages = [] {
        void* const two = mmap(nullptr, 2 * kPageBytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(two != MAP_FAILED);
        CHECK(mprotect(static_cast<u8*>(two) + kPageBytes, kPageBytes, PROT_NONE) == 0);
        return static_cast<u8*>(two);
    }();
    return *reinterpret_cast<GuestMemory*>(pages);
}

// FPCR modes: the default, and random ones.
inline ir::BlockMode mode_of(u64 seed) {
    return seed % 4 == 0 ? ir::BlockMode{}
                         : ir::BlockMode::from_fpcr((seed * 0x9e37'79b9'7f4a'7c15) >> 7);
}

class RandomBlock {
  public:
    RandomBlock(u64 seed, ir::Block& block, ir::BlockMode mode = {})
        : random_{seed}, block_{block}, b_{block}, mode_{mode} {}

    u64 below(u64 n) { return random_() % n; }

    void begin() {
        block_.reset({0x10000, mode_});
        next_instruction();
        for (auto& pool : pools_) {
            pool.clear();
        }
    }
    void next_instruction() {
        b_.begin_guest_instruction(0x10000 + block_.guest_pcs.size() * 4, 0xd503201f);
    }

    u64 number() {
        switch (below(8)) {
        case 0:
            return 0;
        case 1:
            return 1;
        case 2:
            return ~u64{0};
        case 3:
            return u64{1} << below(64);
        case 4:
            return ones(static_cast<unsigned>(below(65)));
        case 5:
            return below(200);
        case 6:
            return u64{0} - below(200);
        default:
            return random_();
        }
    }

    // A value of the type: an earlier one, or fresh from state or a constant.
    ir::Value value(ir::Type type) {
        using ir::Type;
        auto& pool = pools_[static_cast<unsigned>(type)];
        if (!pool.empty() && below(4) != 0) {
            const std::size_t window =
                below(2) != 0 ? std::min<std::size_t>(pool.size(), 3) : pool.size();
            return pool[pool.size() - 1 - below(window)];
        }
        if (below(4) == 0 && type != Type::V128) {
            return keep(b_.constant(type, number() & ones(ir::bit_width(type))));
        }
        if (below(4) == 0 && type == Type::V128) {
            return keep(b_.vconst(below(2) != 0 ? ir::shape::D2 : ir::shape::D1, number()));
        }
        switch (type) {
        case Type::I64:
            return keep(b_.get(ir::x_slot(static_cast<unsigned>(below(32)))));
        case Type::I8:
        case Type::I16:
        case Type::I32:
            return keep(b_.trunc(value(Type::I64), type));
        case Type::I1:
            return keep(b_.testbit(value(Type::I64), static_cast<unsigned>(below(64))));
        case Type::F16:
        case Type::F32:
        case Type::F64:
            return keep(b_.vtof(value(Type::V128), type));
        case Type::V128:
            return keep(b_.get(ir::v_slot(static_cast<unsigned>(below(32)))));
        default:
            return keep(b_.get(ir::Slot::NZCV));
        }
    }
    ir::Value keep(ir::Value v) {
        pools_[static_cast<unsigned>(v.type)].push_back(v);
        return v;
    }

    // Writes a value to state in the way the frontend does.
    void observe(ir::Value v) {
        using ir::Type;
        const unsigned n = static_cast<unsigned>(below(32));
        switch (v.type) {
        case Type::Void:
            return;
        case Type::I64:
            b_.set(ir::x_slot(n), v);
            return;
        case Type::Nzcv:
            b_.set(ir::Slot::NZCV, v);
            return;
        case Type::V128:
            b_.set(ir::v_slot(n), v);
            return;
        case Type::F16:
        case Type::F32:
        case Type::F64:
            b_.set(ir::v_slot(n), b_.ftov(v));
            return;
        default:
            b_.set(ir::x_slot(n), b_.zext(v, Type::I64));
            return;
        }
    }

    // One random operation `op`, in any of its forms.
    ir::Value operation(ir::Opcode op) {
        const std::vector<Form>& forms = forms_of(op);
        return operation(forms[below(forms.size())]);
    }
    ir::Value operation(const Form& form) {
        ir::Value args[ir::kMaxArgs];
        for (unsigned i = 0; i < form.arg_count; ++i) {
            args[i] = form.args[i] == ir::Type::Void ? ir::Value{} : value(form.args[i]);
        }
        (void)b_.emit(form.op, form.type, {}, form.aux, form.imm);
        ir::Inst& inst = block_.insts.back();
        inst.arg_count = form.arg_count;
        for (unsigned i = 0; i < form.arg_count; ++i) {
            inst.args[i] = args[i].id;
        }
        return keep({static_cast<ir::ValueId>(block_.insts.size() - 1), form.type});
    }

    void memory_operation() {
        using ir::Type;
        const ir::Value base = memory_base();
        const ir::Value index = b_.and_(value(Type::I64), b_.c64(15));
        constexpr Type kTypes[] = {Type::I32, Type::I64, Type::F16,
                                   Type::F32, Type::F64, Type::V128};
        const Type type = kTypes[below(std::size(kTypes))];
        const bool is_load = below(2) != 0, ordered = below(4) == 0;
        ir::MemInfo mem;
        mem.size_log2 = access_size(type);
        mem.index_shift = static_cast<u8>(below(5));
        mem.aligned = below(6) == 0;
        const i64 displacement = static_cast<i64>(below(mem.aligned ? 16 : 256)) *
                                 (mem.aligned ? static_cast<i64>(mem.bytes()) : 1);
        const bool indexed = below(2) != 0;
        if (!indexed) {
            mem.index_shift = 0;
        }
        const ir::Value at = indexed ? base : b_.add(base, index);
        const ir::Value scaled = indexed ? index : ir::Value{};
        if (below(8) == 0) {
            const auto access = below(2) != 0 ? ir::Access::Reads : ir::Access::Writes;
            b_.prefetch(at, access, displacement, scaled, mem.index_shift);
            return;
        }
        if (is_load) {
            mem.sign = ir::is_int(type) && mem.bytes() * 8 < ir::bit_width(type) && below(2) != 0;
            mem.order = ordered ? ir::MemOrder::Acquire : ir::MemOrder::Plain;
            keep(b_.load(type, at, mem, displacement, scaled));
        } else {
            mem.order = ordered ? ir::MemOrder::Release : ir::MemOrder::Plain;
            b_.store(at, value(type), mem, displacement, scaled);
        }
    }

    void atomic_operation() {
        using ir::Type;
        constexpr Type kTypes[] = {Type::I32, Type::I64, Type::I64, Type::V128};
        const Type type = kTypes[below(std::size(kTypes))];
        const Type word = type == Type::V128 ? Type::I64 : type;
        ir::MemInfo mem;
        mem.size_log2 = access_size(type);
        mem.aligned = true;
        const ir::Value base = memory_base();
        const ir::Value offset = b_.and_(value(Type::I64), b_.c64(below(8) == 0 ? 0x3f : 0x30));
        const ir::Value at = b_.add(base, offset);
        const auto order = [&](unsigned orders) {
            return static_cast<ir::MemOrder>(below(orders));
        };
        switch (below(8)) {
        case 0:
        case 1:
            mem.order = order(2);
            keep(b_.load_excl(type, at, mem));
            return;
        case 2:
            mem.order = below(2) != 0 ? ir::MemOrder::Release : ir::MemOrder::Plain;
            keep(b_.store_excl(at, value(type), mem));
            return;
        case 3:
        case 4: {
            ir::MemInfo plain;
            plain.size_log2 = mem.size_log2;
            mem.order = order(4);
            const ir::Value expected = below(2) != 0 ? b_.load(type, at, plain) : value(type);
            keep(b_.cas(at, expected, value(type), mem));
            return;
        }
        case 5:
            switch (below(5)) {
            case 0:
                b_.clear_excl();
                return;
            case 3:
                string_operation();
                return;
            case 1:
                b_.emit(ir::Opcode::ZeroBlock, Type::Void, {at});
                return;
            case 2:
                b_.emit(ir::Opcode::Probe, Type::Void, {at});
                return;
            default:
                b_.fence(static_cast<ir::FenceKind>(below(3)));
                return;
            }
        default: {
            mem.size_log2 = access_size(word);
            mem.order = order(4);
            const ir::Value old =
                b_.atomic_rmw(static_cast<ir::AtomicOp>(below(9)), at, value(word), mem);
            if (below(2) != 0) {
                keep(old);
            }
            return;
        }
        }
    }

    // Up to 255 bytes, from near and far, in both directions.
    void string_operation() {
        using ir::Type;
        const auto offset = [&](u64 mask) { return b_.and_(value(Type::I64), b_.c64(mask)); };
        const auto place = [&] {
            return b_.add(b_.add(memory_base(), b_.c64(256)), offset(below(2) != 0 ? 0xff : 7));
        };
        const auto slot = static_cast<ir::Slot>(below(31));
        const ir::Value count = offset(below(2) != 0 ? 0xff : 0x3f);
        const ir::Value to = place(), from = place();
        const bool sets = below(3) == 0;
        const ir::Value left = sets || below(2) != 0 ? b_.neg(count) : count;
        b_.set(slot, left);
        if (sets) {
            b_.mem_set(to, left, value(Type::I64), slot);
        } else {
            b_.mem_copy(to, from, left, slot);
        }
    }

    void helper_call() {
        if (below(3) != 0) {
            keep(b_.call(ir::HelperId::ReadFpsr));
        } else {
            b_.call(ir::HelperId::WriteFpsr, {b_.c64(below(2) != 0 ? 0 : 0x0800'009f)});
        }
    }

    void side_exit() {
        b_.exit_if(value(ir::Type::I1), 0x20000 + block_.insts.size() * 4);
        constexpr u16 kKinds[] = {0, 0, ir::kExitIfNzcvDead, ir::kExitIfContextSync};
        block_.insts.back().aux = kKinds[below(std::size(kKinds))];
    }

    // Anything that may stand in a block; operations come from `ops`.
    void anything(const std::vector<ir::Opcode>& ops) {
        if (below(4) == 0) {
            next_instruction();
        }
        switch (below(18)) {
        case 0:
        case 1:
            memory_operation();
            break;
        case 2:
            atomic_operation();
            break;
        case 3:
            if (below(3) == 0) {
                side_exit();
            } else if (below(4) == 0) {
                helper_call();
            }
            break;
        case 4:
        case 5:
        case 6:
        case 7: {
            constexpr ir::Type kTypes[] = {ir::Type::I64,  ir::Type::I32, ir::Type::V128,
                                           ir::Type::Nzcv, ir::Type::F64, ir::Type::F32,
                                           ir::Type::I64};
            observe(value(kTypes[below(std::size(kTypes))]));
            break;
        }
        default:
            operation(ops[below(ops.size())]);
            break;
        }
    }

    void end() {
        const auto address = [&] {
            return b_.or_(b_.and_(value(ir::Type::I64), b_.c64(0x7ff'ffff'fffc)), b_.c64(0x100000))
                .id;
        };
        const bool writes_link = below(2) != 0;
        switch (below(10)) {
        case 0:
            block_.exit = ir::ExitDirect{0x40000};
            break;
        case 1:
            block_.exit = ir::ExitDirect{0x8000};
            break;
        case 2:
            block_.exit = ir::ExitIndirect{address()};
            break;
        case 3:
            block_.exit = ir::ExitTo{ir::ExitReason::Svc, 0x1234'5678'9abc, kNoArgument, below(4)};
            if (below(2) != 0) {
                std::get<ir::ExitTo>(block_.exit).arg = value(ir::Type::I64).id;
            }
            break;
        case 4:
            if (writes_link) {
                b_.set(ir::x_slot(30), b_.c64(0x30000));
            }
            block_.exit = ir::ExitCall{0x50000, 0x30000};
            break;
        case 5: {
            const ir::ValueId target = address();
            if (writes_link) {
                b_.set(ir::x_slot(30), b_.c64(0x30000));
            }
            block_.exit = ir::ExitCallIndirect{target, 0x30000};
            break;
        }
        case 6:
            block_.exit = ir::ExitReturn{address()};
            break;
        default:
            block_.exit = ir::ExitCond{value(ir::Type::I1).id, 0x50000, 0x60000};
            break;
        }
        block_.nzcv_live_out = below(4) != 0;
    }

    // A whole block, of 5 to 60 pieces.
    void whole(const std::vector<ir::Opcode>& ops) {
        begin();
        for (u64 left = 5 + below(56); left > 0; --left) {
            anything(ops);
        }
        end();
    }

    bool faults = false; // accesses may fault (FaultHandler)

    ir::Builder& builder() { return b_; }

  private:
    static constexpr ir::ValueId kNoArgument = ir::kNoValue;

    // Of the memory, or rarely of the page that faults.
    ir::Value memory_base() {
        const u64 start = reinterpret_cast<u64>(guest_memory().bytes);
        return b_.c64(faults && below(24) == 0 ? start + kPageBytes : start);
    }

    u8 access_size(ir::Type type) {
        switch (type) {
        case ir::Type::I32:
            return static_cast<u8>(below(3));
        case ir::Type::I64:
            return static_cast<u8>(below(4));
        case ir::Type::F16:
            return 1;
        case ir::Type::F32:
            return 2;
        case ir::Type::F64:
            return 3;
        default:
            return 4;
        }
    }

    std::mt19937_64 random_;
    ir::Block& block_;
    ir::Builder b_;
    ir::BlockMode mode_;
    std::array<std::vector<ir::Value>, 16> pools_;
};

// Vector lanes that floating point cares about.
inline u64 interesting_bits(std::mt19937_64& random) {
    static constexpr u64 kBits[] = {0,
                                    0x8000'0000'0000'0000,
                                    0x3ff0'0000'0000'0000,
                                    0xbff0'0000'0000'0000,
                                    0x7ff0'0000'0000'0000,
                                    0xfff0'0000'0000'0000,
                                    0x7ff8'0000'0000'0001,
                                    0x7ff0'0000'0000'0001,
                                    0x0000'0000'0000'0001,
                                    0x4330'0000'0000'0001,
                                    0x41df'ffff'ffc0'0000,
                                    0x43e0'0000'0000'0000,
                                    0x3f80'0000'3f80'0000,
                                    0x7f80'0000'ff80'0000,
                                    0x7fc0'0001'7f80'0001,
                                    0x0000'0001'8000'0001,
                                    0x4f00'0000'cf00'0000,
                                    0x3c00'3c00'bc00'7c00,
                                    0x7e01'7c01'0001'8001,
                                    0x7fef'ffff'ffff'ffff,
                                    0x7f7f'ffff'7f7f'ffff};
    return random() % 2 != 0 ? kBits[random() % std::size(kBits)] : random();
}

inline void randomise(ir::CpuState& state, u64 seed, u64 fpcr) {
    std::mt19937_64 random{seed};
    for (u64& x : state.x) {
        x = random() % 3 == 0 ? random() % 5 : random() % 3 == 0 ? u64{0} - random() % 5 : random();
    }
    state.sp = random();
    for (V128& v : state.v) {
        v = {interesting_bits(random), interesting_bits(random)};
    }
    state.nzcv = random() & 15;
    state.fpsr = 0;
    state.fpcr = fpcr;
    state.tpidr_el0 = random();
    state.excl_bytes = 0;
    state.excl_addr = 0;
    state.excl_value = {};
    for (u8& byte : guest_memory().bytes) {
        byte = static_cast<u8>(random());
    }
}

[[nodiscard]] inline bool faulted(const ir::CpuState& state) {
    return state.exit_reason == static_cast<u32>(ir::ExitReason::Fault) ||
           state.exit_reason == static_cast<u32>(ir::ExitReason::Alignment);
}

// What differs between two states after a block; empty when nothing.
inline std::string
difference(const ir::CpuState& expected, const ir::CpuState& actual, bool with_nzcv = true) {
    std::string text;
    const auto report = [&](const std::string& name, u64 want, u64 got) {
        if (want != got) {
            char line[120];
            std::snprintf(line, sizeof line, "%s: expected %016lx, got %016lx\n", name.c_str(),
                          want, got);
            text += line;
        }
    };
    for (unsigned i = 0; i < 31; ++i) {
        report("x" + std::to_string(i), expected.x[i], actual.x[i]);
    }
    report("sp", expected.sp, actual.sp);
    for (unsigned i = 0; i < 32; ++i) {
        report("v" + std::to_string(i) + ".lo", expected.v[i].lo, actual.v[i].lo);
        report("v" + std::to_string(i) + ".hi", expected.v[i].hi, actual.v[i].hi);
    }
    if (with_nzcv) {
        report("nzcv", expected.nzcv, actual.nzcv);
    }
    report("fpsr", expected.fpsr, actual.fpsr);
    report("pc", expected.pc, actual.pc);
    report("exit_reason", expected.exit_reason, actual.exit_reason);
    if (expected.exit_reason != static_cast<u32>(ir::ExitReason::Lookup) &&
        expected.exit_reason != static_cast<u32>(ir::ExitReason::ContextSync) &&
        expected.exit_reason != static_cast<u32>(ir::ExitReason::Fault)) {
        report("exit_arg", expected.exit_arg, actual.exit_arg);
    }
    // Where a disarmed monitor points says nothing, and a fault disarms it
    // (ir/opt/dead_writes.cpp).
    if (!faulted(expected)) {
        report("excl_bytes", expected.excl_bytes, actual.excl_bytes);
        if (expected.excl_bytes != 0) {
            report("excl_addr", expected.excl_addr, actual.excl_addr);
            report("excl_value.lo", expected.excl_value.lo, actual.excl_value.lo);
            report("excl_value.hi", expected.excl_value.hi, actual.excl_value.hi);
        }
    }
    return text;
}

// Whether whoever comes after leaving the block to where `state` says may read NZCV. A handler of a
// fault may not (ir/opt/dead_writes.cpp).
inline bool shows_nzcv(const ir::Block& block, const ir::CpuState& state) {
    if (state.exit_reason != static_cast<u32>(ir::ExitReason::Lookup)) {
        return !faulted(state);
    }
    for (const ir::Inst& inst : block.insts) {
        if (!inst.dead && inst.op == ir::Opcode::ExitIf && inst.imm == state.pc) {
            return inst.aux != ir::kExitIfNzcvDead;
        }
    }
    return block.nzcv_live_out;
}

// Where execution of a block has led to.
struct Outcome {
    std::unique_ptr<ir::CpuState> state = std::make_unique<ir::CpuState>();
    GuestMemory memory;
};
inline void interpret_from(const ir::Block& block, u64 state_seed, Outcome& outcome) {
    randomise(*outcome.state, state_seed, block.key.mode.fpcr());
    (void)FaultHandler::interpret(block, *outcome.state);
    outcome.memory = guest_memory();
}
inline std::string outcome_difference(const ir::Block& block,
                                      const Outcome& expected,
                                      const ir::CpuState& state,
                                      const GuestMemory& memory) {
    std::string text = difference(*expected.state, state, shows_nzcv(block, *expected.state));
    for (unsigned i = 0; i < kMemoryBytes; ++i) {
        if (expected.memory.bytes[i] != memory.bytes[i]) {
            text += "memory differs at byte " + std::to_string(i) + "\n";
            break;
        }
    }
    return text;
}
inline std::string
run_difference(X64Runner& runner, const ir::Block& block, u64 state_seed, const Outcome& expected) {
    runner.reset();
    randomise(*runner.state, state_seed, block.key.mode.fpcr());
    (void)runner.run(block);
    return outcome_difference(block, expected, *runner.state, guest_memory());
}

// Calls `run(block)` with a fresh state for translated code with and without passes, with and
// without every value spilled.
template <class Run> void for_each_translation(X64Runner& runner, const ir::Block& block, Run run) {
    ir::Block optimised = block;
    ir::run_passes(optimised, {true, nullptr, nullptr});
    for (const bool passes : {false, true}) {
        for (const bool spill : {false, true}) {
            runner.reset();
            runner.options = {};
            runner.options.spill_everything = spill;
            run(passes ? optimised : block);
        }
    }
}

// Runs the block in the interpreter and as translated code from equal states; returns what differs.
inline std::string
compare_with_interpreter(X64Runner& runner, const ir::Block& block, u64 state_seed) {
    static Outcome expected;
    interpret_from(block, state_seed, expected);
    return run_difference(runner, block, state_seed, expected);
}

// The interpreter on the block as it is, against: the interpreter after the passes, and translated
// code with and without them, with and without every value spilled. Returns what differs first.
inline std::string compare_all(X64Runner& runner, const ir::Block& block, u64 state_seed) {
    static Outcome expected, after_passes;
    static ir::Block optimised;
    std::string broken;
    optimised = block;
    ir::run_passes(optimised, {true,
                               [](const ir::Block& after, const char* pass, void* text) {
                                   if (std::string errors = ir::verify(after); !errors.empty()) {
                                       *static_cast<std::string*>(text) +=
                                           std::string("after ") + pass + ": " + errors;
                                   }
                               },
                               &broken});
    if (!broken.empty()) {
        return broken;
    }
    interpret_from(block, state_seed, expected);
    interpret_from(optimised, state_seed, after_passes);
    if (std::string text =
            outcome_difference(block, expected, *after_passes.state, after_passes.memory);
        !text.empty()) {
        return "passes:\n" + text;
    }
    for (const bool passes : {false, true}) {
        for (const bool spill : {false, true}) {
            runner.options = {};
            runner.options.spill_everything = spill;
            runner.options.mask_tags = state_seed % 8 == 7;
            runner.traps_fp = state_seed % 4 < 2;
            std::string text =
                run_difference(runner, passes ? optimised : block, state_seed, expected);
            runner.options = {};
            runner.traps_fp = false;
            if (!text.empty()) {
                return std::string("translated") + (passes ? ", passes" : "") +
                       (spill ? ", spilled" : "") + ":\n" + text;
            }
        }
    }
    return {};
}

} // namespace ulna::test
