// The memory that a request goes to the compile server in, and its answer comes back in: a memfd
// that both have mapped, so that neither keeps a descriptor. Guests count, close and inherit
// descriptors, and should not find one of ours among them.
#pragma once

#include <atomic>
#include <memory>
#include <span>

#include "ir/support/types.h"

namespace ulna::runtime {

enum class JobState : u32 { Sent, Accepted, Done, Abandoned };

class JobMemory {
  public:
    // Most bytes of a message; only what is used takes memory.
    static constexpr u64 kMostBytes = 4u << 20;

    // The client's side: memory that holds the message; `fd` is to be sent and closed. Null when
    // there is none.
    [[nodiscard]] static std::unique_ptr<JobMemory> create(std::span<const u8> message, int& fd);
    // The server's side. Null when it is not what create() makes.
    [[nodiscard]] static std::unique_ptr<JobMemory> open(int fd);
    ~JobMemory();
    JobMemory(const JobMemory&) = delete;
    JobMemory& operator=(const JobMemory&) = delete;

    [[nodiscard]] JobState state() const { return header_->state.load(std::memory_order_acquire); }
    // Not once the client has abandoned it.
    void set_state(JobState state);
    // Returns when the state is not `known` any more, or after some milliseconds.
    void wait_while(JobState known, unsigned milliseconds) const;

    [[nodiscard]] std::span<const u8> message() const;
    // False: it is too long.
    [[nodiscard]] bool put(std::span<const u8> message);

  private:
    struct Header {
        std::atomic<JobState> state;
        u32 magic;
        u64 message_bytes;
    };
    static constexpr u32 kMagic = 0x554c4e32;

    explicit JobMemory(Header* header) : header_{header} {}
    [[nodiscard]] u8* data() const { return reinterpret_cast<u8*>(header_ + 1); }

    Header* const header_;
};

} // namespace ulna::runtime
