#include "tests/insn/line.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ulna::insn {

namespace {

// --- names of places

std::string hex(u64 value) {
    char text[20];
    std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(value));
    return text;
}

std::string print_value(u64 value) {
    if (value == MACHINE_LEAVE) {
        return "leave";
    }
    if (value - MACHINE_CODE < kCodeBytes) {
        return "code+" + hex(value - MACHINE_CODE);
    }
    if (value - MACHINE_DATA < kWindowStride) {
        return "data+" + hex(value - MACHINE_DATA);
    }
    return hex(value);
}

bool parse_hex(std::string_view text, u64& value) {
    const std::string copy{text};
    char* end = nullptr;
    value = std::strtoull(copy.c_str(), &end, 16);
    return !copy.empty() && *end == '\0';
}

bool parse_value(std::string_view text, u64& value) {
    if (text == "leave") {
        value = MACHINE_LEAVE;
        return true;
    }
    const u64 base = text.starts_with("code+")   ? u64{MACHINE_CODE}
                     : text.starts_with("data+") ? u64{MACHINE_DATA}
                                                 : 0;
    if (!parse_hex(base != 0 ? text.substr(5) : text, value)) {
        return false;
    }
    value += base;
    return true;
}

// --- faults

struct FaultName {
    const char* name;
    u32 signal;
    int code;
};
constexpr FaultName kFaults[] = {
    {"unmapped", SIGSEGV, SEGV_MAPERR}, {"denied", SIGSEGV, SEGV_ACCERR},
    {"misaligned", SIGBUS, BUS_ADRALN}, {"undefined", SIGILL, 0},
    {"breakpoint", SIGTRAP, 0},
};

// --- state

// The named cell of a state, or null.
u64* cell(MachineState& state, std::string_view name) {
    if (name == "sp") {
        return &state.sp;
    }
    if (name == "nzcv") {
        return &state.nzcv;
    }
    if (name == "fpcr") {
        return &state.fpcr;
    }
    if (name == "fpsr") {
        return &state.fpsr;
    }
    if (name == "tpidr") {
        return &state.tpidr;
    }
    const unsigned n = name.size() > 1 ? static_cast<unsigned>(std::atoi(name.data() + 1)) : 99;
    return name.starts_with("x") && n < 31   ? &state.x[n]
           : name.starts_with("v") && n < 32 ? &state.v[2 * n]
                                             : nullptr;
}

struct Parser {
    Line& line;
    std::string& why_not;

    bool fail(const std::string& what, std::string_view where) {
        why_not = what + ": " + std::string{where};
        return false;
    }
    bool words(std::string_view field) {
        std::istringstream stream{std::string{field}};
        for (std::string word; stream >> word;) {
            u64 value = 0;
            if (word.size() != 8 || !parse_hex(word, value) ||
                line.test.program.count == kMaxWords) {
                return fail("not an instruction word", word);
            }
            line.test.program.words[line.test.program.count++] = static_cast<u32>(value);
        }
        return line.test.program.count != 0 || fail("no instruction words", field);
    }
    bool register_cell(std::string_view name, std::string_view value, MachineState& state) {
        u64* const at = cell(state, name);
        if (at == nullptr) {
            return fail("no such register", name);
        }
        const auto colon = value.find(':');
        if (name[0] == 'v') {
            return (colon != value.npos && parse_value(value.substr(0, colon), at[1]) &&
                    parse_value(value.substr(colon + 1), at[0])) ||
                   fail("not high:low", value);
        }
        return parse_value(value, *at) || fail("not a number", value);
    }
    // [data+HEX]=BYTES
    bool memory(std::string_view item, std::vector<u8>& bytes) {
        const auto close = item.find("]=");
        u64 address = 0;
        if (close == item.npos || !parse_value(item.substr(1, close - 1), address) ||
            address < MACHINE_DATA || (item.size() - close) % 2 != 0) {
            return fail("not [data+HEX]=BYTES", item);
        }
        u64 offset = address - MACHINE_DATA;
        for (auto at = close + 2; at < item.size(); at += 2) {
            u64 byte = 0;
            if (offset >= bytes.size() || !parse_hex(item.substr(at, 2), byte)) {
                return fail("not bytes of the window", item);
            }
            bytes[offset++] = static_cast<u8>(byte);
        }
        return true;
    }
    bool fault(std::string_view item, bool& is_fault) {
        const auto at = item.find('@');
        for (const FaultName& name : kFaults) {
            if (item.substr(0, at) == name.name) {
                MachineResult& result = line.expected.result;
                is_fault = true;
                result.signal = name.signal;
                result.code = static_cast<u32>(name.code);
                result.address = 0;
                return at == item.npos ? name.code == 0 ||
                                             fail("the fault needs an address: NAME@ADDRESS", item)
                       : item.substr(at + 1) == "?"
                           ? (result.address = kUnknownAddress, true)
                           : parse_value(item.substr(at + 1), result.address) ||
                                 fail("not an address", item);
            }
        }
        is_fault = false;
        return true;
    }
    bool items(std::string_view field, MachineState& state, std::vector<u8>& bytes, bool output) {
        std::istringstream stream{std::string{field}};
        bool pc_given = false;
        for (std::string item; stream >> item;) {
            bool is_fault = false;
            const auto equals = item.find('=');
            if (item == "-") {
                continue;
            }
            if (item[0] == '[') {
                if (!memory(item, bytes)) {
                    return false;
                }
            } else if (output && item.starts_with("pc=")) {
                pc_given = true;
                if (!parse_value(std::string_view{item}.substr(3), line.expected.result.pc)) {
                    return fail("not an address", item);
                }
            } else if (output && equals == item.npos) {
                if (!fault(item, is_fault)) {
                    return false;
                }
                if (!is_fault) {
                    return fail("no such fault", item);
                }
                line.expected.result.pc = pc_given ? line.expected.result.pc : u64{MACHINE_CODE};
            } else if (equals == item.npos ||
                       !register_cell(std::string_view{item}.substr(0, equals),
                                      std::string_view{item}.substr(equals + 1), state)) {
                return equals == item.npos ? fail("not NAME=VALUE", item) : false;
            }
        }
        return true;
    }
};

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == text.npos) {
            return parts;
        }
        text.remove_prefix(at + 1);
    }
}

// --- printing

void add(std::string& to, const std::string& item) {
    if (!to.empty()) {
        to += ' ';
    }
    to += item;
}

std::string print_state(const MachineState& state, const MachineState& than) {
    std::string text;
    for (unsigned i = 0; i < 31; ++i) {
        if (state.x[i] != than.x[i]) {
            add(text, "x" + std::to_string(i) + "=" + print_value(state.x[i]));
        }
    }
    if (state.sp != than.sp) {
        add(text, "sp=" + print_value(state.sp));
    }
    for (unsigned i = 0; i < 32; ++i) {
        if (state.v[2 * i] != than.v[2 * i] || state.v[2 * i + 1] != than.v[2 * i + 1]) {
            add(text, "v" + std::to_string(i) + "=" + hex(state.v[2 * i + 1]) + ":" +
                          hex(state.v[2 * i]));
        }
    }
    const auto system = [&](const char* name, u64 now, u64 before) {
        if (now != before) {
            add(text, name + hex(now));
        }
    };
    system("nzcv=", state.nzcv, than.nzcv);
    system("fpcr=", state.fpcr, than.fpcr);
    system("fpsr=", state.fpsr, than.fpsr);
    system("tpidr=", state.tpidr, than.tpidr);
    return text;
}

// Bytes that differ, in runs.
std::string print_memory(const std::vector<u8>& bytes, const std::vector<u8>& than) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size();) {
        if (bytes[i] == than[i]) {
            ++i;
            continue;
        }
        std::string item = "[data+" + hex(i) + "]=";
        for (; i < bytes.size() && bytes[i] != than[i]; ++i) {
            char byte[4];
            std::snprintf(byte, sizeof byte, "%02x", bytes[i]);
            item += byte;
        }
        add(text, item);
    }
    return text;
}

std::string print_end(const MachineResult& result) {
    std::string text;
    for (const FaultName& name : kFaults) {
        if (name.signal == result.signal && static_cast<u32>(name.code) == result.code) {
            add(text, name.name);
            if (result.code != 0) {
                text +=
                    "@" + (result.address == kUnknownAddress ? "?" : print_value(result.address));
            }
        }
    }
    if (result.pc != (result.signal == 0 ? u64{MACHINE_LEAVE} : u64{MACHINE_CODE})) {
        text.insert(0, "pc=" + print_value(result.pc) + (text.empty() ? "" : " "));
    }
    return text;
}

std::vector<u8> applied(std::vector<u8> bytes, const std::vector<ChangedWord>& changes) {
    for (const ChangedWord& change : changes) {
        std::memcpy(bytes.data() + change.offset, &change.value, 8);
    }
    return bytes;
}

} // namespace

const Case& default_case() {
    static const Case value = [] {
        Case test;
        std::ranges::fill(test.state.x, kFill);
        std::ranges::fill(test.state.v, kFill);
        test.state.sp = kFill & ~u64{15};
        test.state.x[30] = MACHINE_LEAVE;
        test.memory.assign(kWindowBytes, 0xa5);
        return test;
    }();
    return value;
}

bool parse_line(std::string_view text, Line& line, std::string& why_not) {
    const auto fields = split(text, '|');
    if (fields.size() != 4) {
        why_not = "not four fields: text | words | before | after";
        return false;
    }
    line = {std::string{fields[0]}, default_case(), {}};
    while (!line.text.empty() && line.text.back() == ' ') {
        line.text.pop_back();
    }
    Parser parser{line, why_not};
    line.expected.result.pc = MACHINE_LEAVE;
    if (!parser.words(fields[1]) ||
        !parser.items(fields[2], line.test.state, line.test.memory, false)) {
        return false;
    }
    std::vector<u8> after = line.test.memory;
    line.expected.result.state = line.test.state;
    if (!parser.items(fields[3], line.expected.result.state, after, true)) {
        return false;
    }
    collect_changes(after.data(), line.test.memory.data(), line.expected.memory);
    return true;
}

std::string format_line(const Line& line) {
    std::string words, before, after;
    for (unsigned i = 0; i < line.test.program.count; ++i) {
        char word[12];
        std::snprintf(word, sizeof word, "%08x", line.test.program.words[i]);
        add(words, word);
    }
    add(before, print_state(line.test.state, default_case().state));
    if (const auto memory = print_memory(line.test.memory, default_case().memory);
        !memory.empty()) {
        add(before, memory);
    }
    after = print_end(line.expected.result);
    for (const std::string& part :
         {print_state(line.expected.result.state, line.test.state),
          print_memory(applied(line.test.memory, line.expected.memory), line.test.memory)}) {
        if (!part.empty()) {
            add(after, part);
        }
    }
    return line.text + " | " + words + " | " + (before.empty() ? "-" : before) + " | " +
           (after.empty() ? "-" : after);
}

std::vector<NumberedLine> read_lines(const std::string& path) {
    std::vector<NumberedLine> lines;
    std::ifstream file{path};
    unsigned number = 0;
    for (std::string text; std::getline(file, text);) {
        ++number;
        if (!text.empty() && text[0] != '#') {
            lines.push_back({number, text});
        }
    }
    return lines;
}

std::vector<std::string> line_files(const std::string& folder) {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator{folder}) {
        if (entry.path().extension() == ".txt" && entry.path().stem() != "CMakeLists") {
            files.push_back(entry.path().string());
        }
    }
    std::ranges::sort(files);
    return files;
}

// DDI 0487 C4.1: op0 is bits 28:25.
const char* group_of(u32 word) {
    const u32 op0 = word >> 25 & 15;
    if (op0 == 0) {
        return "reserved";
    }
    if ((op0 & 0b1110) == 0b1000) {
        return "immediate";
    }
    if ((op0 & 0b1110) == 0b1010) {
        return "branch_system";
    }
    if ((op0 & 0b0101) == 0b0100) {
        return (word >> 26 & 1) != 0 ? "load_store_simd" : "load_store";
    }
    if ((op0 & 0b0111) == 0b0101) {
        return "register";
    }
    // C4.1.96 Scalar Floating-Point and Advanced SIMD: op0 is bits 31:28, op1 bits 24:23
    const u32 simd_op0 = word >> 28, op1 = word >> 23 & 3;
    if ((word >> 24 & 0xff) == 0xce ||
        (simd_op0 == 0b0100 && op1 < 2 && (word & 0x003e0c00) == 0x00280800) ||
        (simd_op0 == 0b0101 && op1 < 2 &&
         ((word & 0x003e0c00) == 0x00280800 || (word & 0x00208c00) == 0))) {
        return "crypto";
    }
    if ((simd_op0 & 0b0101) == 0b0001) {
        return "floating_point";
    }
    return (simd_op0 & 0b1101) == 0b0101 ? "simd_scalar" : "simd_vector";
}

} // namespace ulna::insn
