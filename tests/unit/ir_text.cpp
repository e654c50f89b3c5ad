// The text form: exact round trips, errors with line numbers; and the verifier's complaints.
#include "ir/builder.h"
#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

bool same(const Inst& a, const Inst& b) {
    return a.op == b.op && a.type == b.type && a.arg_count == b.arg_count && a.aux == b.aux &&
           a.guest_index == b.guest_index && std::equal(a.args, a.args + kMaxArgs, b.args) &&
           a.imm == b.imm;
}

void check_round_trip(const Block& block) {
    const std::string text = print(block);
    INFO(text);
    Block again;
    REQUIRE(parse(text, again) == "");
    CHECK(print(again) == text);
    CHECK(again.key == block.key);
    CHECK(again.nzcv_live_out == block.nzcv_live_out);
    CHECK(again.guest_pcs == block.guest_pcs);
    CHECK(again.guest_words == block.guest_words);
    REQUIRE(again.insts.size() == block.insts.size());
    for (std::size_t i = 0; i < block.insts.size(); ++i) {
        INFO("instruction " << i);
        CHECK(same(again.insts[i], block.insts[i]));
    }
    CHECK(again.exit.index() == block.exit.index());
}

// An instruction of every row, with every field the row may use set to something.
Block block_of_every_row() {
    Block block;
    block.reset({0xffff'0000'1234, BlockMode::from_fpcr(0x0780'0000)});
    block.nzcv_live_out = false;
    Builder b{block};
    b.begin_guest_instruction(0xffff'0000'1234, 0xd503'201f);
    const Value v[] = {b.c64(5), b.vzero(), b.c1(true), b.c32(7), b.nzcv_const(9)};
    for (unsigned i = 0; i < kOpcodeCount; ++i) {
        const auto op = static_cast<Opcode>(i);
        const OpInfo& row = info(op);
        b.begin_guest_instruction(0xffff'0000'1238 + i * 4, i);
        Inst inst{op,
                  Type::I64,
                  0,
                  0,
                  static_cast<u16>(i + 1),
                  {kNoValue, kNoValue, kNoValue, kNoValue},
                  0,
                  0,
                  false};
        switch (row.result) {
        case 'v':
            inst.type = Type::Void;
            break;
        case '1':
            inst.type = Type::I1;
            break;
        case 'w':
            inst.type = Type::I32;
            break;
        case 'V':
            inst.type = Type::V128;
            break;
        case 'n':
            inst.type = Type::Nzcv;
            break;
        default:
            break;
        }
        for (const char* letter = row.args; *letter != 0; ++letter) {
            if (*letter != '?') {
                inst.args[inst.arg_count] = v[(i + inst.arg_count) % std::size(v)].id;
                ++inst.arg_count;
            }
        }
        switch (row.param) {
        case Param::Imm:
            inst.imm = 0x1'0000'0000 + i;
            break;
        case Param::Slot:
            inst.imm = i;
            break;
        case Param::Cond:
            inst.aux = i % 14;
            break;
        case Param::Mem:
            inst.aux = MemInfo{3, true, 0, MemOrder::AcquireRelease, true}.pack();
            if (op == Opcode::Load || op == Opcode::Store) {
                inst.aux = MemInfo{2, false, 2, MemOrder::Acquire, false}.pack();
                inst.imm = u64{0} - i;
            } else if (op == Opcode::AtomicRmw) {
                inst.imm = i % 9;
            } else if (op == Opcode::HostRange) {
                inst.aux = MemInfo{.access = Access::Reads}.pack();
                inst.imm = RangeInfo{-8, i}.pack();
            }
            break;
        case Param::Shape:
            inst.aux = shape::S4.pack();
            inst.imm = i % 3;
            break;
        case Param::Conv:
            inst.aux = static_cast<u16>(Type::F32);
            inst.imm = i;
            break;
        case Param::Flag:
            inst.imm = 1;
            break;
        case Param::None:
            break;
        }
        block.insts.push_back(inst);
    }
    return block;
}

std::string parse_error(std::string_view text) {
    Block block;
    return parse(text, block);
}

std::string verify_text(std::string_view text) {
    Block block;
    REQUIRE(parse(text, block) == "");
    return verify(block);
}

} // namespace

TEST_CASE("every row survives print and parse", "[ir]") { check_round_trip(block_of_every_row()); }

TEST_CASE("every exit survives print and parse", "[ir]") {
    Block block;
    block.reset({0x1000, {}});
    Builder b{block};
    const Value target = b.get(x_slot(30));
    const Value condition = b.testbit(target, 3);
    const Exit exits[] = {
        ExitDirect{0x2000},
        ExitCond{condition.id, 0x2000, 0x1004},
        ExitIndirect{target.id},
        ExitCall{0x8000, 0x1004},
        ExitCallIndirect{target.id, 0x1004},
        ExitReturn{target.id},
        ExitTo{ExitReason::Svc, 0x1004, kNoValue, 17},
        ExitTo{ExitReason::InvalidateCache, 0x1004, target.id, 0},
    };
    for (const Exit& exit : exits) {
        block.exit = exit;
        check_round_trip(block);
    }
    for (unsigned reason = 0; reason < kExitReasonCount; ++reason) {
        block.exit = ExitTo{static_cast<ExitReason>(reason), 0x1000};
        check_round_trip(block);
        Block again;
        REQUIRE(parse(print(block), again) == "");
        CHECK(static_cast<unsigned>(std::get<ExitTo>(again.exit).reason) == reason);
    }
}

TEST_CASE("odd parameters survive print and parse", "[ir]") {
    Block block;
    block.reset({0, {}});
    Builder b{block};
    const Value f = b.emit(Opcode::IToF, Type::F64, {b.c64(1)});
    b.emit(Opcode::FAdd, Type::F64, {f, f});                    // scalar: no shape
    b.emit(Opcode::FAdd, Type::F64, {f, f}, shape::D1.pack());  // scalar that names one
    b.emit(Opcode::Add, Type::I64, {b.c64(1), b.c64(2)}, 5, 6); // fields that the row does not use
    b.emit(Opcode::ExitIf, Type::Void, {b.c1(false)}, kExitIfNzcvDead, 0x2000);
    b.emit(Opcode::CallHelper, Type::Void, {b.c64(1)}, 0, static_cast<u64>(HelperId::WriteFpsr));
    b.vec(Opcode::VTbl, shape::B16, {b.vzero(), b.vzero(), b.vzero(), {}});
    b.vec(Opcode::VTbl, shape::B16, {b.vzero(), b.vzero(), b.vzero()});
    check_round_trip(block);
}

TEST_CASE("deleted instructions are not printed, and the rest is renumbered by parsing", "[ir]") {
    Block block;
    block.reset({0, {}});
    Builder b{block};
    (void)b.c64(1);
    const Value kept = b.c64(2);
    b.set(x_slot(0), kept);
    block.insts[0].dead = true;
    CHECK(print(block) ==
          "block 0x0 mode=0x0\n  %1 = const.i64 0x2\n  set x0, %1\n  exit direct 0x0\n");
    Block again;
    REQUIRE(parse(print(block), again) == "");
    CHECK(print(again) ==
          "block 0x0 mode=0x0\n  %0 = const.i64 0x2\n  set x0, %0\n  exit direct 0x0\n");
}

TEST_CASE("an exit says whether it synchronizes", "[ir]") {
    Block block;
    block.reset({0, {}});
    block.exit = ExitDirect{0x14, true};
    CHECK(print(block) == "block 0x0 mode=0x0\n  exit direct 0x14 sync\n");
    check_round_trip(block);
}

TEST_CASE("comments and free numbering", "[ir]") {
    Block block;
    REQUIRE(parse("# a comment\nblock 0x10\n\n  %40 = get.i64 x1 ; another\n %7 = not.i64 %40\n "
                  "set sp, %7\n"
                  "exit direct 0x14",
                  block) == "");
    CHECK(verify(block).empty());
    CHECK(block.insts.size() == 3);
    CHECK(block[1].args[0] == 0);
}

TEST_CASE("parse errors name the line", "[ir]") {
    CHECK(parse_error("") == "no exit at the end");
    CHECK(parse_error("block 0x0\n  %0 = frob.i64 %1\n") == "line 2: unknown operation");
    CHECK(parse_error("exit direct 0x4\nset x0, %0\n") == "line 2: the exit must come last");
    CHECK(parse_error("%0 = add.i64 %1, %2\n") == "line 1: %1 is not defined");
    CHECK(parse_error("%0 = const.i64 1\n%0 = const.i64 1\n") == "line 2: %0 is defined twice");
    CHECK(parse_error("%0 = const 1\n") == "line 1: the type is missing");
    CHECK(parse_error("%0 = get.i64 x31\n") ==
          "line 1: unknown slot, helper, fence or span of tags");
    CHECK(parse_error("%0 = const.i64 1\nset x0, %0 trailing\n") ==
          "line 2: text after the end of the statement");
    CHECK(parse_error("%0 = const.i64 1\n%1 = load.i64 [%0] 3\n") ==
          "line 2: access size must be 1, 2, 4, 8 or 16");
    CHECK(parse_error("%0 = const.i64 1\n%1 = load.i64 [%0] 8 sometimes\n") ==
          "line 2: unknown attribute 'sometimes'");
    CHECK(parse_error("%0 = vconst.5s 1\n") == "line 1: unknown shape");
    CHECK(parse_error("%0 = const.i64 zz\n") == "line 1: 'zz' is not a number");
    CHECK(parse_error("exit sideways 0x4\n") == "line 1: unknown exit");
    CHECK(parse_error("exit to nowhere, 0x4\n") == "line 1: unknown exit reason");
    CHECK(parse_error("%1 = set x0, %0\n") != "");
}

TEST_CASE("the verifier rejects", "[ir]") {
    // Each text breaks one rule; the second column is part of the complaint.
    const std::pair<const char*, const char*> cases[] = {
        {"%0 = const.i32 1\nset x0, %0\nexit direct 0", "type differs from the slot's"},
        {"%0 = get.i32 x0\nexit direct 0", "type differs from the slot's"},
        {"%0 = const.i32 1\n%1 = add.i64 %0, %0\nexit direct 0", "argument 0 is i32"},
        {"%0 = const.i8 1\n%1 = add.i8 %0, %0\nexit direct 0", "needs i32 or i64"},
        {"%0 = const.i64 1\n%1 = zext.i32 %0\nexit direct 0", "must widen"},
        {"%0 = const.i32 1\n%1 = trunc.i32 %0\nexit direct 0", "must narrow"},
        {"%0 = const.i32 1\n%1 = const.i64 1\n%2 = icmp.eq %0, %1\nexit direct 0",
         "two i32 or two i64"},
        {"%0 = const.i32 1\n%1 = icmp.al %0, %0\nexit direct 0", "condition out of range"},
        {"%0 = const.i32 1\n%1 = testbit %0, 32\nexit direct 0", "bit 32 is outside"},
        {"%0 = const.i32 1\n%1 = testbit %0, 0x120\nexit direct 0", "bit 32 is outside"},
        {"%0 = const.i32 1\n%1 = addshl.i32 %0, %0, 0\nexit direct 0", "shift 0 is outside"},
        {"%0 = const.i32 1\n%1 = addshl.i32 %0, %0, 4\nexit direct 0", "shift 4 is outside"},
        {"%0 = const.i64 1\nprefetch [%0] 1\nexit direct 0", "what the access does is said"},
        {"%0 = const.i64 1\nprefetch [%0] 1 reads_and_writes\nexit direct 0", "no more"},
        {"%0 = const.i64 1\nprefetch [%0] 8 reads\nexit direct 0", "no more"},
        {"%0 = const.i64 1\nprefetch [%0] 1 writes aligned\nexit direct 0", "no more"},
        {"%0 = const.i64 1\nprefetch [%0 << 1] 1 reads\nexit direct 0", "index shift without"},
        {"%0 = const.i32 1\n%1 = extr.i32 %0, %0, 32\nexit direct 0", "bit 32 is outside"},
        {"%0 = const.i64 1\n%1 = load.i32 [%0] 8\nexit direct 0", "access size does not fit"},
        {"%0 = const.i64 1\n%1 = load.f32 [%0] 8\nexit direct 0", "access size does not fit"},
        {"%0 = const.i64 1\n%1 = load.i64 [%0 + 0x80000000] 8\nexit direct 0", "displacement"},
        {"%0 = const.i64 1\n%1 = load.i64 [%0 << 2] 8\nexit direct 0", "index shift without"},
        {"%0 = const.i64 1\n%1 = const.i32 1\nstore [%0], %1 8\nexit direct 0",
         "access size does not fit"},
        {"%0 = vconst.16s 1\nexit direct 0", "shape does not fit"},
        {"%0 = vconst.4s 1\n%1 = vgetlane.i64.4s %0, 4\nexit direct 0", "lane 4 is outside"},
        {"%0 = vconst.4s 1\n%1 = vshl.4s %0, 32\nexit direct 0", "shift 32 is outside"},
        {"%0 = vconst.4s 1\n%1 = vushr.4s %0, 0\nexit direct 0", "shift 0 is outside"},
        {"%0 = vconst.4s 1\n%1 = vext.8b %0, %0, 8\nexit direct 0", "byte 8 is outside"},
        {"%0 = vconst.4s 1\n%1 = vrev.4s %0, 4\nexit direct 0", "container must be"},
        {"%0 = const.i1 1\nexitif %0, 0 {aux=3}\nexit direct 0", "aux 3 is outside"},
        {"%0 = const.f32 1\n%1 = fcvt.f64.f64 %0\nexit direct 0", "source type differs"},
        {"%0 = vconst.4s 1\n%1 = fadd.16b %0, %0\nexit direct 0",
         "no shape of 16 lanes of 1 bytes"},
        {"%0 = vconst.4s 1\n%1 = vfcvtl.8h %0\nexit direct 0", "no shape of 8 lanes of 2 bytes"},
        {"%0 = vconst.4s 1\n%1 = vxtn.1d %0\nexit direct 0", "no shape of 1 lanes of 8 bytes"},
        {"%0 = vconst.4s 1\n%1 = vxtn.8h %0\nexit direct 0", "no shape of 8 lanes of 2 bytes"},
        {"%0 = vconst.4s 1\n%1 = vuzp1.1h %0, %0\nexit direct 0", "no shape of 1 lanes of 2 bytes"},
        {"%0 = vconst.4s 1\n%1 = vpmull.4s %0, %0\nexit direct 0",
         "no shape of 4 lanes of 4 bytes"},
        {"%0 = vconst.4s 1\n%1 = vtof.f64 %0\n%2 = ftoi.i32 %1\nexit direct 0",
         "holds the argument"},
        {"%0 = vconst.4s 1\n%1 = vsmull.8b %0, %0\nexit direct 0",
         "no shape of 8 lanes of 1 bytes"},
        {"%0 = vconst.4s 1\n%1 = vext.1b %0, %0\nexit direct 0", "no shape of 1 lanes of 1 bytes"},
        {"%0 = vconst.4s 1\n%1 = vtbl.8b %0, %0, %0, 6\nexit direct 0",
         "registers 6 is outside 1..2"},
        {"%0 = vconst.4s 1\n%1 = vtbl.8b %0, %0, %0, 2\nexit direct 0", "is the second table"},
        {"%0 = vconst.4s 1\n%1 = vtbl.8b %0, %0, %0, %0, 1\nexit direct 0", "is the second table"},
        {"%0 = vconst.4s 1\n%1 = vadd.4s %0, %0, 1\nexit direct 0", "imm 1 is outside 0..0"},
        {"%0 = vconst.4s 1\n%1 = vadd.1s %0, %0\nexit direct 0", "no shape of 1 lanes of 4 bytes"},
        {"%0 = vconst.4s 1\n%1 = vshrn.2s %0, 0x220\nexit direct 0", "rounding 2 is outside"},
        {"%0 = vconst.4s 1\n%1 = vgetlane.i32.2d %0, 0\nexit direct 0", "that holds the lane"},
        {"%0 = vconst.4s 1\n%1 = vgetlane.i32.4s %0, 0x100\nexit direct 0", "that holds the lane"},
        {"%0 = const.i32 1\n%1 = vdup.2d %0\nexit direct 0", "that holds a lane"},
        {"%0 = const.f32 1\n%1 = frint.f32 %0, 5\nexit direct 0", "rounding out of range"},
        {"%0 = const.f32 1\n%1 = frint.f32 %0, 0x200\nexit direct 0", "exact 2 is outside"},
        {"%0 = const.f32 1\n%1 = fcvt.f64.f32 %0, 5\nexit direct 0", "rounding must be current"},
        {"%0 = const.f32 1\n%1 = fcvttoint.i32.f32 %0, 0x121\nexit direct 0", "bits 33 is outside"},
        {"%0 = const.f32 1\n%1 = fcvttoint.i32.f32 %0, 0x50100\nexit direct 0",
         "rounding out of range"},
        {"%0 = const.i32 1\n%1 = fcvtfromint.f32.i32 %0, 0x100\nexit direct 0",
         "always the current"},
        {"%0 = const.f32 1\n%1 = fmuladd.f32 %0, %0, %0, 4\nexit direct 0", "negations 4 is"},
        {"%0 = const.f32 1\n%1 = fcmp %0, %0, 2\nexit direct 0", "signaling 2 is outside"},
        {"%0 = const.i32 0x80\n%1 = const.i8 0x100\nexit direct 0", "bits past its type"},
        {"%0 = const.i1 1\n%1 = sext.i32 %0\nexit direct 0", "needs i8, i16 or i32"},
        {"%0 = const.i1 1\n%1 = testbit %0, 0\nexit direct 0", "needs i8..i64"},
        {"%0 = const.i1 1\n%1 = const.i8 1\n%2 = select.i8 %0, %1, %1\nexit direct 0",
         "needs i1, i32, i64, FP or v128"},
        {"%0 = const.i64 1\n%1 = load.v128 [%0] 8\nexit direct 0", "access size does not fit"},
        {"%0 = const.i64 1\n%1 = load.i64 [%0] 8 signed\nexit direct 0", "nothing to sign-extend"},
        {"%0 = const.i64 1\n%1 = load.i64 [%0] 8 release\nexit direct 0", "a load acquires"},
        {"%0 = const.i64 1\nstore [%0], %0 8 acquire\nexit direct 0", "a store releases"},
        {"%0 = const.i64 1\n%1 = const.f32 1\n%2 = storeexcl [%0], %1 4\nexit direct 0",
         "access size does not fit the value"},
        {"%0 = const.i64 1\n%1 = not.i64 %0 {imm=1}\nexit direct 0", "imm has no meaning"},
        {"%0 = const.i64 1\nmemcopy sp, %0, %0, %0\nexit direct 0", "counts in an X register"},
        {"%0 = const.i64 1\nmemset x1, %0, %0\nexit direct 0", "argument 2 is missing"},
        {"%0 = const.i64 1\n%1 = not.i64 %0 {aux=1}\nexit direct 0", "aux has no meaning"},
        {"%0 = const.f32 1\n%1 = fcvt.f32.f32 %0\nexit direct 0", "needs two FP types"},
        {"%0 = const.f32 1\n%1 = fadd.f64 %0, %0\nexit direct 0", "argument 0 is f32"},
        {"call.i64 WriteFpsr\nexit direct 0", "result type differs"},
        {"%0 = const.i32 1\ncall.void WriteFpsr, %0\nexit direct 0", "does not fit the helper"},
        {"%0 = const.i64 1\nexit cond %0, 0, 4", "needs i1, not i64"},
        {"%0 = const.i1 1\nexit indirect %0", "needs i64, not i1"},
        {"%0 = const.i64 1\nset x0, %0\n%1 = add.i64 %0, _\nexit direct 0",
         "argument 1 is missing"},
        {"%0 = const.i64 1\n%1 = not.i64 %0, %0\nexit direct 0", "too many arguments"},
    };
    for (const auto& [text, complaint] : cases) {
        INFO(text);
        const std::string errors = verify_text(text);
        INFO(errors);
        CHECK(errors.find(complaint) != std::string::npos);
    }
}

TEST_CASE("the verifier sees what text cannot say", "[ir]") {
    Block block;
    block.reset({0, {}});
    Builder b{block};
    b.begin_guest_instruction(0, 0);
    const Value x = b.get(x_slot(0));
    b.begin_guest_instruction(4, 0);
    const Value y = b.not_(x);
    b.set(x_slot(0), y);
    REQUIRE(verify(block) == "");

    Block broken = block;
    broken[1].args[0] = 1; // itself
    CHECK(verify(broken).find("%1 is not an earlier live value") != std::string::npos);
    broken = block;
    broken[0].dead = true;
    CHECK(verify(broken).find("%0 is not an earlier live value") != std::string::npos);
    broken = block;
    broken[0].guest_index = 1;
    broken[1].guest_index = 0;
    CHECK(verify(broken).find("guest instructions go backwards") != std::string::npos);
    broken = block;
    broken[2].guest_index = 2;
    CHECK(verify(broken).find("no such guest instruction") != std::string::npos);
    broken = block;
    broken[0].imm = kSlotCount;
    CHECK(verify(broken).find("does not exist") != std::string::npos);
    broken = block;
    broken.exit = ExitReturn{kNoValue};
    CHECK(verify(broken).find("exit: needs a value") != std::string::npos);
}

TEST_CASE("slots", "[ir]") {
    CHECK(std::string{slot_name(Slot::X0)} == "x0");
    CHECK(std::string{slot_name(Slot::X30)} == "x30");
    CHECK(std::string{slot_name(Slot::SP)} == "sp");
    CHECK(std::string{slot_name(v_slot(10))} == "v10");
    CHECK(std::string{slot_name(Slot::TPIDRRO_EL0)} == "tpidrro_el0");
    CHECK(slot_offset(x_slot(7)) == offsetof(CpuState, x[7]));
    CHECK(slot_offset(v_slot(31)) == offsetof(CpuState, v[31]));
    CHECK(slot_offset(Slot::NZCV) == offsetof(CpuState, nzcv));
    CHECK(slot_type(Slot::NZCV) == Type::Nzcv);
    CHECK(slot_type(Slot::V31) == Type::V128);
    CHECK(slot_type(Slot::FPCR) == Type::I64);
}
