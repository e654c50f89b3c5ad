// STXR after an LDXR in the same block is a compare and swap; the exclusive monitor is touched only
// where somebody else could look.
#include <algorithm>
#include <memory>
#include <vector>

#include "frontend/frontend.h"
#include "ir/interpreter.h"
#include "ir/opt/pipeline.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

constexpr GuestAddr kBase = 0x400000;

struct Code final : frontend::CodeSource {
    std::vector<u32> code;
    std::span<const u32> words(GuestAddr pc) override {
        const u64 index = (pc - kBase) / 4;
        return pc < kBase || index >= code.size() ? std::span<const u32>{}
                                                  : std::span<const u32>{code}.subspan(index);
    }
};

Block translate(std::vector<u32> words, GuestAddr pc = kBase) {
    Code source;
    source.code = std::move(words);
    Block block;
    frontend::translate({pc, {}}, source, {}, block);
    REQUIRE(verify(block) == "");
    return block;
}
Block optimised(std::vector<u32> words) {
    Block block = translate(std::move(words));
    run_passes(block, {});
    REQUIRE(verify(block) == "");
    return block;
}
long count(const Block& block, Opcode op) {
    return std::ranges::count_if(block.insts,
                                 [=](const Inst& inst) { return !inst.dead && inst.op == op; });
}

// X1 is the address, X0 what is loaded, X2 what is stored, W4 the status.
enum : u32 { kPlain = 0, kOrdered = 1u << 15 };
constexpr u32 ldxr(u32 size, u32 order = kPlain, u32 Rt = 0) {
    return size << 30 | 0x085f7c00 | order | 1 << 5 | Rt;
}
constexpr u32 stxr(u32 size, u32 order = kPlain, u32 Rn = 1) {
    return size << 30 | 0x08007c00 | order | 4 << 16 | Rn << 5 | 2;
}
constexpr u32 kLdxpW = 0x887f0000 | 3 << 10 | 1 << 5,
              kStxpW = 0x88200000 | 4 << 16 | 3 << 10 | 1 << 5 | 2, kLdxpX = kLdxpW | 1u << 30,
              kStxpX = kStxpW | 1u << 30;
constexpr u32 kAdd = 0x8b030002;      // add x2, x0, x3
constexpr u32 kCmp = 0xeb05001f;      // cmp x0, x5
constexpr u32 kMoveBase = 0xaa0603e1; // mov x1, x6
constexpr u32 kLoad = 0xf94000c7;     // ldr x7, [x6]
constexpr u32 kStore = 0xf90000c7;    // str x7, [x6]
constexpr u32 kClrex = 0xd5033f5f, kDmb = 0xd5033bbf, kRet = 0xd65f03c0;
constexpr u32 cbnz_w4(int words) { return 0x35000004 | (static_cast<u32>(words) & 0x7ffff) << 5; }
constexpr u32 b_ne(int words) { return 0x54000001 | (static_cast<u32>(words) & 0x7ffff) << 5; }

} // namespace

TEST_CASE("an LDXR, STXR loop is a load and a compare and swap", "[frontend]") {
    for (u32 size = 0; size < 4; ++size) {
        for (const u32 load_order : {kPlain, kOrdered}) {
            for (const u32 store_order : {kPlain, kOrdered}) {
                const Block block =
                    optimised({ldxr(size, load_order), kAdd, stxr(size, store_order), cbnz_w4(-3)});
                INFO(print(block));
                CHECK(count(block, Opcode::Cas) == 1);
                CHECK(count(block, Opcode::Load) == 1);
                CHECK(count(block, Opcode::ClearExcl) == 1);
                CHECK(count(block, Opcode::LoadExcl) + count(block, Opcode::StoreExcl) == 0);
                for (const Inst& inst : block.insts) {
                    if (inst.op == Opcode::Load) {
                        CHECK((inst.mem().order == MemOrder::Acquire) == (load_order == kOrdered));
                        CHECK(inst.mem().aligned);
                    }
                    if (inst.op == Opcode::Cas) {
                        CHECK((inst.mem().order == MemOrder::Release) == (store_order == kOrdered));
                    }
                }
                REQUIRE(std::holds_alternative<ExitCond>(block.exit));
            }
        }
    }
    const Block pair = optimised({kLdxpW, kAdd, kStxpW, cbnz_w4(-3)});
    CHECK(count(pair, Opcode::Cas) == 1);
}

TEST_CASE("the way out of a compare-and-swap loop leaves the monitor armed", "[frontend]") {
    // ldxr x0, [x1]; cmp x0, x5; b.ne out; stxr w4, x2, [x1]; cbnz w4, again; out: ret
    const Block block = optimised({ldxr(3), kCmp, b_ne(3), stxr(3), cbnz_w4(-4), kRet});
    INFO(print(block));
    CHECK(count(block, Opcode::Cas) == 1);
    CHECK(count(block, Opcode::LoadExcl) == 1);
    CHECK(count(block, Opcode::StoreExcl) == 0);
}

TEST_CASE("what is no LDXR, STXR pair asks the monitor", "[frontend]") {
    const std::vector<std::vector<u32>> cases = {
        {stxr(3), kRet},                     // alone
        {ldxr(3), kMoveBase, stxr(3), kRet}, // another base by then
        {ldxr(3, kPlain, 1), stxr(3), kRet}, // loads its own base
        {ldxr(3), stxr(3, kPlain, 6), kRet}, // another base register
        {ldxr(3), stxr(2), kRet},            // another size
        {ldxr(2), stxr(3), kRet},            //
        {ldxr(3), kLoad, stxr(3), kRet},     // memory accesses between
        {ldxr(3), kStore, stxr(3), kRet},    //
        {ldxr(3), kDmb, stxr(3), kRet},      //
        {ldxr(3), kClrex, stxr(3), kRet},    // cleared
        {kLdxpX, kStxpX, kRet},              // 16 bytes
    };
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const Block block = optimised(cases[i]);
        INFO(i << "\n" << print(block));
        CHECK(count(block, Opcode::Cas) == 0);
        CHECK(count(block, Opcode::StoreExcl) == 1);
    }
    // The second of two stores finds the monitor cleared.
    const Block twice = optimised({ldxr(3), stxr(3), stxr(3), kRet});
    INFO(print(twice));
    CHECK(count(twice, Opcode::Cas) == 1);
    CHECK(count(twice, Opcode::StoreExcl) == 1);
}

TEST_CASE("LDXR, STXR pairs compute what the monitor would", "[frontend]") {
    alignas(16) u64 cell[2];
    const auto run = [&](std::vector<u32> words, CpuState& state) {
        Block block = translate(std::move(words));
        (void)interpret(block, state);
        return state.x[4];
    };
    auto state = std::make_unique<CpuState>();
    for (u32 size = 0; size < 4; ++size) {
        cell[0] = 0x8182'8384'8586'8788;
        const u64 mask = ones(8u << size);
        state->x[1] = reinterpret_cast<u64>(cell);
        state->x[3] = 0x7f;
        state->x[4] = 5;
        CHECK(run({ldxr(size), kAdd, stxr(size), kRet}, *state) == 0);
        CHECK(state->x[0] == (0x8182'8384'8586'8788 & mask));
        CHECK(cell[0] ==
              ((0x8182'8384'8586'8788 & ~mask) | ((0x8182'8384'8586'8788 + 0x7f) & mask)));
        CHECK(state->excl_bytes == 0);
        // Not equal any more: armed at the way out, so that a store elsewhere succeeds once.
        const u64 now = cell[0];
        state->x[5] = 1;
        CHECK(run({ldxr(size), kCmp, b_ne(3), stxr(size), kRet, kRet}, *state) == 0);
        CHECK(state->pc == kBase + 5 * 4);
        CHECK(state->excl_bytes == 1u << size);
        CHECK(cell[0] == now);
        CHECK(run({stxr(size), kRet}, *state) == 0);
        CHECK(run({stxr(size), kRet}, *state) == 1);
    }
}

TEST_CASE("a block goes on behind a store-exclusive's retry, and behind no other loop",
          "[frontend]") {
    const auto exits_back = [](const Block& block) {
        return std::ranges::count_if(block.insts, [](const Inst& inst) {
            return inst.op == Opcode::ExitIf && inst.imm == kBase;
        });
    };
    const Block retried = translate({ldxr(3), kAdd, stxr(3), cbnz_w4(-3), kDmb, kLoad, kRet});
    CHECK(retried.guest_pcs.size() == 7);
    CHECK(exits_back(retried) == 1);
    constexpr u32 kCbnzW5 = 0x35000005 | (static_cast<u32>(-3) & 0x7ffff) << 5;
    for (const std::vector<u32>& words :
         {std::vector<u32>{ldxr(3), kAdd, stxr(3), kCbnzW5, kLoad, kRet}, // another register
          std::vector<u32>{ldxr(3), stxr(3), kAdd, cbnz_w4(-3), kLoad, kRet},
          std::vector<u32>{kAdd, kAdd, kStore, cbnz_w4(-3), kLoad, kRet}}) {
        const Block block = translate(words);
        CHECK(block.guest_pcs.size() == 4);
        CHECK(std::holds_alternative<ExitCond>(block.exit));
    }
}
