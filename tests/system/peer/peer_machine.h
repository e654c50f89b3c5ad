// Asks a bare machine of the peer's the same as our device models: accesses in a file, which
// executor.S does.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "runtime/devices/device.h"
#include "runtime/devices/physical_memory.h"

namespace ulna::test {

// As in executor.S.
struct Record {
    enum Kind : u32 { kEnd, kRead, kWrite, kSysreg, kSysregEl1 };
    u32 kind = kEnd;
    u32 what = 0; // bytes, or an instruction
    u64 address = 0, value = 0, result = 0;

    [[nodiscard]] bool is_sysreg() const { return kind == kSysreg || kind == kSysregEl1; }
    [[nodiscard]] bool is_mrs() const { return (what & 1 << 21) != 0; }
    [[nodiscard]] u32 encoding() const { return what >> 5 & 0xffff; } // devices::system_register
};
static_assert(sizeof(Record) == 32);
// Results that are exceptions.
inline constexpr u64 kUndefined = 0xdead, kGotIrq = 0x1111, kGotFiq = 0xf1f1;

// What the executor has between its commands and the end of RAM.
inline constexpr u64 kFreeRam = 0x4400'0000, kFreeRamBytes = 0x100'0000;

class Script {
  public:
    explicit Script(unsigned seed) : engine_(seed) {}
    void read(u64 address, u32 bytes = 4) { add({Record::kRead, bytes, address, 0, 0}); }
    void write(u64 address, u64 value, u32 bytes = 4) {
        add({Record::kWrite, bytes, address, value, 0});
    }
    void get(u32 encoding, Record::Kind kind = Record::kSysreg) {
        add({kind, 0xd520'0000 | encoding << 5, 0, 0, 0}); // MRS X0
    }
    void set(u32 encoding, u64 value, Record::Kind kind = Record::kSysreg) {
        add({kind, 0xd500'0000 | encoding << 5, 0, value, 0}); // MSR X0
    }
    [[nodiscard]] u32 random(u32 end) { return static_cast<u32>(engine_() % end); }
    // Half of them with few bits.
    [[nodiscard]] u64 bits() { return engine_() & (random(2) != 0 ? ~u64{0} : engine_()); }
    [[nodiscard]] const std::vector<Record>& records() const { return records_; }

  private:
    void add(const Record& record) { records_.push_back(record); }
    std::mt19937_64 engine_;
    std::vector<Record> records_;
};

// Runs all records on the peer's `virt` machine with these options, and on the model, which returns
// the result that the executor would write down. A test's failure shows the records before the
// first difference.
using Model = std::function<u64(const Record&)>;
void compare_with_peer(const Script& script, const std::string& machine, const Model& model);

// A record that is an access of a frame.
[[nodiscard]] u64 run_access(const devices::PhysicalMemory& memory, const Record& record);

// Says why there is nothing to compare with.
[[nodiscard]] bool no_peer();

} // namespace ulna::test
