#include "runtime/system/machine_semihosting.h"

#include <cstdio>

#include "runtime/system/machine.h"
#include "runtime/system/vcpu.h"

namespace ulna::system {

void MachineSemihosting::call(Cpu& cpu) {
    const std::lock_guard lock{mutex_};
    semihosting_.call(cpu);
}

namespace {
Vcpu& vcpu_of(Cpu& cpu) { return static_cast<Vcpu&>(*cpu.host); }
} // namespace

bool MachineSemihosting::read(Cpu& cpu, GuestAddr from, void* to, u64 bytes) {
    return vcpu_of(cpu).copy(from, static_cast<u8*>(to), bytes, false);
}

bool MachineSemihosting::write(Cpu& cpu, GuestAddr to, const void* from, u64 bytes) {
    return vcpu_of(cpu).copy(to, static_cast<u8*>(const_cast<void*>(from)), bytes, true);
}

void MachineSemihosting::write_console(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
}

// A machine with time of its own must not see the host's.
i64 MachineSemihosting::seconds_since_1970() {
    return machine_.loop().has_clock() ? i64{clock_.seconds()}
                                       : SemihostingHost::seconds_since_1970();
}

void MachineSemihosting::exit(int status) { machine_.stop(status, Cause::GuestShutdown); }

std::string MachineSemihosting::why_no_snapshot() const {
    return semihosting_.files().has_host_files() ? "the guest has files of the host open by "
                                                   "semihosting, which are no state of the machine"
                                                 : "";
}

} // namespace ulna::system
