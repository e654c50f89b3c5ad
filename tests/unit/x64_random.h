// Random blocks over every IR operation, and the comparison of interpreter and translated code on
// them.
#pragma once

#include <array>
#include <random>

#include "ir/builder.h"
#include "ir/eval.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "tests/unit/x64_harness.h"

namespace ulna::test {

inline constexpr unsigned kMemoryBytes = 1024;
struct alignas(64) GuestMemory {
    u8 bytes[kMemoryBytes];
};
inline GuestMemory& guest_memory() {
    static GuestMemory memory;
    return memory;
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

    // One random pure or sticky operation `op`; false when no valid form was found.
    bool operation(ir::Opcode op) {
        for (unsigned attempt = 0; attempt < 60; ++attempt) {
            const std::size_t before = block_.insts.size();
            const auto saved = pools_;
            // Only what a frontend may build: the verifier knows which shapes an operation has.
            if (try_operation(op) && ir::verify(block_).empty()) {
                return true;
            }
            block_.insts.resize(before);
            pools_ = saved;
        }
        return false;
    }

    void memory_operation() {
        using ir::Type;
        const ir::Value base = b_.c64(reinterpret_cast<u64>(guest_memory().bytes));
        const ir::Value index = b_.and_(value(Type::I64), b_.c64(15));
        constexpr Type kTypes[] = {Type::I32, Type::I64, Type::F16,
                                   Type::F32, Type::F64, Type::V128};
        const Type type = kTypes[below(std::size(kTypes))];
        ir::MemInfo mem;
        mem.size_log2 = static_cast<u8>(type == Type::I32   ? below(3)
                                        : type == Type::I64 ? below(4)
                                        : type == Type::F16 ? 1
                                        : type == Type::F32 ? 2
                                        : type == Type::F64 ? 3
                                                            : below(5));
        mem.index_shift = static_cast<u8>(below(5));
        const i64 displacement = static_cast<i64>(below(256));
        const bool indexed = below(2) != 0;
        if (!indexed) {
            mem.index_shift = 0;
        }
        const ir::Value at = indexed ? base : b_.add(base, index);
        if (below(2) != 0) {
            mem.sign = ir::is_int(type) && below(2) != 0;
            mem.order = below(4) == 0 ? ir::MemOrder::Acquire : ir::MemOrder::Plain;
            keep(b_.load(type, at, mem, displacement, indexed ? index : ir::Value{}));
        } else {
            mem.order = below(4) == 0 ? ir::MemOrder::Release : ir::MemOrder::Plain;
            b_.store(at, value(type), mem, displacement, indexed ? index : ir::Value{});
        }
    }

    void atomic_operation() {
        using ir::Type;
        const Type type = below(2) != 0 ? Type::I64 : Type::I32;
        ir::MemInfo mem;
        mem.size_log2 = static_cast<u8>(below(type == Type::I64 ? 4 : 3));
        const ir::Value base = b_.c64(reinterpret_cast<u64>(guest_memory().bytes));
        const ir::Value offset = b_.and_(value(Type::I64), b_.c64(below(8) == 0 ? 0x3f : 0x30));
        const ir::Value at = b_.add(base, offset);
        ir::MemInfo wide;
        wide.size_log2 = 4;
        switch (below(8)) {
        case 0:
            keep(b_.load_excl(type, at, mem));
            return;
        case 1:
            keep(b_.store_excl(at, value(type), mem));
            return;
        case 2:
            keep(
                b_.cas(at, below(2) != 0 ? b_.load(type, at, mem) : value(type), value(type), mem));
            return;
        case 3:
            keep(b_.cas(at, below(2) != 0 ? b_.load(Type::V128, at, wide) : value(Type::V128),
                        value(Type::V128), wide));
            return;
        case 4:
            keep(b_.load_excl(Type::V128, at, wide));
            return;
        case 5:
            keep(b_.store_excl(at, value(Type::V128), wide));
            return;
        default: {
            const ir::Value old =
                b_.atomic_rmw(static_cast<ir::AtomicOp>(below(9)), at, value(type), mem);
            if (below(2) != 0) {
                keep(old);
            }
            return;
        }
        }
    }

    void side_exit() { b_.exit_if(value(ir::Type::I1), 0x20000 + block_.insts.size() * 4); }

    void end() {
        switch (below(6)) {
        case 0:
            block_.exit = ir::ExitDirect{0x40000};
            break;
        case 1:
            block_.exit = ir::ExitDirect{0x8000};
            break;
        case 2:
            block_.exit = ir::ExitIndirect{
                b_.or_(b_.and_(value(ir::Type::I64), b_.c64(0x7ff'ffff'fffc)), b_.c64(0x100000))
                    .id};
            break;
        case 3:
            block_.exit =
                ir::ExitTo{ir::ExitReason::Svc, 0x12345678'9abc, value(ir::Type::I64).id, 0};
            break;
        default:
            block_.exit = ir::ExitCond{value(ir::Type::I1).id, 0x50000, 0x60000};
            break;
        }
    }

    ir::Builder& builder() { return b_; }

  private:
    // A type that the row's T may be.
    ir::Type result_type(ir::Opcode op) {
        using ir::Opcode;
        using ir::Type;
        static constexpr Type kAll[] = {Type::I1,  Type::I8,  Type::I16, Type::I32,  Type::I64,
                                        Type::F16, Type::F32, Type::F64, Type::V128, Type::Nzcv};
        switch (op) {
        case Opcode::FCvtToInt:
        case Opcode::FToI:
        case Opcode::VGetLane:
            return kAll[3 + below(2)];
        case Opcode::FCvt:
        case Opcode::FCvtFromInt:
        case Opcode::IToF:
        case Opcode::VToF:
            return kAll[5 + below(3)];
        default:
            return op < Opcode::FAdd ? kAll[below(std::size(kAll))] : kAll[5 + below(4)];
        }
    }

    bool try_operation(ir::Opcode op) {
        using ir::Type;
        const ir::OpInfo& row = ir::info(op);
        static constexpr Type kAll[] = {Type::I1,  Type::I8,  Type::I16, Type::I32,  Type::I64,
                                        Type::F16, Type::F32, Type::F64, Type::V128, Type::Nzcv};
        Type type = Type::Void;
        switch (row.result) {
        case 'T':
            type = result_type(op);
            break;
        case '1':
            type = Type::I1;
            break;
        case 'w':
            type = Type::I32;
            break;
        case 'x':
            type = Type::I64;
            break;
        case 'V':
            type = Type::V128;
            break;
        case 'n':
            type = Type::Nzcv;
            break;
        default:
            return false;
        }
        ir::Inst inst{};
        inst.op = op;
        inst.type = type;
        inst.guest_index = static_cast<u16>(block_.guest_pcs.size() - 1);
        std::fill(std::begin(inst.args), std::end(inst.args), ir::kNoValue);
        Type integer = kAll[1 + below(4)];
        const Type fp = kAll[5 + below(3)];
        for (const char* letter = row.args; *letter != 0; ++letter) {
            ir::Value v;
            switch (*letter) {
            case 'T':
                v = value(type);
                break;
            case 'I':
                v = value(integer);
                break;
            case 'F':
                v = value(fp);
                break;
            case '1':
                v = value(Type::I1);
                break;
            case 'w':
                v = value(Type::I32);
                break;
            case 'x':
                v = value(Type::I64);
                break;
            case 'V':
                v = value(Type::V128);
                break;
            case 'n':
                v = value(Type::Nzcv);
                break;
            default:
                return false;
            }
            const bool optional = letter[1] == '?';
            letter += optional;
            inst.args[inst.arg_count++] = optional && below(2) == 0 ? ir::kNoValue : v.id;
        }
        switch (row.param) {
        case ir::Param::Shape: {
            const ir::Shape shapes[] = {ir::shape::B8, ir::shape::B16, ir::shape::H4,
                                        ir::shape::H8, ir::shape::S2,  ir::shape::S4,
                                        ir::shape::D1, ir::shape::D2,  ir::shape::B1,
                                        ir::shape::H1, ir::shape::S1,  ir::shape::Q1};
            const bool fp = row.text[0] == 'f' || std::string_view(row.text).starts_with("vf");
            const auto fits = [&](ir::Shape shape) {
                return shape == ir::shape::Q1 ? op == ir::Opcode::VPMull
                                              : !fp || shape.lane_log2 > 0;
            };
            do {
                inst.aux = shapes[below(std::size(shapes))].pack();
            } while (!fits(inst.shape()));
            inst.imm = below(2) != 0   ? below(64)
                       : below(2) != 0 ? below(4)
                                       : below(2) | below(16) << 8;
            break;
        }
        case ir::Param::Cond:
            inst.aux = static_cast<u16>(below(op == ir::Opcode::ICmp ? 14 : 16));
            break;
        case ir::Param::Conv:
            inst.aux =
                static_cast<u16>(inst.arg_count > 0 ? block_.insts[inst.args[0]].type : Type::Void);
            inst.imm = ir::FixedInfo{static_cast<u8>(below(3) == 0 ? below(33) : 0), below(2) != 0,
                                     static_cast<ir::Rounding>(below(7))}
                           .pack();
            if (op == ir::Opcode::FCvt) {
                inst.imm = below(2) != 0 ? static_cast<u64>(ir::Rounding::Current)
                                         : static_cast<u64>(ir::Rounding::Odd);
            }
            break;
        case ir::Param::Imm:
            inst.imm = below(64);
            break;
        case ir::Param::Flag:
            inst.imm = below(2);
            break;
        default:
            break;
        }
        if (op == ir::Opcode::VFCvtToInt || op == ir::Opcode::VFCvtFromInt) {
            inst.imm = ir::FixedInfo{static_cast<u8>(below(3) == 0 ? below(33) : 0), below(2) != 0,
                                     static_cast<ir::Rounding>(below(7))}
                           .pack();
        }
        if (op == ir::Opcode::FRInt) {
            inst.imm = below(7) | below(2) << 8;
            inst.imm = (inst.imm & 0xff) == static_cast<u64>(ir::Rounding::Odd) ? 0 : inst.imm;
        }
        if (op == ir::Opcode::FRIntN) {
            inst.imm = (below(2) != 0 ? u64{3} : below(7)) | (below(2) != 0 ? 32 : 64) << 8;
            inst.imm =
                (inst.imm & 0xff) == static_cast<u64>(ir::Rounding::Odd) ? 32 << 8 : inst.imm;
        }
        if (op >= ir::Opcode::VSDot && op <= ir::Opcode::VBfDot) {
            inst.imm = below(2);
        }
        if (op == ir::Opcode::VRev) {
            inst.imm = u64{2} << below(3);
        }
        block_.insts.push_back(inst);
        const ir::Exit saved = block_.exit;
        block_.exit = ir::ExitDirect{0};
        const bool valid = ir::verify(block_).empty();
        block_.exit = saved;
        if (valid) {
            keep({static_cast<ir::ValueId>(block_.insts.size() - 1), type});
        }
        return valid;
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

// What differs between two states after a block; empty when nothing.
inline std::string difference(const ir::CpuState& expected, const ir::CpuState& actual) {
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
    report("nzcv", expected.nzcv, actual.nzcv);
    report("fpsr", expected.fpsr, actual.fpsr);
    report("pc", expected.pc, actual.pc);
    report("exit_reason", expected.exit_reason, actual.exit_reason);
    if (expected.exit_reason != static_cast<u32>(ir::ExitReason::Lookup)) {
        report("exit_arg", expected.exit_arg, actual.exit_arg);
    }
    report("excl_addr", expected.excl_addr, actual.excl_addr);
    report("excl_bytes", expected.excl_bytes, actual.excl_bytes);
    report("excl_value", expected.excl_value.lo, actual.excl_value.lo);
    return text;
}

// Runs the block in the interpreter and as translated code from equal states; returns what differs.
inline std::string
compare_with_interpreter(X64Runner& runner, const ir::Block& block, u64 state_seed) {
    runner.reset();
    const u64 fpcr = block.key.mode.fpcr();
    static auto reference = std::make_unique<ir::CpuState>();
    randomise(*reference, state_seed, fpcr);
    ir::interpret(block, *reference);
    const GuestMemory expected_memory = guest_memory();
    randomise(*runner.state, state_seed, fpcr);
    (void)runner.run(block);
    std::string text = difference(*reference, *runner.state);
    if (std::memcmp(&expected_memory, &guest_memory(), sizeof expected_memory) != 0) {
        text += "memory differs\n";
    }
    return text;
}

} // namespace ulna::test
