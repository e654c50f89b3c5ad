// The memory that a request goes to the compile server in, and its answer comes back in: a memfd
// that both have mapped, so that neither keeps a descriptor. Guests count, close and inherit
// descriptors, and should not find one of ours among them.
#pragma once

#include <atomic>
#include <memory>
#include <span>

#include <linux/futex.h>

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
    // The server's side: the job is this thread's from now on, and Accepted.
    void accept();
    // The thread that accepted it has ended without having done it.
    [[nodiscard]] bool is_orphan() const;
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
        // A robust futex (set_robust_list(2)): when the thread that it names ends, the kernel
        // marks it, as it finds it in the thread's list.
        std::atomic<u32> owner;
        robust_list link;
    };
    static constexpr u32 kMagic = 0x554c4e32;

    [[nodiscard]] static robust_list_head& accepted_jobs();
    void unlink();

    explicit JobMemory(Header* header) : header_{header} {}
    [[nodiscard]] u8* data() const { return reinterpret_cast<u8*>(header_ + 1); }

    Header* const header_;
    bool is_accepted_ = false; // by this process
};

} // namespace ulna::runtime
