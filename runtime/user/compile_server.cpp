#include "runtime/user/compile_server.h"

#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/user/own_file.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

constexpr std::size_t kStackBytes = 16u << 10;

struct Start {
    int socket;
    runtime::ServerKind kind;
    bool failed = false;
};

// The children run in the memory of the guest's process, whose calling thread waits: they make
// system calls only.
int clone_here(int (*run)(void*), Start& start, u8* stack) {
    return ::clone(run, stack + kStackBytes, CLONE_VM | CLONE_VFORK, &start);
}

int execute(void* argument) {
    auto& start = *static_cast<Start*>(argument);
    const int inherited = ::dup(start.socket); // without close-on-exec
    auto option = runtime::server_option(inherited, start.kind);
    char name[] = "ulna";
    char* const arguments[] = {name, option.data(), nullptr};
    char* const environment[] = {nullptr};
    ::execve(own_path(), arguments, environment);
    start.failed = true;
    ::_exit(1);
}

// A child that executes a program signals its end, whatever it was made with: it is made by one in
// between, which does not.
int start_and_leave(void* argument) {
    alignas(16) static u8 stack[kStackBytes];
    auto& start = *static_cast<Start*>(argument);
    start.failed = clone_here(execute, start, stack) < 0 || start.failed;
    ::_exit(0);
}

// The caller has made a PID namespace for its children. The server would be the first process in
// it, with whose end all others end.
bool children_are_elsewhere() {
    struct stat own = {};
    struct stat children = {};
    return ::stat("/proc/thread-self/ns/pid", &own) == 0 &&
           (::stat("/proc/thread-self/ns/pid_for_children", &children) != 0 || // has no process yet
            children.st_ino != own.st_ino);
}

} // namespace

bool start_compile_server(int listening_socket, runtime::ServerKind kind) {
    if (children_are_elsewhere()) {
        return false;
    }
    alignas(16) static u8 stack[kStackBytes]; // under the translation lock
    Start start{listening_socket, kind};
    SignalSet before = 0;
    const SignalSet all = kAllSignals; // no handler runs in the children
    host_syscall(SYS_rt_sigprocmask, SIG_SETMASK, reinterpret_cast<u64>(&all),
                 reinterpret_cast<u64>(&before), sizeof before);
    const int child = clone_here(start_and_leave, start, stack);
    if (child > 0) {
        ::waitpid(child, nullptr, __WCLONE);
    }
    set_host_mask(before);
    return child > 0 && !start.failed;
}

} // namespace ulna::user
