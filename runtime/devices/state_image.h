// Much state of one kind: RAM, flash, what a disk's overlay has. A snapshot keeps what differs from
// what is there without it, as runs of bytes. What is loaded is put aside first, so that a snapshot
// that turns out to be damaged changes nothing.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ir/support/types.h"

namespace ulna::devices {

class StateImage {
  public:
    static constexpr u64 kBlockBytes =
        4096; // runs start and end at multiples, or at the image's end
    struct Run {
        u64 offset, bytes;
    };

    virtual ~StateImage() = default;
    [[nodiscard]] virtual const std::string& name() const = 0;
    [[nodiscard]] virtual u64 bytes() const = 0; // fixed

    // --- saving. Ascending and apart from one another.
    [[nodiscard]] virtual std::vector<Run> runs() = 0;
    [[nodiscard]] virtual bool read(u64 offset, std::span<u8> to) = 0;

    // --- loading: begin, put what the runs have, and commit or give up.
    [[nodiscard]] virtual bool begin(std::string& why_not) = 0;
    [[nodiscard]] virtual bool put(u64 offset, std::span<const u8> from) = 0;
    virtual void commit() = 0;
    virtual void give_up() = 0;
};

using StateImages = std::vector<std::unique_ptr<StateImage>>;

} // namespace ulna::devices
