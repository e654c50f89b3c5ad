// Checks a block against the rows of opcodes.def, then against the few rules that rows cannot say.
#include "ir/verifier.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>
#include <iterator>

#include "ir/helpers.h"
#include "ir/shape_rules.h"
#include "ir/signature.h"
#include "ir/support/bits.h"

namespace ulna::ir {

namespace {

constexpr bool is_word(Type type) { return type == Type::I32 || type == Type::I64; }

bool letter_fits(char letter, Type type, Type result) {
    switch (letter) {
    case 'T':
        return type == result;
    case 'I':
        return is_int(type);
    case 'F':
        return is_fp(type);
    case 'A':
        return type != Type::Void;
    default:
        return type != Type::Void && type == type_of_letter(letter);
    }
}

class Verifier {
  public:
    explicit Verifier(const Block& block) : block_{block} {}

    std::string run() {
        for (id_ = 0; id_ < block_.insts.size(); ++id_) {
            if (const Inst& inst = block_.insts[id_]; !inst.dead) {
                instruction(inst);
            }
        }
        exit();
        return std::move(errors_);
    }

  private:
    template <class... Args> void error(fmt::format_string<Args...> format, Args&&... args) {
        if (id_ < block_.insts.size()) {
            fmt::format_to(std::back_inserter(errors_), "%{} {}: ", id_,
                           info(block_.insts[id_].op).text);
        } else {
            errors_ += "exit: ";
        }
        fmt::format_to(std::back_inserter(errors_), format, std::forward<Args>(args)...);
        errors_ += '\n';
    }
    void require(bool holds, const char* rule) {
        if (!holds) {
            error("{}", rule);
        }
    }

    // Type of a value used here, Void when it is not usable.
    Type use(ValueId id) {
        if (id >= id_ || block_.insts[id].dead || block_.insts[id].type == Type::Void) {
            error("%{} is not an earlier live value", id);
            return Type::Void;
        }
        return block_.insts[id].type;
    }
    [[nodiscard]] Type arg_type(const Inst& inst, unsigned i) const {
        const ValueId id = i < inst.arg_count ? inst.args[i] : kNoValue;
        return id < block_.insts.size() ? block_.insts[id].type : Type::Void;
    }

    void instruction(const Inst& inst) {
        if (static_cast<unsigned>(inst.op) >= kOpcodeCount || inst.arg_count > kMaxArgs) {
            errors_ += fmt::format("%{}: corrupt instruction\n", id_);
            return;
        }
        arguments(inst);
        const OpInfo& row = info(inst.op);
        if (row.result != 'T') {
            require(inst.type == type_of_letter(row.result), "result type does not fit the row");
        } else if (inst.op != Opcode::CallHelper) {
            require(inst.type != Type::Void, "result type is missing");
        }
        parameter(inst);
        special(inst);
        guest_index(inst);
    }

    void arguments(const Inst& inst) {
        unsigned i = 0;
        for (const char* letter = info(inst.op).args; *letter != 0; ++letter, ++i) {
            const bool optional = letter[1] == '?';
            const bool present = i < inst.arg_count && inst.args[i] != kNoValue;
            if (present) {
                const Type type = use(inst.args[i]);
                if (type != Type::Void && !letter_fits(*letter, type, inst.type)) {
                    error("argument {} is {}, which the row does not allow", i, type_name(type));
                }
            } else if (!optional) {
                error("argument {} is missing", i);
            }
            letter += optional;
        }
        require(inst.arg_count <= i, "too many arguments");
    }

    void parameter(const Inst& inst) {
        switch (info(inst.op).param) {
        case Param::Slot:
            if (inst.imm >= kSlotCount) {
                return error("slot {} does not exist", inst.imm);
            }
            if (inst.op == Opcode::MemCopy || inst.op == Opcode::MemSet) {
                require(inst.slot() < Slot::SP, "counts in an X register");
                break;
            }
            require((inst.op == Opcode::Set ? arg_type(inst, 0) : inst.type) ==
                        slot_type(inst.slot()),
                    "type differs from the slot's");
            break;
        case Param::Cond:
            require(inst.aux < (inst.op == Opcode::ICmp ? 14 : 16), "condition out of range");
            break;
        case Param::Mem:
            memory(inst);
            break;
        case Param::Shape:
            shape(inst);
            break;
        case Param::Conv:
            require(static_cast<Type>(inst.aux) == arg_type(inst, 0),
                    "source type differs from the argument's");
            break;
        default:
            break;
        }
        unused(inst);
    }

    // What the row does not use is zero: equal operations must compare equal.
    void unused(const Inst& inst) {
        const Param param = info(inst.op).param;
        if (param == Param::None || param == Param::Imm || param == Param::Slot ||
            param == Param::Flag) {
            require(inst.aux == 0 || inst.op == Opcode::ExitIf, "aux has no meaning here");
        }
        const bool displaced = is_indexed(inst.op) || is_check(inst.op) ||
                               inst.op == Opcode::AtomicRmw; // the operation
        if (param == Param::None || param == Param::Cond || (param == Param::Mem && !displaced)) {
            require(inst.imm == 0, "imm has no meaning here");
        }
    }

    void host_range(const Inst& inst) {
        const MemInfo mem = inst.mem();
        const RangeInfo range = RangeInfo::unpack(inst.imm);
        require(mem.access != Access::Unsaid &&
                    inst.aux == MemInfo{.index_shift = mem.index_shift,
                                        .access = mem.access,
                                        .unprivileged = mem.unprivileged}
                                    .pack(),
                "a range says how it is accessed and by whom, no more");
        require(range.bytes > 0 && range.bytes <= 1u << kTlbPageLog2, "range of no or many bytes");
    }

    void memory(const Inst& inst) {
        const MemInfo mem = inst.mem();
        require(mem.pack() == inst.aux && mem.size_log2 <= 4 && mem.index_shift <= 4,
                "access size or index shift too large");
        require(mem.index_shift == 0 ||
                    (is_indexed(inst.op) && inst.arg_count > 1 && inst.args[1] != kNoValue),
                "index shift without an index");
        if (inst.op == Opcode::HostRange) {
            return host_range(inst);
        }
        const bool indexed = is_indexed(inst.op);
        const bool loads = inst.op == Opcode::Load || inst.op == Opcode::LoadExcl;
        const bool stores = inst.op == Opcode::Store || inst.op == Opcode::StoreExcl;
        const bool checks = is_check(inst.op) || inst.op == Opcode::HostAddress;
        const bool says_access = checks || inst.op == Opcode::Prefetch;
        if (indexed || checks) {
            const i64 displacement = static_cast<i64>(inst.imm);
            require(displacement == static_cast<i32>(displacement),
                    "displacement needs over 32 bits");
        }
        require(!loads || mem.order == MemOrder::Plain || mem.order == MemOrder::Acquire,
                "a load acquires at most");
        require(!stores || mem.order == MemOrder::Plain || mem.order == MemOrder::Release,
                "a store releases at most");
        require(!mem.sign || (inst.op == Opcode::Load && is_word(inst.type) &&
                              mem.bytes() * 8 < bit_width(inst.type)),
                "nothing to sign-extend");
        require((mem.access == Access::Unsaid) != says_access,
                "what the access does is said by checktag, watch, hostaddr and prefetch, and only "
                "there");
        require(inst.op == Opcode::HostAddress ||
                    (!mem.unprivileged && !mem.pair && !mem.tag_unchecked),
                "hostaddr says who accesses, how often, and whether tags count");
        if (checks) {
            return require(mem.order == MemOrder::Plain, "a check orders nothing");
        }
        if (inst.op == Opcode::Prefetch) {
            return require(
                inst.aux == MemInfo{.index_shift = mem.index_shift, .access = mem.access}.pack() &&
                    mem.access != Access::ReadsAndWrites,
                "a prefetch says that it reads or that it writes, no more");
        }
        if (inst.op == Opcode::AtomicRmw) {
            require(inst.imm <= static_cast<u64>(AtomicOp::Swp), "atomic operation out of range");
        }
        if (loads) {
            accessed(inst.type, mem, inst.op == Opcode::Load,
                     "access size does not fit the result");
        } else {
            const Type value = arg_type(inst, inst.op == Opcode::Store ? 2 : 1);
            require(inst.op != Opcode::AtomicRmw || is_word(value), "needs i32 or i64");
            accessed(value, mem, inst.op == Opcode::Store, "access size does not fit the value");
        }
    }
    // Words move whole or in part, everything else whole.
    void accessed(Type type, MemInfo mem, bool fp_allowed, const char* rule) {
        require(is_word(type) ? mem.bytes() * 8 <= bit_width(type)
                              : (type == Type::V128 || (fp_allowed && is_fp(type))) &&
                                    mem.bytes() * 8 == bit_width(type),
                rule);
    }

    void shape(const Inst& inst) {
        const ShapeRule& rule = kShapeRuleOf[static_cast<unsigned>(inst.op)];
        const Shape shape = inst.shape();
        if (is_fp(inst.type)) {
            require(inst.aux == 0, "a scalar has no shape");
        } else if (info(inst.op).result == 'T' && inst.type != Type::V128 &&
                   inst.op != Opcode::VGetLane) {
            return error("needs an FP or vector type");
        } else if (shape.pack() != inst.aux || shape.lane_log2 > 4 || shape.count_log2 > 4 ||
                   shape.bytes() > 16) {
            return error("shape does not fit a vector register");
        } else if ((bit_of(shape) & rule.shapes) == 0) {
            return error("has no shape of {} lanes of {} bytes", shape.lanes(), shape.lane_bytes());
        }
        immediate(inst, rule.imm);
    }

    void immediate(const Inst& inst, ImmRule kind) {
        const Shape shape = inst.shape();
        const u64 last_lane = 16 / shape.lane_bytes() - 1, imm = inst.imm;
        switch (kind) {
        case ImmRule::Any:
            break;
        case ImmRule::Zero:
            in_range(imm, 0, 0, "imm");
            break;
        case ImmRule::Option:
            in_range(imm, 0, 1, "option");
            break;
        case ImmRule::Negations:
            in_range(imm, 0, fmuladd::kNegateFactor | fmuladd::kNegateAddend, "negations");
            break;
        case ImmRule::Round:
            rounding(imm & 0xff);
            in_range(imm >> 8, 0, (imm & 0xff) == static_cast<u64>(Rounding::Current), "exact");
            break;
        case ImmRule::RoundBits:
            rounding(imm & 0xff);
            require(imm >> 8 == 32 || imm >> 8 == 64, "needs 32 or 64 integer bits");
            break;
        case ImmRule::MatrixOption:
            in_range(imm, 0, shape == ir::shape::S4 ? 1 : 0, "matrix product");
            break;
        case ImmRule::RoundNarrow:
            narrowing(imm, shape.lane_log2 == 2);
            break;
        case ImmRule::Fixed:
            fixed(imm, shape.lane_bits(), false);
            break;
        case ImmRule::FixedCurrent:
            fixed(imm, shape.lane_bits(), true);
            break;
        case ImmRule::LaneOf16:
            in_range(imm, 0, last_lane, "lane");
            break;
        case ImmRule::SignedLaneOf16:
            in_range(imm & 0xff, 0, last_lane, "lane");
            in_range(imm >> 8, 0, 1, "sign");
            break;
        case ImmRule::TwoLanes:
            in_range(imm & 0xff, 0, last_lane, "lane");
            in_range(imm >> 8, 0, last_lane, "lane");
            break;
        case ImmRule::LeftShift:
            in_range(imm, 0, u64{shape.lane_bits()} - 1, "shift");
            break;
        case ImmRule::RightShift:
            in_range(imm, 1, shape.lane_bits(), "shift");
            break;
        case ImmRule::NarrowShift:
            in_range(imm & 0xff, 1, shape.lane_bits(), "shift");
            in_range(imm >> 8, 0, 1, "rounding");
            break;
        case ImmRule::Byte:
            in_range(imm, 0, shape.bytes() - 1, "byte");
            break;
        case ImmRule::Container:
            require((imm == 2 || imm == 4 || imm == 8) && imm > shape.lane_bytes(),
                    "container must be 2, 4 or 8 bytes, wider than a lane");
            break;
        case ImmRule::Tables:
            in_range(imm, 1, 2, "table registers");
            require((arg_type(inst, 3) != Type::Void) == (imm == 2),
                    "the fourth argument is the second table");
            break;
        }
    }
    void rounding(u64 value) {
        require(value <= static_cast<u64>(Rounding::Current) &&
                    value != static_cast<u64>(Rounding::Odd),
                "rounding out of range");
    }
    void narrowing(u64 imm, bool from_double) {
        require(imm == static_cast<u64>(Rounding::Current) ||
                    (imm == static_cast<u64>(Rounding::Odd) && from_double),
                "rounding must be current, or odd from f64 to f32");
    }
    void fixed(u64 imm, unsigned width, bool current) {
        const FixedInfo info = FixedInfo::unpack(imm);
        require(info.pack() == imm, "imm is no FixedInfo");
        in_range(info.fraction_bits, 0, width, "fraction bits");
        rounding(static_cast<u64>(info.rounding));
        require(!current || info.rounding == Rounding::Current, "rounding is always the current");
    }

    void in_range(u64 value, u64 low, u64 high, const char* what) {
        if (value < low || value > high) {
            error("{} {} is outside {}..{}", what, value, low, high);
        }
    }

    // Rules of single operations.
    void special(const Inst& inst) {
        switch (inst.op) {
        case Opcode::Const:
            require(inst.type != Type::V128, "v128 constants are vconst");
            require((inst.imm & ~ones(bit_width(inst.type))) == 0,
                    "constant has bits past its type");
            break;
        case Opcode::Add:
        case Opcode::Sub:
        case Opcode::Mul:
        case Opcode::UDiv:
        case Opcode::SDiv:
        case Opcode::Neg:
        case Opcode::Abs:
        case Opcode::AndNot:
        case Opcode::Shl:
        case Opcode::Shr:
        case Opcode::Sar:
        case Opcode::Ror:
        case Opcode::Clz:
        case Opcode::Ctz:
        case Opcode::Popcnt:
        case Opcode::Cls:
        case Opcode::Rbit:
        case Opcode::Rev:
        case Opcode::Rev16:
        case Opcode::Adc:
            require(is_word(inst.type), "needs i32 or i64");
            break;
        case Opcode::And:
        case Opcode::Or:
        case Opcode::Xor:
        case Opcode::Not:
            require(is_word(inst.type) || inst.type == Type::I1, "needs i1, i32 or i64");
            break;
        case Opcode::AddShl:
            require(is_word(inst.type), "needs i32 or i64");
            in_range(inst.imm, 1, 3, "shift");
            break;
        case Opcode::Extr:
            require(is_word(inst.type), "needs i32 or i64");
            in_range(inst.imm, 0, bit_width(inst.type) - 1, "bit");
            break;
        case Opcode::SExt:
            require(arg_type(inst, 0) != Type::I1, "needs i8, i16 or i32");
            [[fallthrough]];
        case Opcode::ZExt:
            require(is_word(inst.type) && bit_width(arg_type(inst, 0)) < bit_width(inst.type),
                    "must widen to i32 or i64");
            break;
        case Opcode::Select:
            require(inst.type == Type::I1 || is_word(inst.type) || in_vector_register(inst.type),
                    "needs i1, i32, i64, FP or v128");
            break;
        case Opcode::Trunc:
            require(is_int(inst.type) && inst.type != Type::I1 &&
                        bit_width(arg_type(inst, 0)) > bit_width(inst.type),
                    "must narrow to i8, i16 or i32");
            break;
        case Opcode::Crc32:
        case Opcode::Crc32C:
            require(arg_type(inst, 1) != Type::I1, "needs i8..i64 data");
            break;
        case Opcode::ICmp:
        case Opcode::AddFlags:
        case Opcode::SubFlags:
        case Opcode::AdcFlags:
            require(is_word(arg_type(inst, 0)) && arg_type(inst, 0) == arg_type(inst, 1),
                    "needs two i32 or two i64");
            break;
        case Opcode::LogicFlags:
            require(is_word(arg_type(inst, 0)), "needs i32 or i64");
            break;
        case Opcode::TestBit:
            require(arg_type(inst, 0) != Type::I1, "needs i8..i64");
            in_range(inst.imm & ~testbit::kClear, 0, u64{bit_width(arg_type(inst, 0))} - 1, "bit");
            break;
        case Opcode::FCmp:
            require(arg_type(inst, 0) == arg_type(inst, 1), "needs two equal types");
            in_range(inst.imm, 0, 1, "signaling");
            break;
        case Opcode::Fence:
            in_range(inst.imm, 0, 2, "fence kind");
            break;
        case Opcode::StoreTag:
            in_range(inst.imm, 0, 1, "span of tags");
            break;
        case Opcode::CallHelper:
            call(inst);
            break;
        case Opcode::ExitIf:
            in_range(inst.aux, 0, kExitIfContextSync, "aux");
            break;
        case Opcode::RaiseIf:
            in_range(inst.imm & ones(32), 0, kExitReasonCount - 1, "exit reason");
            break;
        case Opcode::VToF:
            require(is_fp(inst.type), "needs an FP type");
            break;
        case Opcode::FToI:
            require(is_word(inst.type) && bit_width(arg_type(inst, 0)) <= bit_width(inst.type),
                    "needs i32 or i64 that holds the argument");
            break;
        case Opcode::IToF:
            require(is_fp(inst.type) && is_word(arg_type(inst, 0)) &&
                        bit_width(arg_type(inst, 0)) >= bit_width(inst.type),
                    "needs an FP type, and i32 or i64 that holds it");
            break;
        case Opcode::FJCvtZs:
            require(arg_type(inst, 0) == Type::F64, "needs f64");
            break;
        case Opcode::FRecpE:
        case Opcode::FRSqrtE:
            require(inst.imm == 0 || inst.type == Type::F32 ||
                        (inst.type == Type::V128 && inst.shape().lane_bits() == 32),
                    "increased precision needs single precision");
            break;
        case Opcode::FRIntN:
            require(inst.type != Type::F16, "needs single or double precision");
            break;
        case Opcode::FCvt:
            require(is_fp(inst.type) && inst.type != arg_type(inst, 0), "needs two FP types");
            narrowing(inst.imm, inst.type == Type::F32 && arg_type(inst, 0) == Type::F64);
            break;
        case Opcode::FCvtToInt:
            require(is_word(inst.type), "needs i32 or i64");
            fixed(inst.imm, bit_width(inst.type), false);
            break;
        case Opcode::FCvtFromInt:
            require(is_fp(inst.type) && is_word(arg_type(inst, 0)),
                    "needs an FP and an integer type");
            fixed(inst.imm, bit_width(arg_type(inst, 0)), true);
            break;
        case Opcode::VDup:
        case Opcode::VSetLane: {
            const Type type = arg_type(inst, inst.op == Opcode::VDup ? 0 : 1);
            require(is_word(type) && inst.shape().lane_bits() <= bit_width(type),
                    "needs i32 or i64 that holds a lane");
            break;
        }
        case Opcode::VGetLane:
            require(is_word(inst.type) &&
                        inst.shape().lane_bits() + (inst.imm >> 8) <= bit_width(inst.type),
                    "needs i32 or i64 that holds the lane, and is wider when it extends the sign");
            break;
        default:
            break;
        }
    }

    void call(const Inst& inst) {
        if (inst.imm >= kHelperCount) {
            return error("helper {} does not exist", inst.imm);
        }
        const HelperInfo& helper = kHelperInfo[inst.imm];
        require(inst.type == helper.result, "result type differs from the helper's");
        const std::string_view letters = helper.args;
        if (letters.size() != inst.arg_count) {
            return error("{} takes {} arguments", helper.name, letters.size());
        }
        for (unsigned i = 0; i < inst.arg_count; ++i) {
            require(letter_fits(letters[i], arg_type(inst, i), inst.type),
                    "argument does not fit the helper");
        }
    }

    void guest_index(const Inst& inst) {
        require(inst.guest_index < std::max<std::size_t>(block_.guest_pcs.size(), 1),
                "no such guest instruction");
        require(inst.guest_index >= last_guest_index_, "guest instructions go backwards");
        last_guest_index_ = inst.guest_index;
    }

    void exit() {
        const ValueId id = block_.exit_value();
        if (id == kNoValue) {
            require(std::holds_alternative<ExitDirect>(block_.exit) ||
                        std::holds_alternative<ExitCall>(block_.exit) ||
                        std::holds_alternative<ExitTo>(block_.exit),
                    "needs a value");
            return;
        }
        const Type type = use(id);
        const Type wanted = std::holds_alternative<ExitCond>(block_.exit) ? Type::I1 : Type::I64;
        if (type != Type::Void && type != wanted) {
            error("needs {}, not {}", type_name(wanted), type_name(type));
        }
    }

    const Block& block_;
    std::string errors_;
    std::size_t id_ = 0; // of the instruction being checked; past the end for the exit
    u16 last_guest_index_ = 0;
};

} // namespace

std::string verify(const Block& block) { return Verifier{block}.run(); }

} // namespace ulna::ir
