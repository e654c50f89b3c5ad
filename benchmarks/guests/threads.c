// Divides a fixed amount of work among threads.
// usage: threads KIND THREADS AMOUNT; prints a checksum that does not depend on THREADS, and the nanoseconds from when
// all threads are ready to when all are done.
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_barrier_t ready;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t counter;
static uint64_t guarded;
static _Atomic uint64_t sum;

static void independent(uint64_t from, uint64_t to) {
    uint64_t mine = 0;
    for (uint64_t i = from; i < to; ++i) {
        uint64_t h = i * 0x9e3779b97f4a7c15u;
        for (int k = 0; k < 16; ++k) h = (h ^ (h >> 29)) * 0xbf58476d1ce4e5b9u;
        mine += h;
    }
    sum += mine;
}
static void shared_counter(uint64_t from, uint64_t to) {
    for (uint64_t i = from; i < to; ++i) atomic_fetch_add(&counter, i);
}
static void mutex(uint64_t from, uint64_t to) {
    for (uint64_t i = from; i < to; ++i) {
        pthread_mutex_lock(&lock);
        guarded += i;
        pthread_mutex_unlock(&lock);
    }
}
// Sizes of 16 to 2,063 bytes, 32 blocks alive at a time.
static void allocate(uint64_t from, uint64_t to) {
    uint64_t* alive[32] = {NULL};
    uint64_t mine = 0;
    for (uint64_t i = from; i < to; ++i) {
        uint64_t** const place = &alive[i % 32];
        if (*place != NULL) mine += **place;
        free(*place);
        *place = malloc(16 + i * 977 % 2048);
        **place = i;
    }
    for (int i = 0; i < 32; ++i) {
        if (alive[i] != NULL) mine += *alive[i];
        free(alive[i]);
    }
    sum += mine;
}

static const struct kind {
    const char* name;
    void (*work)(uint64_t from, uint64_t to);
} kinds[] = {{"independent", independent}, {"atomic", shared_counter}, {"mutex", mutex}, {"malloc", allocate}};

struct share {
    const struct kind* kind;
    uint64_t from, to;
};
static void* run(void* share) {
    const struct share s = *(struct share*)share;
    s.kind->work(s.from, s.to);
    return NULL;
}
static void* run_when_ready(void* share) {
    pthread_barrier_wait(&ready);
    return run(share);
}
static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char** argv) {
    enum { MOST = 1024 };
    static pthread_t threads[MOST];
    static struct share shares[MOST];
    const struct kind* kind = argc == 4 ? kinds : NULL;
    while (kind != NULL && strcmp(kind->name, argv[1]) != 0) {
        kind = kind + 1 < kinds + sizeof kinds / sizeof kinds[0] ? kind + 1 : NULL;
    }
    const uint64_t count = argc == 4 ? strtoull(argv[2], NULL, 10) : 0, amount = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
    if (kind == NULL || count == 0 || count > MOST) return 2;
    // What translates the code is not to be measured.
    shares[0] = (struct share){kind, 0, amount / 100};
    if (pthread_create(&threads[0], NULL, run, &shares[0]) != 0) return 1;
    pthread_join(threads[0], NULL);
    counter = guarded = sum = 0;
    pthread_barrier_init(&ready, NULL, (unsigned)count + 1);
    for (uint64_t i = 0; i < count; ++i) {
        shares[i] = (struct share){kind, amount * i / count, amount * (i + 1) / count};
        if (pthread_create(&threads[i], NULL, run_when_ready, &shares[i]) != 0) return 1;
    }
    const uint64_t start = now();
    pthread_barrier_wait(&ready);
    for (uint64_t i = 0; i < count; ++i) pthread_join(threads[i], NULL);
    const uint64_t end = now();
    printf("%llu %llu\n", (unsigned long long)(sum + counter + guarded), (unsigned long long)(end - start));
    return 0;
}
