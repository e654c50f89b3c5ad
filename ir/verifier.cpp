// Checks a block against the rows of opcodes.def, then against the few rules that rows cannot say.
#include "ir/verifier.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>
#include <iterator>

#include "ir/helpers.h"

namespace ulna::ir {

namespace {

constexpr bool is_word(Type type) { return type == Type::I32 || type == Type::I64; }

bool letter_fits(char letter, Type type, Type result) {
    switch (letter) {
    case 'T':
        return type == result;
    case '1':
        return type == Type::I1;
    case 'w':
        return type == Type::I32;
    case 'x':
        return type == Type::I64;
    case 'V':
        return type == Type::V128;
    case 'n':
        return type == Type::Nzcv;
    case 'I':
        return is_int(type);
    case 'F':
        return is_fp(type);
    case 'A':
        return type != Type::Void;
    default:
        return false;
    }
}

Type fixed_result(char letter) {
    switch (letter) {
    case '1':
        return Type::I1;
    case 'w':
        return Type::I32;
    case 'x':
        return Type::I64;
    case 'V':
        return Type::V128;
    case 'n':
        return Type::Nzcv;
    default:
        return Type::Void;
    }
}

// Lane sizes that vector operations exist for, as log2 of bytes; B is 0. Rows cover ranges of
// opcodes.def.
struct LaneRule {
    Opcode first, last;
    u8 smallest, largest;
};
// clang-format off
constexpr LaneRule kLaneRules[] = {
    {Opcode::VAdd,       Opcode::VUMull,       0, 3},
    {Opcode::VSQDMull,   Opcode::VTbl,         0, 3}, // VPMull: see special
    {Opcode::VSQDMulH,   Opcode::VSQRDMlAH,    1, 2},
    {Opcode::VCnt,       Opcode::VRbit,        0, 0},
    {Opcode::VURecpE,    Opcode::VURSqrtE,     2, 2},
    {Opcode::VPMul,      Opcode::VPMul,        0, 0},
    {Opcode::VExt,       Opcode::VExt,         0, 0},
    {Opcode::VTbl,       Opcode::VTbl,         0, 0},
    {Opcode::FAdd,       Opcode::FMinNmV,      1, 3}, // floating point: H, S, D
    {Opcode::FMulAddL,   Opcode::FMulAddL,     2, 2},
    {Opcode::VFCvtToInt, Opcode::VFCvtFromInt, 1, 3},
    {Opcode::VFCvtL,     Opcode::VFCvtL,       2, 3}, // from H or S
    {Opcode::VFCvtN,     Opcode::VFCvtN,       1, 2}, // to H or S
    {Opcode::VXtn,       Opcode::VSubHn,       0, 2}, // narrowing: the argument's lanes are twice as wide
    {Opcode::VSxtl,      Opcode::VUMull,       1, 3}, // widening: half as wide
    {Opcode::VSQDMull,   Opcode::VSQDMull,     2, 3},
    {Opcode::VSDot,      Opcode::VBfDot,       2, 2},
    {Opcode::VSAddlP,    Opcode::VUAddlP,      1, 3},
    {Opcode::VSAddlV,    Opcode::VUAddlV,      0, 2},
};
// clang-format on

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
            require(inst.type == fixed_result(row.result), "result type does not fit the row");
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
            if (!is_fp(inst.type)) {
                shape(inst);
            }
            break;
        case Param::Conv:
            require(static_cast<Type>(inst.aux) == arg_type(inst, 0),
                    "source type differs from the argument's");
            break;
        default:
            break;
        }
    }

    void memory(const Inst& inst) {
        const MemInfo mem = inst.mem();
        require(mem.size_log2 <= 4 && mem.index_shift <= 4, "access size or index shift too large");
        const bool indexed = inst.op == Opcode::Load || inst.op == Opcode::Store;
        if (indexed) {
            const i64 displacement = static_cast<i64>(inst.imm);
            require(displacement == static_cast<i32>(displacement),
                    "displacement needs over 32 bits");
        }
        require(mem.index_shift == 0 || (indexed && inst.arg_count > 1 && inst.args[1] != kNoValue),
                "index shift without an index");
        if (inst.op == Opcode::Load || inst.op == Opcode::LoadExcl) {
            require(inst.type == Type::V128 || (mem.bytes() * 8 <= bit_width(inst.type) &&
                                                (is_word(inst.type) || is_fp(inst.type))),
                    "access size does not fit the result");
            require(!is_fp(inst.type) || mem.bytes() * 8 == bit_width(inst.type),
                    "access size does not fit the result");
        } else if (inst.op == Opcode::AtomicRmw) {
            require(inst.imm <= static_cast<u64>(AtomicOp::Swp), "atomic operation out of range");
            require(is_word(inst.type) && mem.bytes() * 8 <= bit_width(inst.type),
                    "access size does not fit the result");
        } else {
            const Type type = arg_type(inst, inst.op == Opcode::Store ? 2 : 1);
            require(mem.bytes() * 8 <= bit_width(type), "access size does not fit the value");
        }
    }

    void shape(const Inst& inst) {
        const Shape shape = inst.shape();
        require(shape.pack() == inst.aux && shape.lane_log2 <= 4 && shape.count_log2 <= 4 &&
                    shape.bytes() <= 16,
                "shape does not fit a vector register");
        const bool narrows =
            (inst.op >= Opcode::VXtn && inst.op <= Opcode::VSubHn) || inst.op == Opcode::VFCvtN;
        require(!narrows || shape.bytes() <= 8, "a narrowed result has at most 8 bytes");
        const bool permutes = inst.op >= Opcode::VZip1 && inst.op <= Opcode::VTrn2;
        require(!permutes || shape.lanes() >= 2, "a permutation needs two lanes");
        for (const LaneRule& rule : kLaneRules) {
            if (inst.op >= rule.first && inst.op <= rule.last) {
                in_range(shape.lane_log2, rule.smallest, rule.largest, "lane size");
            }
        }
    }

    void in_range(u64 value, u64 low, u64 high, const char* what) {
        if (value < low || value > high) {
            error("{} {} is outside {}..{}", what, value, low, high);
        }
    }

    // Rules of single operations.
    void special(const Inst& inst) {
        const unsigned lane_bits =
            info(inst.op).param == Param::Shape ? inst.shape().lane_bits() : 0;
        const u64 last_lane = lane_bits == 0 || lane_bits > 128 ? 0 : 128 / lane_bits - 1;
        switch (inst.op) {
        case Opcode::Const:
            require(inst.type != Type::V128, "v128 constants are vconst");
            break;
        case Opcode::Add:
        case Opcode::Sub:
        case Opcode::Mul:
        case Opcode::UDiv:
        case Opcode::SDiv:
        case Opcode::Neg:
        case Opcode::AndNot:
        case Opcode::Shl:
        case Opcode::Shr:
        case Opcode::Sar:
        case Opcode::Ror:
        case Opcode::Clz:
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
        case Opcode::Extr:
            require(is_word(inst.type), "needs i32 or i64");
            in_range(inst.imm, 0, bit_width(inst.type) - 1, "bit");
            break;
        case Opcode::ZExt:
        case Opcode::SExt:
            require(is_word(inst.type) && bit_width(arg_type(inst, 0)) < bit_width(inst.type),
                    "must widen to i32 or i64");
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
            in_range(inst.imm, 0, u64{bit_width(arg_type(inst, 0))} - 1, "bit");
            break;
        case Opcode::FCmp:
            require(arg_type(inst, 0) == arg_type(inst, 1), "needs two equal types");
            break;
        case Opcode::Fence:
            in_range(inst.imm, 0, 2, "fence kind");
            break;
        case Opcode::CallHelper:
            call(inst);
            break;
        case Opcode::ExitIf:
            in_range(inst.aux, 0, 1, "aux");
            break;
        case Opcode::VToF:
            require(is_fp(inst.type), "needs an FP type");
            break;
        case Opcode::FToI:
            require(is_word(inst.type) && bit_width(arg_type(inst, 0)) <= bit_width(inst.type),
                    "needs i32 or i64 that holds the argument");
            break;
        case Opcode::IToF:
            require(is_fp(inst.type), "needs an FP type");
            break;
        case Opcode::FRIntN:
            require(inst.type == Type::F32 || inst.type == Type::F64 ||
                        (inst.type == Type::V128 && lane_bits >= 32),
                    "needs single or double precision");
            require(inst.imm >> 8 == 32 || inst.imm >> 8 == 64, "needs 32 or 64 integer bits");
            in_range(inst.imm & 0xff, 0, static_cast<u64>(Rounding::Current), "rounding");
            break;
        case Opcode::FJCvtZs:
            require(arg_type(inst, 0) == Type::F64, "needs f64");
            break;
        case Opcode::VFCvtBf:
            require(inst.shape() == shape::H4 || inst.shape() == shape::H1, "needs 4h or 1h");
            break;
        case Opcode::FCvt:
            require(is_fp(inst.type) && inst.type != arg_type(inst, 0), "needs two FP types");
            break;
        case Opcode::FCvtToInt:
            require(is_word(inst.type), "needs i32 or i64");
            break;
        case Opcode::FCvtFromInt:
            require(is_fp(inst.type) && is_word(arg_type(inst, 0)),
                    "needs an FP and an integer type");
            break;
        case Opcode::VGetLane:
            require(is_word(inst.type), "needs i32 or i64");
            in_range(inst.imm & 0xff, 0, last_lane, "lane");
            in_range(inst.imm >> 8, 0, 1, "sign");
            break;
        case Opcode::VDupLane:
        case Opcode::VSetLane:
            in_range(inst.imm, 0, last_lane, "lane");
            break;
        case Opcode::VInsLane:
            in_range(inst.imm & 0xff, 0, last_lane, "lane");
            in_range(inst.imm >> 8, 0, last_lane, "lane");
            break;
        case Opcode::VShl:
        case Opcode::VSli:
        case Opcode::VSQShlImm:
        case Opcode::VUQShlImm:
        case Opcode::VSQShlU:
            in_range(inst.imm, 0, u64{lane_bits} - 1, "shift");
            break;
        case Opcode::VUShr:
        case Opcode::VSShr:
        case Opcode::VURShr:
        case Opcode::VSRShr:
        case Opcode::VSri:
            in_range(inst.imm, 1, lane_bits, "shift");
            break;
        case Opcode::VShrn:
        case Opcode::VSQShrn:
        case Opcode::VUQShrn:
        case Opcode::VSQShrun:
            in_range(inst.imm & 0xff, 1, lane_bits, "shift");
            break;
        case Opcode::VPMull:
            require(inst.shape() == shape::H8 || inst.shape() == shape::Q1, "needs 8h or 1q");
            break;
        case Opcode::VSDot:
        case Opcode::VUDot:
        case Opcode::VUSDot:
        case Opcode::VBfDot:
            in_range(inst.imm, 0, inst.shape() == shape::S4 ? 1 : 0, "matrix product");
            break;
        case Opcode::VExt:
            in_range(inst.imm, 0, inst.shape().bytes() - 1, "byte");
            break;
        case Opcode::VRev:
            require((inst.imm == 2 || inst.imm == 4 || inst.imm == 8) &&
                        inst.imm > inst.shape().lane_bytes(),
                    "container must be 2, 4 or 8 bytes, wider than a lane");
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
