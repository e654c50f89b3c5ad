// The arm64 signal frame, on a stack of the test's own: guest addresses are host addresses.
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "runtime/user/signal_frame.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::user;

namespace {

class Fixture {
  public:
    Fixture() : stack_(64 << 10) {
        thread.cpu = &cpu;
        thread.signals = &signals;
        for (unsigned n = 0; n < 31; ++n) {
            cpu.x[n] = 0x1111'0000 + n;
        }
        for (unsigned n = 0; n < 32; ++n) {
            cpu.v[n] = {n * 3, ~u64{n}};
        }
        cpu.sp = top();
        cpu.pc = 0x40'1234;
        cpu.nzcv = 0b1010;
        cpu.fpsr = 0x0800'0001;
        cpu.fpcr = 0x0040'0000;
    }
    u64 top() { return (reinterpret_cast<u64>(stack_.data()) + stack_.size()) & ~u64{15}; }

    FrameRequest request(u64 flags) {
        FrameRequest request;
        request.info = {};
        request.info.si_signo = SIGUSR1;
        request.action = {.handler = 0x50'0000, .flags = flags, .restorer = 0x60'0000};
        request.old_mask = 0x1234;
        request.fault_address = 0xabcd;
        return request;
    }
    RtSigframe& frame() { return *reinterpret_cast<RtSigframe*>(cpu.sp); }

    const std::unique_ptr<ir::CpuState> owned_cpu = std::make_unique<ir::CpuState>();
    ir::CpuState& cpu = *owned_cpu;
    ThreadSignals signals;
    GuestThread thread;

  private:
    std::vector<u8> stack_;
};

struct Head {
    u32 magic, bytes;
};
Head head_at(const RtSigframe& frame, u64 offset) {
    Head head;
    std::memcpy(&head, frame.uc.mcontext.reserved + offset, sizeof head);
    return head;
}

} // namespace

TEST_CASE("signal frame: registers of the handler", "[signals]") {
    Fixture f;
    REQUIRE(push_signal_frame(f.thread, f.request(SA_SIGINFO | kSaRestorer)));
    const u64 frame = f.top() - sizeof(FrameRecord) - sizeof(RtSigframe);
    CHECK(f.cpu.sp == frame);
    CHECK(f.cpu.x[0] == SIGUSR1);
    CHECK(f.cpu.x[1] == frame);
    CHECK(f.cpu.x[2] == frame + 128);
    CHECK(f.cpu.x[3] == 0x1111'0003);
    CHECK(f.cpu.x[29] == f.top() - sizeof(FrameRecord));
    CHECK(f.cpu.x[30] == 0x60'0000);
    CHECK(f.cpu.pc == 0x50'0000);
    const auto& record = *reinterpret_cast<const FrameRecord*>(f.cpu.x[29]);
    CHECK(record.fp == 0x1111'0000 + 29);
    CHECK(record.lr == 0x1111'0000 + 30);
}

TEST_CASE("signal frame: without SA_SIGINFO X1 and X2 stay", "[signals]") {
    Fixture f;
    REQUIRE(push_signal_frame(f.thread, f.request(0)));
    CHECK(f.cpu.x[1] == 0x1111'0001);
    CHECK(f.cpu.x[2] == 0x1111'0002);
    CHECK(f.cpu.x[30] == process().sigreturn_trampoline);
}

TEST_CASE("signal frame: contents", "[signals]") {
    Fixture f;
    FrameRequest request = f.request(SA_SIGINFO);
    request.esr = 0x9200'0047;
    REQUIRE(push_signal_frame(f.thread, request));
    const RtSigframe& frame = f.frame();
    CHECK(frame.info.si_signo == SIGUSR1);
    CHECK(frame.uc.sigmask == 0x1234);
    CHECK(frame.uc.stack.flags == SS_DISABLE);
    const SigContext& context = frame.uc.mcontext;
    CHECK(context.fault_address == 0xabcd);
    CHECK(context.regs[17] == 0x1111'0000 + 17);
    CHECK(context.sp == f.top());
    CHECK(context.pc == 0x40'1234);
    CHECK(context.pstate == u64{0b1010} << 28);
    // fpsimd_context, esr_context, terminator
    CHECK(head_at(frame, 0).magic == 0x4650'8001);
    CHECK(head_at(frame, 0).bytes == 528);
    u32 fpsr, fpcr;
    std::memcpy(&fpsr, context.reserved + 8, 4);
    std::memcpy(&fpcr, context.reserved + 12, 4);
    CHECK(fpsr == 0x0800'0001);
    CHECK(fpcr == 0x0040'0000);
    V128 v9;
    std::memcpy(&v9, context.reserved + 16 + 9 * 16, 16);
    CHECK(v9 == V128{27, ~u64{9}});
    CHECK(head_at(frame, 528).magic == 0x4553'5201);
    CHECK(head_at(frame, 528).bytes == 16);
    CHECK(head_at(frame, 544).magic == 0);
    CHECK(head_at(frame, 544).bytes == 0);
}

TEST_CASE("signal frame: back again", "[signals]") {
    Fixture f;
    const auto before = std::make_unique<ir::CpuState>(f.cpu);
    REQUIRE(push_signal_frame(f.thread, f.request(SA_SIGINFO)));
    RtSigframe frame;
    REQUIRE(read_signal_frame(f.cpu.sp, frame));
    REQUIRE(is_valid_context(frame.uc.mcontext));
    std::fill(std::begin(f.cpu.x), std::end(f.cpu.x), 0);
    std::fill(std::begin(f.cpu.v), std::end(f.cpu.v), V128{});
    f.cpu.nzcv = f.cpu.fpsr = 0;
    f.cpu.fpcr = 0;
    restore_cpu(f.cpu, frame.uc.mcontext);
    CHECK(std::equal(std::begin(f.cpu.x), std::end(f.cpu.x), before->x));
    CHECK(std::equal(std::begin(f.cpu.v), std::end(f.cpu.v), before->v));
    CHECK(f.cpu.sp == before->sp);
    CHECK(f.cpu.pc == before->pc);
    CHECK(f.cpu.nzcv == before->nzcv);
    CHECK(f.cpu.fpsr == before->fpsr);
    CHECK(f.cpu.fpcr == before->fpcr);
}

TEST_CASE("signal frame: FPCR has the bits of the CPU's features", "[signals]") {
    Fixture f;
    f.cpu.fpcr = 0x0708'0007; // FZ16, FZ, DN, AHP; FIZ, AH, NEP of FEAT_AFP
    REQUIRE(push_signal_frame(f.thread, f.request(SA_SIGINFO)));
    RtSigframe frame;
    REQUIRE(read_signal_frame(f.cpu.sp, frame));
    const frontend::CpuModel model = process().options.cpu_model;
    for (const auto& [name, fpcr] :
         {std::pair{"max", 0x0708'0007u}, {"cortex-a53", 0x0700'0000u}}) {
        std::string why_not;
        process().options.cpu_model = frontend::parse_cpu(name, why_not).value();
        f.cpu.fpcr = 0;
        restore_cpu(f.cpu, frame.uc.mcontext);
        CHECK(f.cpu.fpcr == fpcr);
    }
    process().options.cpu_model = model;
}

TEST_CASE("signal frame: bad frames are refused", "[signals]") {
    Fixture f;
    REQUIRE(push_signal_frame(f.thread, f.request(SA_SIGINFO)));
    RtSigframe& frame = f.frame();
    SigContext& context = frame.uc.mcontext;
    const auto patch = [&](u64 offset, u32 value) {
        std::memcpy(context.reserved + offset, &value, sizeof value);
    };
    SECTION("misaligned stack pointer") {
        RtSigframe copy;
        CHECK_FALSE(read_signal_frame(f.cpu.sp + 8, copy));
    }
    SECTION("another exception level") {
        context.pstate |= 0x5;
        CHECK_FALSE(is_valid_context(context));
    }
    SECTION("AArch32") {
        context.pstate |= 0x10;
        CHECK_FALSE(is_valid_context(context));
    }
    SECTION("no FP state") {
        patch(0, 0);
        patch(4, 0);
        CHECK_FALSE(is_valid_context(context));
    }
    SECTION("wrong size of the FP state") {
        patch(4, 512);
        CHECK_FALSE(is_valid_context(context));
    }
    SECTION("unknown record") {
        patch(528, 0x1234);
        patch(532, 16);
        CHECK_FALSE(is_valid_context(context));
    }
    SECTION("record that leads nowhere") {
        patch(528, 0x4553'5201);
        patch(532, 0);
        CHECK_FALSE(is_valid_context(context));
        patch(532, 100000);
        CHECK_FALSE(is_valid_context(context));
    }
    SECTION("terminator with a size") {
        patch(532, 16);
        CHECK_FALSE(is_valid_context(context));
    }
}

TEST_CASE("alternate stack: choice and settings", "[signals]") {
    Fixture f;
    alignas(16) static u8 alternate[16384];
    const u64 base = reinterpret_cast<u64>(alternate);
    CHECK(set_alt_stack(f.signals, {.sp = base, .flags = 0, .bytes = 100}, f.cpu.sp) == -ENOMEM);
    CHECK(set_alt_stack(f.signals, {.sp = base, .flags = 8, .bytes = 16384}, f.cpu.sp) == -EINVAL);
    REQUIRE(set_alt_stack(f.signals, {.sp = base, .flags = 0, .bytes = 16384}, f.cpu.sp) == 0);
    CHECK_FALSE(on_alt_stack(f.signals.alt_stack, base));
    CHECK(on_alt_stack(f.signals.alt_stack, base + 1));
    CHECK(on_alt_stack(f.signals.alt_stack, base + 16384));
    CHECK_FALSE(on_alt_stack(f.signals.alt_stack, base + 16385));

    REQUIRE(push_signal_frame(f.thread, f.request(SA_ONSTACK)));
    CHECK(on_alt_stack(f.signals.alt_stack, f.cpu.sp));
    CHECK(f.frame().uc.stack.sp == base);
    CHECK(set_alt_stack(f.signals, {.sp = base, .flags = SS_DISABLE}, f.cpu.sp) == -EPERM);
    // A nested handler goes on where the first one is.
    const u64 first = f.cpu.sp;
    REQUIRE(push_signal_frame(f.thread, f.request(SA_ONSTACK)));
    CHECK(f.cpu.sp < first);
    CHECK(first - f.cpu.sp < 2 * sizeof(RtSigframe));
}

TEST_CASE("alternate stack: SS_AUTODISARM", "[signals]") {
    Fixture f;
    alignas(16) static u8 alternate[16384];
    const AltStack stack = {.sp = reinterpret_cast<u64>(alternate),
                            .flags = static_cast<i32>(kSsAutodisarm),
                            .bytes = sizeof alternate};
    REQUIRE(set_alt_stack(f.signals, stack, f.cpu.sp) == 0);
    CHECK(alt_stack_state(f.signals.alt_stack, f.cpu.sp) == stack.flags);
    REQUIRE(push_signal_frame(f.thread, f.request(SA_ONSTACK)));
    CHECK(f.signals.alt_stack.flags == SS_DISABLE);
    CHECK(alt_stack_state(f.signals.alt_stack, f.cpu.sp) == SS_DISABLE);
    CHECK(f.frame().uc.stack.flags == static_cast<i32>(kSsAutodisarm));
}
