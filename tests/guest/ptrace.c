// ptrace(2): stops, their order, and what a tracer sees and changes in them. Compiled for the host it checks the
// host's kernel.
#define _GNU_SOURCE
#include "ptrace_check.h"

#include <fcntl.h>
#include <stddef.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

// --- tests

static volatile long g_word = 0x1122334455667788;

static void exit_with_word(void) { _exit(g_word); }

static void memory_and_registers(void) {
    const pid_t pid = start(exit_with_word);
    const siginfo_t info = info_of(pid);
    CHECK(info.si_signo == SIGSTOP && info.si_code == SI_TKILL && info.si_pid == pid);
    CHECK(peek(pid, (void*)&g_word) == 0x1122334455667788);
    CHECK(ptrace_(PTRACE_POKEDATA, pid, (uintptr_t)&g_word, 7) == 0);
    CHECK(peek(pid, (void*)&g_word) == 7 && g_word == 0x1122334455667788);
    long word;
    CHECK(ptrace_(PTRACE_PEEKDATA, pid, 8, (uintptr_t)&word) == -1 && errno == EIO);
    CHECK(ptrace_(PTRACE_POKEDATA, pid, 8, 1) == -1 && errno == EIO);
    struct registers set = get_registers(pid);
    CHECK(PC(set) != 0 && SP(set) != 0);
    set_registers(pid, &set);
    struct iovec place = {&set, 8};
    CHECK(ptrace_(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&place) == 0 && place.iov_len == 8);
    place.iov_len = 7;
    CHECK(ptrace_(PTRACE_GETREGSET, pid, NT_PRSTATUS, (uintptr_t)&place) == -1 && errno == EINVAL);
    CHECK(ptrace_(PTRACE_GETREGSET, pid, 0x7777, (uintptr_t)&place) == -1 && errno == EINVAL);
    CHECK(ptrace_(PTRACE_CONT, pid, 0, 65) == -1 && errno == EIO);
    CHECK(ptrace_(PTRACE_SETOPTIONS, pid, 0, 1ul << 31) == -1 && errno == EINVAL);
    CHECK(ptrace_(PTRACE_LISTEN, pid, 0, 0) == -1 && errno == EIO);
    CHECK(ptrace_(PTRACE_INTERRUPT, pid, 0, 0) == -1 && errno == EIO);
    CHECK(ptrace_(9999, pid, 0, 0) == -1 && errno == EIO);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 7);
    CHECK(ptrace_(PTRACE_CONT, pid, 0, 0) == -1 && errno == ESRCH);
}

static void trace_twice(void) { CHECK(ptrace_(PTRACE_TRACEME, 0, 0, 0) == -1 && errno == EPERM); }

static void errors(void) {
    CHECK(ptrace_(PTRACE_ATTACH, getpid(), 0, 0) == -1 && errno == EPERM);
    CHECK(ptrace_(PTRACE_ATTACH, 0, 0, 0) == -1 && errno == ESRCH);
    CHECK(ptrace_(PTRACE_SEIZE, getpid(), 1, 0) == -1 && errno == EIO);
    CHECK(ptrace_(PTRACE_CONT, getppid(), 0, 0) == -1 && errno == ESRCH);
    const pid_t pid = start(trace_twice);
    CHECK(ptrace_(PTRACE_ATTACH, pid, 0, 0) == -1 && errno == EPERM);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 0);
}

static void make_calls(void) {
    const long parent = syscall(SYS_getppid);
    CHECK(parent == 12345);
    CHECK(syscall(SYS_getpgid, 0) == -1 && errno == EXDEV);
    CHECK(syscall(SYS_kill, 0, 0, 0, 0, 0) == 0);
    CHECK(syscall(4000, 1) == -1 && errno == ENOSYS);
}

static void expect_entry(pid_t pid, long number, uintptr_t first) {
    struct ptrace_syscall_info info;
    CHECK(get_number(pid) == number);
    CHECK(message_of(pid) == PTRACE_EVENTMSG_SYSCALL_ENTRY);
    CHECK(ptrace_(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info) == 80);
    CHECK(info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == (uint64_t)number);
    CHECK(first == (uintptr_t)-1 || info.entry.args[0] == first);
    const struct registers set = get_registers(pid);
    CHECK(info.instruction_pointer == PC(set) && info.stack_pointer == SP(set));
    const siginfo_t signal = info_of(pid);
    CHECK(signal.si_signo == SIGTRAP && signal.si_code == CALL_STOP && signal.si_pid == pid);
#ifdef __aarch64__
    CHECK(set.r.regs[7] == 0);
#endif
}

static void expect_result(pid_t pid, long result) {
    struct ptrace_syscall_info info;
    CHECK(message_of(pid) == PTRACE_EVENTMSG_SYSCALL_EXIT);
    CHECK(ptrace_(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info) == 33);
    CHECK(info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.rval == result);
    CHECK(info.exit.is_error == (result < 0));
#ifdef __aarch64__
    CHECK(get_registers(pid).r.regs[7] == 1);
#endif
}

static void step_to_call_stop(pid_t pid) {
    resume(PTRACE_SYSCALL, pid, 0);
    expect_stop(pid, CALL_STOP);
}

static void system_calls(void) {
    const pid_t pid = start(make_calls);
    set_options(pid, PTRACE_O_TRACESYSGOOD);
    do { // raise() ends with a call
        step_to_call_stop(pid);
    } while (get_number(pid) != SYS_getppid);
    expect_entry(pid, SYS_getppid, -1);
    step_to_call_stop(pid);
    expect_result(pid, getpid());
    struct registers set = get_registers(pid);
    RESULT(set) = 12345;
    set_registers(pid, &set);

    step_to_call_stop(pid);
    expect_entry(pid, SYS_getpgid, 0);
    set_number(pid, -1); // skipped
    step_to_call_stop(pid);
    set = get_registers(pid);
    RESULT(set) = -EXDEV;
    set_registers(pid, &set);

    step_to_call_stop(pid);
    expect_entry(pid, SYS_kill, 0);
    set_number(pid, SYS_getpid);
    step_to_call_stop(pid);
    expect_result(pid, pid);
    set = get_registers(pid);
    RESULT(set) = 0;
    set_registers(pid, &set);

    step_to_call_stop(pid);
    expect_entry(pid, 4000, 1);
    step_to_call_stop(pid);
    expect_result(pid, -ENOSYS);

    step_to_call_stop(pid);
    expect_entry(pid, SYS_exit_group, 0);
    resume(PTRACE_SYSCALL, pid, 0);
    expect_exit(pid, 0);
}

static volatile int g_handled;
static void count_signal(int signal) { g_handled += signal; }

static void take_signals(void) {
    signal(SIGUSR1, count_signal);
    signal(SIGUSR2, SIG_IGN);
    raise(SIGUSR1);
    raise(SIGUSR1); // suppressed by the tracer
    raise(SIGUSR2); // ignored
    raise(SIGWINCH); // ignored by default
    raise(SIGTERM); // becomes SIGUSR1
    _exit(g_handled);
}

static void signals(void) {
    const pid_t pid = start(take_signals);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGUSR1);
    siginfo_t info = info_of(pid);
    CHECK(info.si_signo == SIGUSR1 && info.si_code == SI_TKILL && info.si_pid == pid);
    resume(PTRACE_CONT, pid, SIGUSR1);
    expect_stop(pid, SIGUSR1);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGUSR2);
    resume(PTRACE_CONT, pid, SIGUSR2);
    expect_stop(pid, SIGWINCH);
    resume(PTRACE_CONT, pid, SIGWINCH);
    expect_stop(pid, SIGTERM);
    uint64_t mask;
    CHECK(ptrace_(PTRACE_GETSIGMASK, pid, 4, (uintptr_t)&mask) == -1 && errno == EINVAL);
    CHECK(ptrace_(PTRACE_GETSIGMASK, pid, 8, (uintptr_t)&mask) == 0 && mask == 0);
    resume(PTRACE_CONT, pid, SIGUSR1);
    expect_exit(pid, 2 * SIGUSR1);
}

static void end_by_signal(void) { abort(); }

static void fatal_signals(void) {
    const pid_t pid = start(end_by_signal);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGABRT);
    resume(PTRACE_CONT, pid, SIGABRT);
    expect_killed(pid, SIGABRT);

    const pid_t other = start(sleep_for_ever);
    CHECK(ptrace_(PTRACE_KILL, other, 0, 0) == 0);
    expect_killed(other, SIGKILL);
}

static volatile int* volatile g_nowhere = (int*)8;
static void fault(void) { *g_nowhere = 1; }

static void faults(void) {
    const pid_t pid = start(fault);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSEGV);
    const siginfo_t info = info_of(pid);
    CHECK(info.si_code == SEGV_MAPERR && info.si_addr == (void*)8);
    resume(PTRACE_CONT, pid, SIGSEGV);
    expect_killed(pid, SIGSEGV);
}

__attribute__((noinline)) static void broken_here(void) { __asm__ volatile("nop" ::: "memory"); }

static void call_twice(void) {
    broken_here();
    broken_here();
    _exit(5);
}

static void breakpoints(void) {
    const pid_t pid = start(call_twice);
    const long before = peek(pid, (void*)broken_here);
    const long mask = BREAKPOINT_BYTES == 1 ? 0xff : 0xffffffff;
    const long broken = (before & ~mask) | BREAKPOINT;
    CHECK(ptrace_(PTRACE_POKETEXT, pid, (uintptr_t)broken_here, broken) == 0);
    for (int i = 0; i < 2; ++i) {
        resume(PTRACE_CONT, pid, 0);
        expect_stop(pid, SIGTRAP);
        struct registers set = get_registers(pid);
        CHECK(PC(set) == (uintptr_t)broken_here + PC_AFTER_BREAKPOINT);
        CHECK(info_of(pid).si_signo == SIGTRAP);
        PC(set) = (uintptr_t)broken_here;
        set_registers(pid, &set);
        CHECK(ptrace_(PTRACE_POKETEXT, pid, (uintptr_t)broken_here, before) == 0);
        resume(PTRACE_SINGLESTEP, pid, 0);
        expect_stop(pid, SIGTRAP);
        CHECK(PC(get_registers(pid)) > (uintptr_t)broken_here);
        CHECK(PC(get_registers(pid)) <= (uintptr_t)broken_here + 4);
        CHECK(ptrace_(PTRACE_POKETEXT, pid, (uintptr_t)broken_here, broken) == 0);
    }
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 5);
}

static void single_steps(void) {
    const pid_t pid = start(call_twice);
    int steps = 0, seen = 0;
    while (1) {
        resume(PTRACE_SINGLESTEP, pid, 0);
        const int status = wait_for(pid);
        if (WIFEXITED(status)) {
            CHECK(WEXITSTATUS(status) == 5);
            break;
        }
        CHECK(WIFSTOPPED(status) && status >> 8 == SIGTRAP);
        seen += PC(get_registers(pid)) == (uintptr_t)broken_here;
        ++steps;
    }
    CHECK(seen == 2 && steps > 8 && steps < 1000);
}

// --- children

static void fork_one(void) {
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(3);
    }
    expect_exit(pid, 3);
}

static void forks(void) {
    const pid_t pid = start(fork_one);
    set_options(pid, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, EVENT(PTRACE_EVENT_FORK));
    const pid_t child = message_of(pid);
    expect_stop(child, SIGSTOP);
    resume(PTRACE_CONT, pid, 0);
    resume(PTRACE_CONT, child, 0);
    expect_stop(child, EVENT(PTRACE_EVENT_EXIT));
    CHECK(message_of(child) == 3 << 8);
    resume(PTRACE_CONT, child, 0);
    expect_exit(child, 3);
    int status = wait_for(pid);
    if (status == (SIGCHLD << 8 | 0x7f)) {
        resume(PTRACE_CONT, pid, SIGCHLD);
        status = wait_for(pid);
    }
    CHECK(status == (EVENT(PTRACE_EVENT_EXIT) << 8 | 0x7f));
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 0);
}

static void vfork_one(void) {
    if (vfork() == 0) {
        _exit(4);
    }
    wait(NULL);
}

static void vforks(void) {
    const pid_t pid = start(vfork_one);
    set_options(pid, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, EVENT(PTRACE_EVENT_VFORK));
    const pid_t child = message_of(pid);
    expect_stop(child, SIGSTOP);
    resume(PTRACE_CONT, pid, 0);
    int status;
    CHECK(waitpid(pid, &status, __WALL | WNOHANG) == 0);
    resume(PTRACE_CONT, child, 0);
    expect_exit(child, 4);
    int done = 0;
    while (1) {
        status = wait_for(pid);
        if (!WIFSTOPPED(status)) {
            break;
        }
        if (status >> 8 == EVENT(PTRACE_EVENT_VFORK_DONE)) {
            CHECK(message_of(pid) == (unsigned long)child);
            ++done;
            resume(PTRACE_CONT, pid, 0);
        } else {
            CHECK(status >> 8 == SIGCHLD);
            resume(PTRACE_CONT, pid, SIGCHLD);
        }
    }
    CHECK(done == 1 && status == 0);
}

static void* thread_body(void* argument) {
    syscall(SYS_getppid);
    return argument;
}

static void make_thread(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, thread_body, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    _exit(6);
}

static void threads(void) {
    const pid_t pid = start(make_thread);
    set_options(pid, PTRACE_O_TRACECLONE);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, EVENT(PTRACE_EVENT_CLONE));
    const pid_t thread = message_of(pid);
    CHECK(thread != pid);
    expect_stop(thread, SIGSTOP);
    CHECK(SP(get_registers(thread)) != SP(get_registers(pid)));
    resume(PTRACE_CONT, thread, 0);
    resume(PTRACE_CONT, pid, 0);
    const int status = wait_for(thread); // it may still be there when the process ends
    CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 6));
    expect_exit(pid, 6);
}

static char g_self[4096];

static void execute(void) {
    execl(g_self, g_self, "--exit-with-9", NULL);
}

static void executions(void) {
    const pid_t pid = start(execute);
    set_options(pid, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, EVENT(PTRACE_EVENT_EXEC));
    CHECK(message_of(pid) == (unsigned long)pid);
    step_to_call_stop(pid);
    expect_result(pid, 0);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 9);

    const pid_t other = start(execute);
    resume(PTRACE_CONT, other, 0);
    expect_stop(other, SIGTRAP);
    CHECK(info_of(other).si_code == SI_USER);
    resume(PTRACE_CONT, other, 0);
    expect_exit(other, 9);
}

static void* execute_in_thread(void* argument) {
    execute();
    return argument;
}

static void execute_beside(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, execute_in_thread, NULL) == 0);
    sleep_for_ever();
}

static void executions_by_threads(void) {
    const pid_t pid = start(execute_beside);
    set_options(pid, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, EVENT(PTRACE_EVENT_CLONE));
    const pid_t thread = message_of(pid);
    expect_stop(thread, SIGSTOP);
    resume(PTRACE_CONT, pid, 0);
    resume(PTRACE_CONT, thread, 0);
    expect_stop(pid, EVENT(PTRACE_EVENT_EXEC));
    CHECK(message_of(pid) == (unsigned long)thread);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 9);
    CHECK(waitpid(thread, NULL, __WALL) == -1 && errno == ECHILD);
}

// --- attaching

static void attaching(void) {
    const pid_t pid = start_untraced(sleep_for_ever);
    CHECK(ptrace_(PTRACE_ATTACH, pid, 0, 0) == 0);
    expect_stop(pid, SIGSTOP);
    CHECK(info_of(pid).si_code == SI_KERNEL && info_of(pid).si_pid == 0);
    CHECK(ptrace_(PTRACE_ATTACH, pid, 0, 0) == -1 && errno == EPERM);
    CHECK(PC(get_registers(pid)) != 0);
    CHECK(ptrace_(PTRACE_DETACH, pid, 0, 0) == 0);
    CHECK(ptrace_(PTRACE_CONT, pid, 0, 0) == -1 && errno == ESRCH);
    CHECK(ptrace_(PTRACE_ATTACH, pid, 0, 0) == 0);
    expect_stop(pid, SIGSTOP);
    CHECK(ptrace_(PTRACE_DETACH, pid, 0, SIGTERM) == 0);
    expect_killed(pid, SIGTERM);
}

static void seizing(void) {
    const pid_t pid = start_untraced(sleep_for_ever);
    CHECK(ptrace_(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
    int status;
    CHECK(waitpid(pid, &status, WNOHANG) == 0);
    CHECK(ptrace_(PTRACE_INTERRUPT, pid, 0, 0) == 0);
    expect_stop(pid, EVENT_STOP(SIGTRAP));
    CHECK(info_of(pid).si_code == EVENT_STOP(SIGTRAP));
    resume(PTRACE_CONT, pid, 0);
    CHECK(kill(pid, SIGUSR1) == 0);
    expect_stop(pid, SIGUSR1);
    resume(PTRACE_CONT, pid, 0);
    end(pid);
}

static void group_stops(void) {
    const pid_t pid = start_untraced(sleep_for_ever);
    CHECK(ptrace_(PTRACE_SEIZE, pid, 0, 0) == 0);
    CHECK(kill(pid, SIGSTOP) == 0);
    expect_stop(pid, SIGSTOP);
    resume(PTRACE_CONT, pid, SIGSTOP);
    expect_stop(pid, EVENT_STOP(SIGSTOP));
    CHECK(ptrace_(PTRACE_LISTEN, pid, 0, 0) == 0);
    CHECK(ptrace_(PTRACE_PEEKDATA, pid, 0, 0) == -1 && errno == ESRCH);
    sleep_ms(50);
    int status;
    CHECK(waitpid(pid, &status, WNOHANG) == 0);
    CHECK(kill(pid, SIGCONT) == 0);
    expect_stop(pid, EVENT_STOP(SIGTRAP));
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGCONT);
    resume(PTRACE_CONT, pid, SIGCONT);
    end(pid);
}

// A shell that is traced sees its jobs stop and go on.
static void control_job(void) {
    const pid_t job = fork();
    if (job == 0) {
        sleep_for_ever();
    }
    int status;
    sleep_ms(20);
    CHECK(kill(job, SIGTSTP) == 0);
    CHECK(waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status));
    CHECK(WSTOPSIG(status) == SIGTSTP || WSTOPSIG(status) == SIGSTOP);
    CHECK(kill(job, SIGCONT) == 0 && kill(job, SIGTERM) == 0);
    expect_killed(job, SIGTERM);
}

static volatile int* g_shared;
static void control_job_later(void) {
    while (g_shared[0] == 0) {
        sleep_ms(1);
    }
    control_job();
}

static void jobs_of_tracees(void) {
    const pid_t shell = start_untraced(control_job_later);
    CHECK(ptrace_(PTRACE_SEIZE, shell, 0, PTRACE_O_TRACEFORK) == 0);
    g_shared[0] = 1;
    int status;
    for (int ended = 0; ended < 2;) {
        const pid_t pid = waitpid(-1, &status, __WALL);
        CHECK(pid > 0);
        if (!WIFSTOPPED(status)) {
            CHECK(pid != shell || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
            ++ended;
            continue;
        }
        const int signal = WSTOPSIG(status);
        if (status >> 16 == PTRACE_EVENT_STOP && signal != SIGTRAP) {
            CHECK(ptrace_(PTRACE_LISTEN, pid, 0, 0) == 0);
        } else {
            resume(PTRACE_CONT, pid, status >> 16 == 0 ? signal : 0);
        }
    }
    g_shared[0] = 0;
}

static volatile sig_atomic_t g_children;
static siginfo_t g_child_info;
static void on_child(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)context;
    g_child_info = *info;
    ++g_children;
}

static void child_signals(void) {
    struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART}, old;
    CHECK(sigaction(SIGCHLD, &action, &old) == 0);
    g_children = 0;
    const pid_t pid = start(sleep_for_ever);
    while (g_children == 0) {
        sleep_ms(1);
    }
    CHECK(g_child_info.si_code == CLD_TRAPPED && g_child_info.si_pid == pid);
    CHECK(g_child_info.si_status == SIGSTOP);
    action.sa_flags |= SA_NOCLDSTOP;
    CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
    g_children = 0;
    resume(PTRACE_CONT, pid, 0);
    CHECK(kill(pid, SIGUSR1) == 0);
    expect_stop(pid, SIGUSR1);
    sleep_ms(20);
    CHECK(g_children == 0);
    end(pid);
    CHECK(sigaction(SIGCHLD, &old, NULL) == 0);
}

static void waiting(void) {
    const pid_t pid = start_untraced(sleep_for_ever);
    CHECK(ptrace_(PTRACE_ATTACH, pid, 0, 0) == 0);
    siginfo_t info = {};
    CHECK(waitid(P_PID, pid, &info, WSTOPPED | WEXITED | WNOWAIT) == 0);
    CHECK(info.si_pid == pid && info.si_code == CLD_TRAPPED && info.si_status == SIGSTOP);
    info.si_pid = 0;
    CHECK(waitid(P_ALL, 0, &info, WSTOPPED | WEXITED) == 0 && info.si_pid == pid);
    info.si_pid = 1;
    CHECK(waitid(P_ALL, 0, &info, WSTOPPED | WEXITED | WNOHANG) == 0 && info.si_pid == 0);
    resume(PTRACE_CONT, pid, 0);
    end(pid);
    CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
}

// A process whose parent is another one.
static void strangers(void) {
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    const pid_t parent = fork();
    if (parent == 0) {
        const pid_t child = fork();
        if (child == 0) {
            close(pipes[0]);
            close(pipes[1]);
            sleep_for_ever();
        }
        CHECK(write(pipes[1], &child, sizeof child) == sizeof child);
        expect_killed(child, SIGTERM);
        _exit(0);
    }
    pid_t child;
    CHECK(read(pipes[0], &child, sizeof child) == sizeof child);
    CHECK(ptrace_(PTRACE_SEIZE, child, 0, 0) == 0);
    CHECK(kill(child, SIGTERM) == 0);
    expect_stop(child, SIGTERM);
    resume(PTRACE_CONT, child, SIGTERM);
    expect_killed(child, SIGTERM);
    expect_exit(parent, 0);
    close(pipes[0]);
    close(pipes[1]);
}

// A tracer that ends leaves its tracees alone, or kills them.
static void lost_tracers(void) {
    const pid_t pid = start_untraced(sleep_for_ever);
    for (int kills = 0; kills <= 1; ++kills) {
        const pid_t tracer = fork();
        if (tracer == 0) {
            CHECK(ptrace_(PTRACE_SEIZE, pid, 0, kills ? PTRACE_O_EXITKILL : 0) == 0);
            CHECK(ptrace_(PTRACE_INTERRUPT, pid, 0, 0) == 0);
            expect_stop(pid, EVENT_STOP(SIGTRAP));
            _exit(0);
        }
        expect_exit(tracer, 0);
        if (!kills) {
            int status;
            sleep_ms(20);
            CHECK(waitpid(pid, &status, WNOHANG) == 0);
        }
    }
    expect_killed(pid, SIGKILL);
}

static void sleep_once(void) {
    const long long before = now_ms();
    const struct timespec time = {0, 300000000};
    CHECK(nanosleep(&time, NULL) == 0);
    CHECK(now_ms() - before >= 300);
}

// What is interrupted by no signal goes on.
static void interrupted_sleep(void) {
    const pid_t pid = start_untraced(sleep_once);
    CHECK(ptrace_(PTRACE_SEIZE, pid, 0, 0) == 0);
    for (int i = 0; i < 3; ++i) {
        sleep_ms(20);
        CHECK(ptrace_(PTRACE_INTERRUPT, pid, 0, 0) == 0);
        expect_stop(pid, EVENT_STOP(SIGTRAP));
        resume(PTRACE_CONT, pid, 0);
    }
    const long long before = now_ms();
    expect_exit(pid, 0);
    CHECK(now_ms() - before < 290);
}

// --- seccomp

static void filter_getpgid(unsigned data) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | data),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
}

static void call_filtered(void) {
    const pid_t group = getpgrp(); // the same call
    filter_getpgid(77);
    CHECK(syscall(SYS_getpgid, 0) == group);
    CHECK(syscall(SYS_getpgid, 0) == -1 && errno == EXDEV);
    CHECK(syscall(SYS_getpgid, 0) == getppid());
    raise(SIGSTOP); // the tracer wants no such events any more
    CHECK(syscall(SYS_getpgid, 0) == -1 && errno == ENOSYS);
}

static void expect_filtered(pid_t pid) {
    struct ptrace_syscall_info info;
    expect_stop(pid, EVENT(PTRACE_EVENT_SECCOMP));
    CHECK(message_of(pid) == 77 && get_number(pid) == SYS_getpgid);
    CHECK(ptrace_(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info) == 84);
    CHECK(info.op == PTRACE_SYSCALL_INFO_SECCOMP && info.seccomp.nr == SYS_getpgid);
    CHECK(info.seccomp.ret_data == 77 && info.seccomp.args[0] == 0);
}

static void filtered_calls(void) {
    const pid_t pid = start(call_filtered);
    set_options(pid, PTRACE_O_TRACESECCOMP);
    resume(PTRACE_CONT, pid, 0);
    expect_filtered(pid);
    resume(PTRACE_CONT, pid, 0);
    expect_filtered(pid);
    set_number(pid, -1);
    struct registers set = get_registers(pid);
    RESULT(set) = -EXDEV;
    set_registers(pid, &set);
    resume(PTRACE_CONT, pid, 0);
    expect_filtered(pid);
    set_number(pid, SYS_getppid);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSTOP);
    set_options(pid, 0);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 0);
}

// --- memory by other ways

static void call_until_stopped(void) {
    for (int i = 0; i < 1000; ++i) { // it is translated well before
        broken_here();
    }
    raise(SIGSTOP);
    call_twice();
}

static void memory_files(void) {
    const pid_t pid = start(call_until_stopped);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSTOP);
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/mem", pid);
    const int file = open(name, O_RDWR);
    const unsigned breakpoint = BREAKPOINT;
    unsigned before;
    CHECK(pread(file, &before, BREAKPOINT_BYTES, (off_t)broken_here) == BREAKPOINT_BYTES);
    CHECK(pwrite(file, &breakpoint, BREAKPOINT_BYTES, (off_t)broken_here) == BREAKPOINT_BYTES);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGTRAP);
    CHECK(pwrite(file, &before, BREAKPOINT_BYTES, (off_t)broken_here) == BREAKPOINT_BYTES);
    struct registers set = get_registers(pid);
    PC(set) = (uintptr_t)broken_here;
    set_registers(pid, &set);
    resume(PTRACE_CONT, pid, 0);
    expect_exit(pid, 5);
    close(file);
}

// Code is executable in what other processes see, too.
static void expect_mapped_code(pid_t pid) {
    char name[64], line[512];
    snprintf(name, sizeof name, "/proc/%d/maps", pid);
    FILE* const file = fopen(name, "r");
    int found = 0;
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long start, end;
        char access[5];
        CHECK(sscanf(line, "%lx-%lx %4s", &start, &end, access) == 3);
        if (start <= (uintptr_t)broken_here && (uintptr_t)broken_here < end) {
            found = strcmp(access, "r-xp") == 0;
        }
        CHECK(strstr(line, "ulna") == NULL || strstr(line, g_self) != NULL);
    }
    fclose(file);
    CHECK(found);
}

static void maps_of_others(void) {
    const pid_t pid = start_untraced(sleep_for_ever);
    expect_mapped_code(pid);
    CHECK(ptrace_(PTRACE_ATTACH, pid, 0, 0) == 0);
    expect_stop(pid, SIGSTOP);
    expect_mapped_code(pid);
    resume(PTRACE_CONT, pid, 0);
    end(pid);
}

// --- who looks at a process while it executes programs does it no harm

enum { kExecutions = 100 };

static void execute_again(int left) {
    char count[16];
    snprintf(count, sizeof count, "%d", left - 1);
    execl(g_self, g_self, "--execute-again", count, NULL);
}

static void execute_often(void) { execute_again(kExecutions); }

static void read_maps(pid_t pid) {
    char name[64], text[4096];
    snprintf(name, sizeof name, "/proc/%d/maps", pid);
    const int file = open(name, O_RDONLY);
    if (file >= 0) {
        while (read(file, text, sizeof text) > 0) {
        }
        close(file);
    }
}

// The status of its end; 0 as long as it is there.
static int attach_for_a_moment(pid_t pid) {
    if (ptrace_(PTRACE_SEIZE, pid, 0, 0) != 0) {
        int status = 0;
        return waitpid(pid, &status, WNOHANG) == pid ? status | 1 << 16 : 0;
    }
    ptrace_(PTRACE_INTERRUPT, pid, 0, 0);
    const int status = wait_for(pid);
    if (!WIFSTOPPED(status)) {
        return status | 1 << 16;
    }
    CHECK(ptrace_(PTRACE_DETACH, pid, 0, 0) == 0);
    return 0;
}

static void looks_at_executions(void) {
    for (int attaches = 0; attaches <= 1; ++attaches) {
        const pid_t pid = start_untraced(execute_often);
        int status = 0, end = 0;
        while (end == 0) {
            read_maps(pid);
            end = attaches ? attach_for_a_moment(pid) : waitpid(pid, &status, WNOHANG) != 0 ? status | 1 << 16 : 0;
        }
        if (end != (9 << 8 | 1 << 16)) {
            printf("status %x\n", end);
        }
        CHECK(end == (9 << 8 | 1 << 16));
    }
}

// --- status

// "Name:\tVALUE" of a thread's status, as a character or a number.
static void get_status(const char* file, char* state, int* tracer) {
    char line[512];
    FILE* const status = fopen(file, "r");
    CHECK(status != NULL);
    *state = 0;
    *tracer = -1;
    while (fgets(line, sizeof line, status) != NULL) {
        sscanf(line, "State:\t%c", state);
        sscanf(line, "TracerPid:\t%d", tracer);
    }
    fclose(status);
}

static int tracer_in(const char* format, pid_t pid, pid_t thread) {
    char name[64], state;
    int tracer;
    snprintf(name, sizeof name, format, pid, thread);
    get_status(name, &state, &tracer);
    return tracer;
}

static char state_of(pid_t pid) {
    char name[64], state;
    int tracer;
    snprintf(name, sizeof name, "/proc/%d/status", pid);
    get_status(name, &state, &tracer);
    return state;
}

static void* report_thread(void* argument) {
    g_shared[1] = syscall(SYS_gettid);
    sleep_for_ever();
    return argument;
}

static void see_own_tracer(void) {
    pthread_t thread;
    CHECK(tracer_in("/proc/self/status", 0, 0) == getppid());
    CHECK(pthread_create(&thread, NULL, report_thread, NULL) == 0);
    while (g_shared[1] == 0) {
        sleep_ms(1);
    }
    CHECK(tracer_in("/proc/self/task/%d/status", g_shared[1], 0) == 0);
    CHECK(tracer_in("/proc/%d/task/%d/status", getpid(), getpid()) == getppid());
    raise(SIGSTOP);
    sleep_for_ever();
}

// As a process sees it that has nothing to do with them.
static void expect_tracers(pid_t pid, int of_process, int of_thread) {
    const pid_t observer = fork();
    if (observer == 0) {
        CHECK(tracer_in("/proc/%d/status", pid, 0) == of_process);
        CHECK(tracer_in("/proc/%d/task/%d/status", pid, g_shared[1]) == of_thread);
        _exit(0);
    }
    expect_exit(observer, 0);
    CHECK(tracer_in("/proc/%d/status", pid, 0) == of_process);
    CHECK(tracer_in("/proc/%d/task/%d/status", pid, g_shared[1]) == of_thread);
}

static void tracers_in_status(void) {
    g_shared[1] = 0;
    const pid_t pid = start(see_own_tracer);
    CHECK(state_of(pid) == 't');
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSTOP);
    expect_tracers(pid, getpid(), 0);
    CHECK(ptrace_(PTRACE_SEIZE, g_shared[1], 0, 0) == 0);
    expect_tracers(pid, getpid(), getpid());
    resume(PTRACE_CONT, pid, 0);
    expect_tracers(pid, getpid(), getpid());
    CHECK(kill(pid, SIGTERM) == 0);
    int status;
    CHECK(waitpid(-1, &status, __WALL) > 0 && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTERM);
    CHECK(kill(pid, SIGKILL) == 0);
    while (waitpid(-1, NULL, __WALL) > 0) {
    }
}

// Each thread of a process that is killed tells its end, whoever is asked for first.
static void killed_threads(void) {
    g_shared[1] = 0;
    const pid_t pid = start(see_own_tracer);
    resume(PTRACE_CONT, pid, 0);
    expect_stop(pid, SIGSTOP);
    CHECK(ptrace_(PTRACE_SEIZE, g_shared[1], 0, 0) == 0);
    CHECK(kill(pid, SIGKILL) == 0);
    expect_killed(g_shared[1], SIGKILL);
    CHECK(waitpid(g_shared[1], NULL, __WALL) == -1 && errno == ECHILD);
    expect_killed(pid, SIGKILL);
}

int main(int argc, char** argv) {
    if (argc > 1 && strcmp(argv[1], "--exit-with-9") == 0) {
        return 9;
    }
    if (argc > 2 && strcmp(argv[1], "--execute-again") == 0) {
        const int left = atoi(argv[2]);
        strcpy(g_self, argv[0]);
        if (left > 0) {
            execute_again(left);
        }
        return 9;
    }
    CHECK(readlink("/proc/self/exe", g_self, sizeof g_self - 1) > 0);
    g_shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(g_shared != MAP_FAILED);
    RUN(memory_and_registers);
    RUN(errors);
    RUN(system_calls);
    RUN(signals);
    RUN(fatal_signals);
    RUN(faults);
    RUN(breakpoints);
    RUN(single_steps);
    RUN(forks);
    RUN(vforks);
    RUN(threads);
    RUN(executions);
    RUN(executions_by_threads);
    RUN(attaching);
    RUN(seizing);
    RUN(group_stops);
    RUN(jobs_of_tracees);
    RUN(child_signals);
    RUN(waiting);
    RUN(strangers);
    RUN(lost_tracers);
    RUN(interrupted_sleep);
    RUN(filtered_calls);
    RUN(memory_files);
    RUN(maps_of_others);
    RUN(tracers_in_status);
    RUN(killed_threads);
    RUN(looks_at_executions);
    return 0;
}
