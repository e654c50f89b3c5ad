// 100,000 queued signals across 8 threads: none lost, none twice, and no register of the computations that
// they interrupt is wrong.
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>

enum { kThreads = 8, kSignals = 100000, kPerThread = kSignals / kThreads };

static _Thread_local int received, expected_value, wrong_order;
static atomic_int ready, total, finished;
static pthread_t threads[kThreads];

static void on_signal(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)context;
    // Thread-directed signals of one number arrive in the order of sending.
    if (info->si_value.sival_int != expected_value) {
        wrong_order = 1;
    }
    expected_value = info->si_value.sival_int + 1;
    ++received;
    atomic_fetch_add(&total, 1);
    // Disturb what the interrupted code may have in registers.
    asm volatile("movi v0.16b, #1\n movi v1.16b, #2\n movi v9.16b, #3\n movi v30.16b, #4\n"
                 "mov x9, #-1\n mov x10, #-1\n mov x17, #-1\n cmp xzr, x9\n"
                 ::: "v0", "v1", "v9", "v30", "x9", "x10", "x17", "cc");
}

// Integer, flags and vector state in a loop whose result is known.
static uint64_t compute(uint64_t seed) {
    uint64_t a = seed, b = 1;
    double d = 1.0;
    for (int i = 0; i < 200; ++i) {
        a = a * 6364136223846793005u + 1442695040888963407u;
        b ^= a >> 29;
        d = d * 1.0000001 + (double)(i & 7);
    }
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return a ^ b ^ bits;
}

static void* worker(void* arg) {
    const uint64_t seed = (uintptr_t)arg;
    const uint64_t right = compute(seed);
    atomic_fetch_add(&ready, 1);
    long rounds = 0;
    while (received < kPerThread) {
        CHECK(compute(seed) == right);
        if (++rounds % 64 == 0) {
            struct timespec t = {0, 1};
            nanosleep(&t, NULL);
        }
    }
    CHECK(received == kPerThread && !wrong_order);
    atomic_fetch_add(&finished, 1);
    return NULL;
}

static void storm(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    CHECK(sigaction(SIGRTMIN, &action, NULL) == 0);
    sigset_t set;
    sigemptyset(&set);
    for (long i = 0; i < kThreads; ++i) {
        CHECK(pthread_create(&threads[i], NULL, worker, (void*)(i + 1)) == 0);
    }
    while (atomic_load(&ready) < kThreads) {
        sched_yield();
    }
    for (int n = 0; n < kPerThread; ++n) {
        for (int i = 0; i < kThreads; ++i) {
            // The queue of the user has a limit (RLIMIT_SIGPENDING).
            while (pthread_sigqueue(threads[i], SIGRTMIN, (union sigval){.sival_int = n}) != 0) {
                sched_yield();
            }
        }
    }
    for (int i = 0; i < kThreads; ++i) {
        pthread_join(threads[i], NULL);
    }
    CHECK(atomic_load(&total) == kThreads * kPerThread && atomic_load(&finished) == kThreads);
}

// Process-directed signals: whichever thread takes them, none is lost.
static atomic_int taken, stop;
static void take(int signal) {
    (void)signal;
    atomic_fetch_add(&taken, 1);
}
static void* idle(void* arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        compute(3);
    }
    return NULL;
}
static void shared_storm(void) {
    enum { kShared = 20000 };
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = take;
    CHECK(sigaction(SIGRTMIN + 1, &action, NULL) == 0);
    for (int i = 0; i < kThreads; ++i) {
        CHECK(pthread_create(&threads[i], NULL, idle, NULL) == 0);
    }
    for (int n = 0; n < kShared; ++n) {
        while (sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = n}) != 0) {
            sched_yield();
        }
    }
    while (atomic_load(&taken) < kShared) {
        sched_yield();
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < kThreads; ++i) {
        pthread_join(threads[i], NULL);
    }
    CHECK(atomic_load(&taken) == kShared);
}

int main(void) {
    RUN(storm);
    RUN(shared_storm);
    return 0;
}
