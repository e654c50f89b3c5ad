// What a machine is made of, as its parts see one another.
#pragma once

#include "ir/support/types.h"

namespace ulna::devices {

using PhysAddr = u64;

// Of an access, and of what is at an address: Non-secure accesses do not find what is Secure.
enum class Space : u8 { NonSecure, Secure };

// Registers at an address of the machine. Called with the machine's lock held, by any vCPU.
// `bytes` is 1, 2, 4 or 8, the access does not leave the device, and is aligned to its size. What a
// device does not have reads as zero, ignores writes, and is logged once (-d guest_errors): no
// access may bring the program down.
class Device {
  public:
    virtual ~Device() = default;
    [[nodiscard]] virtual u64 read(u64 offset, unsigned bytes) = 0;
    virtual void write(u64 offset, unsigned bytes, u64 value) = 0;
    virtual void reset() {}
    // Bytes that reads show and only writes to the device change: ROM, and flash while it shows its
    // array. Callable without the machine's lock; the bytes stay as long as the device. Null: none.
    [[nodiscard]] virtual const u8* rom(u64 /*offset*/, u64 /*bytes*/) const { return nullptr; }
};

// An interrupt output of a device, or an input of an interrupt controller; level-sensitive. Setting
// it to what it is has no effect. Called with the machine's lock held.
class InterruptLine {
  public:
    virtual ~InterruptLine() = default;
    virtual void set(bool asserted) = 0;
};

} // namespace ulna::devices
