// Vector integer operations of the IR on edge values, one line per case.

#include "ir/support/bits.h"
#include "tests/support/eval_vector.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

struct Case {
    Opcode op;
    Shape shape;
    u64 imm;
    V128 args[4];
    V128 result;
    bool qc = false;
};

// One lane value in every lane of a register half.
constexpr u64 b(u8 v) { return v * 0x0101010101010101u; }
constexpr u64 h(u16 v) { return v * 0x0001000100010001u; }
constexpr u64 s(u32 v) { return v * 0x0000000100000001u; }
constexpr u64 kMin64 = u64{1} << 63;

V128 run(Opcode op, Shape shape, u64 imm, const V128* args, bool& qc) {
    u32 fpsr_bits = 0;
    const V128 result = test::eval_vector(op, shape, imm, args, fpsr_bits);
    qc = (fpsr_bits & fpsr::kQC) != 0;
    return result;
}

using enum Opcode;
using namespace shape;

// clang-format off
const Case kCases[] = {
    // lanes past the count are zero in results
    {VNot,  B8,  0, {{0, 0}},                         {~u64{0}, 0}},
    {VAdd,  B16, 0, {{b(0xff), b(1)}, {b(1), b(1)}},  {0, b(2)}},
    {VAdd,  D1,  0, {{5, 9}, {6, 9}},                 {11, 0}},
    {VSub,  S2,  0, {{s(0), 1}, {s(1), 1}},           {s(0xffffffff), 0}},
    {VMul,  H8,  0, {{h(0x1234), h(0xffff)}, {h(0x100), h(0xffff)}}, {h(0x3400), h(1)}},
    {VNeg,  D2,  0, {{kMin64, 1}},                    {kMin64, ~u64{0}}},
    {VAbs,  B16, 0, {{b(0x80), b(0xff)}},             {b(0x80), b(1)}},
    {VBsl,  B16, 0, {{0xff00, 0}, {0x1234, 1}, {0x5678, 2}}, {0x1278, 2}},
    {VBic,  B16, 0, {{0xff, 0xff}, {0x0f, 0xf0}},     {0xf0, 0x0f}},
    {VOrn,  B8,  0, {{0, 0}, {~u64{0xf}, 0}},         {0xf, 0}},
    // compares
    {VCmEq, H4,  0, {{0x0001000200030004, 0}, {0x0001000000030000, 0}}, {0xffff0000ffff0000, 0}},
    {VCmGt, B8,  0, {{0x7f80, 0}, {0x807f, 0}},       {0xff00, 0}},
    {VCmHi, B8,  0, {{0x7f80, 0}, {0x807f, 0}},       {0x00ff, 0}},
    {VCmGe, D2,  0, {{kMin64, 0}, {kMin64, 1}},       {~u64{0}, 0}},
    {VCmHs, D2,  0, {{kMin64, 0}, {1, 1}},            {~u64{0}, 0}},
    {VCmTst,S4,  0, {{s(6), s(8)}, {s(1), s(8)}},     {0, ~u64{0}}},
    {VSMax, B16, 0, {{b(0x80), b(1)}, {b(0x7f), b(0xff)}}, {b(0x7f), b(1)}},
    {VUMin, B16, 0, {{b(0x80), b(1)}, {b(0x7f), b(0xff)}}, {b(0x7f), b(1)}},
    {VSAbd, B16, 0, {{b(0x80), b(1)}, {b(0x7f), b(0xff)}}, {b(0xff), b(2)}},
    {VUAbd, B16, 0, {{b(0x80), b(1)}, {b(0x7f), b(0xff)}}, {b(1), b(0xfe)}},
    // halving
    {VSHAdd,B16, 0, {{b(0x80), b(0x7f)}, {b(0x81), b(0x7e)}}, {b(0x80), b(0x7e)}},
    {VSHAdd,B16, 1, {{b(0x80), b(0x7f)}, {b(0x81), b(0x7e)}}, {b(0x81), b(0x7f)}},
    {VUHAdd,S4,  1, {{s(~0u), s(0)}, {s(~0u), s(1)}}, {s(~0u), s(1)}},
    {VSHSub,H8,  0, {{h(0x8000), h(0)}, {h(0x7fff), h(1)}}, {h(0x8000), h(0xffff)}},
    {VUHSub,B16, 0, {{b(0), b(255)}, {b(255), b(0)}}, {b(0x80), b(0x7f)}},
    // saturation and QC
    {VSQAdd,B16, 0, {{b(0x7f), b(1)}, {b(1), b(1)}},  {b(0x7f), b(2)}, true},
    {VSQAdd,B16, 0, {{b(0x7e), b(1)}, {b(1), b(1)}},  {b(0x7f), b(2)}},
    {VSQAdd,B1,  0, {{0x0180, 1}, {0x01ff, 1}},       {0x80, 0}, true},
    {VSQAdd,B1,  0, {{0x7f01, 1}, {0x7f01, 1}},       {0x02, 0}},
    {VUQAdd,D2,  0, {{~u64{0}, 1}, {1, 1}},           {~u64{0}, 2}, true},
    {VSQSub,D2,  0, {{kMin64, 0}, {1, kMin64}},       {kMin64, kMin64 - 1}, true},
    {VUQSub,H8,  0, {{h(1), h(3)}, {h(2), h(1)}},     {0, h(2)}, true},
    {VSUQAdd,B16,0, {{b(0x80), b(0x7f)}, {b(0xff), b(0)}}, {b(0x7f), b(0x7f)}},
    {VSUQAdd,B16,0, {{b(0), b(0)}, {b(0xff), b(1)}},  {b(0x7f), b(1)}, true},
    {VUSQAdd,B16,0, {{b(5), b(0xff)}, {b(0xfa), b(0x80)}}, {0, b(0x7f)}, true},
    {VSQAbs,H8,  0, {{h(0x8000), h(0xffff)}},         {h(0x7fff), h(1)}, true},
    {VSQNeg,S4,  0, {{s(0x80000000), s(1)}},          {s(0x7fffffff), s(~0u)}, true},
    {VSQDMulH,H8,0, {{h(0x8000), h(0x4000)}, {h(0x8000), h(3)}}, {h(0x7fff), h(1)}, true},
    {VSQDMulH,H8,1, {{h(0x4000), h(0x4000)}, {h(3), h(1)}}, {h(2), h(1)}},
    {VSQDMulH,S4,1, {{s(0x80000000), 0}, {s(0x80000000), 0}}, {s(0x7fffffff), 0}, true},
    {VSQRDMlAH,H8,0,{{h(1), h(0x7fff)}, {h(0x4000), h(0x7fff)}, {h(2), h(0x7fff)}}, {h(2), h(0x7fff)}, true},
    {VSQRDMlAH,S4,1,{{s(0), s(5)}, {s(0x80000000), s(2)}, {s(0x80000000), s(0x40000000)}}, {s(0x80000000), s(4)}},
    // bits
    {VCls,  B16, 0, {{b(0), b(0xff)}},                {b(7), b(7)}},
    {VCls,  S4,  0, {{s(0x40000000), s(0xc0000000)}}, {s(0), s(1)}},
    {VClz,  H8,  0, {{h(0), h(0x0100)}},              {h(16), h(7)}},
    {VCnt,  B16, 0, {{b(0xff), b(0x81)}},             {b(8), b(2)}},
    {VRbit, B8,  0, {{0x80010f35, 0}},                {0x0180f0ac, 0}},
    {VURecpE,S4, 0, {{s(0x7fffffff), s(0x80000000)}}, {s(~0u), s(0xff800000)}},
    {VURSqrtE,S4,0, {{s(0x3fffffff), s(0x40000000)}}, {s(~0u), s(0xff800000)}},
    // shifts
    {VShl,  B16, 7, {{b(3), b(2)}},                   {b(0x80), 0}},
    {VUShr, D2, 64, {{~u64{0}, 1}},                   {0, 0}},
    {VSShr, D2, 64, {{kMin64, 1}},                    {~u64{0}, 0}},
    {VURShr,D2, 64, {{kMin64, kMin64 - 1}},           {1, 0}},
    {VSRShr,D2, 64, {{kMin64, kMin64 - 1}},           {0, 0}},
    {VSRShr,B16, 1, {{b(0x7f), b(0xff)}},             {b(0x40), 0}},
    {VSli,  B16, 4, {{b(0xab), b(0xab)}, {b(0x12), b(0xff)}}, {b(0x2b), b(0xfb)}},
    {VSri,  B16, 4, {{b(0xab), b(0xab)}, {b(0x12), b(0xff)}}, {b(0xa1), b(0xaf)}},
    {VSri,  D2, 64, {{5, 6}, {7, 8}},                 {5, 6}},
    {VSQShlImm,B16,1,{{b(0x40), b(0xc0)}},            {b(0x7f), b(0x80)}, true},
    {VUQShlImm,D2,63,{{1, 2}},                        {kMin64, ~u64{0}}, true},
    {VSQShlU,H8, 0, {{h(0x8000), h(0x7fff)}},         {0, h(0x7fff)}, true},
    {VUShlReg,S4,0, {{s(0x80000001), s(0x80000001)}, {s(0xff), s(0x1e0)}}, {s(0x40000000), s(0)}},
    {VUShlReg,S4,1, {{s(0x80000001), s(0x80000001)}, {s(0xff), s(0xe0)}}, {s(0x40000001), s(1)}},
    {VUShlReg,D2,1, {{~u64{0}, ~u64{0}}, {0xbf, 0xc0}}, {0, 1}},
    {VSShlReg,D2,0, {{kMin64, 1}, {0x80, 0x7f}},      {~u64{0}, 0}},
    {VSShlReg,D2,1, {{kMin64, kMin64}, {0x80, 0xc1}}, {0, ~u64{0}}},
    {VSQShlReg,B16,0,{{b(0xff), b(1)}, {b(7), b(7)}}, {b(0x80), b(0x7f)}, true},
    {VSQShlReg,D2,0,{{0, kMin64}, {0x7f, 0x7f}},      {0, kMin64}, true},
    {VUQShlReg,D2,0,{{0, ~u64{0}}, {0x7f, 0x7f}},     {0, ~u64{0}}, true},
    {VUQShlReg,B16,1,{{b(0xff), b(0x80)}, {b(0xff), b(0xf8)}}, {b(0x80), b(1)}},
    // narrowing
    {VXtn,  B8,  0, {{0x1122334455667788, 0x99aabbccddeeff00}}, {0xaaccee0022446688, 0}},
    {VSQXtn,S2,  0, {{kMin64, 5}},                    {0x0000000580000000, 0}, true},
    {VSQXtn,B1,  0, {{0x7fff007f, 0}},                {0x7f, 0}},
    {VUQXtn,H4,  0, {{0x0001000000000007, 0}},        {0x00000000ffff0007, 0}, true},
    {VSQXtun,B8, 0, {{h(0xffff), h(0x100)}},          {0xffffffff00000000, 0}, true},
    {VShrn, B8,  8, {{h(0x1280), h(0xff7f)}},         {0xffffffff12121212, 0}},
    {VShrn, B8, 0x108, {{h(0x1280), h(0xff7f)}},      {0xffffffff13131313, 0}},
    {VSQShrn,B8, 1, {{h(0x00ff), h(0x8000)}},         {0x808080807f7f7f7f, 0}, true},
    {VUQShrn,S2, 0x120, {{0xffffffff80000000, 1}},    {0x00000000ffffffff, 0}, true},
    {VSQShrun,B8,1, {{h(0x01fe), h(0xffff)}},         {0x00000000ffffffff, 0}, true},
    {VAddHn,B8,  0, {{h(0x12ff), h(0xffff)}, {h(1), h(1)}}, {0x0000000013131313, 0}},
    {VSubHn,S2,  1, {{u64{1} << 32, 0}, {u64{1} << 31, 1}}, {0x0000000000000001, 0}},
    // widening
    {VSxtl, H8,  0, {{0x80ff7f0180ff7f01, 9}},        {0xff80ffff007f0001, 0xff80ffff007f0001}},
    {VUxtl, D2,  0, {{0x8000000000000001, 9}},        {1, 0x80000000}},
    {VSMull,D2,  0, {{s(0x80000000), 0}, {s(0x80000000), 0}}, {u64{1} << 62, u64{1} << 62}},
    {VUMull,D2,  0, {{s(~0u), 0}, {s(~0u), 0}},       {0xfffffffe00000001, 0xfffffffe00000001}},
    {VPMull,H8,  0, {{b(0xff), 0}, {b(0x03), 0}},     {h(0x0101), h(0x0101)}},
    {VPMull,H8,  1, {{0, b(0xff)}, {0, b(0x03)}},     {h(0x0101), h(0x0101)}},
    {VPMull,Q1,  0, {{kMin64 | 1, 0}, {kMin64 | 1, 0}}, {1, u64{1} << 62}},
    {VPMull,Q1,  1, {{3, kMin64 | 1}, {5, kMin64 | 1}}, {1, u64{1} << 62}},
    {VPMul, B16, 0, {{b(0xff), b(2)}, {b(0x03), b(0x80)}}, {b(0x01), 0}},
    {VSQDMull,S4,0, {{h(0x8000), 0}, {h(0x8000), 0}}, {s(0x7fffffff), s(0x7fffffff)}, true},
    {VSQDMull,D1,0, {{0x80000000, 0}, {0x80000000, 0}}, {kMin64 - 1, 0}, true},
    // pairs and reductions
    {VAddP, H4,  0, {{0x0004000300020001, 9}, {0x0008000700060005, 9}}, {0x000f000b00070003, 0}},
    {VAddP, D2,  0, {{1, 2}, {3, 4}},                 {3, 7}},
    {VSMaxP,B8,  0, {{0x80ff01027f8003ff, 9}, {0, 9}}, {0x00000000ff027f03, 0}},
    {VUMinP,B16, 0, {{b(1), b(2)}, {b(3), b(4)}},     {0x0202020201010101, 0x0404040403030303}},
    {VSAddlP,H4, 0, {{b(0x80), 9}},                   {h(0xff00), 0}},
    {VUAddlP,D2, 0, {{s(~0u), s(1)}},                 {0x1fffffffe, 2}},
    {VAddV, B16, 0, {{b(0xff), b(1)}},                {0, 0}},
    {VAddV, D2,  0, {{5, 7}},                         {12, 0}},
    {VSAddlV,B8, 0, {{b(0x80), 9}},                   {0xfc00, 0}},
    {VUAddlV,S4, 0, {{s(~0u), s(~0u)}},               {0x3fffffffc, 0}},
    {VSMaxV,H4,  0, {{0x800000010002ffff, 9}},        {2, 0}},
    {VUMinV,B16, 0, {{b(9), 0x0908070605040302}},     {2, 0}},
    // permutations
    {VDupLane,B8,15,{{0, u64{0xab} << 56}},           {b(0xab), 0}},
    {VInsLane,S4,0x0103,{{1, 2}, {u64{7} << 32, 0}},  {1, (u64{7} << 32) | 2}},
    {VZip1, B8,  0, {{0x0807060504030201, 9}, {0x1817161514131211, 9}}, {0x1404130312021101, 0}},
    {VZip2, D2,  0, {{1, 2}, {3, 4}},                 {2, 4}},
    {VUzp1, S4,  0, {{0x0000000200000001, 0x0000000400000003}, {0x0000000600000005, 0x0000000800000007}},
                    {0x0000000300000001, 0x0000000700000005}},
    {VUzp2, S2,  0, {{0x0000000200000001, 9}, {0x0000000400000003, 9}}, {0x0000000400000002, 0}},
    {VTrn1, H4,  0, {{0x0004000300020001, 9}, {0x0008000700060005, 9}}, {0x0007000300050001, 0}},
    {VTrn2, H4,  0, {{0x0004000300020001, 9}, {0x0008000700060005, 9}}, {0x0008000400060002, 0}},
    {VExt,  B8,  3, {{0x0706050403020100, 9}, {0x1716151413121110, 9}}, {0x1211100706050403, 0}},
    {VExt,  B16, 9, {{0, 0x0100}, {2, 0}},            {0x0200000000000001, 0}},
    {VRev,  B8,  8, {{0x0807060504030201, 9}},        {0x0102030405060708, 0}},
    {VRev,  H8,  4, {{0x0004000300020001, 0}},        {0x0003000400010002, 0}},
    {VTbl,  B8,  1, {{b(0xee), 9}, {0x100f0100, 9}, {0x1716151413121110, 0x1f1e1d1c1b1a1918}},
                    {0x10101010ee1f1110, 0}},
    {VTbl,  B8,  2, {{b(0xee), 9}, {0x20100f1f, 9}, {0, u64{0x55} << 56}, {0x77, u64{0x66} << 56}},
                    {0x00000000ee775566, 0}},
};
// clang-format on

} // namespace

TEST_CASE("vector operations on edge values", "[simd]") {
    for (const Case& c : kCases) {
        bool qc = false;
        const V128 result = run(c.op, c.shape, c.imm, c.args, qc);
        INFO(info(c.op).text << " case " << (&c - kCases) << std::hex << ": " << result.hi << ":"
                             << result.lo << ", expected " << c.result.hi << ":" << c.result.lo);
        CHECK(result == c.result);
        CHECK(qc == c.qc);
    }
}

TEST_CASE("every vector and cryptographic operation is evaluated", "[simd]") {
    for (unsigned op = 0; op < kOpcodeCount; ++op) {
        const bool vector = op >= static_cast<unsigned>(Opcode::FToV);
        INFO(info(static_cast<Opcode>(op)).text);
        CHECK((!vector || has_eval(static_cast<Opcode>(op))));
    }
}
