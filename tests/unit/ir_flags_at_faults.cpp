// A handler that repairs a fault resumes at the faulting instruction, in a block that takes the
// flags from their slot: flags read after a faulting access must be there, others need not.
#include <algorithm>

#include "ir/builder.h"
#include "ir/opt/pipeline.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

// cmp x0, #1; ldr x1, [x2]; and, if asked, b.le
bool stores_flags(bool read_after_load) {
    Block block;
    block.reset({0x1000, {}});
    Builder b{block};
    b.begin_guest_instruction(0x1000, 0);
    b.set(Slot::NZCV, b.sub_flags(b.get(Slot::X0), b.c64(1)));
    b.begin_guest_instruction(0x1004, 0);
    b.set(x_slot(1), b.load(Type::I64, b.get(x_slot(2)), {.size_log2 = 3}));
    if (read_after_load) {
        b.begin_guest_instruction(0x1008, 0);
        block.exit = ExitCond{b.testcond(Cond::LE, b.get(Slot::NZCV)).id, 0x2000, 0x100c};
    } else {
        block.exit = ExitDirect{0x1008};
    }
    block.nzcv_live_out = false;
    run_passes(block, {});
    return std::ranges::any_of(block.insts, [](const Inst& inst) {
        return !inst.dead && inst.op == Opcode::Set && inst.slot() == Slot::NZCV;
    });
}

// A prologue's flags, a copy, and flags that overwrite them; passes run once or twice.
bool stores_flags_before_copy(bool again) {
    Block block;
    block.reset({0x1000, {}});
    Builder b{block};
    b.begin_guest_instruction(0x1000, 0);
    b.set(Slot::NZCV, b.nzcv_const(0));
    b.begin_guest_instruction(0x1004, 0);
    b.mem_copy(b.get(x_slot(0)), b.get(x_slot(1)), b.get(x_slot(2)), x_slot(2));
    b.begin_guest_instruction(0x1008, 0);
    b.set(Slot::NZCV, b.logic_flags(b.get(x_slot(3))));
    block.exit = ExitDirect{0x100c};
    for (int pass = 0; pass <= again; ++pass) {
        run_passes(block, {});
    }
    return std::ranges::any_of(block.insts, [](const Inst& inst) {
        return !inst.dead && inst.op == Opcode::Set && inst.slot() == Slot::NZCV &&
               inst.guest_index == 0;
    });
}

} // namespace

TEST_CASE("a copy that is resumed after a fault finds the flags of its prologue", "[ir]") {
    CHECK(stores_flags_before_copy(false));
    CHECK(stores_flags_before_copy(true));
}

TEST_CASE("flags that are read after a faulting access are in their slot at the fault", "[ir]") {
    CHECK(stores_flags(true));
    CHECK_FALSE(stores_flags(false));
}
