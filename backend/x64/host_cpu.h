// What the host CPU can do, as the C library found out when the process started: asking the CPU
// again is a trap into the hypervisor on a virtual machine, some microseconds each.
#pragma once

#include <sys/platform/x86.h>

#include "backend/page_look.h"

namespace ulna::backend::x64 {

[[nodiscard]] inline bool host_has_aes() { return CPU_FEATURE_ACTIVE(AES); }
[[nodiscard]] inline bool host_has_pclmul() { return CPU_FEATURE_ACTIVE(PCLMULQDQ); }
[[nodiscard]] inline bool host_has_sha() { return CPU_FEATURE_ACTIVE(SHA); }
[[nodiscard]] inline bool host_has_avx_vnni() { return CPU_FEATURE_ACTIVE(AVX_VNNI); }
[[nodiscard]] inline bool host_has_avx512_vnni() {
    return CPU_FEATURE_ACTIVE(AVX512_VNNI) && CPU_FEATURE_ACTIVE(AVX512VL);
}
// Masks for vectors of 128 bits.
[[nodiscard]] inline bool host_has_avx512_masks() {
    return CPU_FEATURE_ACTIVE(AVX512F) && CPU_FEATURE_ACTIVE(AVX512VL);
}
// All of the above, a bit each.
[[nodiscard]] inline u64 optional_host_features() {
    const bool present[] = {host_has_aes(),      host_has_pclmul(),      host_has_sha(),
                            host_has_avx_vnni(), host_has_avx512_vnni(), host_has_avx512_masks(),
                            host_has_fsgsbase()};
    u64 bits = 0;
    for (const bool feature : present) {
        bits = bits << 1 | feature;
    }
    return bits;
}

// x86-64-v3, and the two that AES and CRC instructions need: the first one missing, or null.
[[nodiscard]] inline const char* missing_host_feature() {
    const struct {
        bool present;
        const char* name;
    } required[] = {
        {CPU_FEATURE_ACTIVE(AVX2), "AVX2"},
        {CPU_FEATURE_ACTIVE(BMI1) && CPU_FEATURE_ACTIVE(BMI2), "BMI1 and BMI2"},
        {CPU_FEATURE_ACTIVE(FMA), "FMA"},
        {CPU_FEATURE_ACTIVE(F16C), "F16C"},
        {CPU_FEATURE_ACTIVE(CMPXCHG16B), "CMPXCHG16B"},
        {CPU_FEATURE_ACTIVE(LZCNT), "LZCNT"},
    };
    for (const auto& feature : required) {
        if (!feature.present) {
            return feature.name;
        }
    }
    return nullptr;
}

} // namespace ulna::backend::x64
