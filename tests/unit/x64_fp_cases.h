// Every floating-point operation, type and shape of the IR, as blocks that the x86-64 back end
// runs: what x64_fp.cpp and x64_fp_proof.cpp share.
#pragma once

#include <functional>
#include <sys/mman.h>

#include "backend/backend.h"
#include "ir/builder.h"
#include "ir/interpreter.h"
#include "tests/unit/fp_host.h"
#include "tests/unit/x64_harness.h"

#include "tests/support/catch.h"
#include "tests/support/fp_traps.h"

namespace ulna::test {

using namespace ulna::ir;

// Code memory, stubs and a state to run single blocks in.
class Host {
  public:
    Host() {
        backend_ = make_test_backend();
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
        traps_ = block.key.mode.traps_fp();
        backend_->compile(block, options, compiled_);
        entry_ = align_up(memory_ + stubs_.code.size(), 64);
        REQUIRE(entry_ + compiled_.code.size() < memory_ + kCodeBytes);
        std::memcpy(reinterpret_cast<void*>(entry_), compiled_.code.data(), compiled_.code.size());
    }
    void run() {
        BlockMode mode = BlockMode::from_fpcr(state.fpcr);
        if (traps_) {
            mode.bits |= BlockMode::kTrapsFp;
            handle_fp_traps(state);
        }
        state.guest_mxcsr = backend::mxcsr_of(mode, state.fpsr);
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
    bool traps_ = false;
};

// Where a block finds its operands: pinned registers, registers in memory, or the result's own.
struct Places {
    unsigned d, a, b, c;
};
inline constexpr Places kPlaces[] = {{0, 1, 2, 3}, {20, 8, 9, 10}, {1, 1, 2, 1},
                                     {9, 8, 9, 9}, {2, 25, 2, 24}, {16, 5, 5, 30}};

using Build = std::function<void(Builder& b, const Places& at)>;
struct Case {
    std::string name;
    Build build;
    unsigned lane_bits; // of the operands worth trying
    unsigned operands = 1;
};

[[nodiscard]] inline const char* text_of(Opcode op) { return info(op).text; }

[[nodiscard]] inline Value vector_arg(Builder& b, unsigned n) { return b.get(v_slot(n)); }
[[nodiscard]] inline Value scalar_arg(Builder& b, unsigned n, Type type) {
    return b.vtof(b.get(v_slot(n)), type);
}

// Operations whose arguments and result have one type or shape.
inline void add_uniform(std::vector<Case>& cases,
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

[[nodiscard]] inline std::vector<Case> all_cases() {
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

[[nodiscard]] inline std::string difference(const CpuState& want, const CpuState& got) {
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

// One instruction: the case under `fpcr`.
inline Block block_of(const Case& test, u64 fpcr, const Places& places) {
    Block block;
    block.reset({0x1000, BlockMode::from_fpcr(fpcr)});
    Builder b{block};
    b.begin_guest_instruction(0x1000, 0);
    test.build(b, places);
    block.exit = ExitTo{ExitReason::Halt, 0x1004};
    block.recount_uses();
    return block;
}

inline void copy_inputs(const CpuState& from, CpuState& to) {
    std::copy(std::begin(from.v), std::end(from.v), to.v);
    std::copy(std::begin(from.x), std::end(from.x), to.x);
    to.sp = from.sp;
    to.nzcv = from.nzcv;
    to.fpcr = from.fpcr;
    to.fpsr = from.fpsr;
}

} // namespace ulna::test
