// Every vector integer and cryptographic operation, in every shape and with every kind of
// immediate, as host code against the interpreter: with arguments in pinned registers and in
// memory, equal and distinct, with the result over an argument and elsewhere, on random and edge
// values.

#include <string>
#include <vector>

#include "ir/builder.h"
#include "ir/printer.h"
#include "tests/support/catch.h"
#include "tests/unit/simd_values.h"
#include "tests/unit/x64_harness.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

using test::Random;
using test::random_half;
using test::random_vector;
using test::X64Runner;

// --- which forms exist

enum class Imm : u8 {
    None,
    Rounding,    // 0, 1
    Left,        // 0 .. bits - 1
    Right,       // 1 .. bits
    NarrowRight, // 1 .. bits of the result, with and without rounding
    Lane,        // of the whole register
    Insert,      // two lanes
    Bytes,       // 0 .. bytes - 1
    Container,   // 2, 4, 8 bytes, larger than the lane
    Tables,      // 1, 2
    GetLane,     // lane, with and without sign extension
    Matrix,      // 0, and 1 for 16 bytes
};

// Shapes by their lane sizes: 8- and 16-byte ones, and scalars.
enum Sizes : u8 {
    kB = 1,
    kH = 2,
    kS = 4,
    kD = 8,
    kBHS = 7,
    kHS = 6,
    kBHSD = 15,
    kSD = 12,
    kBH = 3
};
struct Form {
    Opcode op;
    u8 vector;     // lane sizes with 8- and 16-byte shapes (D: 16-byte only)
    u8 scalar = 0; // lane sizes with one lane
    Imm imm = Imm::None;
    bool half = false; // 8-byte shapes only (narrowing)
    bool full = false; // 16-byte shapes only (widening)
};

using enum Opcode;
// clang-format off
constexpr Form kForms[] = {
    {VAnd, kB}, {VOr, kB}, {VXor, kB}, {VBic, kB}, {VOrn, kB}, {VNot, kB}, {VBsl, kB},
    {VAdd, kBHSD, kD}, {VSub, kBHSD, kD}, {VMul, kBHS}, {VNeg, kBHSD, kD}, {VAbs, kBHSD, kD},
    {VCmEq, kBHSD, kD}, {VCmGt, kBHSD, kD}, {VCmGe, kBHSD, kD}, {VCmHi, kBHSD, kD}, {VCmHs, kBHSD, kD},
    {VCmTst, kBHSD, kD}, {VSMax, kBHS}, {VSMin, kBHS}, {VUMax, kBHS}, {VUMin, kBHS},
    {VSAbd, kBHSD}, {VUAbd, kBHSD},
    {VSHAdd, kBHS, 0, Imm::Rounding}, {VUHAdd, kBHS, 0, Imm::Rounding}, {VSHSub, kBHS}, {VUHSub, kBHS},
    {VSQAdd, kBHSD, kBHSD}, {VUQAdd, kBHSD, kBHSD}, {VSQSub, kBHSD, kBHSD}, {VUQSub, kBHSD, kBHSD},
    {VSUQAdd, kBHSD, kBHSD}, {VUSQAdd, kBHSD, kBHSD}, {VSQAbs, kBHSD, kBHSD}, {VSQNeg, kBHSD, kBHSD},
    {VSQDMulH, kHS, kHS, Imm::Rounding}, {VSQRDMlAH, kHS, kHS, Imm::Rounding},
    {VCls, kBHS}, {VClz, kBHS}, {VCnt, kB}, {VRbit, kB}, {VURecpE, kS}, {VURSqrtE, kS},
    {VShl, kBHSD, kD, Imm::Left}, {VUShr, kBHSD, kD, Imm::Right}, {VSShr, kBHSD, kD, Imm::Right},
    {VURShr, kBHSD, kD, Imm::Right}, {VSRShr, kBHSD, kD, Imm::Right},
    {VSli, kBHSD, kD, Imm::Left}, {VSri, kBHSD, kD, Imm::Right},
    {VSQShlImm, kBHSD, kBHSD, Imm::Left}, {VUQShlImm, kBHSD, kBHSD, Imm::Left}, {VSQShlU, kBHSD, kBHSD, Imm::Left},
    {VUShlReg, kBHSD, kD, Imm::Rounding}, {VSShlReg, kBHSD, kD, Imm::Rounding},
    {VUQShlReg, kBHSD, kBHSD, Imm::Rounding}, {VSQShlReg, kBHSD, kBHSD, Imm::Rounding},
    {VXtn, kBHS, 0, Imm::None, true}, {VSQXtn, kBHS, kBHS, Imm::None, true}, {VUQXtn, kBHS, kBHS, Imm::None, true},
    {VSQXtun, kBHS, kBHS, Imm::None, true}, {VShrn, kBHS, 0, Imm::NarrowRight, true},
    {VSQShrn, kBHS, kBHS, Imm::NarrowRight, true}, {VUQShrn, kBHS, kBHS, Imm::NarrowRight, true},
    {VSQShrun, kBHS, kBHS, Imm::NarrowRight, true},
    {VAddHn, kBHS, 0, Imm::Rounding, true}, {VSubHn, kBHS, 0, Imm::Rounding, true},
    {VSxtl, kHS | kD, 0, Imm::None, false, true}, {VUxtl, kHS | kD, 0, Imm::None, false, true},
    {VSMull, kHS | kD, 0, Imm::None, false, true}, {VUMull, kHS | kD, 0, Imm::None, false, true},
    {VPMull, kH, 0, Imm::Rounding, false, true}, {VSQDMull, kSD, kSD, Imm::None, false, true}, {VPMul, kB},
    {VSDot, kS, 0, Imm::Matrix}, {VUDot, kS, 0, Imm::Matrix}, {VUSDot, kS, 0, Imm::Matrix},
    {VAddP, kBHSD}, {VSMaxP, kBHS}, {VSMinP, kBHS}, {VUMaxP, kBHS}, {VUMinP, kBHS},
    {VSAddlP, kHS | kD, kD}, {VUAddlP, kHS | kD, kD},
    {VAddV, kBHSD}, {VSAddlV, kBHS}, {VUAddlV, kBHS}, {VSMaxV, kBHS}, {VSMinV, kBHS}, {VUMaxV, kBHS}, {VUMinV, kBHS},
    {VZip1, kBHSD}, {VZip2, kBHSD}, {VUzp1, kBHSD}, {VUzp2, kBHSD}, {VTrn1, kBHSD}, {VTrn2, kBHSD},
    {VExt, kB, 0, Imm::Bytes}, {VRev, kBHS, 0, Imm::Container}, {VTbl, kB, 0, Imm::Tables},
    {VDupLane, kBHSD, kBHSD, Imm::Lane}, {VInsLane, kBHSD, 0, Imm::Insert, false, true},
    {VDup, kBHSD}, {VSetLane, kBHSD, 0, Imm::Lane, false, true}, {VGetLane, kBHSD, 0, Imm::GetLane, false, true},
    {VLow, kB}, {VHigh, kB}, {VConcat, kB}, {VFromPair, kB},
    {AesE, kB}, {AesD, kB}, {AesMc, kB}, {AesImc, kB}, {Sha1C, kS}, {Sha1P, kS}, {Sha1M, kS}, {Sha1H, kS},
    {Sha1Su0, kS}, {Sha1Su1, kS}, {Sha256Rnds2, kS, 0, Imm::Rounding, false, true}, {Sha256Su0, kS}, {Sha256Su1, kS}, {Sm4Sub, kB},
};
// clang-format on

std::vector<Shape> shapes_of(const Form& form) {
    std::vector<Shape> shapes;
    for (u8 lane = 0; lane < 4; ++lane) {
        const u8 full = static_cast<u8>(4 - lane);
        if (form.vector >> lane & 1) {
            if (!form.full && lane < 3) {
                shapes.push_back({lane, static_cast<u8>(full - 1)});
            }
            if (!form.half) {
                shapes.push_back({lane, full});
            }
        }
        if (form.scalar >> lane & 1) {
            shapes.push_back({lane, 0});
        }
    }
    if (form.op == VPMull) {
        shapes.push_back(shape::Q1);
    }
    return shapes;
}

std::vector<u64> imms_of(const Form& form, Shape shape) {
    std::vector<u64> imms;
    const unsigned bits = shape.lane_bits(), register_lanes = 16 / shape.lane_bytes();
    const auto range = [&](u64 first, u64 last) {
        for (u64 imm = first; imm <= last; ++imm) {
            imms.push_back(imm);
        }
    };
    switch (form.imm) {
    case Imm::None:
        range(0, 0);
        break;
    case Imm::Rounding:
        range(0, 1);
        break;
    case Imm::Matrix:
        range(0, shape.bytes() == 16 ? 1 : 0);
        break;
    case Imm::Left:
        range(0, bits - 1);
        break;
    case Imm::Right:
        range(1, bits);
        break;
    case Imm::NarrowRight:
        range(1, bits), range(0x101, 0x100 + bits);
        break;
    case Imm::Lane:
        range(0, register_lanes - 1);
        break;
    case Imm::GetLane:
        range(0, register_lanes - 1), range(0x100, 0x100 + register_lanes - 1);
        break;
    case Imm::Bytes:
        range(0, shape.bytes() - 1);
        break;
    case Imm::Tables:
        range(1, 2);
        break;
    case Imm::Insert:
        for (u64 to = 0; to < register_lanes; ++to) {
            range(to, to);
            imms.push_back(to | (to * 5 + 1) % register_lanes << 8);
            imms.push_back(to | to << 8);
        }
        break;
    case Imm::Container:
        for (u64 bytes = 2 * shape.lane_bytes(); bytes <= 8; bytes *= 2) {
            imms.push_back(bytes);
        }
        break;
    }
    return imms;
}

// --- blocks

// Where arguments come from and the result goes: register numbers. V0-V7 and V16-V19 are pinned.
// Register number kConstant is a constant instead.
constexpr unsigned kConstant = 99;
struct Placement {
    unsigned args[4];
    unsigned result;
};
constexpr Placement kPlacements[] = {
    {{0, 1, 2, 3}, 4},      // all pinned
    {{0, 0, 0, 0}, 0},      // all the same
    {{20, 21, 22, 23}, 0},  // from memory
    {{1, 20, 0, 21}, 1},    // result over the first
    {{20, 2, 3, 1}, 3},     // result over a later one
    {{5, 21, 20, 0}, 25},   // result in memory
    {{20, 21, 22, 23}, 25}, // nothing pinned: temporaries run out
    {{0, kConstant, kConstant, 20}, 4},
    {{kConstant, 20, 1, kConstant}, 22},
};

void build(Block& block,
           const Form& form,
           Shape shape,
           u64 imm,
           const Placement& placement,
           bool keep,
           u64 constant) {
    BlockKey key{};
    key.pc = 0x1000;
    block.reset(key);
    Builder b{block};
    b.begin_guest_instruction(key.pc, 0);
    const char* const letters = info(form.op).args;
    const unsigned optional = form.op == VTbl ? static_cast<unsigned>(imm) + 2 : 4;
    Value args[4];
    unsigned count = 0;
    for (const char* letter = letters; *letter != '\0' && count < optional; ++letter) {
        if (*letter == '?') {
            continue;
        }
        if (*letter == 'V' || *letter == 'T') {
            const unsigned from = placement.args[count];
            args[count] = from == kConstant
                              ? b.vconst(imm % 2 != 0 ? shape::B8 : shape::B16, constant)
                              : b.get(v_slot(from));
        } else {
            const Value x = b.get(x_slot(placement.args[count] % 20));
            args[count] = *letter == 'I' && shape.lane_log2 < 3 ? b.trunc(x, Type::I32) : x;
        }
        ++count;
    }
    const bool has_shape = info(form.op).param == Param::Shape;
    const u16 aux = has_shape ? shape.pack() : 0;
    const bool to_integer = form.op == VGetLane;
    const Type type = !to_integer ? Type::V128 : shape.lane_log2 == 3 ? Type::I64 : Type::I32;
    const auto emit = [&](auto... arg) { return b.emit(form.op, type, {arg...}, aux, imm); };
    const Value result = count == 1   ? emit(args[0])
                         : count == 2 ? emit(args[0], args[1])
                         : count == 3 ? emit(args[0], args[1], args[2])
                                      : emit(args[0], args[1], args[2], args[3]);
    if (to_integer) {
        b.set(x_slot(placement.result), b.zext(result, Type::I64));
    } else {
        b.set(v_slot(placement.result), result);
    }
    if (keep) {
        // Arguments stay alive past the operation.
        for (unsigned i = 0; i < count; ++i) {
            if (args[i].type == Type::V128) {
                b.set(v_slot(26 + i), args[i]);
            }
        }
    }
    block.exit = ExitTo{ExitReason::Halt, key.pc + 4};
    block.recount_uses();
}

// --- values

void randomize(CpuState& state, Random& random) {
    for (u64& x : state.x) {
        x = random_half(random);
    }
    for (V128& v : state.v) {
        v = random_vector(random);
    }
    state.nzcv = 5;
    state.fpsr = 0;
}

std::string difference(const CpuState& expected, const CpuState& actual) {
    std::string text;
    char line[160];
    for (unsigned n = 0; n < 32; ++n) {
        if (expected.v[n] != actual.v[n]) {
            std::snprintf(line, sizeof line, " v%u=%016lx:%016lx, expected %016lx:%016lx", n,
                          actual.v[n].hi, actual.v[n].lo, expected.v[n].hi, expected.v[n].lo);
            text += line;
        }
    }
    for (unsigned n = 0; n < 31; ++n) {
        if (expected.x[n] != actual.x[n]) {
            std::snprintf(line, sizeof line, " x%u=%lx, expected %lx", n, actual.x[n],
                          expected.x[n]);
            text += line;
        }
    }
    if (expected.fpsr != actual.fpsr || expected.nzcv != actual.nzcv) {
        std::snprintf(line, sizeof line, " fpsr=%x nzcv=%x, expected %x %x", actual.fpsr,
                      actual.nzcv, expected.fpsr, expected.nzcv);
        text += line;
    }
    return text;
}

// Runs the block both ways on several inputs; the first difference, or empty.
std::string compare(X64Runner& host, const Block& block, Random& random, unsigned runs) {
    static CpuState expected, before;
    host.reset();
    CpuState& actual = *host.state;
    const u64 entry = host.add(block);
    for (unsigned i = 0; i < runs; ++i) {
        randomize(expected, random);
        std::copy(std::begin(expected.x), std::end(expected.x), actual.x);
        std::copy(std::begin(expected.v), std::end(expected.v), actual.v);
        std::copy(std::begin(expected.v), std::end(expected.v), before.v);
        actual.nzcv = expected.nzcv;
        actual.fpsr = 0;
        (void)interpret(block, expected);
        (void)host.enter(entry);
        std::string text = difference(expected, actual);
        if (!text.empty()) {
            for (unsigned n : {0, 1, 2, 3, 5, 20, 21, 22, 23}) {
                char line[80];
                std::snprintf(line, sizeof line, "\n  v%u was %016lx:%016lx", n, before.v[n].hi,
                              before.v[n].lo);
                text += line;
            }
            return text;
        }
    }
    return {};
}

void check_form(X64Runner& host, const Form& form) {
    Random random{static_cast<u64>(form.op) + 1};
    Block block;
    for (const Shape shape : shapes_of(form)) {
        for (const u64 imm : test::some_of(imms_of(form, shape), random())) {
            for (const Placement& placement : test::some_of(kPlacements, random())) {
                const bool keep = random() % 2 != 0;
                build(block, form, shape, imm, placement, keep, random_half(random));
                const std::string text = compare(host, block, random, 12);
                if (!text.empty()) {
                    FAIL_CHECK(print(block) << text);
                    return; // one report per operation
                }
            }
        }
    }
}

} // namespace

TEST_CASE("host code of vector and crypto operations equals the interpreter", "[simd][x64]") {
    X64Runner host;
    if (!host.available()) {
        WARN("skipped: this host has no back end");
        return;
    }
    for (const bool spill_everything : {false, true}) {
        host.options.spill_everything = spill_everything;
        host.options.baseline_host = spill_everything; // two configurations, not four
        for (const Form& form : kForms) {
            check_form(host, form);
        }
    }
    SUCCEED();
}

TEST_CASE("the host's AES rounds add the next key when it is there and nobody looks",
          "[simd][x64][tier1]") {
    X64Runner host;
    if (!host.available()) {
        WARN("skipped: this host has no back end");
        return;
    }
    Random random{8};
    enum { AllFused, LateKeys, SeenRound, SeenMix, KeyTwice, Swapped, kCases };
    std::size_t code_bytes[kCases] = {};
    for (const auto& [round, mix] : {std::pair{AesE, AesMc}, std::pair{AesD, AesImc}}) {
        for (unsigned which = 0; which < kCases; ++which) {
            Block block;
            block.reset({});
            Builder b{block};
            b.begin_guest_instruction(0x1000, 0);
            std::vector<Value> keys;
            for (const unsigned slot : {1, 20, 3, 21}) {
                keys.push_back(b.get(v_slot(slot)));
            }
            const auto key = [&](unsigned i) {
                // Not a mere Get, which would be the first one again.
                return which == LateKeys ? b.vec(VXor, shape::B16, {keys[i], keys[0]}) : keys[i];
            };
            Value state = b.get(v_slot(0));
            for (unsigned i = 0; i < 3; ++i) {
                const Value added = key(which == KeyTwice ? 1 : i);
                const Value half = which == Swapped ? b.binary(round, added, state)
                                                    : b.binary(round, state, added);
                state = i == 2 ? half : b.unary(mix, half);
                if (which == SeenRound) {
                    b.set(v_slot(2), half);
                } else if (which == SeenMix) {
                    b.set(v_slot(2), state);
                }
            }
            b.set(v_slot(0), b.vec(VXor, shape::B16, {state, key(3)}));
            block.exit = ExitTo{ExitReason::Halt, 0x1004};
            block.recount_uses();
            INFO(print(block));
            CHECK(compare(host, block, random, 20) == "");
            code_bytes[which] = host.compiled.hot_bytes;
        }
        for (const unsigned less : {LateKeys, SeenRound, SeenMix}) {
            CHECK(code_bytes[AllFused] < code_bytes[less]);
        }
        CHECK(code_bytes[AllFused] >= code_bytes[Swapped]);
    }
}

TEST_CASE("AESE followed by AESMC is one round when nothing else uses it", "[simd][x64][tier1]") {
    X64Runner host;
    if (!host.available()) {
        WARN("skipped: this host has no back end");
        return;
    }
    Random random{7};
    std::size_t code_bytes[2] = {};
    for (const auto& [round, mix] : {std::pair{AesE, AesMc}, std::pair{AesD, AesImc}}) {
        for (const bool used_twice : {false, true}) {
            Block block;
            block.reset({});
            Builder b{block};
            b.begin_guest_instruction(0x1000, 0);
            Value state = b.get(v_slot(0));
            for (const unsigned key : {20, 3, 21}) {
                const Value half = b.binary(round, state, b.get(v_slot(key)));
                state = b.unary(mix, half);
                if (used_twice) {
                    b.set(v_slot(2), half);
                }
            }
            b.set(v_slot(0), state);
            block.exit = ExitTo{ExitReason::Halt, 0x1004};
            block.recount_uses();
            CHECK(compare(host, block, random, 20) == "");
            code_bytes[used_twice] = host.compiled.hot_bytes;
        }
        CHECK(code_bytes[0] < code_bytes[1]);
    }
}

TEST_CASE("CNT and ADDV of eight bytes are a population count", "[simd][x64]") {
    X64Runner host;
    if (!host.available()) {
        WARN("skipped: this host has no back end");
        return;
    }
    Random random{8};
    for (const Opcode sum : {VAddV, VUAddlV}) {
        for (const Shape shape : {shape::B8, shape::B16}) {
            for (const bool used_otherwise : {false, true}) {
                Block block;
                block.reset({});
                Builder b{block};
                b.begin_guest_instruction(0x1000, 0);
                const Value source = b.get(v_slot(20));
                const Value counts = b.vec(VCnt, shape::B8, {source});
                b.set(v_slot(0), b.vec(sum, shape, {counts}));
                b.set(v_slot(20), used_otherwise ? b.vec(VAdd, shape, {counts, source}) : source);
                block.exit = ExitTo{ExitReason::Halt, 0x1004};
                block.recount_uses();
                CHECK(compare(host, block, random, 20) == "");
            }
        }
    }
}

TEST_CASE("pairs of unsigned halfwords are added as signed ones when they are small",
          "[simd][x64]") {
    X64Runner host;
    if (!host.available()) {
        WARN("skipped: this host has no back end");
        return;
    }
    Random random{9};
    for (const bool small : {false, true}) {
        Block block;
        block.reset({});
        Builder b{block};
        b.begin_guest_instruction(0x1000, 0);
        const Value a = b.get(v_slot(20));
        const Value extended = b.vec(VUxtl, shape::H8, {a});
        const Value pairs = b.vec(VUAddlP, shape::H8, {a});
        const Value other = small ? b.vec(VAdd, shape::H8, {extended, pairs}) : a;
        const Value sum =
            b.vec(VAdd, shape::H8, {b.vec(VAdd, shape::H8, {extended, pairs}), other});
        b.set(v_slot(0), b.vec(VUAddlP, shape::S4, {sum}));
        block.exit = ExitTo{ExitReason::Halt, 0x1004};
        block.recount_uses();
        for (unsigned i = 0; i < 4; ++i) {
            CHECK(compare(host, block, random, 20) == "");
        }
    }
}
