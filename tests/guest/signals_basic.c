// Handlers: siginfo, masks, nesting, alternate stacks, jumps out of handlers, queues, waiting for signals.
#define _GNU_SOURCE
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

static volatile sig_atomic_t count, order[64];
// Not static: raise() and its like are declared "leaf", and the compiler would not expect a handler of
// this file to run inside of them.
siginfo_t last;

static void install(int signal, void (*handler)(int, siginfo_t*, void*), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static void record(int signal, siginfo_t* info, void* context) {
    (void)context;
    CHECK(signal == info->si_signo);
    last = *info;
    order[count++ % 64] = signal;
}

static void siginfo_by_kill(void) {
    install(SIGUSR1, record, 0);
    count = 0;
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(count == 1 && last.si_code == SI_USER && last.si_pid == getpid());
    CHECK(raise(SIGUSR1) == 0);
    CHECK(count == 2 && last.si_code == SI_TKILL && last.si_uid == getuid());
}

static void siginfo_by_sigqueue(void) {
    install(SIGRTMIN + 1, record, 0);
    count = 0;
    const union sigval value = {.sival_ptr = (void*)0x123456789abcdef0};
    CHECK(sigqueue(getpid(), SIGRTMIN + 1, value) == 0);
    CHECK(count == 1 && last.si_code == SI_QUEUE && last.si_value.sival_ptr == value.sival_ptr);
}

static void siginfo_of_child(void) {
    install(SIGCHLD, record, 0);
    count = 0;
    const pid_t child = fork();
    if (child == 0) {
        _exit(7);
    }
    int status;
    while (waitpid(child, &status, 0) < 0) {
        CHECK(errno == EINTR);
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    for (int i = 0; i < 1000 && count == 0; ++i) {
        sleep_ms(1);
    }
    CHECK(count == 1 && last.si_code == CLD_EXITED && last.si_pid == child && last.si_status == 7);
    signal(SIGCHLD, SIG_DFL);
}

static void siginfo_of_timer(void) {
    install(SIGRTMIN + 2, record, 0);
    count = 0;
    timer_t timer;
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGRTMIN + 2;
    event.sigev_value.sival_int = 42;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    const struct itimerspec soon = {.it_value = {0, 1000000}};
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    while (count == 0) {
        pause();
    }
    CHECK(last.si_code == SI_TIMER && last.si_value.sival_int == 42);
    CHECK(timer_delete(timer) == 0);
}

static void action_is_reported(void) {
    struct sigaction action, old;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = record;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER;
    sigaddset(&action.sa_mask, SIGUSR2);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(sigaction(SIGUSR1, NULL, &old) == 0);
    CHECK(old.sa_sigaction == record && sigismember(&old.sa_mask, SIGUSR2));
    CHECK((old.sa_flags & (SA_SIGINFO | SA_RESTART | SA_NODEFER)) == action.sa_flags);
    CHECK(sigaction(SIGKILL, &action, NULL) < 0 && errno == EINVAL);
    CHECK(sigaction(SIGSTOP, &action, NULL) < 0 && errno == EINVAL);
    CHECK(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8) < 0 && errno == EINVAL);
    CHECK(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 16) < 0 && errno == EINVAL);
}

// --- masks

static void blocked_is_pending(void) {
    sigset_t set, old, pending;
    install(SIGUSR1, record, 0);
    count = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGKILL);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    CHECK(!sigismember(&old, SIGUSR1));
    raise(SIGUSR1);
    raise(SIGUSR1);
    CHECK(count == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    CHECK(sigprocmask(SIG_SETMASK, NULL, &old) == 0);
    CHECK(sigismember(&old, SIGUSR1) && !sigismember(&old, SIGKILL));
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    CHECK(count == 1); // standard signals do not queue
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1));
}

static void blocked_synchronous_by_kill(void) {
    sigset_t set, pending;
    install(SIGSEGV, record, 0);
    install(SIGTRAP, record, 0);
    count = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigaddset(&set, SIGTRAP);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    kill(getpid(), SIGSEGV);
    raise(SIGTRAP);
    CHECK(count == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGSEGV) &&
          sigismember(&pending, SIGTRAP));
    siginfo_t info;
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGTRAP);
    CHECK(sigwaitinfo(&only, &info) == SIGTRAP && info.si_code == SI_USER); // SI_TKILL, less what glibc hides
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    CHECK(count == 1 && last.si_signo == SIGSEGV && last.si_code == SI_USER);
    signal(SIGSEGV, SIG_IGN);
    kill(getpid(), SIGSEGV);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGTRAP, SIG_DFL);
}

static volatile sig_atomic_t depth, max_depth;
static void nest(int signal, siginfo_t* info, void* context) {
    (void)info, (void)context;
    if (++depth > max_depth) {
        max_depth = depth;
    }
    order[count++] = signal;
    if (count == 1) {
        raise(SIGUSR2); // not blocked: nested
        CHECK(count == 2);
    } else if (count == 2) {
        raise(SIGUSR1); // blocked by its own handler below
        CHECK(count == 2 && depth == 2);
    }
    --depth;
}

static void nested_handlers(void) {
    install(SIGUSR1, nest, 0);
    install(SIGUSR2, nest, 0);
    count = depth = max_depth = 0;
    raise(SIGUSR1);
    CHECK(max_depth == 2 && depth == 0 && count == 3);
    CHECK(order[0] == SIGUSR1 && order[1] == SIGUSR2 && order[2] == SIGUSR1);
}

static void reenter(int signal, siginfo_t* info, void* context) {
    (void)info, (void)context;
    if (++count < 5) {
        raise(signal);
    }
}

static void nodefer_and_resethand(void) {
    install(SIGUSR1, reenter, SA_NODEFER);
    count = 0;
    raise(SIGUSR1);
    CHECK(count == 5);
    install(SIGUSR2, record, SA_RESETHAND);
    count = 0;
    raise(SIGUSR2);
    struct sigaction action;
    CHECK(sigaction(SIGUSR2, NULL, &action) == 0);
    CHECK(count == 1 && action.sa_handler == SIG_DFL);
}

sigset_t mask_in_handler, mask_in_context;
static void look_at_masks(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)info;
    sigprocmask(SIG_SETMASK, NULL, &mask_in_handler);
    mask_in_context = ((ucontext_t*)context)->uc_sigmask;
    // What the handler leaves in its frame is what returns.
    sigaddset(&((ucontext_t*)context)->uc_sigmask, SIGHUP);
}

static void masks_of_a_handler(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = look_at_masks;
    action.sa_flags = SA_SIGINFO;
    sigaddset(&action.sa_mask, SIGWINCH);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    raise(SIGUSR1);
    CHECK(sigismember(&mask_in_handler, SIGUSR1) && sigismember(&mask_in_handler, SIGWINCH));
    CHECK(!sigismember(&mask_in_context, SIGUSR1) && !sigismember(&mask_in_context, SIGWINCH));
    sigset_t now;
    CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0);
    CHECK(sigismember(&now, SIGHUP) && !sigismember(&now, SIGUSR1));
    sigemptyset(&now);
    CHECK(sigprocmask(SIG_SETMASK, &now, NULL) == 0);
}

// --- stacks

static char* alt_stack;
static volatile uintptr_t handler_sp;
static void where(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)info;
    char here;
    handler_sp = (uintptr_t)&here;
    stack_t current;
    CHECK(sigaltstack(NULL, &current) == 0);
    const int on_it = handler_sp >= (uintptr_t)alt_stack && handler_sp < (uintptr_t)alt_stack + 65536;
    CHECK(!!(current.ss_flags & SS_ONSTACK) == on_it);
    if (on_it) {
        CHECK(sigaltstack(&current, NULL) < 0 && errno == EPERM);
        CHECK(((ucontext_t*)context)->uc_stack.ss_sp == alt_stack);
    }
    ++count;
}

static void alternate_stack(void) {
    alt_stack = malloc(65536);
    const stack_t stack = {.ss_sp = alt_stack, .ss_size = 65536};
    const stack_t small = {.ss_sp = alt_stack, .ss_size = 100};
    CHECK(sigaltstack(&small, NULL) < 0 && errno == ENOMEM);
    CHECK(sigaltstack(&stack, NULL) == 0);
    install(SIGUSR1, where, SA_ONSTACK);
    install(SIGUSR2, where, 0);
    count = 0;
    raise(SIGUSR1);
    CHECK(handler_sp >= (uintptr_t)alt_stack && handler_sp < (uintptr_t)alt_stack + 65536);
    raise(SIGUSR2);
    CHECK(!(handler_sp >= (uintptr_t)alt_stack && handler_sp < (uintptr_t)alt_stack + 65536));
    // That a stack was set with SS_ONSTACK does not say that it is in use.
    const stack_t flagged = {.ss_sp = alt_stack, .ss_size = 65536, .ss_flags = (int)(SS_ONSTACK | 1u << 31)};
    stack_t old;
    CHECK(sigaltstack(&flagged, NULL) == 0);
    CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == (int)(1u << 31)); // SS_AUTODISARM
    const stack_t off = {.ss_flags = SS_DISABLE};
    CHECK(sigaltstack(&off, &old) == 0 && old.ss_sp == alt_stack && old.ss_size == 65536);
    CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE);
    CHECK(count == 2);
}

static sigjmp_buf landing;
static void jump(int signal, siginfo_t* info, void* context) {
    (void)info, (void)context;
    siglongjmp(landing, signal);
}

static void jumps_out_of_handlers(void) {
    install(SIGUSR1, jump, 0);
    for (volatile int i = 0; i < 1000; ++i) {
        const int got = sigsetjmp(landing, 1);
        if (got == 0) {
            raise(SIGUSR1);
            CHECK(0);
        }
        CHECK(got == SIGUSR1);
        sigset_t now;
        sigprocmask(SIG_SETMASK, NULL, &now);
        CHECK(!sigismember(&now, SIGUSR1));
    }
}

// --- registers survive, and a handler can change them

static void change_registers(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)info;
    mcontext_t* m = &((ucontext_t*)context)->uc_mcontext;
    m->regs[19] += 1;
    m->pstate |= 1u << 30; // Z
    struct fpsimd_context* fp = (void*)m->__reserved;
    CHECK(fp->head.magic == FPSIMD_MAGIC && fp->head.size == sizeof *fp);
    fp->vregs[9] += 5;
}

static void frame_is_the_state(void) {
    install(SIGUSR1, change_registers, 0);
    register long x19 asm("x19") = 41;
    long result, flags, d9;
    const long pid = getpid(), tid = gettid();
    asm volatile("mov x0, %[pid]\n mov x1, %[tid]\n mov x2, %[sig]\n mov x8, #131\n"
                 "mov x3, #100\n fmov d9, x3\n"
                 "mov x4, #1\n cmp x4, #2\n"
                 "svc #0\n"
                 "cset %[flags], eq\n fmov %[d9], d9\n mov %[result], x0"
                 : [result] "=&r"(result), [flags] "=&r"(flags), [d9] "=&r"(d9), "+r"(x19)
                 : [pid] "r"(pid), [tid] "r"(tid), [sig] "i"(SIGUSR1)
                 : "x0", "x1", "x2", "x3", "x4", "x8", "v9", "cc", "memory");
    CHECK(result == 0 && x19 == 42 && flags == 1 && d9 == 105);
}

// --- every kind of endless loop is left

static void in_a_moment(void) {
    const struct itimerval soon = {.it_value = {0, 3000}};
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
}

static volatile uintptr_t loop_exit; // 0: not there yet
static void leave_loop(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)info;
    if (loop_exit == 0) {
        return in_a_moment();
    }
    ((ucontext_t*)context)->uc_mcontext.pc = loop_exit;
}

#define LEAVE(loop)                                                                                \
    do {                                                                                           \
        loop_exit = 0;                                                                             \
        in_a_moment();                                                                             \
        asm volatile("adr x19, 9f\n str x19, %0\n" loop "\n9:"                                     \
                     : "=m"(loop_exit)::"x9", "x10", "x19", "x30", "cc", "memory");                \
    } while (0)

static void endless_loops(void) {
    install(SIGALRM, leave_loop, 0);
    LEAVE("1: b 1b");
    LEAVE("cmp x9, x9\n 1: b.eq 1b");
    LEAVE("mov x9, #0\n 1: cbz x9, 1b");
    LEAVE("mov x9, #0\n 1: tbz x9, #3, 1b");
    LEAVE("adr x9, 1f\n 1: br x9");
    LEAVE("adr x30, 1f\n 1: ret");
    LEAVE("adr x9, 1f\n 1: blr x9");
    LEAVE("1: bl 1b");
    LEAVE("1: bl 2f\n b 1b\n 2: ret");
    LEAVE("1: bl 2f\n b 1b\n 2: mov x10, x30\n add x9, x9, #1\n ret x10");
    LEAVE("1: ldxr w9, [sp]\n stxr w10, w9, [sp]\n b 1b");
    install(SIGALRM, record, 0);
    count = 0;
    in_a_moment();
    while (count == 0) {
    }
    CHECK(last.si_code == SI_KERNEL);
    signal(SIGALRM, SIG_DFL);
}

// --- queues

static void realtime_queue(void) {
    sigset_t set, old;
    sigemptyset(&set);
    for (int i = 3; i <= 5; ++i) {
        install(SIGRTMIN + i, record, 0);
        sigaddset(&set, SIGRTMIN + i);
    }
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    for (int value = 0; value < 4; ++value) {
        for (int i = 5; i >= 3; --i) {
            CHECK(sigqueue(getpid(), SIGRTMIN + i, (union sigval){.sival_int = value}) == 0);
        }
    }
    // Lowest number first, each number in the order of sending.
    for (int i = 3; i <= 5; ++i) {
        for (int value = 0; value < 4; ++value) {
            siginfo_t info;
            CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + i);
            CHECK(info.si_value.sival_int == value && info.si_code == SI_QUEUE);
        }
    }
    const struct timespec none = {0, 0};
    CHECK(sigtimedwait(&set, NULL, &none) < 0 && errno == EAGAIN);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
}

static volatile sig_atomic_t values[64];
static void record_value(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)context;
    values[count++] = info->si_value.sival_int;
}

static void realtime_queue_by_handler(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 6);
    install(SIGRTMIN + 6, record_value, 0);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int value = 0; value < 50; ++value) {
        CHECK(sigqueue(getpid(), SIGRTMIN + 6, (union sigval){.sival_int = value}) == 0);
    }
    count = 0;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK(count == 50);
    for (int value = 0; value < 50; ++value) {
        CHECK(values[value] == value);
    }
}

static void suspend(void) {
    sigset_t set, old, now;
    install(SIGALRM, record, 0);
    count = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGALRM);
    CHECK(count == 0);
    CHECK(sigsuspend(&old) < 0 && errno == EINTR);
    CHECK(count == 1);
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGALRM));
    const struct timespec t = {0, 2000000};
    const struct itimerspec soon = {.it_value = t};
    timer_t timer;
    CHECK(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0);
    CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
    CHECK(sigsuspend(&old) < 0 && errno == EINTR);
    CHECK(count == 2);
    CHECK(timer_delete(timer) == 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGALRM, SIG_DFL);
}

static void signal_descriptor(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    const int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    struct signalfd_siginfo info;
    CHECK(fd >= 0 && read(fd, &info, sizeof info) < 0 && errno == EAGAIN);
    raise(SIGUSR1);
    CHECK(read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR1);
    close(fd);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

// --- what kills, kills as the parent expects

static int death(void (*how)(void)) {
    const pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) {
            _exit(99);
        }
        how();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}
static void die_term(void) { raise(SIGTERM); }
static void die_abort(void) { abort(); }
static void die_kill(void) { raise(SIGKILL); }
static void die_rt(void) { raise(SIGRTMIN + 9); }
static volatile uintptr_t unmapped = 8;
static void die_segv(void) { *(volatile int*)unmapped = 1; }
static void die_ill(void) { asm volatile("udf #0"); }
static void die_trap(void) { asm volatile("brk #1"); }
static void die_blocked_segv(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    die_segv();
}
static void die_ignored_segv(void) {
    signal(SIGSEGV, SIG_IGN);
    die_segv();
}
static void survive_ignored(void) {
    signal(SIGTERM, SIG_IGN);
    raise(SIGTERM);
    raise(SIGCHLD);
    raise(SIGURG);
    raise(SIGWINCH);
}
static void die_no_stack(void) {
    install(SIGUSR1, record, 0);
    asm volatile("mov x19, sp\n mov x20, #16\n mov sp, x20\n mov x0, %0\n mov x1, %1\n mov x8, #129\n svc #0"
                 ::"r"((long)getpid()), "i"(SIGUSR1) : "x0", "x1", "x8", "x19", "x20", "memory");
}

static void default_actions(void) {
    CHECK(death(die_term) == SIGTERM);
    CHECK(death(die_abort) == SIGABRT);
    CHECK(death(die_kill) == SIGKILL);
    CHECK(death(die_rt) == SIGRTMIN + 9);
    CHECK(death(die_segv) == SIGSEGV);
    CHECK(death(die_ill) == SIGILL);
    CHECK(death(die_trap) == SIGTRAP);
    CHECK(death(die_blocked_segv) == SIGSEGV);
    CHECK(death(die_ignored_segv) == SIGSEGV);
    CHECK(death(die_no_stack) == SIGSEGV);
    CHECK(death(survive_ignored) == 0);
}

int main(void) {
    RUN(siginfo_by_kill);
    RUN(siginfo_by_sigqueue);
    RUN(siginfo_of_child);
    RUN(siginfo_of_timer);
    RUN(action_is_reported);
    RUN(blocked_is_pending);
    RUN(blocked_synchronous_by_kill);
    RUN(nested_handlers);
    RUN(nodefer_and_resethand);
    RUN(masks_of_a_handler);
    RUN(alternate_stack);
    RUN(jumps_out_of_handlers);
    RUN(frame_is_the_state);
    RUN(endless_loops);
    RUN(realtime_queue);
    RUN(realtime_queue_by_handler);
    RUN(suspend);
    RUN(signal_descriptor);
    RUN(default_actions);
    return 0;
}
