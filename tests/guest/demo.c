// What `tools/run` shows: threads, floating point, files and signals in one Arm program, and how fast it ran.
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { kThreads = 4, kSteps = 20000000 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char* what) {
    fprintf(stderr, "demo: %s: %s\n", what, strerror(errno));
    exit(1);
}

// Each thread integrates 4/(1+x^2) over its share of [0,1]; together they make pi.
static _Atomic uint64_t finished;
static double partial[kThreads];

static void* integrate(void* arg) {
    const int index = (int)(intptr_t)arg;
    double sum = 0;
    for (int i = index; i < kSteps; i += kThreads) {
        const double x = (i + 0.5) / kSteps;
        sum += 4.0 / (1.0 + x * x);
    }
    partial[index] = sum / kSteps;
    atomic_fetch_add(&finished, 1);
    return NULL;
}

static volatile sig_atomic_t alarms;
static void on_alarm(int signal) {
    (void)signal;
    alarms++;
}

// Writes numbers to a file, reads them back, and returns their checksum.
static uint32_t file_round_trip(void) {
    char path[] = "/tmp/ulna-demo-XXXXXX";
    const int fd = mkstemp(path);
    if (fd < 0) {
        fail("mkstemp");
    }
    FILE* file = fdopen(fd, "w+");
    unlink(path);
    for (int i = 0; i < 1000; ++i) {
        fprintf(file, "%d %.17g\n", i, sqrt(i));
    }
    rewind(file);
    uint32_t hash = 2166136261u;
    for (int c; (c = fgetc(file)) != EOF;) {
        hash = (hash ^ (uint32_t)c) * 16777619u;
    }
    fclose(file);
    return hash;
}

int main(void) {
    const double start = now();
    struct utsname name;
    uname(&name);

    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    const struct timespec tick = {0, 10000000};
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, NULL, &timer) != 0) {
        fail("timer_create");
    }
    timer_settime(timer, 0, &(struct itimerspec){tick, tick}, NULL);

    pthread_t threads[kThreads];
    for (int i = 0; i < kThreads; ++i) {
        if (pthread_create(&threads[i], NULL, integrate, (void*)(intptr_t)i) != 0) {
            fail("pthread_create");
        }
    }
    double pi = 0;
    for (int i = 0; i < kThreads; ++i) {
        pthread_join(threads[i], NULL);
        pi += partial[i];
    }
    const double seconds = now() - start;

    printf("machine: %s\n", name.machine);
    printf("threads: %llu finished, pi = %.12f\n", (unsigned long long)finished, pi);
    printf("file:    checksum %08x\n", file_round_trip());
    printf("signals: %s\n", alarms > 0 ? "timer ticks arrived" : "NO timer ticks");
    printf("speed:   %d integration steps in %.3f s, %.0f million a second\n", kSteps, seconds, kSteps / seconds / 1e6);
    return fabs(pi - M_PI) < 1e-9 && alarms > 0 ? 0 : 1;
}
