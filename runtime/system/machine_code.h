// Code as the virtual CPU of the calling thread finds it.
#pragma once

#include "frontend/frontend.h"
#include "runtime/system/stop_points.h"
#include "runtime/system/vcpu.h"

namespace ulna::system {

class MachineCode final : public frontend::CodeSource {
  public:
    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override {
        constexpr u64 kPageBytes = u64{1} << ir::kCodePageLog2;
        const u8* const page = Vcpu::current()->code_bytes(pc);
        if (page == nullptr) {
            return {};
        }
        const u64 offset = pc % kPageBytes;
        return {reinterpret_cast<const u32*>(page + offset), (kPageBytes - offset) / sizeof(u32)};
    }
    [[nodiscard]] std::optional<u64> page_of(GuestAddr pc) override {
        return Vcpu::current()->code_page(pc);
    }
    [[nodiscard]] std::optional<u32> guarded_word(GuestAddr pc) override {
        return Vcpu::current()->guarded_word(pc);
    }
};

// The same without what has a breakpoint.
class StoppableCode final : public frontend::CodeSource {
  public:
    StoppableCode(MachineCode& code, const StopPoints& points) : code_{code}, points_{points} {}
    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override {
        return points_.before(pc, code_.words(pc));
    }
    [[nodiscard]] std::optional<u64> page_of(GuestAddr pc) override { return code_.page_of(pc); }
    [[nodiscard]] std::optional<u32> guarded_word(GuestAddr pc) override {
        return code_.guarded_word(pc);
    }

  private:
    MachineCode& code_;
    const StopPoints& points_;
};

} // namespace ulna::system
