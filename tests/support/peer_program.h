// A program that a test writes for the peer, without a toolchain: code, a table of inputs, and room
// for outputs, which it writes to standard output.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <span>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "ir/support/bits.h"
#include "tests/support/elf_header.h"

namespace ulna::test {

inline constexpr GuestAddr kPeerCode = 0x10000000, kPeerInput = 0x20000000,
                           kPeerOutput = 0x30000000;

inline void write_peer_program(std::FILE* file,
                               std::span<const u32> code,
                               std::span<const std::byte> input,
                               u64 output_bytes) {
    const u64 code_bytes = code.size_bytes();
    const u64 code_offset = 0x1000, input_offset = align_up(code_offset + code_bytes, 0x1000);
    const Elf64_Phdr segments[3] = {
        {PT_LOAD, PF_R | PF_X, code_offset, kPeerCode, kPeerCode, code_bytes, code_bytes, 0x1000},
        {PT_LOAD, PF_R, input_offset, kPeerInput, kPeerInput, input.size(), input.size(), 0x1000},
        {PT_LOAD, PF_R | PF_W, 0, kPeerOutput, kPeerOutput, 0, output_bytes, 0x1000},
    };
    const Elf64_Ehdr header = arm_program_header(kPeerCode, std::size(segments));
    std::fwrite(&header, sizeof header, 1, file);
    std::fwrite(segments, sizeof segments, 1, file);
    std::fseek(file, static_cast<long>(code_offset), SEEK_SET);
    std::fwrite(code.data(), 4, code.size(), file);
    std::fseek(file, static_cast<long>(input_offset), SEEK_SET);
    std::fwrite(input.data(), 1, input.size(), file);
}

// As many outputs as there came.
template <class Output, class Input>
[[nodiscard]] std::vector<Output>
run_on_peer(std::span<const u32> code, const std::vector<Input>& inputs, std::size_t output_count) {
    char path[] = "/tmp/ulna-peer-XXXXXX";
    std::FILE* const file = fdopen(mkstemp(path), "wb");
    write_peer_program(file, code, std::as_bytes(std::span(inputs)), output_count * sizeof(Output));
    std::fclose(file);
    chmod(path, 0700);
    std::vector<Output> outputs(output_count);
    std::FILE* const pipe = popen((std::string("exec qemu-aarch64 -cpu max ") + path).c_str(), "r");
    outputs.resize(std::fread(outputs.data(), sizeof(Output), outputs.size(), pipe));
    pclose(pipe);
    unlink(path);
    return outputs;
}

} // namespace ulna::test
