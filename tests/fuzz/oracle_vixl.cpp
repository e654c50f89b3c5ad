#include <aarch64/decoder-aarch64.h>
#include <aarch64/simulator-aarch64.h>

#include <cstring>

#include "tests/fuzz/oracle_vixl.h"

namespace ulna::fuzz {

namespace arm = vixl::aarch64;
using insn::Machine;

struct VixlOracle::Simulator {
    arm::Decoder decoder;
    arm::Simulator simulator{&decoder};

    Simulator() { simulator.SetColouredTrace(false); }

    void set_state(const MachineState& state) {
        simulator.ResetState();
        for (unsigned i = 0; i < 31; ++i) {
            simulator.WriteXRegister(i, static_cast<int64_t>(state.x[i]));
        }
        simulator.WriteXRegister(31, static_cast<int64_t>(state.sp), arm::Simulator::NoRegLog,
                                 arm::Reg31IsStackPointer);
        for (unsigned i = 0; i < 32; ++i) {
            arm::Simulator::qreg_t q;
            std::memcpy(&q, &state.v[2 * i], 16);
            simulator.WriteQRegister(i, q);
        }
        simulator.ReadNzcv().SetRawValue(static_cast<uint32_t>(state.nzcv << 28));
        simulator.ReadFpcr().SetRawValue(static_cast<uint32_t>(state.fpcr));
    }
    void get_state(MachineState& out) {
        for (unsigned i = 0; i < 31; ++i) {
            out.x[i] = static_cast<u64>(simulator.ReadXRegister(i));
        }
        out.sp = static_cast<u64>(simulator.ReadXRegister(31, arm::Reg31IsStackPointer));
        for (unsigned i = 0; i < 32; ++i) {
            const arm::Simulator::qreg_t q = simulator.ReadQRegister(i);
            std::memcpy(&out.v[2 * i], &q, 16);
        }
        out.nzcv = simulator.ReadNzcv().GetRawValue() >> 28;
        out.fpcr = simulator.ReadFpcr().GetRawValue();
    }
};

VixlOracle::VixlOracle() : simulator_{std::make_unique<Simulator>()} {}
VixlOracle::~VixlOracle() = default;

bool VixlOracle::run(unsigned slot, const MachineState& in, MachineResult& out) {
    constexpr u64 kDefaultNan = u64{1} << 25;
    if ((in.fpcr & ~kDefaultNan) != 0) {
        return false;
    }
    out = {};
    arm::Simulator& simulator = simulator_->simulator;
    sigjmp_buf landing;
    Machine::Guard guard{landing};
    if (sigsetjmp(landing, 1) != 0) { // it aborted: VIXL_UNIMPLEMENTED and the like
        return false;
    }
    simulator_->set_state(in);
    simulator.WritePc(reinterpret_cast<const arm::Instruction*>(Machine::code_address(slot)));
    constexpr unsigned kMaxSteps = 8192;
    for (unsigned steps = 0; steps < kMaxSteps; ++steps) {
        const auto pc = reinterpret_cast<u64>(simulator.ReadPc());
        if (pc == MACHINE_LEAVE) {
            simulator_->get_state(out.state);
            out.pc = pc;
            return true;
        }
        if (Machine::get().words(pc).empty()) {
            return false;
        }
        simulator.ExecuteInstruction();
    }
    return false;
}

} // namespace ulna::fuzz
