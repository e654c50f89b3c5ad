// Code that ends before what a debugger (-g) or a tracer stops at.
#pragma once

#include "runtime/debug/stop_points.h"
#include "runtime/user/address_space.h"

namespace ulna::user {

// The process's. Owners are threads, by their ids, and 0 is -g.
[[nodiscard]] runtime::debug::StopPoints& stop_points();

class DebuggedCode final : public frontend::CodeSource {
  public:
    explicit DebuggedCode(AddressSpace& space) : space_{space} {}
    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override {
        return points_.before(pc, space_.words(pc));
    }
    [[nodiscard]] bool read(GuestAddr pc, void* to, u64 bytes) override {
        return points_.any() ? CodeSource::read(pc, to, bytes) : space_.read(pc, to, bytes);
    }
    [[nodiscard]] std::optional<u32> guarded_word(GuestAddr pc) override {
        return space_.guarded_word(pc);
    }

  private:
    AddressSpace& space_;
    const runtime::debug::StopPoints& points_ = stop_points();
};

} // namespace ulna::user
