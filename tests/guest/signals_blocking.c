// Signals that arrive before, in and after blocking system calls: EINTR or SA_RESTART as the kernel does it,
// and never a call that sleeps although its handler should have run.
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

volatile sig_atomic_t count;

static void tick(int signal) {
    (void)signal;
    ++count;
}

static void install(int signal, int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = tick;
    action.sa_flags = flags;
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static int futex_word;

// What the target sleeps in is its call, not a wait of the translator's own, which is a futex: then
// the call may be a while off. (Where the kernel does not say, the call is taken for granted.)
static int sleeps_in_its_call(pid_t thread) {
    enum { kHostFutex = 202 }; // x86-64's
    char path[64], text[256] = {0};
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
    const int fd = open(path, O_RDONLY);
    const ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    long number;
    unsigned long first_argument;
    return bytes <= 0 || (sscanf(text, "%ld %lx", &number, &first_argument) == 2 &&
                          (number != kHostFutex || first_argument == (unsigned long)&futex_word));
}

// Another thread that sends one signal to this one once it sleeps, and then lets the call finish.
static pthread_t target;
static pid_t target_thread;
static void (*finish)(void);
static void* sender(void* delay) {
    do {
        sleep_ms((int)(long)delay);
    } while (!sleeps_in_its_call(target_thread));
    pthread_kill(target, SIGUSR1);
    sleep_ms(30);
    if (finish) {
        finish();
    }
    return NULL;
}
static pthread_t send_soon(void (*then)(void)) {
    pthread_t thread;
    target = pthread_self();
    target_thread = gettid();
    finish = then;
    count = 0;
    CHECK(pthread_create(&thread, NULL, sender, (void*)20) == 0);
    return thread;
}

static int pipe_fds[2];
static void write_byte(void) { CHECK(write(pipe_fds[1], "x", 1) == 1); }

static void read_restarts_or_not(void) {
    char byte;
    CHECK(pipe(pipe_fds) == 0);
    install(SIGUSR1, SA_RESTART);
    pthread_t thread = send_soon(write_byte);
    CHECK(read(pipe_fds[0], &byte, 1) == 1 && count == 1);
    pthread_join(thread, NULL);
    install(SIGUSR1, 0);
    thread = send_soon(write_byte);
    CHECK(read(pipe_fds[0], &byte, 1) < 0 && errno == EINTR && count == 1);
    pthread_join(thread, NULL);
    CHECK(read(pipe_fds[0], &byte, 1) == 1);
}

static void nanosleep_is_interrupted(void) {
    install(SIGUSR1, SA_RESTART);
    const pthread_t thread = send_soon(NULL);
    struct timespec left = {0, 0};
    const struct timespec request = {10, 0};
    CHECK(nanosleep(&request, &left) < 0 && errno == EINTR && count == 1);
    CHECK(left.tv_sec == 9);
    pthread_join(thread, NULL);
}

static void wake_futex(void) {
    futex_word = 1;
    syscall(SYS_futex, &futex_word, FUTEX_WAKE, 1);
}
static void futex_restarts_or_not(void) {
    install(SIGUSR1, SA_RESTART);
    futex_word = 0;
    pthread_t thread = send_soon(wake_futex);
    // Woken, or restarted after the word has changed.
    const long woken = syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, NULL);
    CHECK((woken == 0 || errno == EAGAIN) && count == 1);
    pthread_join(thread, NULL);
    futex_word = 0;
    thread = send_soon(NULL);
    const struct timespec long_time = {10, 0};
    CHECK(syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, &long_time) < 0 && errno == EINTR);
    pthread_join(thread, NULL);
    install(SIGUSR1, 0);
    thread = send_soon(NULL);
    CHECK(syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, NULL) < 0 && errno == EINTR);
    pthread_join(thread, NULL);
}

static void polls_are_interrupted(void) {
    CHECK(pipe(pipe_fds) == 0);
    install(SIGUSR1, SA_RESTART); // makes no difference
    struct pollfd fd = {.fd = pipe_fds[0], .events = POLLIN};
    pthread_t thread = send_soon(NULL);
    CHECK(poll(&fd, 1, -1) < 0 && errno == EINTR && count == 1);
    pthread_join(thread, NULL);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe_fds[0], &set);
    thread = send_soon(NULL);
    CHECK(select(pipe_fds[0] + 1, &set, NULL, NULL, NULL) < 0 && errno == EINTR && count == 1);
    pthread_join(thread, NULL);
    const int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1122334455667788};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_fds[0], &event) == 0);
    thread = send_soon(NULL);
    struct epoll_event got[4];
    CHECK(epoll_wait(epoll, got, 4, -1) < 0 && errno == EINTR && count == 1);
    pthread_join(thread, NULL);
    write_byte();
    CHECK(epoll_wait(epoll, got, 4, -1) == 1 && got[0].data.u64 == event.data.u64);
    CHECK(got[0].events == EPOLLIN);
    close(epoll);
}

// The mask of ppoll and its like lets the signal in; outside of the call it is blocked.
static void masks_of_polls(void) {
    CHECK(pipe(pipe_fds) == 0);
    install(SIGUSR1, 0);
    sigset_t blocked, open_mask, now;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    CHECK(pthread_sigmask(SIG_BLOCK, &blocked, &open_mask) == 0);
    struct pollfd fd = {.fd = pipe_fds[0], .events = POLLIN};
    const struct timespec zero = {0, 0};
    count = 0;
    raise(SIGUSR1);
    CHECK(ppoll(&fd, 1, &zero, NULL) == 0 && count == 0);
    CHECK(ppoll(&fd, 1, NULL, &open_mask) < 0 && errno == EINTR && count == 1);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGUSR1));
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe_fds[0], &set);
    raise(SIGUSR1);
    CHECK(pselect(pipe_fds[0] + 1, &set, NULL, NULL, NULL, &open_mask) < 0 && errno == EINTR);
    CHECK(count == 2);
    const int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_fds[0], &event) == 0);
    pthread_t thread = send_soon(NULL);
    CHECK(epoll_pwait(epoll, &event, 1, -1, &open_mask) < 0 && errno == EINTR && count == 1);
    pthread_join(thread, NULL);
    // Ready at once: the mask is back, the signal still pending.
    write_byte();
    raise(SIGUSR1);
    CHECK(ppoll(&fd, 1, NULL, NULL) == 1 && count == 1);
    pthread_sigmask(SIG_SETMASK, &open_mask, NULL);
    CHECK(count == 2);
    close(epoll);
}

static pid_t child;
static void end_child(void) { kill(child, SIGKILL); }
static void wait_restarts(void) {
    child = fork();
    if (child == 0) {
        for (;;) {
            pause();
        }
    }
    install(SIGUSR1, SA_RESTART);
    const pthread_t thread = send_soon(end_child);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && count == 1);
    pthread_join(thread, NULL);
}

static void sockets_with_timeout(void) {
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    const struct timeval timeout = {10, 0};
    CHECK(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0);
    install(SIGUSR1, SA_RESTART); // a call with a timeout is not restarted
    const pthread_t thread = send_soon(NULL);
    char byte;
    CHECK(recv(fds[0], &byte, 1, 0) < 0 && errno == EINTR && count == 1);
    pthread_join(thread, NULL);
    close(fds[0]);
    close(fds[1]);
}

// The race: a timer fires at every moment around the entry of a call that nothing else ends.
static void no_lost_wakeups(void) {
    install(SIGALRM, 0);
    CHECK(pipe(pipe_fds) == 0);
    for (int i = 0; i < 3000; ++i) {
        const struct itimerval soon = {.it_value = {0, 1 + i % 97}};
        count = 0;
        CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
        sigset_t open_mask, blocked;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGALRM);
        sigprocmask(SIG_BLOCK, &blocked, &open_mask);
        while (count == 0) {
            sigsuspend(&open_mask);
        }
        sigprocmask(SIG_SETMASK, &open_mask, NULL);
    }
    alarm(most_seconds());
}

// A handler that writes what the main flow's read waits for: with the signal just before the read, a call
// that did not notice it would sleep for ever.
static void write_in_handler(int signal) {
    (void)signal;
    ++count;
    write_byte();
}
static void self_pipe_by(ssize_t (*read_byte)(char*)) {
    struct sigaction action = {.sa_handler = write_in_handler, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(pipe(pipe_fds) == 0);
    for (int i = 0; i < 3000; ++i) {
        const struct itimerval soon = {.it_value = {0, 1 + i % 89}};
        char byte;
        CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
        CHECK(read_byte(&byte) == 1);
    }
    alarm(most_seconds());
}
static ssize_t by_read(char* byte) { return read(pipe_fds[0], byte, 1); }
// Of a pipe: where it stands.
static ssize_t by_preadv2(char* byte) {
    const struct iovec place = {byte, 1};
    return preadv2(pipe_fds[0], &place, 1, -1, 0);
}
static void self_pipe(void) {
    self_pipe_by(by_read);
    self_pipe_by(by_preadv2);
}

int main(void) {
    RUN(read_restarts_or_not);
    RUN(nanosleep_is_interrupted);
    RUN(futex_restarts_or_not);
    RUN(polls_are_interrupted);
    RUN(masks_of_polls);
    RUN(wait_restarts);
    RUN(sockets_with_timeout);
    RUN(no_lost_wakeups);
    RUN(self_pipe);
    return 0;
}
