// The end of threads and processes, and the hand-over to ourselves. See process.h and
// thread_group.h.
#include "runtime/user/process.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "runtime/user/debugger.h"
#include "runtime/user/own_file.h"
#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/seccomp.h"
#include "runtime/user/signals_state.h"
#include "runtime/user/thread_group.h"

namespace ulna::user {

namespace {

void (*g_exit_hook)() = nullptr;

// binfmt_misc with the flag O or C: the kernel has opened the program, which may be one that we
// could not. The guest does not see the descriptor, as it would not on an Arm kernel.
int registered_program() {
    errno = 0;
    const unsigned long descriptor = getauxval(AT_EXECFD);
    return errno == 0 ? static_cast<int>(descriptor) : -1;
}

// As wait4 tells it.
u32 exit_code(int status) { return (static_cast<u32>(status) & 0xff) << 8; }

} // namespace

Process& process() {
    static Process* const instance =
        new Process; // never destroyed: other threads run until the end
    return *instance;
}

void set_exit_hook(void (*hook)()) { g_exit_hook = hook; }

void save_translations(const GuestThread& thread, std::size_t least_blocks) {
    if (process().persistent != nullptr && !thread.signals->group->borrows_memory) {
        process().persistent->save(least_blocks);
    }
}

void exit_process(GuestThread& thread, int status) {
    if (is_traced(thread)) {
        stop_for_exit(thread, exit_code(status));
    }
    constexpr std::size_t kWorthWriting = 4; // one or two blocks more than last time are not
    save_translations(thread, kWorthWriting);
    // What a vfork child shares with its parent is not ours to flush.
    if (g_exit_hook != nullptr && !thread.signals->group->borrows_memory) {
        g_exit_hook();
    }
    report_process_end(exit_code(status));
    if (Debugger* const debugger = debugger_of(thread)) {
        debugger->exited(thread, status);
    }
    while (true) {
        host_syscall(SYS_exit_group, static_cast<u64>(status));
    }
}

// The last thread's status becomes the process's, whichever thread it is (since Linux 5.17).
void exit_thread(GuestThread& thread, int status) {
    ThreadSignals& signals = *thread.signals;
    if (signals.group->live.fetch_sub(1) == 1) {
        exit_process(thread, status);
    }
    if (is_traced(thread)) {
        stop_for_exit(thread, exit_code(status));
        report_thread_end(thread, exit_code(status));
    }
    if (signals.is_pthread) {
        thread.exit_status = status;
        thread.exiting = true;
        return;
    }
    if (Debugger* const debugger = debugger_of(thread)) {
        static_cast<void>(debugger->threads().wait(thread));
        debugger->threads().remove(thread);
    }
    // The host's libc must not unwind its first thread: that would end the process.
    set_host_mask(kAllSignals);
    leave_group(thread);
    set_current_thread(nullptr);
    leave_host_thread(thread);
    process().engine->delete_thread(thread.cpu);
    while (true) {
        host_syscall(SYS_exit, static_cast<u64>(status));
    }
}

void init_process(const Handover& handover) { init_own_file(handover.self_fd); }

// --- the hand-over: "--ulna-exec=<own descriptor>,<program's descriptor>,<n>,<session and slot of
// its tracer>,<session of its tracees>,<signals that only the host blocks>,<its name>", -1 for
// none, and n arguments with filters of system calls

Handover take_handover(int argc, char** argv) {
    Handover handover = {.argc = argc, .argv = argv};
    const std::string_view mark = argc > 1 ? argv[1] : "";
    constexpr std::string_view kPrefix = kHandoverPrefix;
    if (!mark.starts_with(kPrefix)) {
        handover.program_fd = registered_program();
        return handover;
    }
    const char* at = mark.data() + kPrefix.size();
    const char* const end = mark.data() + mark.size();
    int filters = 0;
    for (int* const number :
         {&handover.self_fd, &handover.program_fd, &filters, &handover.trace.session,
          &handover.trace.slot, &handover.trace.own, &handover.blocked_signals}) {
        at = std::min(std::from_chars(at, end, *number).ptr + 1, end);
    }
    handover.name = at < end ? at : nullptr;
    handover.active = true;
    // argv[0] of the host takes the place of the last one that is only for us.
    const int last = 1 + std::clamp(filters, 0, argc - 2);
    handover.filters.assign(argv + 2, argv + last + 1);
    argv[last] = argv[0];
    handover.argv = argv + last;
    handover.argc = argc - last;
    return handover;
}

void finish_handover(const Handover& handover) {
    if (handover.program_fd < 0) {
        return;
    }
    Process& self = process();
    struct stat named, opened;
    if (stat(self.exe_path.c_str(), &named) != 0 || fstat(handover.program_fd, &opened) != 0 ||
        named.st_ino != opened.st_ino || named.st_dev != opened.st_dev) {
        self.exe_file = fcntl(handover.program_fd, F_DUPFD_CLOEXEC, high_descriptor());
    }
    close(handover.program_fd);
}

} // namespace ulna::user
