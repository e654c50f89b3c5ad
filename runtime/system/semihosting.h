// Semihosting: HLT #0xf000 asks for files, a console and the end of the machine (Arm, "Semihosting
// for AArch32 and AArch64", 2.0). For bare-metal programs whose user trusts them: they use the
// host's files with the user's rights.
#pragma once

#include <string>
#include <string_view>

#include "runtime/system/cpu.h"
#include "runtime/system/semihosting_files.h"

namespace ulna::system {

// What semihosting asks of the machine. Addresses are the calling CPU's, as it would use them now.
class SemihostingHost {
  public:
    virtual ~SemihostingHost() = default;
    [[nodiscard]] virtual bool read(Cpu& cpu, GuestAddr from, void* to, u64 bytes) = 0;
    [[nodiscard]] virtual bool write(Cpu& cpu, GuestAddr to, const void* from, u64 bytes) = 0;
    virtual void write_console(std::string_view text) = 0;
    [[nodiscard]] virtual std::optional<char> read_console() = 0; // waits; nothing: its end
    virtual void exit(int status) = 0;
    [[nodiscard]] virtual i64 seconds_since_1970();
};

// One for the whole machine, used by one CPU at a time.
class Semihosting {
  public:
    Semihosting(SemihostingHost& host, std::string command_line)
        : host_{host}, command_line_{std::move(command_line)} {}

    // The operation in W0, of the parameter in X1; its result goes to X0.
    void call(Cpu& cpu);
    [[nodiscard]] SemihostingFiles& files() { return files_; }
    [[nodiscard]] const SemihostingFiles& files() const { return files_; }

  private:
    class Arguments;
    [[nodiscard]] i64 operation(Cpu& cpu, u32 number);
    [[nodiscard]] i64 file_operation(Cpu& cpu, u32 number, const Arguments& arguments);
    [[nodiscard]] i64 open(Cpu& cpu, const Arguments& arguments);
    [[nodiscard]] i64 write_string(Cpu& cpu, GuestAddr text);
    [[nodiscard]] i64 write_handle(Cpu& cpu, const Arguments& arguments);
    [[nodiscard]] i64 read_handle(Cpu& cpu, const Arguments& arguments);
    [[nodiscard]] u64 read_some(u64 handle, char* to, u64 bytes);
    [[nodiscard]] i64 rename(Cpu& cpu, const Arguments& arguments);
    [[nodiscard]] i64 command_line(Cpu& cpu, GuestAddr block, const Arguments& arguments);
    [[nodiscard]] i64 heap_info(Cpu& cpu, const Arguments& arguments);
    [[nodiscard]] i64 exit(const Arguments& arguments);
    [[nodiscard]] std::optional<std::string> name(Cpu& cpu, GuestAddr at, u64 bytes);

    SemihostingHost& host_;
    std::string command_line_;
    SemihostingFiles files_;
};

} // namespace ulna::system
