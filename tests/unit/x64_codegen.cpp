// Goldens of host code: tests/codegen/*.x64 hold IR, a line "----", and the hot host code made of
// it after the passes. ULNA_UPDATE_GOLDENS=1 rewrites them; review the difference.
#include <capstone/capstone.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "ir/opt/pipeline.h"
#include "ir/parser.h"
#include "tests/unit/x64_harness.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::test;

namespace {

// Names for what the state register reaches, so that a new field of CpuState changes no golden.
std::string cell_name(std::size_t offset) {
    using ir::CpuState;
    for (unsigned slot = 0; slot < ir::kSlotCount; ++slot) {
        if (ir::slot_offset(static_cast<ir::Slot>(slot)) == offset) {
            return ir::slot_name(static_cast<ir::Slot>(slot));
        }
    }
    static const struct {
        std::size_t offset;
        const char* name;
    } kFields[] = {
        {offsetof(CpuState, pending), "pending"},
        {offsetof(CpuState, host_flags), "host_flags"},
        {offsetof(CpuState, pc), "pc"},
        {offsetof(CpuState, exit_reason), "exit_reason"},
        {offsetof(CpuState, exit_arg), "exit_arg"},
        {offsetof(CpuState, excl_addr), "excl_addr"},
        {offsetof(CpuState, excl_bytes), "excl_bytes"},
        {offsetof(CpuState, excl_value), "excl_value"},
        {offsetof(CpuState, thunks) + offsetof(ir::HostThunks, exit), "thunk.exit"},
        {offsetof(CpuState, thunks) + offsetof(ir::HostThunks, link), "thunk.link"},
        {offsetof(CpuState, thunks) + offsetof(ir::HostThunks, lookup), "thunk.lookup"},
        {offsetof(CpuState, thunks) + offsetof(ir::HostThunks, branch), "thunk.branch"},
        {offsetof(CpuState, thunks) + offsetof(ir::HostThunks, safepoint), "thunk.safepoint"},
        {offsetof(CpuState, jump_cache), "jump_cache"},
        {offsetof(CpuState, jump_cache) + 8, "jump_cache.host_pc"},
    };
    for (const auto& field : kFields) {
        if (field.offset == offset) {
            return field.name;
        }
    }
    return "state+" + std::to_string(offset);
}

std::string with_names(const std::string& operands) {
    static const std::regex kStateOperand(R"(\[r15( \+ r10\*4)? ([+-]) (0x[0-9a-f]+|[0-9]+)\])");
    std::smatch match;
    if (!std::regex_search(operands, match, kStateOperand)) {
        return std::regex_replace(operands, std::regex(R"(\[r15\])"),
                                  "[" + cell_name(ir::kStateBias) + "]");
    }
    const i64 magnitude = std::stoll(match[3], nullptr, 0);
    const i64 offset = (match[2] == "-" ? -magnitude : magnitude) + ir::kStateBias;
    return match.prefix().str() + "[" + cell_name(static_cast<std::size_t>(offset)) +
           match[1].str() + "]" + match.suffix().str();
}

std::string disassemble(const std::vector<u8>& code, u32 bytes) {
    csh handle;
    REQUIRE(cs_open(CS_ARCH_X86, CS_MODE_64, &handle) == CS_ERR_OK);
    cs_insn* insns = nullptr;
    const std::size_t count = cs_disasm(handle, code.data(), bytes, 0, 0, &insns);
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
        text += insns[i].mnemonic;
        if (insns[i].op_str[0] != 0) {
            text += std::string(" ") + with_names(insns[i].op_str);
        }
        text += "\n";
    }
    cs_free(insns, count);
    cs_close(&handle);
    return text;
}

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

} // namespace

TEST_CASE("x64: host code of typical blocks", "[x64][codegen]") {
    X64Runner runner;
    runner.options.baseline_host = true; // the same code on every host
    const bool update = std::getenv("ULNA_UPDATE_GOLDENS") != nullptr;
    unsigned files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(ULNA_TEST_DIR "/codegen")) {
        if (entry.path().extension() != ".x64") {
            continue;
        }
        ++files;
        const std::string text = read(entry.path());
        const std::size_t split = text.find("----\n");
        const std::string source = text.substr(0, split);
        INFO(entry.path().filename().string());
        ir::Block block;
        REQUIRE(ir::parse(source, block) == "");
        ir::run_passes(block, {});
        runner.add(block);
        const std::string code = disassemble(runner.compiled.code, runner.compiled.hot_bytes);
        if (update) {
            std::ofstream(entry.path()) << source << "----\n" << code;
        } else {
            REQUIRE(split != std::string::npos);
            CHECK(text.substr(split + 5) == code);
        }
    }
    REQUIRE(files >= 6);
}
