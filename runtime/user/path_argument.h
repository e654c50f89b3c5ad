// A path argument of a system call, for the host. Bad pointers and over-long names are handed on
// for the kernel to judge.
#pragma once

#include <optional>
#include <string>

#include "runtime/user/guest_memory.h"
#include "runtime/user/paths.h"

namespace ulna::user {

class PathArgument {
  public:
    PathArgument(GuestAddr guest, FollowLinks follow) : argument_(guest) {
        std::optional<std::string> text = guest == 0 ? std::nullopt : guest_string(guest);
        if (!text) {
            return;
        }
        guest_ = std::move(*text);
        host_ = host_path(guest_, follow);
        if (host_ != guest_) {
            argument_ = reinterpret_cast<u64>(host_.c_str());
        }
    }
    PathArgument(const PathArgument&) = delete;
    PathArgument& operator=(const PathArgument&) = delete;
    [[nodiscard]] u64 argument() const { return argument_; }
    [[nodiscard]] const std::string& guest() const { return guest_; }

  private:
    u64 argument_;
    std::string guest_, host_;
};

// What a name means where names are the host's: /proc/PID/exe is the guest's even there. Else
// empty.
[[nodiscard]] inline std::string named_program(GuestAddr name) {
    const std::optional<std::string> text = name == 0 ? std::nullopt : guest_string(name);
    return text ? guest_exe_to_open(*text) : std::string();
}

[[nodiscard]] inline FollowLinks follow_unless(bool no_follow) {
    return no_follow ? FollowLinks::No : FollowLinks::Yes;
}

} // namespace ulna::user
