// Code as the virtual CPU of the calling thread finds it.
#pragma once

#include "frontend/frontend.h"
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
};

} // namespace ulna::system
