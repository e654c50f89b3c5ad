// Threads: creation and joining, TLS, mutexes, condition variables, robust mutexes, barriers, exits.
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { kThreads = 8 };
static pthread_t threads[kThreads];

static void start_all(void* (*function)(void*)) {
    for (long i = 0; i < kThreads; ++i) {
        CHECK(pthread_create(&threads[i], NULL, function, (void*)i) == 0);
    }
}
static void join_all(void) {
    for (int i = 0; i < kThreads; ++i) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static void* add(void* arg) {
    (void)arg;
    for (int i = 0; i < 20000; ++i) {
        pthread_mutex_lock(&mutex);
        ++counter;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}
static void mutexes(void) {
    counter = 0;
    start_all(add);
    join_all();
    CHECK(counter == 20000L * kThreads);
}

static atomic_long atomic_counter;
static void* add_atomically(void* arg) {
    (void)arg;
    for (int i = 0; i < 100000; ++i) {
        atomic_fetch_add(&atomic_counter, 1);
    }
    return NULL;
}
static void atomics(void) {
    start_all(add_atomically);
    join_all();
    CHECK(atomic_counter == 100000L * kThreads);
}

static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turn;
static void* take_turns(void* arg) {
    const int me = (int)(intptr_t)arg;
    for (int i = 0; i < 300; ++i) {
        pthread_mutex_lock(&mutex);
        while (turn != me) {
            pthread_cond_wait(&condition, &mutex);
        }
        turn = (turn + 1) % kThreads;
        pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}
static void conditions(void) {
    turn = 0;
    start_all(take_turns);
    join_all();
    CHECK(turn == 0);
    struct timespec soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 5000000;
    if (soon.tv_nsec >= 1000000000) {
        soon.tv_nsec -= 1000000000;
        ++soon.tv_sec;
    }
    pthread_mutex_lock(&mutex);
    CHECK(pthread_cond_timedwait(&condition, &mutex, &soon) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
}

static _Thread_local long local = 5;
static _Thread_local char local_array[3000];
static void* use_tls(void* arg) {
    CHECK(local == 5 && local_array[2999] == 0);
    local += (long)arg;
    local_array[2999] = (char)(long)arg;
    sched_yield();
    CHECK(local == 5 + (long)arg && local_array[2999] == (char)(long)arg);
    CHECK(gettid() != getpid());
    return (void*)(local * 2);
}
static void tls_and_results(void) {
    start_all(use_tls);
    for (long i = 0; i < kThreads; ++i) {
        void* result;
        CHECK(pthread_join(threads[i], &result) == 0 && (long)result == (5 + i) * 2);
    }
    CHECK(local == 5);
}

static void* nothing(void* arg) { return arg; }
static void many_threads(void) {
    for (int i = 0; i < 1000; ++i) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}
static atomic_int detached_done;
static void* count_done(void* arg) {
    atomic_fetch_add(&detached_done, 1);
    return arg;
}
static void detached_threads(void) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 200; ++i) {
        pthread_t thread;
        while (pthread_create(&thread, &attributes, count_done, NULL) != 0) {
            sched_yield();
        }
    }
    while (atomic_load(&detached_done) < 200) {
        sched_yield();
    }
}

// --- robust mutexes: the owner dies as a thread, and as a process

static pthread_mutex_t* robust;
static void* die_with_lock(void* arg) {
    CHECK(pthread_mutex_lock(robust) == 0);
    return arg;
}
static void make_robust(void) {
    pthread_mutexattr_t attributes;
    robust = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutex_init(robust, &attributes) == 0);
}
static void robust_mutexes(void) {
    make_robust();
    for (int i = 0; i < 50; ++i) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, die_with_lock, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(pthread_mutex_lock(robust) == EOWNERDEAD);
        CHECK(pthread_mutex_consistent(robust) == 0);
        CHECK(pthread_mutex_unlock(robust) == 0);
    }
    // A waiter is woken by the death.
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, die_with_lock, NULL) == 0);
    const int got = pthread_mutex_lock(robust);
    CHECK(got == EOWNERDEAD || got == 0);
    if (got == 0) {
        pthread_mutex_unlock(robust);
    } else {
        pthread_mutex_consistent(robust);
        pthread_mutex_unlock(robust);
    }
    pthread_join(thread, NULL);
    if (pthread_mutex_lock(robust) == EOWNERDEAD) {
        pthread_mutex_consistent(robust);
    }
    pthread_mutex_unlock(robust);
    const pid_t child = fork();
    if (child == 0) {
        pthread_mutex_lock(robust);
        raise(SIGKILL);
    }
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(pthread_mutex_lock(robust) == EOWNERDEAD);
    pthread_mutex_consistent(robust);
    pthread_mutex_unlock(robust);
}

static pthread_barrier_t barrier;
static atomic_int passed;
static void* wait_at_barrier(void* arg) {
    for (int i = 0; i < 100; ++i) {
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
            atomic_fetch_add(&passed, 1);
        }
    }
    return arg;
}
static void barriers(void) {
    pthread_barrier_init(&barrier, NULL, kThreads);
    start_all(wait_at_barrier);
    join_all();
    CHECK(passed == 100);
}

static void priority_inheritance(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    CHECK(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) == 0);
    const pthread_mutex_t saved = mutex;
    CHECK(pthread_mutex_init(&mutex, &attributes) == 0);
    counter = 0;
    start_all(add);
    join_all();
    CHECK(counter == 20000L * kThreads);
    mutex = saved;
}

static void* cancelled(void* arg) {
    for (;;) {
        pause();
    }
    return arg;
}
static void cancellation(void) { // the guest libc's own signal 32
    for (int i = 0; i < 50; ++i) {
        pthread_t thread;
        void* result;
        CHECK(pthread_create(&thread, NULL, cancelled, NULL) == 0);
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    }
}

static void* spin(void* arg) {
    for (volatile long i = 0;; ++i) {
    }
    return arg;
}
static void set_ids_everywhere(void) { // and 33, a broadcast to busy threads
    const pid_t child = fork();
    if (child == 0) {
        start_all(spin);
        CHECK(setuid(getuid()) == 0);
        CHECK(setgid(getgid()) == 0);
        _exit(3);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

// --- exits

static void* exit_later(void* arg) {
    sleep_ms(30);
    if (arg != NULL) {
        exit(9);
    }
    return NULL;
}
static int status_of(void (*function)(void)) {
    const pid_t child = fork();
    if (child == 0) {
        function();
        _exit(77);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}
static void main_exits_first(void) {
    CHECK(pthread_create(&threads[0], NULL, exit_later, (void*)1) == 0);
    pthread_exit(NULL);
}
static void all_exit(void) {
    CHECK(pthread_create(&threads[0], NULL, exit_later, NULL) == 0);
    pthread_exit(NULL);
}
static void* exit_raw(void* arg) {
    sleep_ms(30);
    syscall(SYS_exit, 21);
    return arg;
}
static void raw_exits(void) { // the last thread's status is the process's
    CHECK(pthread_create(&threads[0], NULL, exit_raw, NULL) == 0);
    syscall(SYS_exit, 20);
}
static void process_exits_under_threads(void) {
    start_all(spin);
    exit(12);
}
static void exits(void) {
    CHECK(status_of(main_exits_first) == 9);
    CHECK(status_of(all_exit) == 0);
    CHECK(status_of(process_exits_under_threads) == 12);
    CHECK(status_of(raw_exits) == 21); // the first thread's status, though it is not the last to end
}

// --- clone without CLONE_THREAD, sharing memory

static volatile int shared_value;
static int child_function(void* arg) {
    shared_value = (int)(intptr_t)arg;
    return 5;
}
static void clone_sharing_memory(void) {
    static char stack[65536] __attribute__((aligned(16)));
    int status;
    for (int i = 1; i < 20; ++i) {
        const int pid = clone(child_function, stack + sizeof stack, CLONE_VM | SIGCHLD, (void*)(long)i);
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5 && shared_value == i);
    }
    CHECK(clone(child_function, stack + sizeof stack, CLONE_THREAD | SIGCHLD, NULL) < 0);
    CHECK(errno == EINVAL);
}

int main(void) {
    RUN(mutexes);
    RUN(atomics);
    RUN(conditions);
    RUN(tls_and_results);
    RUN(many_threads);
    RUN(detached_threads);
    RUN(robust_mutexes);
    RUN(barriers);
    RUN(priority_inheritance);
    RUN(cancellation);
    RUN(set_ids_everywhere);
    RUN(exits);
    RUN(clone_sharing_memory);
    return 0;
}
