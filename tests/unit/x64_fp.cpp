// Floating point in the x86-64 back end against the IR interpreter: every operation, type and
// shape, in all modes, over edge values; results, FPSR, and that no other register changes.
//
// The long form, `unit_tests "[fp-proof]"`, takes all pairs of edge values, 10^6 random operands of
// every operation with more than one (else 10^5) and, of one half-precision operand, all 65536.
#include <functional>
#include <sys/mman.h>

#include "backend/backend.h"
#include "frontend/frontend.h"
#include "ir/builder.h"
#include "ir/interpreter.h"
#include "ir/opt/pipeline.h"
#include "tests/unit/fp_host.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;
using test::Random;

namespace {

// Code memory, stubs and a state to run single blocks in.
class Host {
  public:
    Host() {
        std::string why_not;
        backend_ = backend::make_host_backend(why_not);
        if (!backend_) {
            return;
        }
        memory_ = map(kCodeBytes, PROT_READ | PROT_WRITE | PROT_EXEC);
        const u64 stack = map(kStackBytes, PROT_READ | PROT_WRITE);
        const backend::RuntimeCalls calls{[](CpuState&) -> u64 { return 0; },
                                          [](CpuState&, u64) -> u64 { return 0; }};
        stubs_ = backend_->make_stubs(calls);
        std::memcpy(reinterpret_cast<void*>(memory_), stubs_.code.data(), stubs_.code.size());
        backend_->prepare_state(state, stubs_, memory_, stack + kStackBytes);
    }
    [[nodiscard]] bool works() const { return backend_ != nullptr; }

    void compile(const Block& block, bool spill_everything) {
        backend::CompileOptions options;
        options.spill_everything = spill_everything;
        compiled_.reset();
        backend_->compile(block, options, compiled_);
        entry_ = align_up(memory_ + stubs_.code.size(), 64);
        REQUIRE(entry_ + compiled_.code.size() < memory_ + kCodeBytes);
        std::memcpy(reinterpret_cast<void*>(entry_), compiled_.code.data(), compiled_.code.size());
    }
    void run() {
        state.guest_mxcsr = backend::mxcsr_of_fpcr(state.fpcr);
        using Enter = ExitReason (*)(CpuState*, u64);
        (void)reinterpret_cast<Enter>(memory_ + stubs_.enter)(&state, entry_);
    }

    CpuState state;

  private:
    static constexpr u64 kCodeBytes = 1 << 20, kStackBytes = 1 << 16;
    static u64 map(u64 bytes, int protection) {
        return reinterpret_cast<u64>(
            mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    }

    std::unique_ptr<backend::Backend> backend_;
    backend::Stubs stubs_;
    backend::CompiledBlock compiled_;
    u64 memory_ = 0, entry_ = 0;
};

// Where a block finds its operands: pinned registers, registers in memory, or the result's own.
struct Places {
    unsigned d, a, b, c;
};
constexpr Places kPlaces[] = {{0, 1, 2, 3}, {20, 8, 9, 10}, {1, 1, 2, 1},
                              {9, 8, 9, 9}, {2, 25, 2, 24}, {16, 5, 5, 30}};

using Build = std::function<void(Builder& b, const Places& at)>;
struct Case {
    std::string name;
    Build build;
    unsigned lane_bits; // of the operands worth trying
    unsigned operands = 1;
};

[[nodiscard]] const char* text_of(Opcode op) { return info(op).text; }

[[nodiscard]] Value vector_arg(Builder& b, unsigned n) { return b.get(v_slot(n)); }
[[nodiscard]] Value scalar_arg(Builder& b, unsigned n, Type type) {
    return b.vtof(b.get(v_slot(n)), type);
}

// Operations whose arguments and result have one type or shape.
void add_uniform(std::vector<Case>& cases,
                 Opcode op,
                 unsigned arity,
                 u64 imm,
                 std::initializer_list<Type> types,
                 std::initializer_list<Shape> shapes) {
    for (const Type type : types) {
        cases.push_back(
            {std::string(text_of(op)) + "." + type_name(type) + " imm " + std::to_string(imm),
             [=](Builder& b, const Places& at) {
                 const Value x = scalar_arg(b, at.a, type);
                 const Value y = arity > 1 ? scalar_arg(b, at.b, type) : Value{};
                 const Value z = arity > 2 ? scalar_arg(b, at.c, type) : Value{};
                 const Value r = arity == 1   ? b.emit(op, type, {x}, 0, imm)
                                 : arity == 2 ? b.emit(op, type, {x, y}, 0, imm)
                                              : b.emit(op, type, {x, y, z}, 0, imm);
                 b.set(v_slot(at.d), b.ftov(r));
             },
             bit_width(type), arity});
    }
    for (const Shape shape : shapes) {
        cases.push_back({std::string(text_of(op)) + " lanes " + std::to_string(shape.lanes()) +
                             "x" + std::to_string(shape.lane_bits()) + " imm " +
                             std::to_string(imm),
                         [=](Builder& b, const Places& at) {
                             const Value x = vector_arg(b, at.a);
                             const Value y = arity > 1 ? vector_arg(b, at.b) : Value{};
                             const Value z = arity > 2 ? vector_arg(b, at.c) : Value{};
                             const Value r = arity == 1   ? b.vec(op, shape, {x}, imm)
                                             : arity == 2 ? b.vec(op, shape, {x, y}, imm)
                                                          : b.vec(op, shape, {x, y, z}, imm);
                             b.set(v_slot(at.d), r);
                         },
                         shape.lane_bits(), arity});
    }
}

[[nodiscard]] std::vector<Case> all_cases() {
    using enum Opcode;
    std::vector<Case> cases;
    const std::initializer_list<Type> scalars = {Type::F32, Type::F64, Type::F16};
    const std::initializer_list<Shape> vectors = {shape::S2, shape::S4, shape::D2, shape::H4,
                                                  shape::H8};
    const std::initializer_list<Shape> with_lanes = {shape::S1, shape::D1, shape::H1, shape::S2,
                                                     shape::S4, shape::D2, shape::H4, shape::H8};
    for (const Opcode op :
         {FAdd, FSub, FMul, FDiv, FMulX, FMax, FMin, FMaxNm, FMinNm, FAbd, FRecpS, FRSqrtS}) {
        add_uniform(cases, op, 2, 0, scalars, vectors);
    }
    for (const Opcode op : {FSqrt, FNeg, FAbs, FRecpE, FRSqrtE}) {
        add_uniform(cases, op, 1, 0, scalars, vectors);
    }
    add_uniform(cases, FRecpX, 1, 0, scalars, {});
    for (u64 negate = 0; negate < 4; ++negate) {
        add_uniform(cases, FMulAdd, 3, negate, scalars, vectors);
    }
    for (u64 negate = 0; negate < 2; ++negate) {
        add_uniform(cases, FMulAddL, 3, negate, {}, {shape::S2, shape::S4});
        cases.back().lane_bits = cases[cases.size() - 2].lane_bits = 16;
    }
    for (u64 how = 0; how <= 6; ++how) {
        if (static_cast<Rounding>(how) != Rounding::Odd) {
            add_uniform(cases, FRInt, 1, how, scalars, vectors);
        }
    }
    add_uniform(cases, FRInt, 1, static_cast<u64>(Rounding::Current) | 1 << 8, scalars, vectors);
    for (const u64 how : {0u, 1u, 2u, 3u, 6u}) {
        for (const u64 int_bits : {32u, 64u}) {
            add_uniform(cases, FRIntN, 1, how | int_bits << 8, {Type::F32, Type::F64}, vectors);
        }
    }
    add_uniform(cases, VBfDot, 3, 0, {}, {shape::S2, shape::S4});
    add_uniform(cases, VBfDot, 3, 1, {}, {shape::S4});
    add_uniform(cases, FCmEq, 2, 0, {}, with_lanes);
    for (const Opcode op : {FCmGe, FCmGt}) {
        add_uniform(cases, op, 2, 0, {}, with_lanes);
        add_uniform(cases, op, 2, 1, {}, with_lanes);
    }
    for (const Opcode op : {FAddP, FMaxP, FMinP, FMaxNmP, FMinNmP}) {
        add_uniform(cases, op, 2, 0, {}, vectors);
    }
    for (const Opcode op : {FMaxV, FMinV, FMaxNmV, FMinNmV}) {
        add_uniform(cases, op, 1, 0, {}, {shape::S4, shape::H4, shape::H8});
    }
    // conversions
    for (const u64 fraction : {0u, 1u, 16u, 32u}) {
        for (const bool is_signed : {false, true}) {
            for (const Rounding rounding : {Rounding::Zero, Rounding::TieEven, Rounding::PlusInf,
                                            Rounding::MinusInf, Rounding::TieAway}) {
                const u64 imm = FixedInfo{static_cast<u8>(fraction), is_signed, rounding}.pack();
                for (const Type from : {Type::F16, Type::F32, Type::F64}) {
                    for (const Type to : {Type::I32, Type::I64}) {
                        cases.push_back(
                            {"fcvttoint " + std::to_string(imm) + type_name(from) + type_name(to),
                             [=](Builder& b, const Places& at) {
                                 const Value r = b.emit(FCvtToInt, to, {scalar_arg(b, at.a, from)},
                                                        static_cast<u16>(from), imm);
                                 b.set(x_slot(0), b.zext(r, Type::I64));
                             },
                             bit_width(from)});
                    }
                }
                add_uniform(cases, VFCvtToInt, 1, imm, {}, with_lanes);
            }
            const u64 imm =
                FixedInfo{static_cast<u8>(fraction), is_signed, Rounding::Current}.pack();
            for (const Type to : {Type::F16, Type::F32, Type::F64}) {
                for (const Type from : {Type::I32, Type::I64}) {
                    cases.push_back(
                        {"fcvtfromint " + std::to_string(imm) + type_name(from) + type_name(to),
                         [=](Builder& b, const Places& at) {
                             const Value x = b.trunc(b.get(x_slot(1)), from);
                             const Value r =
                                 b.emit(FCvtFromInt, to, {x}, static_cast<u16>(from), imm);
                             b.set(v_slot(at.d), b.ftov(r));
                         },
                         64});
                }
            }
            add_uniform(cases, VFCvtFromInt, 1, imm, {}, with_lanes);
        }
    }
    for (const Type from : {Type::F16, Type::F32, Type::F64}) {
        for (const Type to : {Type::F16, Type::F32, Type::F64}) {
            for (const Rounding rounding : {Rounding::Current, Rounding::Odd}) {
                if (from != to) {
                    cases.push_back({std::string("fcvt ") + type_name(from) + type_name(to),
                                     [=](Builder& b, const Places& at) {
                                         const Value r = b.emit(
                                             FCvt, to, {scalar_arg(b, at.a, from)},
                                             static_cast<u16>(from), static_cast<u64>(rounding));
                                         b.set(v_slot(at.d), b.ftov(r));
                                     },
                                     bit_width(from)});
                }
            }
        }
    }
    add_uniform(cases, VFCvtL, 1, 0, {}, {shape::S4, shape::D2});
    add_uniform(cases, VFCvtN, 1, static_cast<u64>(Rounding::Current), {}, {shape::S2, shape::H4});
    add_uniform(cases, VFCvtN, 1, static_cast<u64>(Rounding::Odd), {}, {shape::S2});
    for (const Shape shape : {shape::H1, shape::H4}) {
        cases.push_back({"vfcvtbf lanes " + std::to_string(shape.lanes()),
                         [=](Builder& b, const Places& at) {
                             b.set(v_slot(at.d), b.vec(VFCvtBf, shape, {vector_arg(b, at.a)}));
                         },
                         32});
    }
    cases.push_back({"fjcvtzs",
                     [=](Builder& b, const Places& at) {
                         const Value x = scalar_arg(b, at.a, Type::F64);
                         b.set(x_slot(0), b.emit(FJCvtZs, Type::I64, {x}));
                     },
                     64});
    // comparisons: the flags, and every condition on them
    for (const Type type : {Type::F16, Type::F32, Type::F64}) {
        for (const u64 signaling : {0u, 1u}) {
            cases.push_back({std::string("fcmp ") + type_name(type),
                             [=](Builder& b, const Places& at) {
                                 b.set(Slot::NZCV, b.fcmp(scalar_arg(b, at.a, type),
                                                          scalar_arg(b, at.b, type), signaling));
                             },
                             bit_width(type), 2});
            for (unsigned cond = 0; cond < 14; ++cond) {
                cases.push_back(
                    {std::string("fcmp select ") + type_name(type) +
                         cond_name(static_cast<Cond>(cond)),
                     [=](Builder& b, const Places& at) {
                         const Value x = scalar_arg(b, at.a, type), y = scalar_arg(b, at.b, type);
                         const Value holds =
                             b.testcond(static_cast<Cond>(cond), b.fcmp(x, y, signaling));
                         b.set(v_slot(at.d), b.ftov(b.select(holds, x, scalar_arg(b, at.c, type))));
                         b.set(x_slot(0), b.zext(holds, Type::I64));
                     },
                     bit_width(type), 3});
            }
        }
    }
    return cases;
}

template <class F> [[nodiscard]] V128 edge_lanes(Random& random) {
    static const auto edges = test::edge_values<F>();
    V128 v;
    for (unsigned i = 0; i < 128 / F::kBits; ++i) {
        v.set_lane<BitsOf<F>>(i, random.below(4) != 0
                                     ? edges[random.below(static_cast<unsigned>(edges.size()))]
                                     : test::random_value<F>(random));
    }
    return v;
}

void randomise(CpuState& state, unsigned lane_bits, Random& random) {
    // often without NaNs, so that vector code gets past its checks
    const bool tame = random.below(3) == 0;
    for (V128& v : state.v) {
        if (tame) {
            for (unsigned i = 0; i < 128 / lane_bits; ++i) {
                const u64 frac = random.next();
                if (lane_bits == 32) {
                    v.set_lane<u32>(i, static_cast<u32>(0x3f00'0000 + (frac & 0x81ff'ffff)));
                } else if (lane_bits == 64) {
                    v.set_lane<u64>(i, 0x3fe0'0000'0000'0000 + (frac & 0x803f'ffff'ffff'ffff));
                } else {
                    v.set_lane<u16>(i, static_cast<u16>(0x3800 + (frac & 0x8fff)));
                }
            }
        } else {
            v = lane_bits == 16
                    ? random.below(6) == 0 ? edge_lanes<Single>(random) : edge_lanes<Half>(random)
                : lane_bits == 32 ? edge_lanes<Single>(random)
                                  : edge_lanes<Double>(random);
        }
    }
    for (u64& x : state.x) {
        const unsigned shift = random.below(64);
        x = random.below(2) ? random.next() >> shift : (u64{1} << shift) - random.below(2);
    }
    state.nzcv = random.below(16);
    state.fpsr = random.below(3) != 0 ? fpsr::kIXC : 0; // decides where FPCR.FZ computes inline
}

constexpr u64 kModes[] = {
    0,
    1ull << 22,
    2ull << 22,
    3ull << 22,
    1ull << 25,
    1ull << 24,
    3ull << 22 | 1ull << 24,
    1ull << 26,
    2ull << 22 | 1ull << 24 | 1ull << 25,
    1ull << 22 | 1ull << 25,
    1ull << 19,
    3ull << 22 | 1ull << 19 | 1ull << 25,
};

[[nodiscard]] std::string difference(const CpuState& want, const CpuState& got) {
    std::string text;
    char line[160];
    for (unsigned n = 0; n < 32; ++n) {
        if (want.v[n] != got.v[n]) {
            std::snprintf(line, sizeof line, " v%u=%016lx:%016lx, want %016lx:%016lx", n,
                          got.v[n].hi, got.v[n].lo, want.v[n].hi, want.v[n].lo);
            text += line;
        }
    }
    for (unsigned n = 0; n < 31; ++n) {
        if (want.x[n] != got.x[n]) {
            std::snprintf(line, sizeof line, " x%u=%lx, want %lx", n, got.x[n], want.x[n]);
            text += line;
        }
    }
    if (want.nzcv != got.nzcv || want.fpsr != got.fpsr) {
        std::snprintf(line, sizeof line, " nzcv=%x fpsr=%x, want %x %x", got.nzcv, got.fpsr,
                      want.nzcv, want.fpsr);
        text += line;
    }
    return text;
}

void copy_inputs(const CpuState& from, CpuState& to) {
    std::copy(std::begin(from.v), std::end(from.v), to.v);
    std::copy(std::begin(from.x), std::end(from.x), to.x);
    to.sp = from.sp;
    to.nzcv = from.nzcv;
    to.fpcr = from.fpcr;
    to.fpsr = from.fpsr;
}

// Runs `test` under `fpcr` on operands that `fill` puts into V1, V2, V3 and X1, until it says that
// there are no more; compares the result's registers and FPSR.
class Proof {
  public:
    explicit Proof(Host& host) : host_{host} {}

    template <class Fill> void run(const Case& test, u64 fpcr, Fill fill) {
        constexpr Places at{0, 1, 2, 3};
        Block block;
        block.reset({0x1000, BlockMode::from_fpcr(fpcr)});
        Builder b{block};
        b.begin_guest_instruction(0x1000, 0);
        test.build(b, at);
        block.exit = ExitTo{ExitReason::Halt, 0x1004};
        block.recount_uses();
        host_.compile(block, false);
        static CpuState want;
        CpuState& got = host_.state;
        got.fpcr = fpcr;
        got.nzcv = 0;
        unsigned differences = 0;
        std::string first;
        for (unsigned i = 0; fill(got); ++i) {
            got.fpsr = i % 3 == 0 ? 0 : fpsr::kIXC; // decides where FPCR.FZ computes inline
            copy_inputs(got, want);
            (void)interpret(block, want);
            host_.run();
            ++count;
            const bool equal = got.v[0] == want.v[0] && got.x[0] == want.x[0] &&
                               got.fpsr == want.fpsr && got.nzcv == want.nzcv;
            if (!equal && differences++ == 0) {
                char line[200];
                std::snprintf(line, sizeof line, " v1=%016lx:%016lx v2=%016lx:%016lx", want.v[1].hi,
                              want.v[1].lo, want.v[2].hi, want.v[2].lo);
                first = line;
                std::snprintf(line, sizeof line, " v3=%016lx:%016lx x1=%lx gives", want.v[3].hi,
                              want.v[3].lo, want.x[1]);
                first += line + difference(want, got);
            }
        }
        INFO(test.name << " fpcr " << std::hex << fpcr << ":" << first);
        CHECK(differences == 0);
    }
    u64 count = 0;

  private:
    Host& host_;
};

void set_lane_bits(V128& v, unsigned lane_bits, unsigned lane, u64 value) {
    switch (lane_bits) {
    case 16:
        v.set_lane<u16>(lane, static_cast<u16>(value));
        break;
    case 32:
        v.set_lane<u32>(lane, static_cast<u32>(value));
        break;
    default:
        v.set_lane<u64>(lane, value);
        break;
    }
}

[[nodiscard]] std::vector<u64> edges_of(unsigned lane_bits) {
    std::vector<u64> values;
    const auto add = [&](const auto& edges) { values.assign(edges.begin(), edges.end()); };
    lane_bits == 16   ? add(test::edge_values<Half>())
    : lane_bits == 32 ? add(test::edge_values<Single>())
                      : add(test::edge_values<Double>());
    return values;
}

// RMode in all values, with each of FZ16, FZ, DN and AHP alone and all of them together.
[[nodiscard]] std::vector<u64> proof_modes() {
    std::vector<u64> modes;
    for (u64 rmode = 0; rmode < 4; ++rmode) {
        for (const u64 bits : {0ull, 1ull << 19, 1ull << 24, 1ull << 25, 1ull << 26,
                               1ull << 19 | 1ull << 24 | 1ull << 25 | 1ull << 26}) {
            modes.push_back(rmode << 22 | bits);
        }
    }
    return modes;
}

class Words final : public frontend::CodeSource {
  public:
    static constexpr GuestAddr kBase = 0x10000;
    std::vector<u32> code;
    std::span<const u32> words(GuestAddr pc) override {
        const u64 index = (pc - kBase) / 4;
        return index < code.size() ? std::span<const u32>{code}.subspan(index)
                                   : std::span<const u32>{};
    }
};

[[nodiscard]] bool allocated(u32 word) {
    Words source;
    source.code = {word};
    Block block;
    frontend::TranslateOptions options;
    options.max_instructions = 1;
    frontend::translate({Words::kBase, {}}, source, options, block);
    const auto* exit = std::get_if<ExitTo>(&block.exit);
    return exit == nullptr || exit->reason != ExitReason::Undefined;
}

} // namespace

TEST_CASE("x64 floating point equals the interpreter", "[fp][x64]") {
    static Host host;
    if (!host.works()) {
        WARN("skipped: this host lacks x86-64-v3");
        return;
    }
    static CpuState want;
    Random random{3};
    for (const Case& test : all_cases()) {
        for (const u64 fpcr : kModes) {
            for (const Places& places : kPlaces) {
                Block block;
                block.reset({0x1000, BlockMode::from_fpcr(fpcr)});
                Builder b{block};
                b.begin_guest_instruction(0x1000, 0);
                test.build(b, places);
                block.exit = ExitTo{ExitReason::Halt, 0x1004};
                block.recount_uses();
                host.compile(block, random.below(8) == 0);
                unsigned differences = 0;
                std::string first;
                for (unsigned i = 0; i < 25; ++i) {
                    randomise(host.state, test.lane_bits, random);
                    host.state.fpcr = fpcr;
                    copy_inputs(host.state, want);
                    std::string inputs;
                    char line[80];
                    for (const unsigned n : {places.a, places.b, places.c}) {
                        std::snprintf(line, sizeof line, " v%u=%016lx:%016lx", n, want.v[n].hi,
                                      want.v[n].lo);
                        inputs += line;
                    }
                    std::snprintf(line, sizeof line, " x1=%lx", want.x[1]);
                    inputs += line;
                    (void)interpret(block, want);
                    host.run();
                    const std::string text = difference(want, host.state);
                    if (!text.empty() && differences++ == 0) {
                        first = inputs + " gives" + text;
                    }
                }
                INFO(test.name << " fpcr " << std::hex << fpcr << " into v" << std::dec << places.d
                               << ":" << first);
                CHECK(differences == 0);
            }
        }
    }
}

// FPCR.FZ: two singles, neither of them denormal, can be a denormal double, and two halves a
// denormal single. Only their own size of lanes is known to be flushed.
TEST_CASE("x64 narrowing looks for denormals in lanes that were computed narrower", "[fp][x64]") {
    static Host host;
    if (!host.works()) {
        WARN("skipped: this host lacks x86-64-v3");
        return;
    }
    static CpuState want;
    struct Row {
        Shape shape;
        u64 low; // v1, to which zero is added
    };
    constexpr Row kRows[] = {{shape::S2, 0x0000'0000'3f80'0000},
                             {shape::H4, 0x3c00'0000'0000'3c00}};
    for (const Row& row : kRows) {
        Block block;
        block.reset({0x1000, BlockMode::from_fpcr(1ull << 24)});
        Builder b{block};
        b.begin_guest_instruction(0x1000, 0);
        const Value sum = b.vec(Opcode::FAdd, row.shape, {b.get(v_slot(1)), b.get(v_slot(2))});
        b.set(v_slot(0),
              b.vec(Opcode::VFCvtN, row.shape, {sum}, static_cast<u64>(Rounding::Current)));
        block.exit = ExitTo{ExitReason::Halt, 0x1004};
        block.recount_uses();
        host.compile(block, false);
        host.state.v[1] = {row.low, 0};
        host.state.v[2] = {};
        host.state.fpcr = 1ull << 24;
        host.state.fpsr = fpsr::kIXC;
        copy_inputs(host.state, want);
        (void)interpret(block, want);
        host.run();
        INFO(row.shape.lane_bits() << difference(want, host.state));
        CHECK((want.fpsr & fpsr::kIDC) != 0);
        CHECK(difference(want, host.state).empty());
    }
}

// Several instructions in a block: registers run out, values die, results feed each other.
TEST_CASE("x64 floating point instruction sequences equal the interpreter", "[fp][x64]") {
    static Host host;
    if (!host.works()) {
        WARN("skipped: this host lacks x86-64-v3");
        return;
    }
    std::vector<const frontend::EncodingInfo*> rows;
    for (const frontend::EncodingInfo& info : frontend::encodings()) {
        const std::string_view name = info.name;
        if (frontend::FeatureSet{frontend::Feature::FP, frontend::Feature::AdvSIMD,
                                 frontend::Feature::FP16, frontend::Feature::FHM}
                .has(info.feature) &&
            (name[0] == 'F' || name.starts_with("CVTF"))) {
            rows.push_back(&info);
        }
    }
    static CpuState want;
    Random random{5};
    for (unsigned n = 0; n < 6000; ++n) {
        Words source;
        const unsigned register_mask = random.below(2) ? ~0u : random.below(2) ? 0b01011 : 0b11100;
        while (source.code.size() < 1 + n % 12) {
            const frontend::EncodingInfo& info =
                *rows[random.below(static_cast<unsigned>(rows.size()))];
            u32 word = info.bits | (static_cast<u32>(random.next()) & ~info.mask);
            for (const unsigned lsb : {0u, 5u, 16u}) { // few registers: more dependencies
                const u32 field = 0x1fu << lsb;
                if ((info.mask & field) == 0) {
                    word &= ~field | register_mask << lsb;
                }
            }
            if (allocated(word)) {
                source.code.push_back(word);
            }
        }
        const u64 fpcr = kModes[random.below(2) ? 0 : random.below(std::size(kModes))];
        Block block;
        frontend::TranslateOptions options;
        options.max_instructions = static_cast<unsigned>(source.code.size());
        frontend::translate({Words::kBase, BlockMode::from_fpcr(fpcr)}, source, options, block);
        block.exit = ExitTo{ExitReason::Halt, Words::kBase};
        Block optimised = block;
        run_passes(optimised, {.enabled = random.below(4) != 0});
        host.compile(optimised, random.below(8) == 0);
        for (unsigned i = 0; i < 8; ++i) {
            randomise(host.state, 16u << random.below(3), random);
            host.state.fpcr = fpcr;
            copy_inputs(host.state, want);
            (void)interpret(block, want);
            host.run();
            const std::string text = difference(want, host.state);
            std::string words;
            for (const u32 word : source.code) {
                char line[16];
                std::snprintf(line, sizeof line, " %08x", word);
                words += line;
            }
            INFO("fpcr " << std::hex << fpcr << words << ":" << text);
            CHECK(text.empty());
        }
    }
}

TEST_CASE("x64 floating point equals the exact code on all pairs of edge values", "[.][fp-proof]") {
    static Host host;
    REQUIRE(host.works());
    Proof proof{host};
    Random random{11};
    for (const Case& test : all_cases()) {
        const std::vector<u64> edges = edges_of(test.lane_bits);
        const std::size_t count = edges.size();
        const auto any_edge = [&] { return edges[random.below(static_cast<unsigned>(count))]; };
        const unsigned lanes = 128 / test.lane_bits;
        for (const u64 fpcr : proof_modes()) {
            // Lane 0 goes through all pairs, so that scalars do; the others hold other pairs.
            std::size_t pair = 0;
            const std::size_t pairs = test.operands == 1 ? count : count * count;
            proof.run(test, fpcr, [&](CpuState& state) {
                if (pair == pairs) {
                    return false;
                }
                for (unsigned lane = 0; lane < lanes; ++lane) {
                    const std::size_t p = (pair + lane * 37) % pairs;
                    set_lane_bits(state.v[1], test.lane_bits, lane, edges[p % count]);
                    set_lane_bits(state.v[2], test.lane_bits, lane, edges[p / count]);
                    set_lane_bits(state.v[3], test.lane_bits, lane, any_edge());
                }
                state.x[1] = random.next() >> random.below(64);
                ++pair;
                return true;
            });
        }
    }
    WARN(proof.count << " comparisons");
}

TEST_CASE("x64 floating point equals the exact code on random operands", "[.][fp-proof]") {
    static Host host;
    REQUIRE(host.works());
    Proof proof{host};
    Random random{12};
    for (const Case& test : all_cases()) {
        const std::vector<u64> modes = proof_modes();
        for (const u64 fpcr : modes) {
            std::size_t left = (test.operands == 1 ? 100'000 : 1'000'000) / modes.size();
            proof.run(test, fpcr, [&](CpuState& state) {
                for (unsigned n = 1; n <= 3; ++n) {
                    for (unsigned lane = 0; lane < 128 / test.lane_bits; ++lane) {
                        set_lane_bits(state.v[n], test.lane_bits, lane,
                                      test.lane_bits == 16   ? test::random_value<Half>(random)
                                      : test.lane_bits == 32 ? test::random_value<Single>(random)
                                                             : test::random_value<Double>(random));
                    }
                }
                state.x[1] = random.next() >> random.below(64);
                return left-- != 0;
            });
        }
    }
    WARN(proof.count << " comparisons");
}

TEST_CASE("x64 operations of one half equal the exact code on all halves", "[.][fp-proof]") {
    static Host host;
    REQUIRE(host.works());
    Proof proof{host};
    for (const Case& test : all_cases()) {
        if (test.lane_bits != 16 || test.operands != 1) {
            continue;
        }
        for (const u64 fpcr : proof_modes()) {
            u32 half = 0;
            proof.run(test, fpcr, [&](CpuState& state) {
                for (unsigned lane = 0; lane < 8; ++lane) {
                    state.v[1].set_lane<u16>(lane, static_cast<u16>(half + lane * 0x1111));
                }
                return half++ != 0x10000;
            });
        }
    }
    WARN(proof.count << " comparisons");
}
