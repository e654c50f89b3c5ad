#include "runtime/debug/disassemble.h"

#include <capstone/capstone.h>
#include <cstdio>

namespace ulna::runtime::debug {

namespace {

class Disassembler {
  public:
    Disassembler(cs_arch arch, cs_mode mode) { open_ = cs_open(arch, mode, &handle_) == CS_ERR_OK; }
    ~Disassembler() {
        if (open_) {
            cs_close(&handle_);
        }
    }
    Disassembler(const Disassembler&) = delete;
    Disassembler& operator=(const Disassembler&) = delete;

    // Text of the instruction at `bytes`, and its length; 0: not an instruction.
    std::size_t one(std::span<const u8> bytes, u64 address, std::string& text) const {
        cs_insn* insn = nullptr;
        if (!open_ || cs_disasm(handle_, bytes.data(), bytes.size(), address, 1, &insn) == 0) {
            return 0;
        }
        text = insn->mnemonic;
        if (insn->op_str[0] != 0) {
            text.append(text.size() < 8 ? 8 - text.size() : 1, ' ');
            text += insn->op_str;
        }
        const std::size_t length = insn->size;
        cs_free(insn, 1);
        return length;
    }

  private:
    csh handle_ = 0;
    bool open_ = false;
};

void append_guest_line(const Disassembler& disassembler, u32 word, GuestAddr pc, std::string& out) {
    u8 bytes[4];
    std::memcpy(bytes, &word, 4);
    std::string text;
    if (disassembler.one(bytes, pc, text) == 0) {
        text = ".inst";
    }
    char head[64];
    std::snprintf(head, sizeof head, "0x%08llx:  %08x  ", static_cast<unsigned long long>(pc),
                  word);
    out += head + text + '\n';
}

} // namespace

std::string disassemble_guest(std::span<const u32> words, GuestAddr pc) {
    const Disassembler disassembler{CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN};
    std::string out;
    for (u32 word : words) {
        append_guest_line(disassembler, word, pc, out);
        pc += 4;
    }
    return out;
}

std::string disassemble_guest(std::span<const u32> words, std::span<const GuestAddr> pcs) {
    const Disassembler disassembler{CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN};
    std::string out;
    for (std::size_t i = 0; i < words.size() && i < pcs.size(); ++i) {
        append_guest_line(disassembler, words[i], pcs[i], out);
    }
    return out;
}

std::string disassemble_host(std::span<const u8> code, u64 address) {
    const Disassembler disassembler{CS_ARCH_X86, CS_MODE_64};
    constexpr std::size_t kShownBytes = 10;
    std::string out;
    for (std::size_t at = 0; at < code.size();) {
        std::string text;
        std::size_t length = disassembler.one(code.subspan(at), address + at, text);
        if (length == 0) { // literal pools
            length = 1;
            text = ".byte";
        }
        char head[64];
        int used = std::snprintf(head, sizeof head,
                                 "0x%08llx:  ", static_cast<unsigned long long>(address + at));
        out.append(head, static_cast<std::size_t>(used));
        for (std::size_t i = 0; i < std::max(length, kShownBytes); ++i) {
            used = i < length ? std::snprintf(head, sizeof head, "%02x ", code[at + i])
                              : std::snprintf(head, sizeof head, "   ");
            out.append(head, static_cast<std::size_t>(used));
        }
        out += text + '\n';
        at += length;
    }
    return out;
}

} // namespace ulna::runtime::debug
