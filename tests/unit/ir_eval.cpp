// eval() of integer, flag and move operations against independent arithmetic, on edge values.
#include "ir/eval.h"

#include "ir/builder.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

constexpr u64 kEdges[] = {0,
                          1,
                          2,
                          0x7f,
                          0x80,
                          0xff,
                          0x7fff,
                          0x8000,
                          0x7fff'ffff,
                          0x8000'0000,
                          0xffff'ffff,
                          0x1'0000'0000,
                          0x0123'4567'89ab'cdef,
                          0x7fff'ffff'ffff'ffff,
                          0x8000'0000'0000'0000,
                          0x8000'0000'0000'0001,
                          0xffff'ffff'0000'0000,
                          0xffff'ffff'ffff'ffff};

// Evaluates one operation with arguments of the given types.
struct Arg {
    Type type;
    u64 value;
};
u64 run(Opcode op, Type type, std::initializer_list<Arg> args, u16 aux = 0, u64 imm = 0) {
    Block block;
    block.reset({0, {}});
    Builder b{block};
    V128 values[kMaxArgs];
    Inst inst{op, type, 0, aux, 0, {kNoValue, kNoValue, kNoValue, kNoValue}, imm, 0, false};
    for (const Arg& arg : args) {
        values[inst.arg_count] = {arg.value & ones(bit_width(arg.type)), 0};
        inst.args[inst.arg_count++] = b.constant(arg.type, arg.value).id;
    }
    block.insts.push_back(inst);
    u32 fpsr_bits = 0;
    const V128 result = eval(params_of(block, inst), values, fpsr_bits);
    CHECK(fpsr_bits == 0);
    CHECK(result.hi == 0);
    CHECK((result.lo & ~ones(bit_width(type))) == 0); // upper bits are zero
    return result.lo;
}

u64 run2(Opcode op, Type type, u64 a, u64 b) { return run(op, type, {{type, a}, {type, b}}); }

// The manual's AddWithCarry, bit by bit.
unsigned flags_by_hand(u64 a, u64 b, bool carry, unsigned width) {
    u64 sum = 0;
    bool c = carry, into_sign = false;
    for (unsigned i = 0; i < width; ++i) {
        into_sign = c;
        const unsigned total = bit(a, i) + bit(b, i) + c;
        sum |= u64{total & 1} << i;
        c = total > 1;
    }
    return (bit(sum, width - 1) ? 8u : 0u) | (sum == 0 ? 4u : 0u) | (c ? 2u : 0u) |
           (c != into_sign ? 1u : 0u);
}

} // namespace

TEST_CASE("eval: arithmetic on edge values", "[ir]") {
    for (const u64 a : kEdges) {
        for (const u64 b : kEdges) {
            INFO(std::hex << a << " " << b);
            const auto a32 = static_cast<u32>(a), b32 = static_cast<u32>(b);
            CHECK(run2(Opcode::Add, Type::I64, a, b) == a + b);
            CHECK(run2(Opcode::Add, Type::I32, a, b) == a32 + b32);
            CHECK(run2(Opcode::Sub, Type::I32, a, b) == a32 - b32);
            CHECK(run2(Opcode::Mul, Type::I32, a, b) == a32 * b32);
            CHECK(run2(Opcode::UDiv, Type::I64, a, b) == (b == 0 ? 0 : a / b));
            CHECK(run2(Opcode::UDiv, Type::I32, a, b) == (b32 == 0 ? 0 : a32 / b32));
            const i128 dividend = static_cast<i64>(a), divisor = static_cast<i64>(b);
            CHECK(run2(Opcode::SDiv, Type::I64, a, b) ==
                  (divisor == 0 ? 0 : static_cast<u64>(dividend / divisor)));
            const i64 d32 = static_cast<i32>(b32);
            CHECK(run2(Opcode::SDiv, Type::I32, a, b) ==
                  (d32 == 0 ? 0 : static_cast<u32>(i64{static_cast<i32>(a32)} / d32)));
            CHECK(run(Opcode::UMulH, Type::I64, {{Type::I64, a}, {Type::I64, b}}) ==
                  static_cast<u64>(u128{a} * b >> 64));
            CHECK(run(Opcode::SMulH, Type::I64, {{Type::I64, a}, {Type::I64, b}}) ==
                  static_cast<u64>(dividend * divisor >> 64));
            CHECK(run2(Opcode::AndNot, Type::I32, a, b) == (a32 & ~b32));
        }
    }
}

TEST_CASE("eval: shifts take amounts modulo the width", "[ir]") {
    for (const u64 a : kEdges) {
        for (unsigned n = 0; n < 130; ++n) {
            const auto a32 = static_cast<u32>(a);
            const unsigned n32 = n % 32, n64 = n % 64;
            CHECK(run2(Opcode::Shl, Type::I32, a, n) == a32 << n32);
            CHECK(run2(Opcode::Shr, Type::I32, a, n) == a32 >> n32);
            CHECK(run2(Opcode::Sar, Type::I32, a, n) ==
                  static_cast<u32>(static_cast<i32>(a32) >> n32));
            CHECK(run2(Opcode::Ror, Type::I32, a, n) == std::rotr(a32, static_cast<int>(n32)));
            CHECK(run2(Opcode::Shl, Type::I64, a, n) == a << n64);
            CHECK(run2(Opcode::Sar, Type::I64, a, n) ==
                  static_cast<u64>(static_cast<i64>(a) >> n64));
            CHECK(run2(Opcode::Ror, Type::I64, a, n) == std::rotr(a, static_cast<int>(n64)));
        }
        for (unsigned lsb = 0; lsb < 32; ++lsb) {
            const u64 pair = u64{static_cast<u32>(a)} << 32 | 0x89ab'cdef;
            CHECK(run(Opcode::Extr, Type::I32, {{Type::I32, a}, {Type::I32, 0x89ab'cdef}}, 0,
                      lsb) == static_cast<u32>(pair >> lsb));
        }
    }
}

TEST_CASE("eval: bit counting and reversal", "[ir]") {
    CHECK(run(Opcode::Clz, Type::I32, {{Type::I32, 0}}) == 32);
    CHECK(run(Opcode::Clz, Type::I64, {{Type::I64, 0}}) == 64);
    CHECK(run(Opcode::Clz, Type::I32, {{Type::I32, 0x00ff'0000}}) == 8);
    CHECK(run(Opcode::Cls, Type::I32, {{Type::I32, 0}}) == 31);
    CHECK(run(Opcode::Cls, Type::I32, {{Type::I32, 0xffff'ffff}}) == 31);
    CHECK(run(Opcode::Cls, Type::I32, {{Type::I32, 0x8000'0000}}) == 0);
    CHECK(run(Opcode::Cls, Type::I64, {{Type::I64, 0xffff'ffff'0000'0000}}) == 31);
    CHECK(run(Opcode::Rbit, Type::I32, {{Type::I32, 0x0000'0001}}) == 0x8000'0000);
    CHECK(run(Opcode::Rbit, Type::I64, {{Type::I64, 0x0123'4567'89ab'cdef}}) ==
          0xf7b3'd591'e6a2'c480);
    CHECK(run(Opcode::Rev, Type::I32, {{Type::I32, 0x0123'4567}}) == 0x6745'2301);
    CHECK(run(Opcode::Rev, Type::I64, {{Type::I64, 0x0123'4567'89ab'cdef}}) ==
          0xefcd'ab89'6745'2301);
    CHECK(run(Opcode::Rev16, Type::I32, {{Type::I32, 0x0123'4567}}) == 0x2301'6745);
    CHECK(run(Opcode::Rev16, Type::I64, {{Type::I64, 0x0123'4567'89ab'cdef}}) ==
          0x2301'6745'ab89'efcd);
    CHECK(run(Opcode::Rev32, Type::I64, {{Type::I64, 0x0123'4567'89ab'cdef}}) ==
          0x6745'2301'efcd'ab89);
}

TEST_CASE("eval: extensions", "[ir]") {
    CHECK(run(Opcode::SExt, Type::I64, {{Type::I8, 0x80}}) == 0xffff'ffff'ffff'ff80);
    CHECK(run(Opcode::SExt, Type::I32, {{Type::I16, 0x8000}}) == 0xffff'8000);
    CHECK(run(Opcode::SExt, Type::I64, {{Type::I32, 0x7fff'ffff}}) == 0x7fff'ffff);
    CHECK(run(Opcode::ZExt, Type::I64, {{Type::I32, 0xffff'ffff}}) == 0xffff'ffff);
    CHECK(run(Opcode::ZExt, Type::I32, {{Type::I1, 1}}) == 1);
    CHECK(run(Opcode::Trunc, Type::I8, {{Type::I64, 0x1ff}}) == 0xff);
    CHECK(run(Opcode::Neg, Type::I32, {{Type::I32, 1}}) == 0xffff'ffff);
    CHECK(run(Opcode::Abs, Type::I32, {{Type::I32, 0xffff'fffe}}) == 2);
    CHECK(run(Opcode::Abs, Type::I64, {{Type::I64, 0xffff'fffe}}) == 0xffff'fffe);
    CHECK(run(Opcode::Abs, Type::I64, {{Type::I64, u64{1} << 63}}) == u64{1} << 63);
    CHECK(run(Opcode::Not, Type::I1, {{Type::I1, 1}}) == 0);
    CHECK(run(Opcode::Adc, Type::I32, {{Type::I32, 0xffff'ffff}, {Type::I32, 0}, {Type::I1, 1}}) ==
          0);
}

TEST_CASE("eval: flags of every pair of edges, both widths", "[ir]") {
    for (const Type type : {Type::I32, Type::I64}) {
        const unsigned width = bit_width(type);
        for (const u64 x : kEdges) {
            for (const u64 y : kEdges) {
                const u64 a = x & ones(width), b = y & ones(width);
                INFO(std::hex << a << " " << b << " width " << width);
                CHECK(run(Opcode::AddFlags, Type::Nzcv, {{type, a}, {type, b}}) ==
                      flags_by_hand(a, b, false, width));
                CHECK(run(Opcode::SubFlags, Type::Nzcv, {{type, a}, {type, b}}) ==
                      flags_by_hand(a, ~b, true, width));
                for (const u64 carry : {0, 1}) {
                    CHECK(run(Opcode::AdcFlags, Type::Nzcv,
                              {{type, a}, {type, b}, {Type::I1, carry}}) ==
                          flags_by_hand(a, b, carry != 0, width));
                }
                for (u16 cond = 0; cond < 14; ++cond) {
                    CHECK(run(Opcode::ICmp, Type::I1, {{type, a}, {type, b}}, cond) ==
                          u64{cond_holds(static_cast<Cond>(cond),
                                         flags_by_hand(a, ~b, true, width))});
                }
            }
        }
    }
    CHECK(run(Opcode::LogicFlags, Type::Nzcv, {{Type::I32, 0x8000'0000}}) == 8);
    CHECK(run(Opcode::LogicFlags, Type::Nzcv, {{Type::I64, 0x8000'0000}}) == 0);
    CHECK(run(Opcode::LogicFlags, Type::Nzcv, {{Type::I64, 0}}) == 4);
    CHECK(run(Opcode::NzcvPack, Type::Nzcv, {{Type::I32, 0xa123'4567}}) == 0xa);
    CHECK(run(Opcode::NzcvUnpack, Type::I32, {{Type::Nzcv, 0xa}}) == 0xa000'0000);
}

TEST_CASE("eval: conditions agree with comparisons of integers", "[ir]") {
    for (const u64 a : kEdges) {
        for (const u64 b : kEdges) {
            const auto holds = [&](Cond cond) {
                return run(Opcode::ICmp, Type::I1, {{Type::I64, a}, {Type::I64, b}},
                           static_cast<u16>(cond)) != 0;
            };
            const auto sa = static_cast<i64>(a), sb = static_cast<i64>(b);
            CHECK(holds(Cond::EQ) == (a == b));
            CHECK(holds(Cond::HS) == (a >= b));
            CHECK(holds(Cond::HI) == (a > b));
            CHECK(holds(Cond::GE) == (sa >= sb));
            CHECK(holds(Cond::GT) == (sa > sb));
            CHECK(holds(Cond::LE) == (sa <= sb));
            CHECK(holds(Cond::MI) == (static_cast<i64>(a - b) < 0));
        }
    }
    for (unsigned nzcv = 0; nzcv < 16; ++nzcv) {
        for (u16 cond = 0; cond < 16; ++cond) {
            CHECK(run(Opcode::TestCond, Type::I1, {{Type::Nzcv, nzcv}}, cond) ==
                  (cond_truth_table(static_cast<Cond>(cond)) >> nzcv & 1u));
        }
    }
}

TEST_CASE("eval: CRC of the check string, one piece size at a time", "[ir]") {
    const char text[] = "12345678";
    u64 word = 0;
    std::memcpy(&word, text, 8);
    for (const auto& [op, expected] :
         {std::pair{Opcode::Crc32, 0x9ae0'daafu}, std::pair{Opcode::Crc32C, 0x6087'809au}}) {
        for (const Type type : {Type::I8, Type::I16, Type::I32, Type::I64}) {
            u64 crc = 0xffff'ffff;
            for (unsigned at = 0; at < 64; at += bit_width(type)) {
                crc = run(op, Type::I32, {{Type::I32, crc}, {type, word >> at}});
            }
            CHECK((~crc & 0xffff'ffff) == expected);
        }
    }
}

TEST_CASE("eval implements every pure and sticky operation", "[ir]") {
    for (unsigned i = 0; i < kOpcodeCount; ++i) {
        const auto op = static_cast<Opcode>(i);
        INFO(info(op).text);
        CHECK(has_eval(op) == is_mergeable(op));
    }
}
