// Random blocks: they verify, survive print and parse, and compute the same with and without
// passes.
#include <memory>
#include <random>

#include "ir/builder.h"
#include "ir/interpreter.h"
#include "ir/opt/pipeline.h"
#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

constexpr unsigned kMemoryWords = 64;
alignas(64) u64 memory[kMemoryWords];

class Generator {
  public:
    Generator(u64 seed, Block& block) : random_{seed}, b_{block} {}

    void run(unsigned operations) {
        b_.block().reset({0x1000, {}});
        next_instruction();
        for (unsigned i = 0; i < 4; ++i) {
            keep(b_.get(x_slot(i)));
        }
        for (unsigned i = 0; i < operations; ++i) {
            if (below(4) == 0) {
                next_instruction();
            }
            operation();
        }
        if (below(2) != 0) {
            b_.block().exit = ExitCond{bit1().id, 0x2000, 0x3000};
        } else {
            b_.block().exit = ExitDirect{0x4000};
        }
    }

  private:
    u64 below(u64 n) { return random_() % n; }
    template <std::size_t N> Opcode one_of(const Opcode (&ops)[N]) { return ops[below(N)]; }
    Type word_type() { return below(2) != 0 ? Type::I64 : Type::I32; }
    void next_instruction() {
        b_.begin_guest_instruction(0x1000 + b_.block().guest_pcs.size() * 4,
                                   static_cast<u32>(random_()));
    }

    // Values that identities care about, mostly.
    u64 number() {
        switch (below(8)) {
        case 0:
            return 0;
        case 1:
            return 1;
        case 2:
            return ~u64{0};
        case 3:
            return u64{1} << below(64);
        case 4:
            return ones(static_cast<unsigned>(below(65)));
        case 5:
            return below(70);
        case 6:
            return u64{0} - below(70);
        default:
            return random_();
        }
    }

    std::vector<Value>& pool(Type type) { return pools_[static_cast<unsigned>(type)]; }
    Value keep(Value v) {
        pool(v.type).push_back(v);
        return v;
    }
    // Recent values are likelier: chains are what rules match.
    Value any(Type type) {
        std::vector<Value>& values = pool(type);
        if (values.empty() || below(5) == 0) {
            const u64 value = number();
            return b_.constant(type, value & ones(bit_width(type)));
        }
        const std::size_t window =
            below(2) != 0 ? std::min<std::size_t>(values.size(), 3) : values.size();
        return values[values.size() - 1 - below(window)];
    }
    Value bit1() { return any(Type::I1); }
    Value flags() { return any(Type::Nzcv); }

    Value address() {
        // A word inside the memory: sometimes only just, so that no rule may widen an access.
        const Value index = b_.and_(any(Type::I64), b_.c64((kMemoryWords / 2 - 1) * 8));
        Value base = b_.c64(reinterpret_cast<u64>(memory));
        switch (below(4)) {
        case 0:
            return b_.add(base, index);
        case 1:
            return b_.add(index, base);
        case 2:
            return b_.add(b_.add(base, index), b_.c64(16));
        default:
            return b_.add(
                base, b_.shl(b_.and_(any(Type::I64), b_.c64(15)), static_cast<unsigned>(below(4))));
        }
    }

    void operation() {
        static constexpr Opcode kBinary[] = {Opcode::Add, Opcode::Add,  Opcode::Sub,    Opcode::Sub,
                                             Opcode::Mul, Opcode::UDiv, Opcode::SDiv,   Opcode::And,
                                             Opcode::Or,  Opcode::Xor,  Opcode::AndNot, Opcode::Shl,
                                             Opcode::Shr, Opcode::Sar,  Opcode::Ror};
        static constexpr Opcode kUnary[] = {Opcode::Neg, Opcode::Abs,  Opcode::Not, Opcode::Clz,
                                            Opcode::Cls, Opcode::Rbit, Opcode::Rev, Opcode::Rev16};
        static constexpr Opcode kLogic1[] = {Opcode::And, Opcode::Or, Opcode::Xor};
        const Type type = word_type();
        const auto cond = static_cast<Cond>(below(14));
        switch (below(24)) {
        case 0:
        case 1:
        case 2:
            keep(b_.binary(one_of(kBinary), any(type), any(type)));
            break;
        case 3:
            keep(b_.add(any(type), b_.shl(any(type), 1 + static_cast<unsigned>(below(4)))));
            break;
        case 4:
            keep(b_.unary(one_of(kUnary), any(type)));
            break;
        case 5:
            keep(b_.binary(one_of(kLogic1), bit1(), bit1()));
            break;
        case 6:
            keep(b_.not_(bit1()));
            break;
        case 7:
            keep(b_.zext(below(3) == 0 ? bit1() : any(Type::I32), Type::I64));
            break;
        case 8:
            keep(b_.sext(any(Type::I32), Type::I64));
            break;
        case 9:
            keep(b_.trunc(any(Type::I64), Type::I32));
            break;
        case 10: {
            const Type narrow = below(2) != 0 ? Type::I8 : Type::I16;
            const Value v = b_.trunc(any(type), narrow);
            keep(below(2) != 0 ? b_.zext(v, word_type()) : b_.sext(v, word_type()));
            break;
        }
        case 11:
            keep(b_.select(bit1(), any(type), any(type)));
            break;
        case 12:
            keep(b_.select(bit1(), bit1(), bit1()));
            break;
        case 13:
            keep(b_.icmp(cond, any(type), any(type)));
            break;
        case 14:
            keep(b_.testbit(any(type), static_cast<unsigned>(below(bit_width(type)) |
                                                             (below(2) * testbit::kClear))));
            break;
        case 15:
            keep(b_.extr(any(type), any(type), static_cast<unsigned>(below(bit_width(type)))));
            break;
        case 16:
            keep(b_.adc(any(type), below(2) != 0 ? b_.not_(any(type)) : any(type), bit1()));
            break;
        case 17:
            flag_producer(type);
            break;
        case 18:
        case 19:
            keep(b_.testcond(static_cast<Cond>(below(16)), flags()));
            break;
        case 20:
            if (below(2) != 0) {
                b_.set(Slot::NZCV, flags());
            } else {
                keep(b_.get(Slot::NZCV));
            }
            break;
        case 21:
            if (below(2) != 0) {
                b_.set(x_slot(static_cast<unsigned>(below(8))), any(Type::I64));
            } else {
                keep(b_.get(x_slot(static_cast<unsigned>(below(8)))));
            }
            break;
        case 22:
            memory_access(type);
            break;
        default:
            if (below(8) == 0) {
                b_.exit_if(bit1(), 0x5000 + b_.block().insts.size() * 4);
            }
            break;
        }
    }

    void flag_producer(Type type) {
        const Value a = any(type), c = any(type);
        switch (below(9)) {
        case 0:
            keep(b_.add_flags(a, c));
            break;
        case 1:
            keep(b_.sub_flags(a, c));
            break;
        case 2: // ADDS, SUBS
            keep(b_.add_flags(a, c));
            keep(b_.add(a, c));
            break;
        case 3:
            keep(b_.sub_flags(a, c));
            keep(b_.sub(a, c));
            break;
        case 4:
            keep(b_.adc_flags(a, below(2) != 0 ? b_.not_(c) : c, bit1()));
            break;
        case 5:
            keep(b_.logic_flags(b_.and_(a, c)));
            break;
        case 6:
            keep(b_.nzcv_pack(any(Type::I32)));
            break;
        case 7:
            keep(b_.nzcv_unpack(flags()));
            break;
        default:
            keep(b_.nzcv_select(bit1(), flags(), flags()));
            break;
        }
    }

    void memory_access(Type type) {
        const Value at = address();
        MemInfo mem{.size_log2 = static_cast<u8>(below(type == Type::I64 ? 4 : 3))};
        const i64 displacement = static_cast<i64>(below(64));
        if (below(2) != 0) {
            mem.sign = mem.bytes() * 8 < bit_width(type) && below(2) != 0;
            keep(b_.load(type, at, mem, displacement));
        } else {
            b_.store(at, any(type), mem, displacement);
        }
    }

    std::mt19937_64 random_;
    Builder b_;
    std::vector<Value> pools_[16];
};

struct Outcome {
    std::unique_ptr<CpuState> state = std::make_unique<CpuState>();
    std::vector<u64> memory_after;
};

Outcome execute(const Block& block, u64 seed) {
    std::mt19937_64 random{seed};
    Outcome outcome;
    for (u64& x : outcome.state->x) {
        x = random() % 3 == 0 ? random() % 5 : random();
    }
    outcome.state->nzcv = random() & 15;
    for (u64& word : memory) {
        word = random();
    }
    interpret(block, *outcome.state);
    outcome.memory_after.assign(memory, memory + kMemoryWords);
    return outcome;
}

void verify_each(const Block& block, const char* pass, void*) {
    const std::string errors = verify(block);
    if (!errors.empty()) {
        FAIL("after " << pass << ":\n" << errors << print(block));
    }
}

bool same_block(const Block& a, const Block& b) {
    return print(a) == print(b) && a.insts.size() == b.insts.size() && a.guest_pcs == b.guest_pcs &&
           a.guest_words == b.guest_words;
}

void compare(const Outcome& expected, const Outcome& actual) {
    for (unsigned i = 0; i < 31; ++i) {
        INFO("x" << i);
        REQUIRE(expected.state->x[i] == actual.state->x[i]);
    }
    REQUIRE(expected.state->nzcv == actual.state->nzcv);
    REQUIRE(expected.state->pc == actual.state->pc);
    REQUIRE(expected.memory_after == actual.memory_after);
}

} // namespace

TEST_CASE("random blocks: passes keep the meaning", "[ir]") {
    Block original, optimised, reread;
    for (u64 seed = 1; seed <= 4000; ++seed) {
        Generator{seed, original}.run(10 + seed % 80);
        INFO("seed " << seed);
        verify_each(original, "generation", nullptr);

        const std::string text = print(original);
        REQUIRE(parse(text, reread) == "");
        REQUIRE(same_block(original, reread));

        optimised = original;
        run_passes(optimised, {true, verify_each, nullptr});
        INFO(text);
        INFO(print(optimised));
        for (u64 state = 0; state < 3; ++state) {
            compare(execute(original, seed * 8 + state), execute(optimised, seed * 8 + state));
        }
    }
}

TEST_CASE("a second run of the passes keeps the meaning too", "[ir]") {
    Block once, twice;
    for (u64 seed = 1; seed <= 300; ++seed) {
        Generator{seed, once}.run(40);
        run_passes(once, {});
        twice = once;
        run_passes(twice, {});
        INFO("seed " << seed);
        CHECK(twice.insts.size() <= once.insts.size() + 2);
        compare(execute(once, seed), execute(twice, seed));
    }
}
