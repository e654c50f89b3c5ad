// Lifting of what the random comparison with other emulators cannot reach: flags in system
// instructions, PSTATE, pointer authentication, alignment with FEAT_LSE2.
#include <memory>
#include <vector>

#include "frontend/frontend.h"
#include "ir/interpreter.h"
#include "ir/verifier.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

constexpr GuestAddr kBase = 0x400000;
constexpr u32 kSvc0 = 0xd4000001;

class Code final : public frontend::CodeSource {
  public:
    explicit Code(std::vector<u32> words) : words_{std::move(words)} {}
    std::span<const u32> words(GuestAddr pc) override {
        const u64 index = (pc - kBase) / 4;
        return index >= words_.size() ? std::span<const u32>{}
                                      : std::span<const u32>{words_}.subspan(index);
    }

  private:
    std::vector<u32> words_;
};

struct Cpu {
    explicit Cpu(const char* name = "max") {
        std::string why_not;
        model = *frontend::parse_cpu(name, why_not);
        state->pc = kBase;
    }
    // Runs the words and then SVC.
    ExitReason run(std::vector<u32> words, u32 mode_bits = 0) {
        words.push_back(kSvc0);
        Code code{std::move(words)};
        frontend::TranslateOptions options;
        options.cpu = &model;
        Block block;
        frontend::translate({kBase, {mode_bits}}, code, options, block);
        INFO(verify(block));
        CHECK(verify(block).empty());
        return interpret(block, *state);
    }
    frontend::CpuModel model;
    std::unique_ptr<CpuState> state = std::make_unique<CpuState>();
};

constexpr u32 mrs(u32 encoding, unsigned Rt) { return 0xd5300000 | encoding << 5 | Rt; }
constexpr u32 msr(u32 encoding, unsigned Rt) { return 0xd5100000 | encoding << 5 | Rt; }
// op0<0>:op1:CRn:CRm:op2, as bits 19:5 hold them.
constexpr u32 sysreg(u32 op0, u32 op1, u32 CRn, u32 CRm, u32 op2) {
    return (op0 & 1) << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2;
}
constexpr u32 kDIT = sysreg(3, 3, 4, 2, 5), kSSBS = sysreg(3, 3, 4, 2, 6),
              kRNDR = sysreg(3, 3, 2, 4, 0), kRNDRRS = sysreg(3, 3, 2, 4, 1);

} // namespace

TEST_CASE("flag conversions", "[frontend]") {
    constexpr u32 kCfinv = 0xd500401f, kXaflag = 0xd500403f, kAxflag = 0xd500405f;
    for (unsigned nzcv = 0; nzcv < 16; ++nzcv) {
        const unsigned z = nzcv >> 2 & 1, c = nzcv >> 1 & 1, v = nzcv & 1;
        const auto after = [&](u32 word) {
            Cpu cpu;
            cpu.state->nzcv = nzcv;
            REQUIRE(cpu.run({word}) == ExitReason::Svc);
            return cpu.state->nzcv;
        };
        CHECK(after(kCfinv) == (nzcv ^ 2));
        CHECK(after(kAxflag) == ((z | v) << 2 | (c & ~v) << 1));
        CHECK(after(kXaflag) == ((~(c | z) & 1) << 3 | (z & c) << 2 | (c | z) << 1 | (z & ~c)));
    }
}

TEST_CASE("minimum, maximum, absolute value, bit counts", "[frontend]") {
    constexpr u64 kMin = u64{1} << 63;
    const auto result = [](u32 word, u64 x1, u64 x2 = 0) {
        Cpu cpu;
        cpu.state->x[1] = x1;
        cpu.state->x[2] = x2;
        REQUIRE(cpu.run({word}) == ExitReason::Svc);
        return cpu.state->x[0];
    };
    // x0 (w0) from x1 and x2, or from x1 and an immediate
    constexpr u32 kSmax = 0x9ac26020, kUmax = 0x9ac26420, kSmin = 0x9ac26820, kUmin = 0x9ac26c20;
    CHECK(result(kSmax, ~u64{0}, 5) == 5);
    CHECK(result(kUmax, ~u64{0}, 5) == ~u64{0});
    CHECK(result(kSmin, ~u64{0}, 5) == ~u64{0});
    CHECK(result(kUmin, ~u64{0}, 5) == 5);
    constexpr u32 kW = 0x8000'0000; // clears sf
    CHECK(result(kSmax & ~kW, 0xffff'ffff, 0x1'0000'0003) == 3);
    CHECK(result(kUmin & ~kW, 0xf'0000'0009, 0x0'8000'0000) == 9);
    constexpr u32 kImm = 0xff << 10;                    // -1, or 255
    CHECK(result(0x91c00020 | kImm, kMin) == ~u64{0});  // smax
    CHECK(result(0x91c40020 | kImm, 7) == 255);         // umax
    CHECK(result(0x91c80020 | kImm, 7) == ~u64{0});     // smin
    CHECK(result(0x91cc0020 | kImm, 1000) == 255);      // umin
    CHECK(result(0x11c80020 | kImm, 7) == 0xffff'ffff); // smin w
    CHECK(result(0xdac02020, kMin) == kMin);            // abs
    CHECK(result(0xdac02020, ~u64{0} - 4) == 5);
    CHECK(result(0x5ac02020, 0x1'ffff'fffe) == 2);
    CHECK(result(0xdac01820, 0) == 64); // ctz
    CHECK(result(0xdac01820, 0x50) == 4);
    CHECK(result(0x5ac01820, kMin) == 32);
    CHECK(result(0xdac01c20, 0xf0f0'0000'0000'0001) == 9); // cnt
    CHECK(result(0x5ac01c20, 0xf0f0'0000'0000'0001) == 1);
}

TEST_CASE("DIT and SSBS", "[frontend]") {
    Cpu cpu;
    cpu.state->pstate = pstate::SSBS;
    cpu.state->x[1] = ~u64{0};
    // msr dit, x1; mrs x2, dit; msr ssbs, #0; mrs x3, ssbs
    REQUIRE(cpu.run({msr(kDIT, 1), mrs(kDIT, 2), 0xd503403f, mrs(kSSBS, 3)}) == ExitReason::Svc);
    CHECK(cpu.state->x[2] == pstate::DIT);
    CHECK(cpu.state->x[3] == 0);
    CHECK(cpu.state->pstate == pstate::DIT);
    // msr dit, #2 looks at bit 0 only; msr ssbs, #1
    REQUIRE(cpu.run({0xd503425f, 0xd503413f}) == ExitReason::Svc);
    CHECK(cpu.state->pstate == pstate::SSBS);
}

TEST_CASE("features that are off leave their instructions undefined", "[frontend]") {
    Cpu cpu("max,dit=off,ssbs=off,rng=off,flagm=off,flagm2=off,sb=off,wfxt=off,dpb2=off,pauth=off");
    for (const u32 word :
         {mrs(kDIT, 0), msr(kDIT, 0), mrs(kSSBS, 0), mrs(kRNDR, 0), mrs(kRNDRRS, 0),
          0xd503405fu /* msr dit, #0 */, 0xd503403fu /* msr ssbs, #0 */, 0xd500401fu /* cfinv */,
          0xd500403fu /* xaflag */, 0xd50330ffu /* sb */, 0xd5031000u /* wfet */,
          0xd50b7d20u /* dc cvadp */, 0xdac10020u /* pacia x0, x1 */, 0xd65f0bffu /* retaa */}) {
        INFO(std::hex << word);
        CHECK(cpu.run({word}) == ExitReason::Undefined);
    }
    CHECK(cpu.run({0xd503233f /* paciasp */}) == ExitReason::Svc); // a hint
    CHECK(cpu.state->x[30] == 0);
    // CFP RCTX, x0: SCTLR_EL1.EnRCTX = 0
    CHECK(Cpu{}.run({0xd50b7380}) == ExitReason::Undefined);
}

TEST_CASE("random numbers set flags, and follow a seed", "[frontend]") {
    const auto numbers = [](u64 seed) {
        Cpu cpu;
        cpu.state->random_state = seed;
        cpu.state->nzcv = 15;
        REQUIRE(cpu.run({mrs(kRNDR, 0), mrs(kRNDRRS, 1)}) == ExitReason::Svc);
        CHECK(cpu.state->nzcv == 0);
        CHECK(cpu.state->x[0] != cpu.state->x[1]);
        return std::pair{cpu.state->x[0], cpu.state->x[1]};
    };
    CHECK(numbers(7) == numbers(7));
    CHECK(numbers(7) != numbers(8));
    CHECK(numbers(0) != numbers(0)); // once in 2^128 not
}

// --- pointer authentication

namespace {
constexpr u64 kPointer = 0x1200'7aaa'bbbb'ccc0; // with a tag
constexpr u32 kPacia = 0xdac10020, kAutia = 0xdac11020, kPacdb = 0xdac10c20, kAutdb = 0xdac11c20,
              kXpaci = 0xdac143e0; // x0, with modifier x1

u64 sign(Cpu& cpu, u32 word, u64 pointer, u64 modifier, u32 mode = 0) {
    cpu.state->x[0] = pointer;
    cpu.state->x[1] = modifier;
    REQUIRE(cpu.run({word}, mode) == ExitReason::Svc);
    return cpu.state->x[0];
}
} // namespace

TEST_CASE("pointers are signed, authenticated and stripped", "[frontend][pauth]") {
    for (const char* name : {"max", "max,pauth-qarma5=on", "max,pauth-qarma3=on"}) {
        INFO(name);
        Cpu cpu(name);
        for (unsigned i = 0; i < 10; ++i) {
            cpu.state->pac_keys[i] = 0x0123'4567'89ab'cdef * (2 * i + 3);
        }
        unsigned differ = 0;
        for (u64 modifier = 0; modifier < 32; ++modifier) {
            const u64 by_a = sign(cpu, kPacia, kPointer, modifier);
            const u64 by_b = sign(cpu, kPacdb, kPointer, modifier);
            differ += by_a != by_b;
            CHECK((by_a & 0xff80'ffff'ffff'ffff) == kPointer);
            CHECK(sign(cpu, kAutia, by_a, modifier) == kPointer);
            CHECK(sign(cpu, kAutdb, by_b, modifier) == kPointer);
            CHECK(sign(cpu, kXpaci, by_a, modifier) == kPointer);
            cpu.state->x[0] = by_a ^ u64 { 1 } << (48 + modifier % 7);
            cpu.state->x[1] = modifier;
            const u64 wrong = cpu.state->x[0];
            CHECK(cpu.run({kAutia}) == ExitReason::PacFail);
            CHECK(cpu.state->pc == kBase);
            CHECK(cpu.state->x[0] == wrong);
        }
        CHECK(differ > 16);
        // Bit 55 stays, whatever the code; with it set, there is no tag, and all of 63:48 are set
        // in a stripped pointer.
        const u64 upper = 0xffff'7aaa'bbbb'ccc0;
        CHECK(sign(cpu, kXpaci, 0x1285'7aaa'bbbb'ccc0, 0) == upper);
        CHECK(sign(cpu, kAutia, sign(cpu, kPacia, upper, 9), 9) == upper);
        cpu.state->x[0] = sign(cpu, kPacia, upper, 9) ^ u64 { 1 } << 60;
        CHECK(cpu.run({kAutia}) == ExitReason::PacFail);
    }
}

TEST_CASE("with addresses of 52 bits, codes leave bits 51:48 alone", "[frontend][pauth]") {
    constexpr u32 kMode = BlockMode::kWideAddresses;
    constexpr u64 kCode = u64{7} << 52, kUpperCode = kCode | u64{0xff} << 56;
    for (const char* name : {"max", "max,pauth-qarma5=on"}) {
        INFO(name);
        Cpu cpu(name);
        cpu.state->pac_keys[0] = 0x1111'2222'3333'4441;
        cpu.state->pac_keys[1] = 0x9999'8888'7777'6661;
        u64 seen = 0;
        for (u64 modifier = 0; modifier < 32; ++modifier) {
            for (const u64 pointer : {u64{0x120f'7aaa'bbbb'ccc0}, u64{0xfff5'7aaa'bbbb'ccc0}}) {
                const u64 code = pointer >> 63 != 0 ? kUpperCode : kCode;
                const u64 by_a = sign(cpu, kPacia, pointer, modifier, kMode);
                CHECK(((by_a ^ pointer) & ~code) == 0);
                CHECK(sign(cpu, kAutia, by_a, modifier, kMode) == pointer);
                CHECK(sign(cpu, kXpaci, by_a, modifier, kMode) == pointer);
                cpu.state->x[0] = by_a ^ u64 { 1 } << (52 + modifier % 3);
                CHECK(cpu.run({kAutia}, kMode) == ExitReason::PacFail);
                seen |= by_a ^ pointer;
            }
        }
        CHECK((seen & kCode) == kCode);
    }
}

TEST_CASE("the code is the cipher's", "[frontend][pauth]") {
    Cpu cpu("max,pauth-qarma5=on");
    cpu.state->pac_keys[8] = 0xec28'02d4'e0a4'88e9; // APGAKey
    cpu.state->pac_keys[9] = 0x84be'85ce'9804'e94b;
    cpu.state->x[1] = 0xfb62'3599'da6e'8127;
    cpu.state->x[2] = 0x477d'469d'ec0b'8762;
    REQUIRE(cpu.run({0x9ac23020 /* pacga x0, x1, x2 */}) == ExitReason::Svc);
    CHECK(cpu.state->x[0] == 0xc003'b939'0000'0000);
}

TEST_CASE("keys that are disabled neither sign nor authenticate", "[frontend][pauth]") {
    constexpr u32 kMode = BlockMode::kPacRestricted;
    Cpu cpu;
    cpu.state->pac_keys[0] = 0x1111'2222'3333'4441;
    cpu.state->pac_keys[1] = 0x9999'8888'7777'6661;
    cpu.state->sctlr_el1 = u64{1} << 31; // EnIA only
    const u64 odd = kPointer | u64{5} << 48;
    CHECK(sign(cpu, kPacdb, kPointer, 3, kMode) == kPointer);
    CHECK(sign(cpu, kAutdb, odd, 3, kMode) == odd);
    CHECK(sign(cpu, kAutia, sign(cpu, kPacia, kPointer, 3, kMode), 3, kMode) == kPointer);
    CHECK(sign(cpu, kPacia, kPointer, 3, kMode) == sign(cpu, kPacia, kPointer, 3));
    cpu.state->x[0] = sign(cpu, kPacia, kPointer, 3) ^ u64 { 1 } << 50;
    CHECK(cpu.run({kAutia}, kMode) == ExitReason::PacFail);
}

// --- alignment

TEST_CASE("with LSE2, accesses that must be aligned may be anywhere in 16 bytes", "[frontend]") {
    alignas(16) u8 memory[48] = {};
    struct Row {
        u32 word; // on [x1]
        unsigned bytes;
    };
    constexpr Row kRows[] = {
        {0xc8dffc20 /* ldar x0 */, 8},     {0x889ffc20 /* stlr w0 */, 4},
        {0xc85f7c20 /* ldxr x0 */, 8},     {0xb8200020 /* ldadd w0, w0 */, 4},
        {0xf8208020 /* swp x0, x0 */, 8},  {0xc8a07c20 /* cas x0, x0 */, 8},
        {0x887f0c22 /* ldxp w2, w3 */, 8}, {0xc87f0c22 /* ldxp x2, x3 */, 16},
    };
    for (const Row& row : kRows) {
        for (unsigned offset = 0; offset < 32; ++offset) {
            INFO(std::hex << row.word << " at " << offset);
            const auto reason = [&](const char* name) {
                Cpu cpu(name);
                cpu.state->x[1] = reinterpret_cast<u64>(memory) + offset;
                return cpu.run({row.word});
            };
            const bool natural = offset % row.bytes == 0;
            const bool inside = natural || offset % 16 + row.bytes <= 16;
            CHECK(reason("max") == (inside ? ExitReason::Svc : ExitReason::Alignment));
            CHECK(reason("max,lse2=off") == (natural ? ExitReason::Svc : ExitReason::Alignment));
        }
    }
}

TEST_CASE("a short loop with accesses is in its block several times", "[frontend]") {
    constexpr u32 kLdr = 0xb8404420, kSubs = 0xf1000442, kBne = 0x54ffffc1; // [x1], 4; x2; to kLdr
    const auto translate = [](std::vector<u32> words, u32 mode, Block& block) {
        Code code{std::move(words)};
        frontend::translate({kBase, {mode}}, code, {}, block);
        REQUIRE(verify(block).empty());
        return block.guest_pcs.size();
    };
    const std::vector<u32> loop{kLdr, kSubs, kBne, kSvc0};
    Block block;
    CHECK(translate(loop, 0, block) == 3);
    CHECK(translate(loop, BlockMode::level_bits(0) | BlockMode::kNoRanges, block) == 3);
    constexpr u32 kNop = 0xd503201f;
    CHECK(translate({kNop, kSubs, kBne, kSvc0}, BlockMode::level_bits(0), block) == 3);
    std::vector<u32> long_loop(25, kNop); // twice would be too much
    long_loop[0] = kLdr;
    long_loop.push_back(0x54000001 | ((u32{0} - 25) & 0x7ffff) << 5); // b.ne
    CHECK(translate(long_loop, BlockMode::level_bits(0), block) == 26);
    REQUIRE(translate(loop, BlockMode::level_bits(0), block) == 12);
    CHECK(std::get<ExitCond>(block.exit).taken == kBase);
    for (const Inst& inst : block.insts) { // B.NE was taken: nothing is known of the flags
        CHECK_FALSE((inst.op == Opcode::Set && inst.slot() == Slot::NZCV &&
                     block[inst.args[0]].op == Opcode::Const));
    }
    for (const u64 turns : {1, 3, 4, 6}) {
        static Tlb tlb;
        static const u32 words[8] = {10, 11, 12, 13, 14, 15, 16, 17};
        constexpr GuestAddr kPage = 0x7000;
        const auto state = std::make_unique<CpuState>();
        state->tlb[0] = &tlb;
        tlb.read[tlb_index(kPage)] = kPage;
        tlb.addend[tlb_index(kPage)] = reinterpret_cast<u64>(words) - kPage;
        state->x[1] = kPage;
        state->x[2] = turns;
        state->pc = kBase;
        while (state->pc == kBase) {
            (void)interpret(block, *state);
        }
        CHECK(state->pc == kBase + 12);
        CHECK(state->x[0] == words[turns - 1]);
        CHECK(state->x[1] == kPage + 4 * turns);
    }

    // In a program, when it reads vectors.
    constexpr u32 kLdrQ = 0x3cc10420; // q0, [x1], 16
    REQUIRE(translate({kLdrQ, kSubs, kBne, kSvc0}, 0, block) == 12);
    for (const u64 turns : {1, 3, 4, 6}) {
        alignas(16) static const u64 vectors[8][2] = {{20}, {21}, {22}, {23}, {24}, {25}, {26}};
        const auto state = std::make_unique<CpuState>();
        state->x[1] = reinterpret_cast<u64>(vectors);
        state->x[2] = turns;
        state->pc = kBase;
        while (state->pc == kBase) {
            (void)interpret(block, *state);
        }
        CHECK(state->pc == kBase + 12);
        CHECK(state->v[0].lo == vectors[turns - 1][0]);
        CHECK(state->x[1] == reinterpret_cast<u64>(vectors[turns]));
    }

    // And when it reads with full barriers, and may be left in its middle.
    constexpr u32 kDmb = 0xd5033bbf, kCbzOut = 0xb4000080 | 3, kStr = 0xb9000020; // x3; w0, [x1]
    const auto back = [](u32 words) { return 0x54000001 | ((u32{0} - words) & 0x7ffff) << 5; };
    CHECK(translate({kLdr, kDmb, kSubs, back(3), kSvc0}, 0, block) == 4 * 4);
    CHECK(translate({kLdr, kStr, kDmb, kSubs, back(4), kSvc0}, 0, block) == 5);
    REQUIRE(translate({kLdr, kDmb, kCbzOut, kSubs, back(4), kSvc0, kSvc0}, 0, block) == 4 * 5);
    for (const u64 turns : {1, 3, 4, 6}) {
        static const u32 words[8] = {10, 11, 12, 13, 14, 15, 16, 17};
        const auto state = std::make_unique<CpuState>();
        state->x[1] = reinterpret_cast<u64>(words);
        state->x[2] = turns;
        state->x[3] = 1;
        state->pc = kBase;
        while (state->pc == kBase) {
            (void)interpret(block, *state);
        }
        CHECK(state->pc == kBase + 20);
        CHECK((state->x[0] == words[turns - 1] && state->x[2] == 0));
    }
}
