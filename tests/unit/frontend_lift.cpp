// Lifting: the shape of blocks, and instructions that the random comparison with other emulators
// cannot reach (branches, system instructions, faults), executed by the IR interpreter.

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <vector>

#include "frontend/frontend.h"
#include "ir/helpers.h"
#include "ir/interpreter.h"
#include "ir/verifier.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

constexpr GuestAddr kBase = 0x400000;

class Code final : public frontend::CodeSource {
  public:
    Code(std::initializer_list<u32> words, GuestAddr base = kBase) : words_{words}, base_{base} {}
    std::span<const u32> words(GuestAddr pc) override {
        const u64 index = (pc - base_) / 4;
        return pc < base_ || index >= words_.size() ? std::span<const u32>{}
                                                    : std::span<const u32>{words_}.subspan(index);
    }

  private:
    std::vector<u32> words_;
    GuestAddr base_;
};

Block translate(Code code, GuestAddr pc = kBase, frontend::TranslateOptions options = {}) {
    Block block;
    BlockKey key;
    key.pc = pc;
    frontend::translate(key, code, options, block);
    INFO(verify(block));
    CHECK(verify(block).empty());
    return block;
}

// Runs blocks until something else than ordinary control flow happens.
ExitReason run(Code code, CpuState& state, const frontend::TranslateOptions& options = {}) {
    Block block;
    unsigned max_blocks = 100;
    while (max_blocks-- != 0) {
        BlockKey key;
        key.pc = state.pc;
        key.mode = BlockMode::from_fpcr(state.fpcr);
        frontend::translate(key, code, options, block);
        const ExitReason reason = interpret(block, state);
        if (reason != ExitReason::Lookup) {
            return reason;
        }
    }
    return ExitReason::None;
}

std::unique_ptr<CpuState> new_state() {
    auto state = std::make_unique<CpuState>();
    state->pc = kBase;
    return state;
}

template <class T> const T* exit_as(const Block& block) { return std::get_if<T>(&block.exit); }
const ExitTo& exit_to(const Block& block) {
    REQUIRE(exit_as<ExitTo>(block) != nullptr);
    return *exit_as<ExitTo>(block);
}
std::vector<Inst> prefetches(const Block& block) {
    std::vector<Inst> result;
    std::ranges::copy_if(block.insts, std::back_inserter(result),
                         [](const Inst& i) { return i.op == Opcode::Prefetch; });
    return result;
}
std::vector<Inst> side_exits(const Block& block) {
    std::vector<Inst> result;
    std::ranges::copy_if(block.insts, std::back_inserter(result),
                         [](const Inst& i) { return i.op == Opcode::ExitIf; });
    return result;
}

// Encodings, in assembler order of operands.
constexpr u32 kNop = 0xd503201f, kSvc0 = 0xd4000001, kRet = 0xd65f03c0, kUdf = 0;
constexpr u32 kCmpX0X1 = 0xeb01001f, kCmpX2_0 = 0xf100005f, kSubsX0_1 = 0xf1000400;
constexpr u32 b(int words) { return 0x14000000 | (static_cast<u32>(words) & 0x3ffffff); }
constexpr u32 bl(int words) { return 0x94000000 | (static_cast<u32>(words) & 0x3ffffff); }
constexpr u32 b_cond(Cond cond, int words) {
    return 0x54000000 | (static_cast<u32>(words) & 0x7ffff) << 5 | static_cast<u32>(cond);
}
constexpr u32 cbz_x(unsigned Rt, int words) {
    return 0xb4000000 | (static_cast<u32>(words) & 0x7ffff) << 5 | Rt;
}
constexpr u32 tbnz(unsigned Rt, unsigned bit, int words) {
    return 0x37000000 | (bit >> 5) << 31 | (bit & 31) << 19 |
           (static_cast<u32>(words) & 0x3fff) << 5 | Rt;
}
constexpr u32 br(unsigned Rn) { return 0xd61f0000 | Rn << 5; }
constexpr u32 blr(unsigned Rn) { return 0xd63f0000 | Rn << 5; }
constexpr u32 movz(unsigned Rd, u32 imm16) { return 0xd2800000 | imm16 << 5 | Rd; }
constexpr u32 cset_eq(unsigned Rd) { return 0x9a9f17e0 | Rd; }
constexpr u32 mrs(u32 encoding, unsigned Rt) { return 0xd5300000 | encoding << 5 | Rt; }
constexpr u32 msr(u32 encoding, unsigned Rt) { return 0xd5100000 | encoding << 5 | Rt; }
// op0<0>:op1:CRn:CRm:op2, as bits 19:5 hold them.
constexpr u32 sysreg(u32 op0, u32 op1, u32 CRn, u32 CRm, u32 op2) {
    return (op0 & 1) << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2;
}

} // namespace

TEST_CASE("a block ends at the end of readable code", "[frontend]") {
    const Block block = translate({kNop, kNop});
    CHECK(block.guest_pcs == std::vector<GuestAddr>{kBase, kBase + 4});
    REQUIRE(exit_as<ExitDirect>(block));
    CHECK(exit_as<ExitDirect>(block)->target == kBase + 8);
}

TEST_CASE("a block ends at the end of its page", "[frontend]") {
    const Block block = translate({{kNop, kNop, kNop}, kBase + 0xff8}, kBase + 0xff8);
    CHECK(block.guest_pcs.size() <= 3);
}

TEST_CASE("a block has at most max_instructions", "[frontend]") {
    frontend::TranslateOptions options;
    options.max_instructions = 2;
    const Block block = translate({kNop, kNop, kNop}, kBase, options);
    CHECK(block.guest_pcs.size() == 2);
    CHECK(exit_as<ExitDirect>(block)->target == kBase + 8);
}

TEST_CASE("unreadable, misaligned and undefined code", "[frontend]") {
    const Block unreadable = translate({kNop}, kBase + 64);
    CHECK(exit_to(unreadable).reason == ExitReason::FetchFault);
    CHECK(exit_to(unreadable).pc == kBase + 64);
    const Block misaligned = translate({kNop, kNop}, kBase + 2);
    CHECK(exit_to(misaligned).reason == ExitReason::MisalignedPc);
    for (u32 word : {kUdf, 0xffffffffu, 0xd4000002u /* HVC */, 0xd69f03e0u /* ERET */}) {
        const Block undefined = translate({kNop, word});
        CHECK(exit_to(undefined).reason == ExitReason::Undefined);
        CHECK(exit_to(undefined).pc == kBase + 4);
    }
}

TEST_CASE("unconditional branches are followed, loops are not", "[frontend]") {
    const Block followed = translate({b(2), kUdf, kNop, kRet});
    CHECK(followed.guest_pcs == std::vector<GuestAddr>{kBase, kBase + 8, kBase + 12});
    CHECK(exit_as<ExitReturn>(followed));

    const Block self = translate({b(0)});
    CHECK(exit_as<ExitDirect>(self)->target == kBase);
    // Falling into code that is already in the block ends it, too.
    const Block into = translate({b(2), b(2), b(-1), kNop});
    CHECK(into.guest_pcs == std::vector<GuestAddr>{kBase, kBase + 8, kBase + 4, kBase + 12});

    frontend::TranslateOptions options;
    options.follow_branches = false;
    const Block stopped = translate({b(2), kUdf, kNop}, kBase, options);
    CHECK(exit_as<ExitDirect>(stopped)->target == kBase + 8);
}

TEST_CASE("forward conditional branches leave by the side, backward ones end the block",
          "[frontend]") {
    const Block forward = translate({cbz_x(0, 4), kNop, kRet});
    REQUIRE(side_exits(forward).size() == 1);
    CHECK(side_exits(forward)[0].imm == kBase + 16);
    CHECK(exit_as<ExitReturn>(forward));

    const Block backward = translate({kNop, tbnz(3, 40, -1), kRet});
    REQUIRE(exit_as<ExitCond>(backward));
    CHECK(exit_as<ExitCond>(backward)->taken == kBase);
    CHECK(exit_as<ExitCond>(backward)->not_taken == kBase + 8);
    CHECK(backward.nzcv_live_out); // nothing was written: whoever comes next may read the old flags

    const Block always = translate({b_cond(Cond::AL, 2), kUdf, kRet});
    CHECK(always.guest_pcs.size() == 2);
}

TEST_CASE("NZCV is dead where the successor sets it first", "[frontend]") {
    // loop: subs x0, x0, #1 ; b.ne loop ; cmp x0, x1
    const Block loop = translate({kSubsX0_1, b_cond(Cond::NE, -1), kCmpX0X1});
    CHECK_FALSE(loop.nzcv_live_out);
    // The fall-through reads the flags.
    const Block live = translate({kSubsX0_1, b_cond(Cond::NE, -1), cset_eq(0)});
    CHECK(live.nzcv_live_out);
    // A return's target is unknown.
    CHECK(translate({kCmpX0X1, kRet}).nzcv_live_out);
    // A call's is not: cmp ; bl f ; f: nop ; cmp
    CHECK_FALSE(translate({kCmpX0X1, bl(2), kUdf, kNop, kCmpX2_0, kRet}).nzcv_live_out);

    // cmp ; b.eq L ; cmp ; ret ; L: (nop ; cmp) or (cset)
    const Block dead_side =
        translate({kCmpX0X1, b_cond(Cond::EQ, 3), kCmpX2_0, kRet, kNop, kCmpX0X1});
    CHECK(side_exits(dead_side).at(0).aux == kExitIfNzcvDead);
    const Block live_side =
        translate({kCmpX0X1, b_cond(Cond::EQ, 3), kCmpX2_0, kRet, kNop, cset_eq(0)});
    CHECK(side_exits(live_side).at(0).aux == 0);
    // Both ways of a branch on the path count: L: cbz x0, M ; cmp ; M: cset
    const Block forked = translate(
        {kCmpX0X1, b_cond(Cond::EQ, 3), kCmpX2_0, kRet, cbz_x(0, 2), kCmpX0X1, cset_eq(0)});
    CHECK(side_exits(forked).at(0).aux == 0);
    // Undefined instructions may be emulated by a handler that looks.
    const Block undefined =
        translate({kCmpX0X1, b_cond(Cond::EQ, 3), kCmpX2_0, kRet, kUdf, kCmpX0X1});
    CHECK(side_exits(undefined).at(0).aux == 0);
}

TEST_CASE("NZCV is a constant behind B.NE", "[frontend]") {
    const auto flags_behind = [](const Code& code) {
        const Block block = translate(code);
        const auto& insts = block.insts;
        const auto exit = std::ranges::find(insts, Opcode::ExitIf, &Inst::op);
        REQUIRE(exit != insts.end());
        const auto set = std::find_if(exit, insts.end(), [](const Inst& inst) {
            return inst.op == Opcode::Set && inst.slot() == Slot::NZCV;
        });
        return set == insts.end() ? std::nullopt : std::optional(insts[set->args[0]].imm);
    };
    constexpr u32 kTstX0X1 = 0xea01001f, kCmnX0X1 = 0xab01001f, kCmpW0W1 = 0x6b01001f;
    CHECK(flags_behind({kCmpX0X1, b_cond(Cond::NE, 3), kRet}) == 0b0110);
    CHECK(flags_behind({kCmpW0W1, movz(2, 0), b_cond(Cond::NE, 3), kRet}) == 0b0110);
    CHECK(flags_behind({kTstX0X1, b_cond(Cond::NE, 3), kRet}) == 0b0100);
    CHECK_FALSE(flags_behind({kCmnX0X1, b_cond(Cond::NE, 3), kRet}).has_value()); // C, V unknown
    CHECK_FALSE(flags_behind({kCmpX0X1, b_cond(Cond::EQ, 3), kRet}).has_value());
    CHECK_FALSE(flags_behind({b_cond(Cond::NE, 3), kRet}).has_value()); // of an earlier block
}

TEST_CASE("look-ahead reads code before the block's start, in its page only", "[frontend]") {
    // top: nop ; cmp ; start: subs ; b.ne top ; cmp
    const Code code{kNop, kCmpX0X1, kSubsX0_1, b_cond(Cond::NE, -3), kCmpX2_0};
    CHECK_FALSE(translate(code, kBase + 8).nzcv_live_out);
    // The same across a page boundary is not looked at.
    const Code split{{kNop, kCmpX0X1, kSubsX0_1, b_cond(Cond::NE, -3), kCmpX2_0}, kBase + 0xff8};
    CHECK(translate(split, kBase + 0x1000).nzcv_live_out);
}

TEST_CASE("a loop of several blocks is left by the side when only the way out shows NZCV",
          "[frontend]") {
    // top: nop ; cmp ; start: subs ; b.ne top ; ret
    const Code loop{kNop, kCmpX0X1, kSubsX0_1, b_cond(Cond::NE, -3), kRet};
    const Block block = translate(loop, kBase + 8);
    REQUIRE(exit_as<ExitDirect>(block));
    CHECK(exit_as<ExitDirect>(block)->target == kBase);
    CHECK_FALSE(block.nzcv_live_out);
    REQUIRE(side_exits(block).size() == 1);
    CHECK(side_exits(block)[0].imm == kBase + 16);
    CHECK(side_exits(block)[0].aux == 0);
    // The next turn reads them; or nothing was written; or it is a loop of one block.
    const Code reading{cset_eq(2), kCmpX0X1, kSubsX0_1, b_cond(Cond::NE, -3), kRet};
    CHECK(exit_as<ExitCond>(translate(reading, kBase + 8)));
    const Code silent{kNop, kCmpX0X1, kNop, b_cond(Cond::NE, -3), kRet};
    CHECK(exit_as<ExitCond>(translate(silent, kBase + 8)));
    CHECK(exit_as<ExitCond>(translate(loop)));
}

TEST_CASE("calls, returns and indirect branches", "[frontend]") {
    auto state = new_state();
    state->x[5] = kBase + 16;
    // blr x5 ; svc ; udf ; udf ; f: mov x1, #7 ; ret
    CHECK(run({blr(5), kSvc0, kUdf, kUdf, movz(1, 7), kRet}, *state) == ExitReason::Svc);
    CHECK(state->x[1] == 7);
    CHECK(state->x[30] == kBase + 4);
    CHECK(state->pc == kBase + 8);

    const Block call = translate({bl(16)});
    REQUIRE(exit_as<ExitCall>(call));
    CHECK(exit_as<ExitCall>(call)->target == kBase + 64);
    CHECK(exit_as<ExitCall>(call)->return_to == kBase + 4);

    // BLR X30 branches to the old X30.
    state = new_state();
    state->x[30] = kBase + 8;
    CHECK(run({blr(30), kUdf, kSvc0}, *state) == ExitReason::Svc);
    CHECK(state->x[30] == kBase + 4);
    // BR XZR goes to 0.
    state = new_state();
    CHECK(run({br(31)}, *state) == ExitReason::FetchFault);
    CHECK(state->pc == 0);
}

TEST_CASE("exceptions carry their immediate", "[frontend]") {
    const Block svc = translate({0xd4000001 | 0x1234 << 5});
    CHECK(exit_to(svc).reason == ExitReason::Svc);
    CHECK(exit_to(svc).imm == 0x1234);
    CHECK(exit_to(svc).pc == kBase + 4);
    const Block brk = translate({0xd4200000 | 0x3e8 << 5});
    CHECK(exit_to(brk).reason == ExitReason::Breakpoint);
    CHECK(exit_to(brk).imm == 0x3e8);
    CHECK(exit_to(brk).pc == kBase);
}

TEST_CASE("system registers at EL0", "[frontend]") {
    constexpr u32 kNZCV = sysreg(3, 3, 4, 2, 0), kFPCR = sysreg(3, 3, 4, 4, 0),
                  kFPSR = sysreg(3, 3, 4, 4, 1), kTPIDR = sysreg(3, 3, 13, 0, 2),
                  kTPIDRRO = sysreg(3, 3, 13, 0, 3), kCTR = sysreg(3, 3, 0, 0, 1),
                  kDCZID = sysreg(3, 3, 0, 0, 7), kCNTFRQ = sysreg(3, 3, 14, 0, 0),
                  kMIDR = sysreg(3, 0, 0, 0, 0), kISAR0 = sysreg(3, 0, 0, 6, 0),
                  kCurrentEL = sysreg(3, 0, 4, 2, 2), kDAIF = sysreg(3, 3, 4, 2, 1);
    const frontend::CpuModel& cpu = frontend::default_cpu();

    auto state = new_state();
    state->nzcv = 0xa;
    state->tpidr_el0 = 1;
    state->tpidrro_el0 = 2;
    state->x[10] = 0x60000000;
    CHECK(run({mrs(kNZCV, 0), mrs(kTPIDR, 1), mrs(kTPIDRRO, 2), mrs(kCTR, 3), mrs(kDCZID, 4),
               mrs(kCNTFRQ, 5), mrs(kMIDR, 6), mrs(kISAR0, 7), msr(kTPIDR, 10), msr(kNZCV, 10),
               kSvc0},
              *state) == ExitReason::Svc);
    CHECK(state->x[0] == 0xa0000000);
    CHECK(state->x[1] == 1);
    CHECK(state->x[2] == 2);
    CHECK(state->x[3] == cpu.ctr_el0);
    CHECK(state->x[4] == 4);
    CHECK(state->x[5] == kCounterFrequency);
    CHECK(state->x[6] == cpu.midr_el1);
    CHECK(state->x[7] == cpu.id_aa64isar0_el1);
    CHECK(state->tpidr_el0 == 0x60000000);
    CHECK(state->nzcv == 6);

    // FPCR: the trap enables read as zero; writing ends the block, because its key changes.
    state = new_state();
    state->x[0] = 0x03c09f00;
    Code fpcr{msr(kFPCR, 0), mrs(kFPCR, 1), kSvc0};
    CHECK(run(fpcr, *state) == ExitReason::ContextSync);
    CHECK(state->pc == kBase + 4);
    CHECK(run(fpcr, *state) == ExitReason::Svc);
    CHECK(state->x[1] == 0x03c00000);

    // Fields of absent features are RES0: FZ16 of FEAT_FP16; FIZ, AH and NEP of FEAT_AFP.
    for (const auto& [model, mask] : {std::pair{"max", 0x07c8'0007u},
                                      {"max,afp=off", 0x07c8'0000u},
                                      {"cortex-a76", 0x07c8'0000u},
                                      {"cortex-a53", 0x07c0'0000u}}) {
        std::string why_not;
        const auto parsed = frontend::parse_cpu(model, why_not);
        REQUIRE(parsed.has_value());
        frontend::TranslateOptions options;
        options.cpu = &*parsed;
        CHECK(frontend::fpcr_mask(parsed->features) == mask);
        state = new_state();
        state->x[0] = ~u64{0};
        CHECK(run(fpcr, *state, options) == ExitReason::ContextSync);
        CHECK(run(fpcr, *state, options) == ExitReason::Svc);
        CHECK(state->x[1] == mask);
    }

    state = new_state();
    state->x[0] = ~u64{0};
    CHECK(run({msr(kFPSR, 0), mrs(kFPSR, 1), kSvc0}, *state) == ExitReason::Svc);
    CHECK(state->x[1] == 0x0800009f);

    // Whether EL0 may use the performance monitors can be asked; it may not.
    constexpr u32 kPMUSERENR = sysreg(3, 3, 9, 14, 0), kPMCCNTR = sysreg(3, 3, 9, 13, 0);
    state = new_state();
    state->x[0] = ~u64{0};
    CHECK(run({mrs(kPMUSERENR, 0), kSvc0}, *state) == ExitReason::Svc);
    CHECK(state->x[0] == 0);

    for (u32 word :
         {mrs(kPMCCNTR, 0), msr(kPMUSERENR, 0), mrs(kCurrentEL, 0), mrs(kDAIF, 0), msr(kTPIDRRO, 0),
          msr(kCTR, 0), msr(kMIDR, 0), 0xd50342dfu /* MSR DAIFSet, #2 */}) {
        CHECK(exit_to(translate({word})).reason == ExitReason::Undefined);
    }
}

TEST_CASE("cache maintenance", "[frontend]") {
    // ic ivau, x3 tells the runtime the address; isb ends the block.
    const Block ic = translate({0xd50b7523, kNop});
    CHECK(exit_to(ic).reason == ExitReason::InvalidateCache);
    CHECK(exit_to(ic).pc == kBase + 4);
    CHECK(exit_to(ic).arg != kNoValue);
    const Block isb = translate({0xd5033fdf, kNop});
    CHECK(exit_as<ExitDirect>(isb)->target == kBase + 4);
    CHECK(exit_as<ExitDirect>(isb)->synchronizes);
    // cmp x0, x1; isb; cmp: what comes next may be other code, that reads the flags
    CHECK(translate({0xeb01001f, 0xd5033fdf, 0xeb01001f}).nzcv_live_out);
    CHECK_FALSE(translate({0xeb01001f, 0x17ffffff /* b -4 */}).nzcv_live_out);

    alignas(64) u8 memory[192];
    std::fill(std::begin(memory), std::end(memory), u8{0xaa});
    auto state = new_state();
    state->x[3] = reinterpret_cast<u64>(memory) + 64 + 17;
    CHECK(run({0xd50b7423 /* dc zva, x3 */, kSvc0}, *state) == ExitReason::Svc);
    CHECK(memory[63] == 0xaa);
    CHECK(memory[64] == 0);
    CHECK(memory[127] == 0);
    CHECK(memory[128] == 0xaa);
}

TEST_CASE("literal loads are relative to the instruction", "[frontend]") {
    alignas(16) static u32 literal_words[] = {0x18000080 /* ldr w0, +16 */,
                                              0x58000061 /* ldr x1, +12 */,
                                              0x98000042 /* ldrsw x2, +8 */,
                                              kSvc0,
                                              0x80000001,
                                              0x11111111};
    class Static final : public frontend::CodeSource {
        std::span<const u32> words(GuestAddr pc) override {
            return std::span<const u32>{literal_words}.subspan(
                (pc - reinterpret_cast<u64>(literal_words)) / 4);
        }
    } source;
    auto state = new_state();
    state->pc = reinterpret_cast<u64>(literal_words);
    Block block;
    BlockKey key;
    key.pc = state->pc;
    frontend::translate(key, source, {}, block);
    CHECK(interpret(block, *state) == ExitReason::Svc);
    CHECK(state->x[0] == 0x80000001);
    CHECK(state->x[1] == 0x1111111180000001);
    CHECK(state->x[2] == 0xffffffff80000001);
}

TEST_CASE("writeback to a base that is also transferred", "[frontend]") {
    u64 memory[4] = {0x1111, 0x2222, 0x3333, 0x4444};
    const u64 address = reinterpret_cast<u64>(memory);
    // ldr x0, [x0], #8: the loaded value stays.
    auto state = new_state();
    state->x[0] = address;
    CHECK(run({0xf8408400, kSvc0}, *state) == ExitReason::Svc);
    CHECK(state->x[0] == 0x1111);
    // str x0, [x0, #8]!: the old base is stored.
    state = new_state();
    state->x[0] = address;
    CHECK(run({0xf8008c00, kSvc0}, *state) == ExitReason::Svc);
    CHECK(state->x[0] == address + 8);
    CHECK(memory[1] == address);
    // ldp x1, x2, [x1, #16]!
    state = new_state();
    state->x[1] = address;
    CHECK(run({0xa9c10821, kSvc0}, *state) == ExitReason::Svc);
    CHECK(state->x[1] == 0x3333);
    CHECK(state->x[2] == 0x4444);
    // ldr xzr, [sp], #16 is not such a case: register 31 differs.
    state = new_state();
    state->sp = address;
    CHECK(run({0xf84107ff, kSvc0}, *state) == ExitReason::Svc);
    CHECK(state->sp == address + 16);
}

TEST_CASE("prefetches of data become the host's, but not those of code, and none in a machine",
          "[frontend]") {
    struct Row {
        u32 word;
        Access access;
        i64 displacement;
        u8 index_shift;
    };
    constexpr u32 kRet = 0xd65f03c0;
    for (const Row& row : {Row{0xf9800420, Access::Reads, 8, 0},  // prfm pldl1keep, [x1, #8]
                           Row{0xf9800034, Access::Writes, 0, 0}, // prfm pstl3keep, [x1]
                           Row{0xf89ff020, Access::Reads, -1, 0}, // prfum pldl1keep, [x1, #-1]
                           Row{0xf8a27821, Access::Reads, 0, 3}, // prfm pldl1strm, [x1, x2, lsl #3]
                           Row{0xf8a26820, Access::Reads, 0, 0}}) { // prfm pldl1keep, [x1, x2]
        INFO(std::hex << row.word);
        const std::vector<Inst> found = prefetches(translate({row.word, kRet}));
        REQUIRE(found.size() == 1);
        CHECK(found[0].mem().access == row.access);
        CHECK(displacement_of(found[0]) == static_cast<u64>(row.displacement));
        CHECK(found[0].mem().index_shift == row.index_shift);
    }
    CHECK(prefetches(translate({0xd8000040, kRet})).size() == 1); // prfm pldl1keep, #8
    CHECK(prefetches(translate({0xf9800028, kRet})).empty());     // prfm plil1keep, [x1]
    CHECK(prefetches(translate({0xf980003f, kRet})).empty());     // prfm #0x1f, [x1]

    Block block;
    Code code{0xf9800420, kRet};
    frontend::translate({kBase, {BlockMode::kSystem}}, code, {}, block);
    CHECK(prefetches(block).empty());
}
