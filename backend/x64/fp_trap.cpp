// The handler of floating-point exceptions (fp_trap.h). It runs in a signal handler, with the
// host's own MXCSR.
#if defined(__x86_64__)

#include "backend/x64/fp_trap.h"

#include <optional>

#include "backend/backend.h"
#include "backend/x64/signal_context.h"
#include "ir/block.h"
#include "ir/eval.h"

namespace ulna::backend {

namespace {

using namespace x64;
using ir::Opcode;
using ir::Type;

constexpr greg_t kTrapFlag = 1 << 8;
constexpr greg_t kCarry = 1 << 0, kParity = 1 << 2, kAuxiliary = 1 << 4, kZero = 1 << 6,
                 kSign = 1 << 7, kOverflow = 1 << 11;

template <class T> T read(const u8* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

// A VEX instruction of 128 bits, or scalar; or an EVEX one of lane 0 alone.
struct Vex {
    unsigned map; // 1: 0f, 2: 0f38
    unsigned pp;  // none 66 F3 F2: of arithmetic, the packed ones and the scalar ones
    bool wide;    // VEX.W
    u8 opcode;
    u8 reg, vvvv;
    bool is_mem, is_rip_relative;
    bool zeroes_rest;  // EVEX: packed, but of lane 0, with zero above
    u8 rm;             // a register
    const u8* address; // or memory
    const u8* end;     // where an immediate or the next instruction begins

    [[nodiscard]] bool is_fused() const {
        return map == 2 && opcode >= fp_opcode::kFused && opcode < fp_opcode::kFused + 8;
    }
    [[nodiscard]] bool is(u8 op) const { return map == 1 && opcode == op; }
    [[nodiscard]] bool is_scalar() const {
        return zeroes_rest || is(fp_opcode::kOrder) || (is_fused() ? (opcode & 1) != 0 : pp >= 2);
    }
    [[nodiscard]] bool is_double() const { return is_fused() ? wide : (pp & 1) != 0; }
};

// base + index << scale + displacement; `at` is the ModRM byte.
const u8* memory_operand(const ucontext_t& context, const u8* at, bool x, bool b, Vex& insn) {
    const unsigned mod = at[0] >> 6, field = at[0] & 7;
    const u8* next = at + 1;
    u64 address = 0;
    unsigned base = field | b << 3;
    bool has_base = true;
    if (field == 4) {
        const u8 sib = *next++;
        base = (sib & 7) | b << 3;
        has_base = (sib & 7) != 5 || mod != 0;
        if (const unsigned index = (sib >> 3 & 7) | x << 3; index != 4) {
            address = greg(context, static_cast<HostReg>(index)) << (sib >> 6);
        }
    } else if (field == 5 && mod == 0) {
        has_base = false;
        insn.is_rip_relative = true;
    }
    if (has_base) {
        address += greg(context, static_cast<HostReg>(base));
    }
    if (mod == 1) {
        address += static_cast<u64>(i64{read<i8>(next)});
        next += 1;
    } else if (mod == 2 || !has_base) {
        address += static_cast<u64>(i64{read<i32>(next)});
        next += 4;
    }
    if (insn.is_rip_relative) { // no operation that is evaluated here has an immediate
        address += reinterpret_cast<u64>(next);
    }
    insn.is_mem = true;
    insn.address = reinterpret_cast<const u8*>(address);
    return next;
}

std::optional<Vex> decode_lane0(const u8* at) {
    constexpr u8 kRegister = 0xc0;
    if (at[3] != kEvexLane0 || at[5] < kRegister) {
        return std::nullopt;
    }
    Vex insn{};
    insn.map = at[1] & 7;
    insn.pp = at[2] & 3;
    insn.vvvv = static_cast<u8>(~at[2] >> 3 & 15);
    insn.opcode = at[4];
    insn.zeroes_rest = true;
    insn.reg = static_cast<u8>((at[5] >> 3 & 7) | (~at[1] >> 7 & 1) << 3);
    insn.rm = static_cast<u8>((at[5] & 7) | (~at[1] >> 5 & 1) << 3);
    insn.end = at + kEvexRegisterBytes;
    return insn;
}

std::optional<Vex> decode(const ucontext_t& context, const u8* at) {
    if (at[0] == kEvex) {
        return decode_lane0(at);
    }
    if (at[0] != kTwoByteVex && at[0] != kThreeByteVex) {
        return std::nullopt;
    }
    const bool short_prefix = at[0] == kTwoByteVex;
    const u8 first = at[1], last = short_prefix ? at[1] : at[2];
    const bool r = (first & 0x80) == 0;
    const bool x = !short_prefix && (first & 0x40) == 0, b = !short_prefix && (first & 0x20) == 0;
    constexpr u8 kLong = 4; // 256 bits
    if ((last & kLong) != 0) {
        return std::nullopt;
    }
    Vex insn{};
    insn.map = short_prefix ? 1 : first & 0x1f;
    insn.wide = !short_prefix && (last & 0x80) != 0;
    insn.pp = last & 3;
    insn.vvvv = static_cast<u8>(~last >> 3 & 15);
    const u8* const modrm = at + (short_prefix ? 3 : 4);
    insn.opcode = modrm[-1];
    insn.reg = static_cast<u8>((modrm[0] >> 3 & 7) | r << 3);
    if (modrm[0] >= 0xc0) {
        insn.rm = static_cast<u8>((modrm[0] & 7) | b << 3);
        insn.end = modrm + 1;
    } else {
        insn.end = memory_operand(context, modrm, x, b, insn);
    }
    return insn;
}

// A multiplication by a literal, in the long form that assemblers do not choose for one.
bool is_probe(const u8* at, const Vex& insn) {
    return insn.is(fp_opcode::kMul) && insn.is_rip_relative && at[0] == kThreeByteVex;
}

// The instruction that ends at `end`, of those that emit_fp_trapping.cpp writes before a probe.
// (The fifth byte from the end of the others is a ModRM with memory, or has a bit of EVEX that is
// zero where VEX's first byte has a one; the sixth of the second form is an opcode.)
const u8* begin_of(const u8* end) {
    return end[-int{kVexRegisterBytes}] == kThreeByteVex ? end - kVexRegisterBytes
           : end[-int{kEvexRegisterBytes}] == kEvex      ? end - kEvexRegisterBytes
                                                         : end - kVexMemoryBytes;
}

V128 last_operand(const ucontext_t& context, const Vex& insn) {
    if (!insn.is_mem) {
        return xmm(context, insn.rm);
    }
    V128 value;
    const std::size_t bytes = !insn.is_scalar() ? 16 : insn.is_double() ? 8 : 4;
    std::memcpy(static_cast<void*>(&value), insn.address, bytes);
    return value;
}

// What Arm has for an instruction's result, with its flags.
class Exact {
  public:
    Exact(const ucontext_t& context, ir::CpuState& state) : context_{context}, state_{state} {}

    // The destination's new value; none: not an instruction of arithmetic.
    [[nodiscard]] std::optional<V128> result(const Vex& insn) {
        return insn.is_fused() ? fused(insn, xmm(context_, insn.reg)) : plain(insn);
    }
    // NZCV of a comparison.
    [[nodiscard]] u64 order(const Vex& insn, bool signals) {
        const Type type = insn.is_double() ? Type::F64 : Type::F32;
        V128 args[] = {xmm(context_, insn.reg), last_operand(context_, insn)};
        for (V128& arg : args) {
            arg = {insn.is_double() ? arg.lo : static_cast<u32>(arg.lo), 0};
        }
        return ir::eval(params(Opcode::FCmp, signals, 0, Type::Nzcv, type), args, state_.fpsr).lo;
    }
    [[nodiscard]] V128 fused(const Vex& insn, const V128& addend) {
        const unsigned negated = insn.opcode - fp_opcode::kFused;
        const u64 imm = ((negated & 4) != 0 ? ir::fmuladd::kNegateFactor : 0) |
                        ((negated & 2) != 0 ? ir::fmuladd::kNegateAddend : 0);
        const V128 args[] = {addend, xmm(context_, insn.vvvv), last_operand(context_, insn)};
        return evaluate(Opcode::FMulAdd, imm, insn.is_scalar(), insn.is_double(), args, addend);
    }

  private:
    [[nodiscard]] std::optional<V128> plain(const Vex& insn) {
        const V128 first = xmm(context_, insn.vvvv), last = last_operand(context_, insn);
        const V128 both[] = {first, last}, upper = insn.zeroes_rest ? V128{} : first;
        switch (insn.map == 1 ? insn.opcode : 0) {
        case fp_opcode::kAdd:
            return evaluate(Opcode::FAdd, 0, insn.is_scalar(), insn.is_double(), both, upper);
        case fp_opcode::kSub:
            return evaluate(Opcode::FSub, 0, insn.is_scalar(), insn.is_double(), both, upper);
        case fp_opcode::kMul:
            return evaluate(Opcode::FMul, 0, insn.is_scalar(), insn.is_double(), both, upper);
        case fp_opcode::kDiv:
            return evaluate(Opcode::FDiv, 0, insn.is_scalar(), insn.is_double(), both, upper);
        case fp_opcode::kSqrt:
            return evaluate(Opcode::FSqrt, 0, insn.is_scalar(), insn.is_double(), &last, first);
        case fp_opcode::kConvert:
            return insn.pp == 3 ? std::optional{narrow(last, first)} : std::nullopt;
        default:
            return std::nullopt;
        }
    }
    [[nodiscard]] ir::OpParams params(Opcode op, u64 imm, u16 aux, Type type, Type arg_type) const {
        return {.imm = imm,
                .op = static_cast<u16>(op),
                .aux = aux,
                .type = static_cast<u8>(type),
                .arg_type = static_cast<u8>(arg_type),
                .mode = static_cast<u16>(ir::BlockMode::from_fpcr(state_.fpcr).bits)};
    }
    // Of a scalar operation the upper bits are those of `upper`.
    [[nodiscard]] V128
    evaluate(Opcode op, u64 imm, bool scalar, bool dbl, const V128* args, const V128& upper) {
        const Type type = !scalar ? Type::V128 : dbl ? Type::F64 : Type::F32;
        const u16 aux = scalar ? u16{0} : (dbl ? ir::shape::D2 : ir::shape::S4).pack();
        if (!scalar) {
            return ir::eval(params(op, imm, aux, type, type), args, state_.fpsr);
        }
        V128 lanes[3] = {};
        const unsigned count = op == Opcode::FMulAdd ? 3 : op == Opcode::FSqrt ? 1 : 2;
        for (unsigned i = 0; i < count; ++i) {
            lanes[i].lo = dbl ? args[i].lo : static_cast<u32>(args[i].lo);
        }
        const V128 low = ir::eval(params(op, imm, aux, type, type), lanes, state_.fpsr);
        return dbl ? V128{low.lo, upper.hi} : with_low_word(upper, low);
    }
    [[nodiscard]] V128 narrow(const V128& value, const V128& upper) {
        const V128 lane{value.lo, 0};
        const auto imm = static_cast<u64>(ir::Rounding::Current);
        return with_low_word(upper, ir::eval(params(Opcode::FCvt, imm, static_cast<u16>(Type::F64),
                                                    Type::F32, Type::F64),
                                             &lane, state_.fpsr));
    }
    [[nodiscard]] static V128 with_low_word(const V128& upper, const V128& low) {
        return {(upper.lo & ~u64{0xffff'ffff}) | static_cast<u32>(low.lo), upper.hi};
    }

    const ucontext_t& context_;
    ir::CpuState& state_;
};

bool has_least_normal_lane(const V128& v, bool scalar, bool dbl) {
    const unsigned lanes = scalar ? 1 : dbl ? 2 : 4;
    for (unsigned i = 0; i < lanes; ++i) {
        if (dbl ? v.lane<u64>(i) << 1 == u64{1} << 53 : v.lane<u32>(i) << 1 == u32{1} << 24) {
            return true;
        }
    }
    return false;
}

// The result and the flags of the operation that ends at `end`, whose operands are in place.
void evaluate_before(ucontext_t& context, ir::CpuState& state, const u8* end) {
    const u8* const begin = begin_of(end);
    const std::optional<Vex> insn = decode(context, begin);
    CHECK(insn.has_value());
    Exact exact{context, state};
    if (insn->is_fused()) {
        const std::optional<Vex> addend = decode(context, begin_of(begin - kGuardBytes));
        CHECK(addend && (addend->is(fp_opcode::kMove) || addend->is(fp_opcode::kLoad)));
        set_xmm(context, insn->reg, exact.fused(*insn, last_operand(context, *addend)));
    } else {
        const std::optional<V128> result = exact.result(*insn);
        CHECK(result.has_value());
        set_xmm(context, insn->reg, *result);
    }
}

// Behind an operation whose result is small: it may have been tiny before rounding.
void resolve_probe(ucontext_t& context, ir::CpuState& state, const u8* at, const Vex& probe) {
    if (has_least_normal_lane(xmm(context, probe.vvvv), probe.is_scalar(), probe.is_double())) {
        evaluate_before(context, state, at);
    }
}

// Behind an operation, and its probe if it has one, with a NaN for its result.
void resolve_nan(ucontext_t& context, ir::CpuState& state, const u8* at) {
    const u8* const before = begin_of(at);
    const std::optional<Vex> insn = decode(context, before);
    CHECK(insn.has_value());
    evaluate_before(context, state, is_probe(before, *insn) ? before : at);
}

[[nodiscard]] u32 unmasked(u32 mxcsr) { return ~mxcsr >> kMaskShift & sticky::kAll; }

// As the mode has it without traps.
void step_masked(ucontext_t& context, const ir::CpuState& state) {
    auto& mxcsr = context.uc_mcontext.fpregs->mxcsr;
    mxcsr = (mxcsr & sticky::kAll) | mxcsr_of(ir::BlockMode::from_fpcr(state.fpcr), state.fpsr);
    context.uc_mcontext.gregs[REG_EFL] |= kTrapFlag;
}

// Inexact does not trap any more once FPSR has it.
void settle_inexact(ucontext_t& context, ir::CpuState& state) {
    if ((state.fpsr & ir::fpsr::kIXC) != 0) {
        context.uc_mcontext.fpregs->mxcsr |= sticky::kInexact << kMaskShift;
        state.guest_mxcsr |= sticky::kInexact << kMaskShift;
    }
}

// EFLAGS of COMIS, by Arm's result.
void resolve_order(ucontext_t& context, ir::CpuState& state, const Vex& insn, bool signals) {
    constexpr u64 kLess = 8, kEqual = 6, kUnordered = 3;
    const u64 order = Exact{context, state}.order(insn, signals);
    auto& flags = context.uc_mcontext.gregs[REG_EFL];
    flags &= ~(kCarry | kParity | kAuxiliary | kZero | kSign | kOverflow);
    flags |= order == kLess        ? kCarry
             : order == kEqual     ? kZero
             : order == kUnordered ? kZero | kParity | kCarry
                                   : 0;
}

// Where the context goes on; null: this is no instruction that is evaluated here.
const u8* resolve(ucontext_t& context, ir::CpuState& state, const u8* at) {
    const bool is_quiet = *at == kQuietPrefix;
    std::optional<Vex> insn = decode(context, at + is_quiet);
    if (!insn) {
        return nullptr;
    }
    if (insn->is(fp_opcode::kOrder)) {
        resolve_order(context, state, *insn, !is_quiet);
        return insn->end;
    }
    if (insn->is(fp_opcode::kCompare) && *insn->end == kNanPredicate) {
        resolve_nan(context, state, at);
        return insn->end + 1;
    }
    if (is_probe(at, *insn)) {
        resolve_probe(context, state, at, *insn);
        return insn->end;
    }
    if (insn->is(fp_opcode::kCompare) && *insn->end == kGuardPredicate) {
        insn = decode(context, at + kGuardBytes);
        CHECK(insn && insn->is_fused());
    }
    const std::optional<V128> result = Exact{context, state}.result(*insn);
    if (!result) {
        return nullptr;
    }
    set_xmm(context, insn->reg, *result);
    return insn->end;
}

} // namespace

bool resolve_fp_trap(void* ucontext, ir::CpuState& state) {
    auto& context = *static_cast<ucontext_t*>(ucontext);
    auto& mxcsr = context.uc_mcontext.fpregs->mxcsr;
    mxcsr &= ~unmasked(mxcsr);
    const auto* const at = reinterpret_cast<const u8*>(context.uc_mcontext.gregs[REG_RIP]);
    const u8* const next = resolve(context, state, at);
    if (next == nullptr) {
        step_masked(context, state);
        return false;
    }
    settle_inexact(context, state);
    context.uc_mcontext.gregs[REG_RIP] = reinterpret_cast<greg_t>(next);
    return true;
}

void finish_fp_step(void* ucontext, ir::CpuState& state) {
    auto& context = *static_cast<ucontext_t*>(ucontext);
    context.uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
    auto& mxcsr = context.uc_mcontext.fpregs->mxcsr;
    const u32 trapping = unmasked(state.guest_mxcsr);
    state.fpsr |= fpsr_of_mxcsr(mxcsr & trapping);
    mxcsr = (mxcsr & sticky::kAll & ~trapping) | state.guest_mxcsr;
    settle_inexact(context, state);
}

} // namespace ulna::backend

#endif
