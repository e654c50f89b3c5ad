// The filters of a thread, newest first: a chain whose older part is shared with other threads.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/user/seccomp_bpf.h"
#include "runtime/user/seccomp_state.h"

namespace ulna::user {

class SeccompFilter {
  public:
    // `program` is one that is_seccomp_program accepts; `flags` are SECCOMP_FILTER_FLAG_*.
    SeccompFilter(std::vector<sock_filter> program,
                  std::shared_ptr<SeccompFilter> older,
                  u32 flags = 0);
    ~SeccompFilter();
    SeccompFilter(const SeccompFilter&) = delete;
    SeccompFilter& operator=(const SeccompFilter&) = delete;

    struct Verdict {
        u32 action;                  // SECCOMP_RET_* with its data
        const SeccompFilter* filter; // whose it is; null: all allow the call
    };
    // The strictest of this filter and the older ones; of equal ones the newest's.
    [[nodiscard]] Verdict judge(const seccomp_data& data) const;

    [[nodiscard]] std::span<const sock_filter> program() const { return program_; }
    [[nodiscard]] bool has_listener() const {
        return (flags_ & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
    }
    [[nodiscard]] bool logs() const { return (flags_ & SECCOMP_FILTER_FLAG_LOG) != 0; }
    [[nodiscard]] bool path_has_listener() const;

    // Is it `other` or older?
    [[nodiscard]] bool is_ancestor_of(const SeccompFilter* other) const;
    [[nodiscard]] unsigned count() const { return count_; }
    // This or an older one, counted from the oldest; null: there are no more than count().
    [[nodiscard]] const SeccompFilter* nth_from_oldest(u64 n) const;
    // What the kernel limits to kMostInstructions: instructions, and four more for each older
    // filter.
    [[nodiscard]] std::size_t path_length() const { return path_length_; }
    static constexpr std::size_t kMostInstructions = 32768;

    // The whole chain for the program after execve, in arguments that the kernel takes.
    [[nodiscard]] std::vector<std::string> to_arguments() const;
    // Null: the arguments are damaged.
    [[nodiscard]] static std::shared_ptr<SeccompFilter>
    from_arguments(std::span<const char* const> arguments);

  private:
    static constexpr unsigned kCached = 512; // numbers
    [[nodiscard]] bool is_always_allowed(u32 number) const;
    void remember_allowed(u32 number) const;

    std::vector<sock_filter> program_;
    std::shared_ptr<SeccompFilter> older_;
    u32 flags_;
    unsigned count_ = 1;
    std::size_t path_length_;
    // Numbers that this filter and the older ones allow without a look at anything else: found
    // when such a call is made.
    mutable std::array<std::atomic<u64>, kCached / 64> always_allowed_{};
};

} // namespace ulna::user
