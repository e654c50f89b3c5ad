#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>

#include "runtime/user/guest_memory.h"
#include "runtime/user/open_flags.h"
#include "runtime/user/strace.h"
#include "runtime/user/syscall_table.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::user;

TEST_CASE("open flags convert both ways", "[user][syscalls]") {
    CHECK(host_open_flags(kArmDirectory) == O_DIRECTORY);
    CHECK(host_open_flags(kArmNoFollow) == O_NOFOLLOW);
    CHECK(host_open_flags(kArmDirect) == O_DIRECT);
    CHECK(host_open_flags(kArmLargeFile | O_RDWR) == (kHostLargeFile | O_RDWR));
    CHECK(host_open_flags(020000000 | kArmDirectory) == O_TMPFILE);
    for (u64 bits = 0; bits < 16; ++bits) {
        const u64 arm = bits << 14 | O_CREAT | O_CLOEXEC;
        CHECK(arm_open_flags(host_open_flags(arm)) == arm);
    }
}

TEST_CASE("the system call table has every number of arm64", "[user][syscalls]") {
    unsigned missing = 0;
    for (u64 number = 0; number <= 469; ++number) {
        const bool hole = (number >= 244 && number <= 259) || (number >= 295 && number <= 423);
        missing += find_syscall(number) == nullptr && !hole ? 1 : 0;
        CHECK((find_syscall(number) == nullptr || !hole));
    }
    CHECK(missing == 0);
    CHECK(find_syscall(470) == nullptr);
    CHECK(find_syscall(~u64{0}) == nullptr);
    CHECK(std::strcmp(find_syscall(64)->name, "write") == 0);
    CHECK(find_syscall(64)->host_number == 1);
    CHECK(find_syscall(293)->kind == SyscallKind::None);
}

TEST_CASE("argument letters are known and at most six", "[user][syscalls]") {
    for (const SyscallRow& row : kSyscalls) {
        if (row.kind != SyscallKind::Absent) {
            INFO(row.name);
            CHECK(std::strlen(row.args) <= 6);
            CHECK(std::strspn(row.args, "fsiuxpo-mQanclkTAwrvMNPy") == std::strlen(row.args));
            CHECK(((row.kind == SyscallKind::Own) == (row.handler != nullptr)));
        }
    }
}

TEST_CASE("strace shows arguments as people write them", "[user][syscalls]") {
    const SyscallArgs open = {static_cast<u64>(AT_FDCWD),
                              reinterpret_cast<u64>("/etc/passwd"),
                              O_CLOEXEC | kArmDirectory,
                              0,
                              0,
                              0};
    CHECK(format_call(find_syscall(56), 56, open, true, 3) ==
          "openat(AT_FDCWD,\"/etc/passwd\",O_RDONLY|O_CLOEXEC|O_DIRECTORY,0)");
    const SyscallArgs write = {1, reinterpret_cast<u64>("hi\n"), 3, 0, 0, 0};
    CHECK(format_call(find_syscall(64), 64, write, true, 3) == "write(1,\"hi\\n\",3)");
    const SyscallArgs map = {0,       4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                             ~u64{0}, 0};
    CHECK(format_call(find_syscall(222), 222, map, true, 0) ==
          "mmap(NULL,4096,PROT_READ|PROT_WRITE,MAP_PRIVATE|MAP_ANONYMOUS,-1,0)");
    CHECK(format_call(nullptr, 999, map, true, -ENOSYS) == "syscall_999(0,1000,3)");
}

TEST_CASE("guest strings stop at the terminator and at the limit", "[user][memory]") {
    // A string that ends at the last byte before an unmapped page.
    char* const pages = static_cast<char*>(
        ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(::munmap(pages + 4096, 4096) == 0);
    std::strcpy(pages + 4090, "tail!");
    CHECK(guest_string(reinterpret_cast<u64>(pages + 4090)) == "tail!");
    // A top byte tag is removed.
    CHECK(guest_string(reinterpret_cast<u64>(pages + 4090) | u64{0xab} << 56) == "tail!");
    std::memset(pages, 'x', 4000);
    pages[4000] = 0;
    CHECK(guest_string(reinterpret_cast<u64>(pages), 4000)->size() == 4000);
    CHECK(!guest_string(reinterpret_cast<u64>(pages), 3999));
    char copy[100];
    CHECK(copy_from_guest(copy, reinterpret_cast<u64>(pages), 7));
    CHECK(copy_from_guest(copy, reinterpret_cast<u64>(pages), 100));
    CHECK(std::memcmp(copy, pages, 100) == 0);
    ::munmap(pages, 4096);
}
