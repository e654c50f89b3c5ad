#include "ir/block.h"

namespace ulna::ir {

namespace {
template <class... Fs> struct Overloaded : Fs... { using Fs::operator()...; };
template <class... Fs> Overloaded(Fs...) -> Overloaded<Fs...>;
} // namespace

ValueId Block::exit_value() const {
    return std::visit(Overloaded{
                          [](const ExitCond& e) { return e.condition; },
                          [](const ExitIndirect& e) { return e.target; },
                          [](const ExitCallIndirect& e) { return e.target; },
                          [](const ExitReturn& e) { return e.target; },
                          [](const ExitTo& e) { return e.arg; },
                          [](const auto&) { return kNoValue; },
                      },
                      exit);
}

void Block::set_exit_value(ValueId id) {
    std::visit(Overloaded{
                   [&](ExitCond& e) { e.condition = id; },
                   [&](ExitIndirect& e) { e.target = id; },
                   [&](ExitCallIndirect& e) { e.target = id; },
                   [&](ExitReturn& e) { e.target = id; },
                   [&](ExitTo& e) { e.arg = id; },
                   [](auto&) { UNREACHABLE("this exit carries no value"); },
               },
               exit);
}

void Block::recount_uses() {
    for (Inst& inst : insts) {
        inst.use_count = 0;
    }
    for (const Inst& inst : insts) {
        if (inst.dead) {
            continue;
        }
        for (unsigned i = 0; i < inst.arg_count; ++i) {
            if (inst.args[i] != kNoValue) {
                ++insts[inst.args[i]].use_count;
            }
        }
    }
    if (const ValueId id = exit_value(); id != kNoValue) {
        ++insts[id].use_count;
    }
}

} // namespace ulna::ir
