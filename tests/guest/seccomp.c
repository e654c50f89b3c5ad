// seccomp(2): filters, their actions, and who inherits them. Compiled for the host it checks the host's kernel.
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#ifdef __aarch64__
#define OWN_ARCH AUDIT_ARCH_AARCH64
#else
#define OWN_ARCH AUDIT_ARCH_X86_64
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define GIVE(action) BPF_STMT(BPF_RET | BPF_K, action)
#define PROGRAM(name, ...)                                                                         \
    struct sock_filter name##_code[] = {__VA_ARGS__};                                              \
    struct sock_fprog name = {sizeof name##_code / sizeof *name##_code, name##_code}

static char g_self[4096];

static long seccomp(unsigned operation, unsigned flags, void* arguments) {
    return syscall(__NR_seccomp, operation, flags, arguments);
}

static void no_new_privs(void) { CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0); }

// `action` for one system call; the process is killed if it is of another architecture.
static void add_rule(long number, uint32_t action) {
    PROGRAM(rule, LOAD(arch), IF_EQUAL(OWN_ARCH, 1, 0), GIVE(SECCOMP_RET_KILL_PROCESS), LOAD(nr),
            IF_EQUAL((uint32_t)number, 0, 1), GIVE(action), GIVE(SECCOMP_RET_ALLOW));
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &rule) == 0);
}

static int finish(pid_t child) {
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

// Most tests are a child's, as filters stay.
#define IN_CHILD(...)                                                                              \
    ({                                                                                             \
        const pid_t child_ = fork();                                                               \
        if (child_ == 0) {                                                                         \
            __VA_ARGS__;                                                                           \
            _exit(0);                                                                              \
        }                                                                                          \
        finish(child_);                                                                            \
    })

static int status_number(const char* name) {
    static char text[8192];
    FILE* const file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char* const line = strstr(text, name);
    CHECK(line != NULL);
    return atoi(line + strlen(name));
}

// --- what is refused

static void errors(void) {
    PROGRAM(allow, GIVE(SECCOMP_RET_ALLOW));
    CHECK(seccomp(99, 0, NULL) == -1 && errno == EINVAL);
    CHECK(seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL) == -1 && errno == EINVAL);
    CHECK(seccomp(SECCOMP_SET_MODE_STRICT, 0, &allow) == -1 && errno == EINVAL);
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 1u << 30, &allow) == -1 && errno == EINVAL);
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 && errno == EFAULT);
    CHECK(prctl(PR_SET_SECCOMP, 3, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1 && errno == EFAULT);

    uint32_t action = SECCOMP_RET_ERRNO;
    CHECK(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
    CHECK(seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &action) == -1 && errno == EINVAL);
    CHECK(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL) == -1 && errno == EFAULT);
    action = SECCOMP_RET_ERRNO | 1;
    CHECK(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) == -1 && errno == EOPNOTSUPP);

    no_new_privs();
    CHECK(status_number("NoNewPrivs:") == 1);
    PROGRAM(no_end, LOAD(nr));
    PROGRAM(unaligned, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 1), GIVE(0));
    struct sock_fprog empty = {0, allow_code}, unreadable = {1, (void*)8}, none = {1, NULL}, large = {4097, allow_code};
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &no_end) == -1 && errno == EINVAL);
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &unaligned) == -1 && errno == EINVAL);
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &empty) == -1 && errno == EINVAL);
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &large) == -1 && errno == EINVAL);
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &none) == -1 && errno == EINVAL);
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &unreadable) == -1 && errno == EFAULT);
    CHECK(prctl(PR_GET_SECCOMP) == SECCOMP_MODE_DISABLED && status_number("Seccomp:") == 0);
}

static void without_rights(void) {
    PROGRAM(allow, GIVE(SECCOMP_RET_ALLOW));
    if (geteuid() == 0) {
        CHECK(setresuid(65534, 65534, 65534) == 0);
    }
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &allow) == -1 && errno == EACCES);
    no_new_privs();
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &allow) == 0);
}

// About 32768 instructions are the most.
static void limits(void) {
    static struct sock_filter code[4096];
    for (int i = 0; i < 4096; ++i) {
        code[i] = (struct sock_filter)GIVE(SECCOMP_RET_ALLOW);
    }
    struct sock_fprog most = {4096, code};
    no_new_privs();
    int count = 0;
    while (count < 10 && seccomp(SECCOMP_SET_MODE_FILTER, 0, &most) == 0) {
        ++count;
    }
    CHECK(errno == ENOMEM && count >= 3 && count <= 7);
    CHECK(status_number("Seccomp_filters:") == count);
}

// --- actions

static void give_errno(void) {
    no_new_privs();
    add_rule(__NR_getppid, SECCOMP_RET_ERRNO | 77);
    CHECK(syscall(__NR_getppid) == -1 && errno == 77);
    add_rule(__NR_getppid, SECCOMP_RET_ERRNO | 0xffff);
    CHECK(syscall(__NR_getppid) == -1 && errno == 4095);
    add_rule(__NR_getuid, SECCOMP_RET_ERRNO);
    CHECK(syscall(__NR_getuid) == 0);
    add_rule(__NR_getgid, SECCOMP_RET_TRACE);
    CHECK(syscall(__NR_getgid) == -1 && errno == ENOSYS);
    add_rule(__NR_getpid, SECCOMP_RET_LOG);
    CHECK(syscall(__NR_getpid) > 0);
    CHECK(prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER);
    CHECK(status_number("Seccomp:") == 2 && status_number("Seccomp_filters:") == 5);
    CHECK(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL) == -1 && errno == EINVAL);
}

// Arguments are whole registers, and only one value is refused.
static void look_at_arguments(void) {
    no_new_privs();
    PROGRAM(rule, LOAD(nr), IF_EQUAL(__NR_close, 0, 5), LOAD(args[0]), IF_EQUAL(0x1234, 0, 3),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]) + 4),
            IF_EQUAL(0x5678, 0, 1), GIVE(SECCOMP_RET_ERRNO | 99), GIVE(SECCOMP_RET_ALLOW));
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &rule, 0, 0) == 0);
    for (int i = 0; i < 3; ++i) {
        CHECK(syscall(__NR_close, 0x567800001234) == -1 && errno == 99);
        CHECK(syscall(__NR_close, 0x567900001234) == -1 && errno == EBADF);
        CHECK(syscall(__NR_close, 0x567800001235) == -1 && errno == EBADF);
    }
}

static void strictest_wins(void) {
    no_new_privs();
    add_rule(__NR_getppid, SECCOMP_RET_ERRNO | 1);
    add_rule(__NR_getppid, SECCOMP_RET_TRACE);
    add_rule(__NR_getppid, SECCOMP_RET_LOG);
    CHECK(syscall(__NR_getppid) == -1 && errno == 1);
    add_rule(__NR_getppid, SECCOMP_RET_ERRNO | 2);
    CHECK(syscall(__NR_getppid) == -1 && errno == 2);
}

static volatile int g_traps;
static siginfo_t g_info;
static uint64_t g_pc, g_first_argument;

static void on_trap(int signal, siginfo_t* info, void* context) {
    CHECK(signal == SIGSYS);
    ++g_traps;
    g_info = *info;
    mcontext_t* const registers = &((ucontext_t*)context)->uc_mcontext;
#ifdef __aarch64__
    g_pc = registers->pc;
    g_first_argument = registers->regs[0];
    registers->regs[0] = 4711;
#else
    g_pc = registers->gregs[REG_RIP];
    g_first_argument = registers->gregs[REG_RDI];
    registers->gregs[REG_RAX] = 4711;
#endif
}

static void trap(void) {
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    no_new_privs();
    add_rule(__NR_setpriority, SECCOMP_RET_TRAP | 321);
    CHECK(syscall(__NR_setpriority, 123, 0, 0) == 4711 && g_traps == 1 && g_first_argument == 123);
    CHECK(g_info.si_code == 1 && g_info.si_errno == 321 && g_info.si_syscall == __NR_setpriority);
    CHECK(g_info.si_arch == OWN_ARCH && (uint64_t)g_info.si_call_addr == g_pc);
}

static void trap_in_vain(int how) {
    no_new_privs();
    add_rule(__NR_getppid, SECCOMP_RET_TRAP);
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    if (how == 1) {
        signal(SIGSYS, SIG_IGN);
    } else if (how == 2) {
        sigaction(SIGSYS, &action, NULL);
        sigprocmask(SIG_BLOCK, &set, NULL);
    }
    syscall(__NR_getppid);
}

static void kill_process(void) {
    signal(SIGSYS, SIG_IGN);
    no_new_privs();
    add_rule(__NR_getppid, SECCOMP_RET_KILL_PROCESS);
    syscall(__NR_getppid);
}

static void unknown_action(void) {
    no_new_privs();
    add_rule(__NR_getppid, 0x00010000);
    syscall(__NR_getppid);
}

static void* call_getppid(void* unused) {
    syscall(__NR_getppid);
    return unused;
}

static void kill_only_thread(void) {
    no_new_privs();
    add_rule(__NR_getppid, SECCOMP_RET_KILL_THREAD);
    syscall(__NR_getppid);
}

static void kill_one_thread(void) {
    no_new_privs();
    add_rule(__NR_getppid, SECCOMP_RET_KILL_THREAD);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, call_getppid, NULL) == 0 && pthread_join(thread, NULL) == 0);
    _exit(7);
}

static void kill_all_threads(void) {
    no_new_privs();
    add_rule(__NR_getppid, SECCOMP_RET_KILL_PROCESS);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, call_getppid, NULL) == 0 && pthread_join(thread, NULL) == 0);
    _exit(7);
}

static void strict(int then) {
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0);
    if (then == 1) {
        syscall(__NR_getpid);
    }
    if (write(-1, "", 0) == -1) {
        syscall(__NR_exit, 5);
    }
}

static void actions(void) {
    CHECK(IN_CHILD(give_errno()) == 0);
    CHECK(IN_CHILD(look_at_arguments()) == 0);
    CHECK(IN_CHILD(strictest_wins()) == 0);
    CHECK(IN_CHILD(trap()) == 0);
    for (int how = 0; how < 3; ++how) {
        CHECK(IN_CHILD(trap_in_vain(how)) == 256 + SIGSYS);
    }
    CHECK(IN_CHILD(kill_process()) == 256 + SIGSYS);
    CHECK(IN_CHILD(unknown_action()) == 256 + SIGSYS);
    CHECK(IN_CHILD(kill_only_thread()) == 256 + SIGSYS);
    CHECK(IN_CHILD(kill_one_thread()) == 7);
    CHECK(IN_CHILD(kill_all_threads()) == 256 + SIGSYS);
    CHECK(IN_CHILD(strict(0)) == 5);
    CHECK(IN_CHILD(strict(1)) == 256 + SIGKILL);
}

// --- who has them

static void* is_denied(void* unused) {
    CHECK(syscall(__NR_getppid) == -1 && errno == 55);
    return unused;
}

static char g_stack[65536] __attribute__((aligned(16)));
static int child_with_our_memory(void* unused) {
    is_denied(unused);
    add_rule(__NR_getuid, SECCOMP_RET_ERRNO | 66); // its own
    CHECK(syscall(__NR_getuid) == -1 && errno == 66);
    return 3;
}

static void run_self(const char* mode) {
    execl(g_self, g_self, mode, NULL);
    CHECK(!"execl");
}

static void inherit(void) {
    no_new_privs();
    add_rule(__NR_getppid, SECCOMP_RET_ERRNO | 55);
    CHECK(IN_CHILD(is_denied(NULL)) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, is_denied, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(finish(clone(child_with_our_memory, g_stack + sizeof g_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL)) == 3);
    CHECK(finish(clone(child_with_our_memory, g_stack + sizeof g_stack, CLONE_VM | SIGCHLD, NULL)) == 3);
    CHECK(syscall(__NR_getuid) == getuid());
    CHECK(IN_CHILD(run_self("inherited")) == 40);
    const pid_t child = vfork();
    if (child == 0) {
        execl(g_self, g_self, "inherited", NULL);
        _exit(1);
    }
    CHECK(finish(child) == 40);
}

static int inherited_main(void) {
    is_denied(NULL);
    CHECK(prctl(PR_GET_SECCOMP) == 2 && status_number("Seccomp_filters:") == 1);
    add_rule(__NR_getuid, SECCOMP_RET_ERRNO | 66);
    CHECK(IN_CHILD(run_self("inherited-twice")) == 41);
    return 40;
}

static int inherited_twice_main(void) {
    is_denied(NULL);
    CHECK(syscall(__NR_getuid) == -1 && errno == 66 && status_number("Seccomp_filters:") == 2);
    return 41;
}

// A chain that needs several arguments of execve.
static void inherit_much(void) {
    static struct sock_filter code[4096];
    for (int i = 0; i < 4096; ++i) {
        code[i] = (struct sock_filter)GIVE(SECCOMP_RET_ALLOW);
    }
    struct sock_fprog large = {4096, code};
    no_new_privs();
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &large) == 0);
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, 0, &large) == 0);
    add_rule(__NR_getuid, SECCOMP_RET_ERRNO | 66);
    run_self("much");
}

static int much_main(void) {
    CHECK(syscall(__NR_getuid) == -1 && errno == 66 && status_number("Seccomp_filters:") == 3);
    return 42;
}

// --- all threads at once

static int g_pipe[2][2];
static pid_t g_thread_id;
enum { FILTER_OF_ITS_OWN = 1 };

static void* synchronized(void* own_filter) {
    g_thread_id = syscall(__NR_gettid);
    if (own_filter) {
        no_new_privs();
        add_rule(__NR_getgid, SECCOMP_RET_ERRNO | 1);
    }
    char byte = 0;
    CHECK(write(g_pipe[0][1], &byte, 1) == 1 && read(g_pipe[1][0], &byte, 1) == 1);
    const long result = syscall(__NR_getppid);
    return (void*)(intptr_t)(result == -1 ? errno + 1000 * prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) : 0);
}

// What getppid gives in another thread after a filter for all, and 1000 for its no_new_privs.
static long synchronize(int own_filter, unsigned flags, long* installed) {
    PROGRAM(rule, LOAD(nr), IF_EQUAL(__NR_getppid, 0, 1), GIVE(SECCOMP_RET_ERRNO | 55), GIVE(SECCOMP_RET_ALLOW));
    CHECK(pipe(g_pipe[0]) == 0 && pipe(g_pipe[1]) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, synchronized, (void*)(intptr_t)own_filter) == 0);
    char byte;
    CHECK(read(g_pipe[0][0], &byte, 1) == 1);
    no_new_privs();
    *installed = seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | flags, &rule);
    const int error = errno;
    CHECK(write(g_pipe[1][1], &byte, 1) == 1);
    void* result;
    CHECK(pthread_join(thread, &result) == 0);
    errno = error;
    return (long)result;
}

static void threads(void) {
    long installed;
    CHECK(synchronize(0, 0, &installed) == 1055 && installed == 0);
    CHECK(syscall(__NR_getppid) == -1 && errno == 55);
}

static void unlike_threads(void) {
    long installed;
    CHECK(synchronize(FILTER_OF_ITS_OWN, 0, &installed) == 0 && installed == g_thread_id);
    CHECK(synchronize(FILTER_OF_ITS_OWN, SECCOMP_FILTER_FLAG_TSYNC_ESRCH, &installed) == 0);
    CHECK(installed == -1 && errno == ESRCH);
    CHECK(syscall(__NR_getppid) > 0);
}

// --- a listener, which answers the first call and lets the second one be made

static void answer(int listener, struct seccomp_notif_resp response, pid_t caller) {
    struct seccomp_notif call = {};
    CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0);
    CHECK(call.pid == (uint32_t)caller && call.data.nr == __NR_setpriority && call.data.arch == OWN_ARCH);
    CHECK(call.data.args[0] == 0x123456789 && call.data.args[2] == 3);
    CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call.id) == 0);
    response.id = call.id;
    CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0);
}

static void listened(void) {
    CHECK(syscall(__NR_setpriority, 0x123456789, 2, 3) == 4711);
    CHECK(syscall(__NR_setpriority, 0x123456789, 2, 3) == -1 && errno == 88);
    CHECK(syscall(__NR_setpriority, 0x123456789, 2, 3) == -1 && errno == EINVAL);
    CHECK(syscall(__NR_getppid) > 0);
}

static void listen_to(void) {
    no_new_privs();
    PROGRAM(rule, LOAD(nr), IF_EQUAL(__NR_setpriority, 0, 1), GIVE(SECCOMP_RET_USER_NOTIF), GIVE(SECCOMP_RET_ALLOW));
    const int listener = seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &rule);
    CHECK(listener >= 0 && fcntl(listener, F_GETFD) == FD_CLOEXEC);
    CHECK(seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &rule) == -1 && errno == EBUSY);
    const pid_t child = fork();
    if (child == 0) {
        listened();
        run_self("listened");
    }
    for (int round = 0; round < 2; ++round) { // before and after execve
        answer(listener, (struct seccomp_notif_resp){.val = 4711}, child);
        answer(listener, (struct seccomp_notif_resp){.error = -88}, child);
        answer(listener, (struct seccomp_notif_resp){.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE}, child);
    }
    CHECK(finish(child) == 43);
    CHECK(close(listener) == 0 && syscall(__NR_setpriority, 0, 0, 0) == -1 && errno == ENOSYS);
}

static int listened_main(void) {
    listened();
    return 43;
}

// --- clocks of the vDSO are no system calls

static void clocks(void) {
    no_new_privs();
    add_rule(__NR_clock_gettime, SECCOMP_RET_KILL_PROCESS);
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    add_rule(__NR_clock_gettime, SECCOMP_RET_ERRNO | 9);
}

static void processor_clock(void) {
    no_new_privs();
    add_rule(__NR_clock_gettime, SECCOMP_RET_ERRNO | 9);
    struct timespec now;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == -1 && errno == 9);
    CHECK(syscall(__NR_clock_gettime, CLOCK_MONOTONIC, &now) == -1 && errno == 9);
}

#define TEST_IN_CHILD(name)                                                                        \
    static void name##_test(void) { CHECK(IN_CHILD(name()) == 0); }

TEST_IN_CHILD(errors)
TEST_IN_CHILD(without_rights)
TEST_IN_CHILD(limits)
TEST_IN_CHILD(inherit)
static void inherit_much_test(void) { CHECK(IN_CHILD(inherit_much()) == 42); }
TEST_IN_CHILD(threads)
TEST_IN_CHILD(unlike_threads)
TEST_IN_CHILD(listen_to)
TEST_IN_CHILD(clocks)
TEST_IN_CHILD(processor_clock)

int main(int argc, char** argv) {
    CHECK(readlink("/proc/self/exe", g_self, sizeof g_self - 1) > 0);
    if (argc > 1) {
        return strcmp(argv[1], "inherited") == 0         ? inherited_main()
               : strcmp(argv[1], "inherited-twice") == 0 ? inherited_twice_main()
               : strcmp(argv[1], "listened") == 0        ? listened_main()
                                                         : much_main();
    }
    RUN(errors_test);
    RUN(without_rights_test);
    RUN(limits_test);
    RUN(actions);
    RUN(inherit_test);
    RUN(inherit_much_test);
    RUN(threads_test);
    RUN(unlike_threads_test);
    RUN(listen_to_test);
    RUN(clocks_test);
    RUN(processor_clock_test);
    return 0;
}
