#include "runtime/user/seccomp_bpf.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "ir/support/check.h"

namespace ulna::user {

namespace {

constexpr std::size_t kDataWords = sizeof(seccomp_data) / sizeof(u32);
static_assert(sizeof(seccomp_data) == 64);

// clang-format off
constexpr u16 kAllowed[] = {
    BPF_LD | BPF_W | BPF_ABS,   BPF_LD | BPF_W | BPF_LEN,   BPF_LDX | BPF_W | BPF_LEN,
    BPF_LD | BPF_IMM,           BPF_LDX | BPF_IMM,          BPF_LD | BPF_MEM,
    BPF_LDX | BPF_MEM,          BPF_ST,                     BPF_STX,
    BPF_MISC | BPF_TAX,         BPF_MISC | BPF_TXA,
    BPF_ALU | BPF_ADD | BPF_K,  BPF_ALU | BPF_ADD | BPF_X,
    BPF_ALU | BPF_SUB | BPF_K,  BPF_ALU | BPF_SUB | BPF_X,
    BPF_ALU | BPF_MUL | BPF_K,  BPF_ALU | BPF_MUL | BPF_X,
    BPF_ALU | BPF_DIV | BPF_K,  BPF_ALU | BPF_DIV | BPF_X,
    BPF_ALU | BPF_AND | BPF_K,  BPF_ALU | BPF_AND | BPF_X,
    BPF_ALU | BPF_OR | BPF_K,   BPF_ALU | BPF_OR | BPF_X,
    BPF_ALU | BPF_XOR | BPF_K,  BPF_ALU | BPF_XOR | BPF_X,
    BPF_ALU | BPF_LSH | BPF_K,  BPF_ALU | BPF_LSH | BPF_X,
    BPF_ALU | BPF_RSH | BPF_K,  BPF_ALU | BPF_RSH | BPF_X,
    BPF_ALU | BPF_NEG,
    BPF_JMP | BPF_JA,
    BPF_JMP | BPF_JEQ | BPF_K,  BPF_JMP | BPF_JEQ | BPF_X,
    BPF_JMP | BPF_JGE | BPF_K,  BPF_JMP | BPF_JGE | BPF_X,
    BPF_JMP | BPF_JGT | BPF_K,  BPF_JMP | BPF_JGT | BPF_X,
    BPF_JMP | BPF_JSET | BPF_K, BPF_JMP | BPF_JSET | BPF_X,
    BPF_RET | BPF_K,            BPF_RET | BPF_A,
};
// clang-format on

bool has_valid_load(const sock_filter& insn) {
    switch (BPF_MODE(insn.code)) {
    case BPF_ABS:
        return insn.k < sizeof(seccomp_data) && insn.k % sizeof(u32) == 0;
    case BPF_MEM:
        return insn.k < BPF_MEMWORDS;
    default:
        return true;
    }
}

bool has_valid_operand(const sock_filter& insn) {
    constexpr u32 kBits = 32;
    if (BPF_SRC(insn.code) != BPF_K) {
        return true;
    }
    switch (BPF_OP(insn.code)) {
    case BPF_DIV:
        return insn.k != 0;
    case BPF_LSH:
    case BPF_RSH:
        return insn.k < kBits;
    default:
        return true;
    }
}

// `rest` instructions follow.
bool jumps_inside(const sock_filter& insn, std::size_t rest) {
    return BPF_OP(insn.code) == BPF_JA ? insn.k < rest : insn.jt < rest && insn.jf < rest;
}

bool is_valid(const sock_filter& insn, std::size_t rest) {
    if (std::ranges::find(kAllowed, insn.code) == std::end(kAllowed)) {
        return false;
    }
    switch (BPF_CLASS(insn.code)) {
    case BPF_LD:
    case BPF_LDX:
        return has_valid_load(insn);
    case BPF_ST:
    case BPF_STX:
        return insn.k < BPF_MEMWORDS;
    case BPF_ALU:
        return has_valid_operand(insn);
    case BPF_JMP:
        return jumps_inside(insn, rest);
    default:
        return true;
    }
}

// Whether each word of memory has been written before it is read, whatever the way. As in the
// kernel, RET does not end a way: what has been written before it counts for the next instruction.
bool writes_memory_first(BpfProgram program) {
    constexpr u16 kAll = 0xffff;
    static_assert(BPF_MEMWORDS == 16);
    std::vector<u16> at_target(program.size(), kAll);
    u16 written = 0;
    for (std::size_t pc = 0; pc < program.size(); ++pc) {
        const sock_filter& insn = program[pc];
        written &= at_target[pc];
        const auto jump = [&](u32 distance) { at_target[pc + 1 + distance] &= written; };
        switch (BPF_CLASS(insn.code)) {
        case BPF_ST:
        case BPF_STX:
            written |= static_cast<u16>(1u << insn.k);
            break;
        case BPF_LD:
        case BPF_LDX:
            if (BPF_MODE(insn.code) == BPF_MEM && (written >> insn.k & 1) == 0) {
                return false;
            }
            break;
        case BPF_JMP:
            if (BPF_OP(insn.code) == BPF_JA) {
                jump(insn.k);
            } else {
                jump(insn.jt);
                jump(insn.jf);
            }
            written = kAll;
            break;
        default:
            break;
        }
    }
    return true;
}

// Shifts by X take its low bits.
u32 compute(u16 operation, u32 a, u32 operand) {
    constexpr u32 kShiftMask = 31;
    switch (operation) {
    case BPF_ADD:
        return a + operand;
    case BPF_SUB:
        return a - operand;
    case BPF_MUL:
        return a * operand;
    case BPF_DIV:
        return a / operand;
    case BPF_AND:
        return a & operand;
    case BPF_OR:
        return a | operand;
    case BPF_XOR:
        return a ^ operand;
    case BPF_LSH:
        return a << (operand & kShiftMask);
    case BPF_RSH:
        return a >> (operand & kShiftMask);
    case BPF_NEG:
        return -a;
    default:
        UNREACHABLE("an operation that is_seccomp_program refuses");
    }
}

bool is_taken(u16 operation, u32 a, u32 operand) {
    switch (operation) {
    case BPF_JEQ:
        return a == operand;
    case BPF_JGT:
        return a > operand;
    case BPF_JGE:
        return a >= operand;
    case BPF_JSET:
        return (a & operand) != 0;
    default:
        UNREACHABLE("a jump that is_seccomp_program refuses");
    }
}

class Machine {
  public:
    explicit Machine(const seccomp_data& data)
        : data_(std::bit_cast<std::array<u32, kDataWords>>(data)) {}

    BpfResult run(BpfProgram program) {
        for (const sock_filter* insn = program.data();; ++insn) {
            if (insn->code == (BPF_JMP | BPF_JEQ | BPF_K)) { // nearly all, in lists of numbers
                insn += a_ == insn->k ? insn->jt : insn->jf;
                continue;
            }
            const u32 operand = BPF_SRC(insn->code) == BPF_X ? x_ : insn->k;
            const u16 operation = BPF_OP(insn->code);
            switch (BPF_CLASS(insn->code)) {
            case BPF_LD:
                a_ = load(*insn);
                break;
            case BPF_LDX:
                x_ = load(*insn);
                break;
            case BPF_ST:
                memory_[insn->k] = a_;
                break;
            case BPF_STX:
                memory_[insn->k] = x_;
                break;
            case BPF_ALU:
                if (operation == BPF_DIV && operand == 0) {
                    return result(SECCOMP_RET_KILL_THREAD);
                }
                a_ = compute(operation, a_, operand);
                break;
            case BPF_JMP:
                insn += operation == BPF_JA                ? insn->k
                        : is_taken(operation, a_, operand) ? insn->jt
                                                           : insn->jf;
                break;
            case BPF_RET:
                return result(BPF_RVAL(insn->code) == BPF_A ? a_ : insn->k);
            default:
                BPF_MISCOP(insn->code) == BPF_TAX ? x_ = a_ : a_ = x_;
                break;
            }
        }
    }

  private:
    u32 load(const sock_filter& insn) {
        switch (BPF_MODE(insn.code)) {
        case BPF_ABS:
            is_by_number_ &= insn.k < offsetof(seccomp_data, instruction_pointer);
            return data_[insn.k / sizeof(u32)];
        case BPF_MEM:
            return memory_[insn.k];
        case BPF_LEN:
            return sizeof(seccomp_data);
        default:
            return insn.k;
        }
    }
    [[nodiscard]] BpfResult result(u32 action) const { return {action, is_by_number_}; }

    std::array<u32, kDataWords> data_;
    u32 memory_[BPF_MEMWORDS];
    u32 a_ = 0, x_ = 0;
    bool is_by_number_ = true;
};

} // namespace

bool is_seccomp_program(BpfProgram program) {
    if (program.empty() || program.size() > BPF_MAXINSNS ||
        BPF_CLASS(program.back().code) != BPF_RET) {
        return false;
    }
    for (std::size_t pc = 0; pc < program.size(); ++pc) {
        if (!is_valid(program[pc], program.size() - pc - 1)) {
            return false;
        }
    }
    return writes_memory_first(program);
}

BpfResult run_seccomp_program(BpfProgram program, const seccomp_data& data) {
    return Machine(data).run(program);
}

} // namespace ulna::user
