#include <cstddef>
#include <string>
#include <vector>

#include <linux/audit.h>

#include "runtime/user/seccomp_filter.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::user;

namespace {

using Program = std::vector<sock_filter>;

constexpr u32 kAllow = SECCOMP_RET_ALLOW;
constexpr u32 kFirstArgument = offsetof(seccomp_data, args);

sock_filter statement(int code, u32 k) { return {static_cast<u16>(code), 0, 0, k}; }
sock_filter jump(int code, u32 k, u8 if_true, u8 if_false) {
    return {static_cast<u16>(code), if_true, if_false, k};
}
sock_filter load(u32 offset) { return statement(BPF_LD | BPF_W | BPF_ABS, offset); }
sock_filter give(u32 action) { return statement(BPF_RET | BPF_K, action); }
const sock_filter kGiveA = statement(BPF_RET | BPF_A, 0);

// Is a program accepted that begins with these, and ends well?
bool accepts(Program program) {
    program.push_back(give(kAllow));
    return is_seccomp_program(program);
}

u32 run(const Program& program, const seccomp_data& data = {}) {
    REQUIRE(is_seccomp_program(program));
    return run_seccomp_program(program, data).action;
}

// A (op) operand, by K and by X.
u32 computed(int operation, u32 a, u32 operand) {
    const u32 by_x =
        run({statement(BPF_LD | BPF_IMM, operand), statement(BPF_MISC | BPF_TAX, 0),
             statement(BPF_LD | BPF_IMM, a), statement(BPF_ALU | operation | BPF_X, 0), kGiveA});
    const Program by_k = {statement(BPF_LD | BPF_IMM, a),
                          statement(BPF_ALU | operation | BPF_K, operand), kGiveA};
    if (is_seccomp_program(by_k)) {
        CHECK(run(by_k) == by_x);
    }
    return by_x;
}

bool jumps(int operation, u32 a, u32 operand) {
    return run({statement(BPF_LD | BPF_IMM, a), jump(BPF_JMP | operation | BPF_K, operand, 1, 0),
                give(0), give(1)}) == 1;
}

// Gives `action` for one number, and allows the others.
Program rule(u32 number, u32 action) {
    return {load(offsetof(seccomp_data, nr)), jump(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
            give(action), give(kAllow)};
}

std::shared_ptr<SeccompFilter> chain(const std::vector<Program>& oldest_first) {
    std::shared_ptr<SeccompFilter> newest;
    for (const Program& program : oldest_first) {
        newest = std::make_shared<SeccompFilter>(program, newest);
    }
    return newest;
}

u32 judge(const std::shared_ptr<SeccompFilter>& newest, const seccomp_data& data) {
    return newest->judge(data).action;
}

seccomp_data call(int number, u64 argument = 0) {
    seccomp_data data = {};
    data.nr = number;
    data.arch = AUDIT_ARCH_AARCH64;
    data.args[0] = argument;
    return data;
}

} // namespace

TEST_CASE("seccomp programs have a length and an end", "[user][seccomp]") {
    CHECK_FALSE(is_seccomp_program({}));
    CHECK(is_seccomp_program(Program(BPF_MAXINSNS, give(0))));
    CHECK_FALSE(is_seccomp_program(Program(BPF_MAXINSNS + 1, give(0))));
    CHECK_FALSE(is_seccomp_program(Program{load(0)}));
    CHECK(is_seccomp_program(Program{kGiveA}));
}

TEST_CASE("seccomp programs load aligned words of the data", "[user][seccomp]") {
    CHECK(accepts({load(0)}));
    CHECK(accepts({load(60)}));
    CHECK_FALSE(accepts({load(64)}));
    CHECK_FALSE(accepts({load(2)}));
    CHECK_FALSE(accepts({load(0xffff'fffc)}));
    CHECK_FALSE(accepts({statement(BPF_LD | BPF_H | BPF_ABS, 0)}));
    CHECK_FALSE(accepts({statement(BPF_LD | BPF_B | BPF_ABS, 0)}));
    CHECK_FALSE(accepts({statement(BPF_LD | BPF_W | BPF_IND, 0)}));
    CHECK_FALSE(accepts({statement(BPF_LDX | BPF_B | BPF_MSH, 0)}));
    CHECK_FALSE(accepts({statement(BPF_LDX | BPF_W | BPF_ABS, 0)}));
    CHECK(run({statement(BPF_LD | BPF_W | BPF_LEN, 0), kGiveA}) == 64);
    CHECK(run({statement(BPF_LDX | BPF_W | BPF_LEN, 0), statement(BPF_MISC | BPF_TXA, 0),
               kGiveA}) == 64);
    const seccomp_data data = call(7, 0x1234'5678'9abc'def0);
    CHECK(run({load(0), kGiveA}, data) == 7);
    CHECK(run({load(4), kGiveA}, data) == AUDIT_ARCH_AARCH64);
    CHECK(run({load(kFirstArgument), kGiveA}, data) == 0x9abc'def0);
    CHECK(run({load(kFirstArgument + 4), kGiveA}, data) == 0x1234'5678);
}

TEST_CASE("seccomp programs jump forward and inside", "[user][seccomp]") {
    CHECK(accepts({statement(BPF_JMP | BPF_JA, 0)}));
    CHECK_FALSE(accepts({statement(BPF_JMP | BPF_JA, 1)}));
    CHECK_FALSE(accepts({statement(BPF_JMP | BPF_JA, ~0u)}));
    CHECK_FALSE(accepts({jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0)}));
    CHECK_FALSE(accepts({jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1)}));
    CHECK(accepts({jump(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 0)}));
    CHECK(jumps(BPF_JEQ, 5, 5));
    CHECK_FALSE(jumps(BPF_JEQ, 5, 4));
    CHECK(jumps(BPF_JGT, 0x8000'0000, 1));
    CHECK_FALSE(jumps(BPF_JGT, 5, 5));
    CHECK(jumps(BPF_JGE, 5, 5));
    CHECK(jumps(BPF_JSET, 6, 4));
    CHECK_FALSE(jumps(BPF_JSET, 6, 9));
    CHECK(run({statement(BPF_JMP | BPF_JA, 1), give(1), give(2)}) == 2);
}

TEST_CASE("seccomp programs compute", "[user][seccomp]") {
    CHECK(computed(BPF_ADD, 0xffff'ffff, 2) == 1);
    CHECK(computed(BPF_SUB, 1, 2) == 0xffff'ffff);
    CHECK(computed(BPF_MUL, 0x1'0001, 0x1'0001) == 0x2'0001);
    CHECK(computed(BPF_DIV, 7, 2) == 3);
    CHECK(computed(BPF_AND, 6, 3) == 2);
    CHECK(computed(BPF_OR, 6, 3) == 7);
    CHECK(computed(BPF_XOR, 6, 3) == 5);
    CHECK(computed(BPF_LSH, 3, 31) == 0x8000'0000);
    CHECK(computed(BPF_RSH, 0x8000'0000, 31) == 1);
    CHECK(run({statement(BPF_LD | BPF_IMM, 1), statement(BPF_ALU | BPF_NEG, 0), kGiveA}) == ~0u);
    CHECK(computed(BPF_LSH, 1, 33) == 2); // by X; refused by K
    CHECK_FALSE(accepts({statement(BPF_ALU | BPF_LSH | BPF_K, 32)}));
    CHECK_FALSE(accepts({statement(BPF_ALU | BPF_RSH | BPF_K, 32)}));
    CHECK(computed(BPF_DIV, 1, 0) == SECCOMP_RET_KILL_THREAD); // by X; refused by K
    CHECK_FALSE(accepts({statement(BPF_ALU | BPF_DIV | BPF_K, 0)}));
    CHECK_FALSE(accepts({statement(BPF_ALU | BPF_MOD | BPF_K, 3)}));
    CHECK_FALSE(accepts({statement(0xffff, 0)}));
}

TEST_CASE("seccomp programs write memory before they read it", "[user][seccomp]") {
    const sock_filter write = statement(BPF_ST, 3), read = statement(BPF_LD | BPF_MEM, 3);
    CHECK_FALSE(accepts({read}));
    CHECK(accepts({write, read}));
    CHECK(accepts({statement(BPF_STX, 3), statement(BPF_LDX | BPF_MEM, 3)}));
    CHECK_FALSE(accepts({statement(BPF_ST, 2), read}));
    CHECK_FALSE(accepts({statement(BPF_ST, 16)}));
    CHECK_FALSE(accepts({statement(BPF_LD | BPF_MEM, 16)}));
    CHECK_FALSE(accepts({jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), write, read}));
    CHECK(accepts({write, jump(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), statement(BPF_ST, 4), read}));
    CHECK(run({statement(BPF_LD | BPF_IMM, 9), write, statement(BPF_LD | BPF_IMM, 0), read,
               kGiveA}) == 9);
}

TEST_CASE("the strictest filter wins, of equal ones the newest", "[user][seccomp]") {
    const u32 errno_1 = SECCOMP_RET_ERRNO | 1, errno_2 = SECCOMP_RET_ERRNO | 2;
    CHECK(judge(chain({rule(1, errno_1), rule(1, errno_2)}), call(1)) == errno_2);
    CHECK(judge(chain({rule(1, SECCOMP_RET_TRAP), rule(1, errno_2)}), call(1)) == SECCOMP_RET_TRAP);
    CHECK(judge(chain({rule(1, SECCOMP_RET_KILL_THREAD), rule(1, SECCOMP_RET_KILL_PROCESS)}),
                call(1)) == SECCOMP_RET_KILL_PROCESS);
    CHECK(judge(chain({rule(1, errno_1), rule(2, errno_2)}), call(3)) == kAllow);
    CHECK(judge(chain({rule(1, kAllow | 5)}), call(1)) == kAllow);
}

TEST_CASE("what is remembered to be allowed depends on the number only", "[user][seccomp]") {
    const u32 denied = SECCOMP_RET_ERRNO | 1;
    const Program by_argument = {load(kFirstArgument), jump(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
                                 give(denied), give(kAllow)};
    const auto newest = chain({rule(2, denied), by_argument});
    for (int round = 0; round < 2; ++round) {
        CHECK(judge(newest, call(3, 0)) == kAllow);
        CHECK(judge(newest, call(3, 1)) == denied);
        CHECK(judge(newest, call(2, 0)) == denied);
    }
    const auto by_number = chain({rule(2, denied)});
    const auto newer = std::make_shared<SeccompFilter>(rule(3, denied), by_number);
    for (int round = 0; round < 2; ++round) { // and is each filter's own
        CHECK(judge(by_number, call(3)) == kAllow);
        CHECK(judge(newer, call(3)) == denied);
        CHECK(judge(newer, call(1000)) == kAllow);
        CHECK(judge(newer, call(-1)) == kAllow);
    }
}

TEST_CASE("a chain of filters has a length and ancestors", "[user][seccomp]") {
    const auto first = chain({Program(10, give(kAllow))});
    const auto second = std::make_shared<SeccompFilter>(Program(20, give(kAllow)), first);
    CHECK(first->path_length() == 10);
    CHECK(second->path_length() == 34);
    CHECK(second->count() == 2);
    CHECK(first->is_ancestor_of(second.get()));
    CHECK(second->is_ancestor_of(second.get()));
    CHECK_FALSE(second->is_ancestor_of(first.get()));
    CHECK_FALSE(first->is_ancestor_of(nullptr));
    const SeccompFilter listening(Program(1, give(kAllow)), first,
                                  SECCOMP_FILTER_FLAG_NEW_LISTENER);
    CHECK(listening.path_has_listener());
    CHECK_FALSE(second->path_has_listener());
}

TEST_CASE("filters survive the way through arguments", "[user][seccomp]") {
    constexpr u32 kBoth = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_LOG;
    const u32 denied = SECCOMP_RET_ERRNO | 4;
    std::vector<Program> programs(6, Program(4096, give(kAllow)));
    programs.push_back(rule(9, denied));
    const auto before =
        std::make_shared<SeccompFilter>(Program(1, give(kAllow)), chain(programs), kBoth);
    const std::vector<std::string> texts = before->to_arguments();
    std::vector<const char*> arguments;
    for (const std::string& text : texts) {
        CHECK(text.size() < 131072);
        arguments.push_back(text.c_str());
    }
    CHECK(texts.size() > 1);
    const auto after = SeccompFilter::from_arguments(arguments);
    REQUIRE(after != nullptr);
    CHECK(after->count() == before->count());
    CHECK(after->path_length() == before->path_length());
    CHECK(after->has_listener());
    CHECK(after->logs());
    CHECK(after->nth_from_oldest(7) == after.get());
    CHECK(after->nth_from_oldest(0)->program().size() == 4096);
    CHECK(after->nth_from_oldest(8) == nullptr);
    CHECK(judge(after, call(9)) == denied);
    CHECK(judge(after, call(8)) == kAllow);
}

TEST_CASE("damaged arguments are no filters", "[user][seccomp]") {
    const std::string whole = chain({rule(9, kAllow)})->to_arguments().front();
    const auto parse = [](const std::string& text) {
        const char* const argument = text.c_str();
        return SeccompFilter::from_arguments({&argument, 1});
    };
    CHECK(parse(whole) != nullptr);
    CHECK(parse("") == nullptr);
    CHECK(parse(".") == nullptr);
    CHECK(parse(whole.substr(1)) == nullptr);
    CHECK(parse(whole.substr(0, whole.size() - 1)) == nullptr);
    CHECK(parse("x" + whole.substr(1)) == nullptr);
    CHECK(parse("0000000000000000.") == nullptr);
}
