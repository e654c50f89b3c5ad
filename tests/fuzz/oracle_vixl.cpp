#include <aarch64/decoder-aarch64.h>
#include <aarch64/simulator-aarch64.h>

#include <cstring>

#include "tests/fuzz/oracle.h"

namespace ulna::fuzz {

namespace {

namespace arm = vixl::aarch64;

class VixlOracle final : public Oracle {
  public:
    VixlOracle() : simulator_{&decoder_} { simulator_.SetColouredTrace(false); }

    std::optional<FuzzResult> run(const FuzzCase& test) override {
        if ((test.state.fpcr & ~(u64{1} << 25)) != 0) {
            return std::nullopt; // it rounds to nearest only and never flushes
        }
        auto* code = reinterpret_cast<uint32_t*>(FUZZ_CODE_ADDRESS);
        std::memcpy(code, test.words, test.count * 4);
        fill_data(data(), test.data_seed);
        set_state(test.state);
        const auto* begin = reinterpret_cast<const arm::Instruction*>(code);
        const auto* end = begin + test.count * 4;
        simulator_.WritePc(begin);
        for (unsigned steps = 0; steps < 4096; ++steps) {
            const auto* pc = simulator_.ReadPc();
            if (pc == end) {
                return result();
            }
            if (pc < begin || pc > end) {
                return std::nullopt;
            }
            simulator_.ExecuteInstruction();
        }
        return std::nullopt;
    }
    bool models_fpsr() const override { return false; }
    const char* name() const override { return "vixl"; }

  private:
    using u64 = std::uint64_t;
    static uint8_t* data() { return reinterpret_cast<uint8_t*>(FUZZ_DATA_ADDRESS); }

    void set_state(const FuzzState& state) {
        simulator_.ResetState();
        for (unsigned i = 0; i < 31; ++i) {
            simulator_.WriteXRegister(static_cast<int>(i), static_cast<int64_t>(state.x[i]));
        }
        simulator_.WriteXRegister(31, static_cast<int64_t>(state.sp), arm::Simulator::NoRegLog,
                                  arm::Reg31IsStackPointer);
        for (unsigned i = 0; i < 32; ++i) {
            arm::Simulator::qreg_t q;
            std::memcpy(&q, &state.v[2 * i], 16);
            simulator_.WriteQRegister(static_cast<int>(i), q);
        }
        simulator_.ReadNzcv().SetRawValue(static_cast<uint32_t>(state.nzcv << 28));
        simulator_.ReadFpcr().SetRawValue(static_cast<uint32_t>(state.fpcr));
    }

    FuzzResult result() {
        FuzzResult out{};
        for (unsigned i = 0; i < 31; ++i) {
            out.state.x[i] = static_cast<u64>(simulator_.ReadXRegister(static_cast<int>(i)));
        }
        out.state.sp = static_cast<u64>(simulator_.ReadXRegister(31, arm::Reg31IsStackPointer));
        for (unsigned i = 0; i < 32; ++i) {
            const arm::Simulator::qreg_t q = simulator_.ReadQRegister(static_cast<int>(i));
            std::memcpy(&out.state.v[2 * i], &q, 16);
        }
        out.state.nzcv = simulator_.ReadNzcv().GetRawValue() >> 28;
        out.state.fpcr = simulator_.ReadFpcr().GetRawValue();
        out.data_hash = hash_data(data());
        return out;
    }

    arm::Decoder decoder_;
    arm::Simulator simulator_;
};

} // namespace

std::unique_ptr<Oracle> make_vixl_oracle() { return std::make_unique<VixlOracle>(); }

} // namespace ulna::fuzz
