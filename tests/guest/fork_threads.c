// Forks while other threads are busy with system calls, the heap and descriptors: no lock may be found held
// in the child, and no child may hang.
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { kThreads = 4, kForks = 2000 };
static atomic_int stop;
static pthread_t threads[kThreads];

static void* dup_and_close(void* arg) {
    while (!atomic_load(&stop)) {
        const int fd = dup(1);
        CHECK(fd >= 0);
        close(fd);
    }
    return arg;
}

static void* map_and_allocate(void* arg) {
    while (!atomic_load(&stop)) {
        void* p = malloc(1000 + rand() % 200000);
        memset(p, 1, 100);
        free(p);
        void* map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(map != MAP_FAILED);
        mprotect(map, 4096, PROT_READ);
        munmap(map, 65536);
    }
    return arg;
}

static void start(void* (*function)(void*)) {
    atomic_store(&stop, 0);
    for (int i = 0; i < kThreads; ++i) {
        CHECK(pthread_create(&threads[i], NULL, function, NULL) == 0);
    }
}
static void finish(void) {
    atomic_store(&stop, 1);
    for (int i = 0; i < kThreads; ++i) {
        pthread_join(threads[i], NULL);
    }
}

static void fork_and_wait(int count, void (*in_child)(void)) {
    for (int i = 0; i < count; ++i) {
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            in_child();
            _exit(i & 0x7f);
        }
        int status;
        while (waitpid(child, &status, 0) < 0) {
            CHECK(errno == EINTR);
        }
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (i & 0x7f));
    }
}

static void do_nothing(void) {}
static void dup_close_fork(void) {
    start(dup_and_close);
    fork_and_wait(kForks, do_nothing);
    finish();
}

// Code that the parent has never run: the child must be able to translate, map and allocate.
static volatile int sink;
static void work_in_child(void) {
    char* p = malloc(300000);
    memset(p, 3, 300000);
    void* map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED && munmap(map, 65536) == 0);
    char text[64];
    snprintf(text, sizeof text, "%d %g", getpid(), 1.5 * getpid());
    sink = atoi(text) + p[299999];
    CHECK(atoi(text) == getpid());
    free(p);
}
static void map_malloc_fork(void) {
    start(map_and_allocate);
    fork_and_wait(300, work_in_child);
    finish();
}

// A thread forks, and the child starts threads of its own.
static void* add_one(void* arg) {
    atomic_fetch_add((atomic_int*)arg, 1);
    return NULL;
}
static void threads_in_child(void) {
    atomic_int sum = 0;
    pthread_t own[3];
    for (int i = 0; i < 3; ++i) {
        CHECK(pthread_create(&own[i], NULL, add_one, &sum) == 0);
    }
    for (int i = 0; i < 3; ++i) {
        CHECK(pthread_join(own[i], NULL) == 0);
    }
    CHECK(sum == 3);
}
static void* fork_in_thread(void* arg) {
    fork_and_wait(20, threads_in_child);
    return arg;
}
static void fork_from_threads(void) {
    for (int i = 0; i < kThreads; ++i) {
        CHECK(pthread_create(&threads[i], NULL, fork_in_thread, NULL) == 0);
    }
    for (int i = 0; i < kThreads; ++i) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

// Memory is copied, not shared; masks and handlers are inherited, pending signals are not.
static volatile int value;
volatile sig_atomic_t handled;
static void on_signal(int signal) {
    (void)signal;
    ++handled;
}
static void inheritance(void) {
    sigset_t set, old, pending;
    signal(SIGUSR1, on_signal);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    value = 1;
    const pid_t child = fork();
    if (child == 0) {
        value = 2;
        CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR1));
        sigprocmask(SIG_SETMASK, &old, NULL);
        CHECK(handled == 0);
        raise(SIGUSR1);
        CHECK(handled == 1);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(value == 1 && handled == 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(handled == 1);
}

// --- a thread whose number in a new PID namespace is the one that the process had outside of it

static void* map_and_unmap(void* unused) {
    for (int i = 0; i < 20000; ++i) {
        void* const at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(at != MAP_FAILED && munmap(at, 4096) == 0);
    }
    return unused;
}

static int wait_for(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static pid_t clone_into(unsigned long namespaces) {
    return (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, NULL, NULL, NULL, NULL);
}

// Where new name spaces are forbidden, it tests nothing.
static void equal_thread_ids(void) {
    const pid_t outer = clone_into(CLONE_NEWUSER | CLONE_NEWPID);
    if (outer == 0) {
        const pid_t second = fork();
        if (second == 0) {
            const pid_t inner = clone_into(CLONE_NEWPID);
            if (inner == 0) {
                pthread_t thread;
                CHECK(getpid() == 1 && pthread_create(&thread, NULL, map_and_unmap, NULL) == 0);
                map_and_unmap(NULL);
                CHECK(pthread_join(thread, NULL) == 0);
                _exit(0);
            }
            _exit(inner > 0 && wait_for(inner) != 0);
        }
        _exit(second > 0 && wait_for(second) != 0);
    }
    CHECK(outer < 0 || wait_for(outer) == 0);
}

int main(void) {
    RUN(equal_thread_ids);
    RUN(inheritance);
    RUN(fork_from_threads);
    RUN(map_malloc_fork);
    RUN(dup_close_fork);
    return 0;
}
