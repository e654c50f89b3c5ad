// O_* flags whose bits differ between arm64 and this host; all others are equal.
#pragma once

#include <fcntl.h>

#include "ir/support/types.h"

namespace ulna::user {

inline constexpr u64 kArmDirectory = 040000, kArmNoFollow = 0100000, kArmDirect = 0200000,
                     kArmLargeFile = 0400000;
inline constexpr u64 kHostLargeFile = 0100000; // glibc's O_LARGEFILE is 0 on 64-bit hosts

struct FlagPair {
    u64 arm, host;
};
inline constexpr FlagPair kOpenFlags[] = {
    {kArmDirectory, O_DIRECTORY},
    {kArmNoFollow, O_NOFOLLOW},
    {kArmDirect, O_DIRECT},
    {kArmLargeFile, kHostLargeFile},
};
inline constexpr u64 kDifferingFlags = 0740000; // the same four bits on both sides
static_assert((O_DIRECTORY | O_NOFOLLOW | O_DIRECT | kHostLargeFile) == kDifferingFlags);

[[nodiscard]] constexpr u64 host_open_flags(u64 arm) {
    u64 host = arm & ~kDifferingFlags;
    for (const FlagPair& flag : kOpenFlags) {
        host |= (arm & flag.arm) != 0 ? flag.host : 0;
    }
    return host;
}

[[nodiscard]] constexpr u64 arm_open_flags(u64 host) {
    u64 arm = host & ~kDifferingFlags;
    for (const FlagPair& flag : kOpenFlags) {
        arm |= (host & flag.host) != 0 ? flag.arm : 0;
    }
    return arm;
}

} // namespace ulna::user
