// Guest memory as debuggers access it: whatever its permissions are, also where the guest may not
// write.
#pragma once

#include <span>

#include "runtime/user/address_space.h"

namespace ulna::user {

// By `memory_file`, an open /proc/self/mem. Both end where the guest has no memory; the bytes that
// were copied.
[[nodiscard]] u64
read_debugged(const AddressSpace& space, int memory_file, GuestAddr at, std::span<u8> to);
// Translations of what was there are forgotten.
[[nodiscard]] u64
write_debugged(const AddressSpace& space, int memory_file, GuestAddr at, std::span<const u8> from);

} // namespace ulna::user
