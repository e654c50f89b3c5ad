#include "tests/system/peer/peer_machine.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/support/peer.h"

#include "tests/support/catch.h"

namespace ulna::test {

namespace {
// ULNA_PEER names another machine to ask: ours, which should do what its models do.
const char* peer() {
    const char* const named = std::getenv("ULNA_PEER");
    return named != nullptr ? named : "qemu-system-aarch64";
}

std::string text_of(const Record& r) {
    const u32 e = r.encoding();
    char line[160];
    const auto number = [](u64 value) { return static_cast<unsigned long long>(value); };
    if (r.is_sysreg()) {
        std::snprintf(line, sizeof line, "%s%s %u,%u,%u,%u,%u", r.is_mrs() ? "mrs" : "msr",
                      r.kind == Record::kSysregEl1 ? " at EL1" : "", e >> 14, e >> 11 & 7,
                      e >> 7 & 15, e >> 3 & 15, e & 7);
    } else {
        std::snprintf(line, sizeof line, "%s of %u bytes at %llx",
                      r.kind == Record::kRead ? "read" : "write", r.what, number(r.address));
    }
    std::string text = line;
    std::snprintf(line, sizeof line, ", %llx -> %llx\n", number(r.value), number(r.result));
    return text + line;
}

std::vector<Record> ask_peer(std::vector<Record> records, const std::string& machine) {
    char folder[] = "/tmp/ulna-peer-XXXXXX";
    REQUIRE(mkdtemp(folder) != nullptr);
    const std::string at = folder, in = at + "/input.bin", out = at + "/output.bin";
    const auto bytes = static_cast<std::streamsize>(records.size() * sizeof(Record));
    {
        std::ofstream file(in, std::ios::binary);
        const Record end;
        file.write(reinterpret_cast<const char*>(records.data()), bytes);
        file.write(reinterpret_cast<const char*>(&end), sizeof end);
    }
    const std::string command = "cd " + at + " && timeout 60 " + peer() + " -M virt," + machine +
                                " -cpu max -m 256 -display none -nodefaults -semihosting -kernel " +
                                ULNA_EXECUTOR + " </dev/null";
    REQUIRE(std::system(command.c_str()) == 0);
    std::ifstream file(out, std::ios::binary);
    file.read(reinterpret_cast<char*>(records.data()), bytes);
    REQUIRE(file.good());
    unlink(in.c_str());
    unlink(out.c_str());
    rmdir(folder);
    return records;
}
} // namespace

void compare_with_peer(const Script& script, const std::string& machine, const Model& model) {
    constexpr std::size_t kShown = 40;
    const auto peer = ask_peer(script.records(), machine);
    for (std::size_t i = 0; i < peer.size(); ++i) {
        const Record& record = peer[i];
        Record ours = record;
        ours.result = model(record);
        if (record.kind != Record::kWrite && ours.result != record.result) {
            std::string recent;
            for (std::size_t j = i < kShown ? 0 : i - kShown; j <= i; ++j) {
                recent += std::to_string(j) + ": " + text_of(peer[j]);
            }
            FAIL("the peer:\n" << recent << "ours: " << text_of(ours));
        }
    }
    SUCCEED();
}

u64 run_access(const devices::PhysicalMemory& memory, const Record& record) {
    u64 value = 0;
    const bool there = record.kind == Record::kWrite
                           ? memory.write(record.address, record.what, record.value)
                           : memory.read(record.address, record.what, value);
    CHECK(there);
    return value;
}

bool no_peer() {
    const bool is_ours = std::getenv("ULNA_PEER") != nullptr;
    const std::string why = is_ours ? "" : why_unfit_as_peer(peer());
    if (!why.empty()) {
        WARN("skipped: " << why);
    }
    return !why.empty();
}

} // namespace ulna::test
