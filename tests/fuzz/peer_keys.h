// What a peer started with "-seed 7" draws from its generator of random numbers: AT_RANDOM, then
// the keys of pointer authentication in the order of CpuState::pac_keys. QEMU seeds GLib's Mersenne
// twister with the two halves of the number (init_by_array); the harness reports AT_RANDOM, so that
// another peer, or another order, is noticed.
#pragma once

#include "ir/support/types.h"

namespace ulna::fuzz {

inline constexpr const char* kPeerSeed = "7";
inline constexpr u64 kPeerRandom[2] = {0xe3d3'3a5f'f4e6'4108, 0x97d6'b10b'51f9'5c82};
inline constexpr u64 kPeerKeys[10] = {
    0x0a7c'c646'6be3'90fc, 0xc89e'fbe2'282d'3a06, // APIA: low, high
    0xf3bb'25d3'fd00'59cc, 0x21f0'536f'd8b2'4f86, // APIB
    0xb43b'c05a'a644'ac2d, 0x798a'cbd4'70c4'5f91, // APDA
    0xd1fd'389c'652b'e1ce, 0x0f1d'1408'7e70'80ae, // APDB
    0x48d8'17c4'34b8'2429, 0x79ea'338d'a5a1'6eee, // APGA
};

} // namespace ulna::fuzz
