// The emulator that results are compared with.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>

namespace ulna::test {

// Empty, or why results of this emulator say nothing. Debian 12's own, QEMU 7.2, lacks many of the
// features, leaves FJCVTZS's Z set for a flushed denormal, makes other CONSTRAINED UNPREDICTABLE
// choices, and the fuzzer's harness hangs in it.
[[nodiscard]] inline std::string why_unfit_as_peer(const std::string& emulator) {
    constexpr unsigned kOldest = 10;
    std::FILE* const pipe = popen((emulator + " --version 2>/dev/null").c_str(), "r");
    char line[256] = ""; // "qemu-aarch64 version 10.0.2", "QEMU emulator version 10.0.2"
    unsigned major = 0;
    const bool told = pipe != nullptr && std::fgets(line, sizeof line, pipe) != nullptr &&
                      std::strstr(line, "version ") != nullptr &&
                      std::sscanf(std::strstr(line, "version "), "version %u", &major) == 1;
    if (pipe != nullptr) {
        pclose(pipe);
    }
    if (!told) {
        return emulator + " cannot be started";
    }
    return major >= kOldest ? ""
                            : emulator + " is version " + std::to_string(major) +
                                  "; the comparison is made for 10 and later";
}

} // namespace ulna::test
